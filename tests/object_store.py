"""An S3 server on this machine that can be told to fail; what is sent to it goes over a real connection."""

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch
from urllib.request import urlopen

import s3fs
import zarr.core.sync
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server


class Silent(WSGIRequestHandler):
    def log(self, *_: Any) -> None:
        pass


class ObjectStore:
    """A server with one bucket; it answers 503 to the requests that `fails` picks by number and method."""

    def __init__(self) -> None:
        self.fails: Callable[[int, str], bool] = lambda _number, _method: False
        self.requests = 0
        self.refused = 0
        self._s3 = DomainDispatcherApplication(create_backend_app)
        self.server = make_server("127.0.0.1", 0, self, threaded=True, request_handler=Silent)

    def __call__(self, environ: dict[str, Any], start: Any) -> Any:
        self.requests += 1
        if self.fails(self.requests, environ["REQUEST_METHOD"]):
            self.refused += 1
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start("503 Slow Down", [("Content-Type", "text/plain"), ("Content-Length", "0")])
            return [b""]
        return self._s3(environ, start)

    def fail(self, which: Callable[[int, str], bool]) -> None:
        """Refuse what `which` picks, counting from now."""
        self.fails, self.requests, self.refused = which, 0, 0

    def recover(self) -> None:
        """Refuse nothing any more."""
        self.fails = lambda _number, _method: False


@contextmanager
def serving() -> Iterator[ObjectStore]:
    """Run a store with the bucket `bucket`, empty; all that knows AWS finds it by the environment."""
    store = ObjectStore()
    running = threading.Thread(target=store.server.serve_forever, daemon=True)
    running.start()
    address = f"http://127.0.0.1:{store.server.port}"
    urlopen(f"{address}/moto-api/reset", data=b"").close()  # all stores of a process share what moto keeps
    found = {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with patch.dict(os.environ, found):
        disconnect()
        s3fs.S3FileSystem().mkdir("bucket")
        yield store
        disconnect()
    store.server.shutdown()
    running.join()
    store.server.server_close()


def disconnect() -> None:
    """Close what s3fs keeps open, each in the loop that it was opened in, so that new settings count."""
    for files in list(s3fs.S3FileSystem._cache.values()):
        loop = files.loop or zarr.core.sync.loop[0]
        if files._s3 is not None and loop is not None:
            asyncio.run_coroutine_threadsafe(files._s3.close(), loop).result(timeout=10)
    s3fs.S3FileSystem.clear_instance_cache()
