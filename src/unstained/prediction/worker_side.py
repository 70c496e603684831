"""What a Dask worker does: it keeps the work that it was sent once, and does it for one field at a time."""

import threading
import uuid
import warnings
from collections.abc import Callable

import torch
from distributed import WorkerPlugin, get_worker

from unstained.errors import UnstainedError, UnstainedWarning
from unstained.plates.fields import FieldName
from unstained.version import __version__

_ONE_FIELD = threading.Lock()
"""A worker's threads are for one field at a time rather than for several fields."""


class Keeping(WorkerPlugin):  # type: ignore[misc]
    """Work that Dask brings to every worker, also to those that come later.

    `threads` are those of each worker; None = those that it was started with.
    """

    def __init__(self, work: Callable[[FieldName], object], threads: int | None) -> None:
        self.name = f"unstained-{uuid.uuid4().hex[:12]}"
        self.version = __version__
        self.work = work
        self.threads = threads

    def do(self, field: FieldName, threads: int) -> tuple[str, ...]:
        """Do the work for one field; gives what is to be told to the user."""
        if self.version != __version__:
            raise UnstainedError(
                f"a worker has unstained {__version__}, this machine {self.version}; install the same on both"
            )
        with _ONE_FIELD, warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", UnstainedWarning)
            torch.set_num_threads(self.threads or threads)
            self.work(field)
        return tuple(str(each.message) for each in caught)


def do_field(name: str, field: str) -> tuple[str, ...]:
    """Do the work that was sent under a name for one field; gives what is to be told to the user."""
    worker = get_worker()
    kept: Keeping = worker.plugins[name]
    return kept.do(FieldName.parse(field), threads=worker.state.nthreads)
