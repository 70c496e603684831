"""What a Dask worker does: it keeps the work that it was sent once, and does it for one field at a time."""

import threading
import uuid
import warnings
from collections.abc import Callable
from typing import NamedTuple

import torch
from distributed import Worker, WorkerPlugin, get_worker

from unstained.errors import UnstainedError, UnstainedWarning
from unstained.plates.fields import FieldName
from unstained.version import __version__


class Outcome(NamedTuple):
    """What the driver hears of a field; the field itself is in the plate."""

    cautions: tuple[str, ...]
    error: tuple[type[UnstainedError], str] | None


class Keeping(WorkerPlugin):  # type: ignore[misc]
    """Work that Dask brings to every worker, also to those that come later."""

    def __init__(self, work: Callable[[FieldName], object], threads: int | None) -> None:
        self.name = f"unstained-{uuid.uuid4().hex[:12]}"
        self.version = __version__
        self.work = work
        self.threads = threads

    def setup(self, worker: Worker) -> None:
        """Take the worker's threads for one field at a time rather than for several fields."""
        self.lock = threading.Lock()
        self.threads = self.threads or max(1, worker.state.nthreads)

    def do(self, field: FieldName) -> Outcome:
        """Do the work for one field; whatever a user can put right comes back as a line."""
        with self.lock, warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", UnstainedWarning)
            torch.set_num_threads(self.threads or 1)
            error = None
            try:
                self._refuse_other_version()
                self.work(field)
            except UnstainedError as found:
                error = type(found), str(found)
        return Outcome(tuple(str(each.message) for each in caught), error)

    def _refuse_other_version(self) -> None:
        if self.version != __version__:
            raise UnstainedError(
                f"a worker has unstained {__version__}, this machine {self.version}; install the same on both"
            )


def do_field(name: str, field: str) -> Outcome:
    """Do the work that was sent under a name for one field."""
    kept: Keeping = get_worker().plugins[name]
    return kept.do(FieldName.parse(field))
