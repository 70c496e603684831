"""Plates in an object store: a real connection to an S3 server on this machine, which can be told to fail."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import s3fs
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

from unstained.errors import BadInput, MissingExtra, OutputExists, OutputFailed
from unstained.plates import storage
from unstained.plates.listing import committed_fields
from unstained.plates.plate import FieldName, Plate, PlateWriter, create_plate, open_plate

pytestmark = [  # s3fs leaves its sessions to the collector
    pytest.mark.filterwarnings("ignore:Unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

FIELDS = tuple(FieldName("A01", number) for number in range(3))


class Silent(WSGIRequestHandler):
    def log(self, *_: Any) -> None:
        pass


class Store:
    """An S3 server that answers 503 to the requests that `fails` picks by number and method."""

    def __init__(self) -> None:
        self.fails: Callable[[int, str], bool] = lambda _number, _method: False
        self.requests = 0
        self.refused = 0
        self._s3 = DomainDispatcherApplication(create_backend_app)
        self.server = make_server("127.0.0.1", 0, self, threaded=True, request_handler=Silent)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

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


@pytest.fixture(scope="module")
def server() -> Iterator[Store]:
    store = Store()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{store.server.port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        s3fs.S3FileSystem.clear_instance_cache()
        s3fs.S3FileSystem().mkdir("bucket")
        yield store
        s3fs.S3FileSystem.clear_instance_cache()
    store.server.shutdown()
    store.server.server_close()


@pytest.fixture
def store(server: Store) -> Iterator[Store]:
    yield server
    server.fail(lambda _number, _method: False)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up at the first refusal."""
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    s3fs.S3FileSystem.clear_instance_cache()


def begin(url: str, **more: Any) -> PlateWriter:
    conditions = pd.DataFrame({"well": ["A01"], "clone": ["k7"]})
    return create_plate(url, name="P", channels=("TL",), pixel_size_um=0.5, conditions=conditions, **more)


def pixels(field: FieldName) -> np.ndarray:
    return np.random.default_rng(field.field).integers(300, 4000, (1, 30, 40)).astype(np.uint16)


def write(url: str) -> Plate:
    """Write a plate, or go on with it."""
    writer = begin(url, resume=True)
    for field in FIELDS:
        if field not in writer.done:
            writer.write_field(field, pixels(field))
    return writer.finish(needed=FIELDS)


def write_all(writer: PlateWriter) -> None:
    for field in FIELDS:
        writer.write_field(field, pixels(field))


def assert_whole(url: str) -> None:
    plate = open_plate(url)
    assert plate.fields == FIELDS
    for field in FIELDS:
        np.testing.assert_array_equal(plate.read(field, "TL"), pixels(field)[0])


def test_a_plate_in_a_bucket_is_like_one_on_a_disk(store: Store) -> None:
    url = "s3://bucket/whole.zarr"
    plate = write(url)
    assert_whole(url)
    assert plate.conditions.to_dict("records") == [{"well": "A01", "clone": "k7"}]
    labels = np.arange(1200, dtype=np.int32).reshape(30, 40)
    plate.write_labels(FIELDS[0], "nuclei", labels)
    for area in (1.5, 2.5):  # the second in place of the first
        plate.write_table(FIELDS[0], "nuclei", pd.DataFrame({"label": [1, 2], "area_um2": [area, 7.0]}))
    again = open_plate(url)
    np.testing.assert_array_equal(again.read_labels(FIELDS[0], "nuclei"), labels)
    assert again.read_table(FIELDS[0], "nuclei")["area_um2"].tolist() == [2.5, 7.0]
    with pytest.raises(OutputExists):
        begin(url)
    assert begin(url, overwrite=True).done == frozenset()
    with pytest.raises(BadInput, match="isn't finished"):
        open_plate(url)


def test_what_another_process_committed_is_seen(store: Store) -> None:
    url = "s3://bucket/shared.zarr"
    driver = begin(url)
    assert committed_fields(url) == set()  # and nothing of it is remembered
    worker = PlateWriter(url, driver.info)
    elsewhere = s3fs.S3FileSystem(skip_instance_cache=True)  # what another process writes through
    worker.write_field(FIELDS[0], pixels(FIELDS[0]))
    assert elsewhere.exists("bucket/shared.zarr/A/01/0/zarr.json")
    elsewhere.copy("bucket/shared.zarr/A/01/0/", "bucket/shared.zarr/A/01/1/", recursive=True)
    assert committed_fields(url) == {FIELDS[0], FIELDS[1]}


@pytest.mark.slow
def test_a_refused_request_now_and_then_is_asked_again(store: Store) -> None:
    url = "s3://bucket/now-and-then.zarr"
    store.fail(lambda number, _method: number % 11 == 0)
    write(url)
    assert store.refused >= 2
    assert_whole(url)


@pytest.mark.slow
@pytest.mark.parametrize("writes", [1, 4, 9])
def test_an_outage_lists_nothing_that_is_half_written_and_a_second_run_completes(
    store: Store, impatient: None, writes: int
) -> None:
    url = f"s3://bucket/outage-{writes}.zarr"
    writer = begin(url)
    done = 0

    def down(_number: int, method: str) -> bool:  # from some write on, the store refuses every write
        nonlocal done
        done += method == "PUT"
        return method in ("PUT", "POST") and done > writes

    store.fail(down)
    with pytest.raises(OutputFailed, match=f"can't write {url}") as caught:
        write_all(writer)
    assert "\n" not in str(caught.value)
    assert store.refused >= 1
    store.fail(lambda _number, _method: False)
    with pytest.raises(BadInput, match="isn't finished"):
        open_plate(url)
    whole = committed_fields(url)
    assert len(whole) < len(FIELDS)
    for field in whole:
        stored = storage.open_image(storage.join(url, f"A/01/{field.field}"))
        np.testing.assert_array_equal(stored.plane(c=0), pixels(field)[0])
    write(url)
    assert_whole(url)


def test_a_store_that_fails_is_never_taken_for_an_empty_one(store: Store, impatient: None) -> None:
    url = "s3://bucket/kept.zarr"
    write(url)
    store.fail(lambda _number, method: method in ("GET", "HEAD"))
    for act in (lambda: begin(url, resume=True), lambda: begin(url, overwrite=True), lambda: open_plate(url)):
        with pytest.raises((BadInput, OutputFailed)) as caught:
            act()
        assert "\n" not in str(caught.value)
    store.fail(lambda _number, _method: False)
    assert_whole(url)


def test_no_server_and_no_bucket_are_one_line_each(store: Store, impatient: None) -> None:
    with pytest.raises(BadInput, match="doesn't exist"):
        open_plate("s3://no-such-bucket/p.zarr")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        s3fs.S3FileSystem.clear_instance_cache()
        with pytest.raises(BadInput, match=r"127\.0\.0\.1:9") as caught:
            open_plate("s3://bucket/p.zarr")
        assert "\n" not in str(caught.value)
    s3fs.S3FileSystem.clear_instance_cache()


def test_urls_that_cannot_be_used_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="nonsense://bucket"):
        open_plate("nonsense://bucket/p.zarr")
    writer = create_plate("memory://b/p.zarr", name="P", channels=("TL",), pixel_size_um=None, overwrite=True)
    writer.write_field(FIELDS[0], pixels(FIELDS[0]))
    with pytest.raises(OutputFailed, match="tables can be kept"):  # ngio would write it to nowhere
        writer.write_table(FIELDS[0], "nuclei", pd.DataFrame({"label": [1]}))

    def missing(_url: str) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(storage, "url_to_fs", missing)
    with pytest.raises(MissingExtra, match=r"unstained\[cloud\]"):
        open_plate("s3://bucket/p.zarr")
