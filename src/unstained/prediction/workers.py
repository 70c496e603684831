"""Predict a plate's fields in several processes, here or on a Dask cluster; this is the driver's side.

The driver sends the work (models, where to read and write) once to every worker, hands out fields, and hears
of each when its commit record is written. A lost worker's fields are handed out again.
"""

import logging
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import torch

from unstained.errors import BadSettings, MissingExtra, UnstainedError, UnstainedWarning, one_line
from unstained.plates.fields import FieldName

if TYPE_CHECKING:
    from distributed import Client, Future

    from unstained.prediction.worker_side import Outcome

AT_HAND = 2
"""Fields that a worker is given at once: the one it works on, and the next."""

PATIENCE_S = 10.0
"""So long a scheduler may take to answer."""

THREAD_COUNTS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""What numerical libraries read when a process begins."""


Work: TypeAlias = Callable[[FieldName], object]
"""What is done for a field, wherever; it may be called again for a field that a lost worker had."""

Each: TypeAlias = Callable[[Work, Sequence[FieldName]], Generator[FieldName]]
"""Has work done for every field, in any order, and gives each field when it is done.

Work is pickled and sent once to each worker; it has to see by itself which fields are done. Its warnings are
told here, each once; its errors are raised here, and end the work.
"""


@dataclass(frozen=True)
class Workers:
    """Processes that predict fields: `number` of them here, or all that a Dask scheduler has.

    Attributes
    ----------
    number
        Processes on this machine; they share its cores, none is oversubscribed.
    scheduler
        Address of a Dask scheduler (`tcp://host:8786`), in place of `number`.
    device
        Where workers put the models: `cpu`, `cuda`, or `auto`; None = where the driver has them.

    Raises
    ------
    BadSettings
        Both or neither were given, or there would be no process.
    MissingExtra
        Dask isn't installed.
    """

    number: int | None = None
    scheduler: str | None = None
    device: str | None = None

    def __post_init__(self) -> None:
        if (self.number is None) == (self.scheduler is None):
            raise BadSettings("--workers", "say how many processes, or name a --scheduler, not both")
        if self.number is not None and self.number < 1:
            raise BadSettings("--workers", f"{self.number} processes can't do anything; take 1 or more")
        try:
            import distributed  # noqa: F401 - whether it is there
        except ModuleNotFoundError as error:
            if error.name not in ("dask", "distributed"):
                raise
            raise MissingExtra("distributed", "cluster") from error

    @contextmanager
    def gathered(self) -> "Iterator[Each]":
        """Start the processes, or find the cluster; what is given has work done for fields (`Each`).

        Raises
        ------
        BadSettings, MissingExtra
            No scheduler answers, or Dask isn't installed.
        """
        with self._client() as client:

            def each(work: Work, fields: Sequence[FieldName]) -> Generator[FieldName]:
                with _losses_as_lines(self.scheduler):
                    yield from _done(client, self, work, fields)

            yield each

    @property
    def threads(self) -> int | None:
        """Threads of each process here; None on a cluster, where each worker knows its own."""
        if self.number is None:
            return None
        from dask.system import CPU_COUNT

        return max(1, min(torch.get_num_threads(), CPU_COUNT // self.number))

    @contextmanager
    def _client(self) -> "Iterator[Client]":
        from distributed import Client, LocalCluster

        if self.scheduler is not None:
            with _answering(self.scheduler), _quiet():
                client = Client(self.scheduler, timeout=PATIENCE_S, set_as_default=False)
            with client, _quiet():
                if not client.scheduler_info()["workers"]:
                    warnings.warn(
                        f"the scheduler at {self.scheduler} has no workers yet; waiting for the first",
                        UnstainedWarning,
                        stacklevel=2,
                    )
                yield client
            return
        with (
            _quiet(),
            LocalCluster(
                n_workers=self.number,
                threads_per_worker=1,
                processes=True,
                dashboard_address=None,
                memory_limit=None,  # prediction keeps to its own limit, by tiles
                silence_logs=logging.CRITICAL,
                env=dict.fromkeys(THREAD_COUNTS, str(self.threads)),
            ) as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            yield client


def _done(client: "Client", workers: Workers, work: Work, fields: Sequence[FieldName]) -> Iterator[FieldName]:
    """Send the work to all workers, have every field done, and take the work away again."""
    from unstained.prediction.worker_side import Keeping

    if not fields:
        return
    kept = Keeping(work, workers.threads)
    client.register_plugin(kept)
    try:
        yield from _handed_out(client, kept.name, deque(fields))
    finally:
        if client.status == "running":
            client.unregister_worker_plugin(kept.name)


def _handed_out(client: "Client", name: str, waiting: deque[FieldName]) -> Iterator[FieldName]:
    """Keep every worker busy, and no more handed out than that; give fields as they are done."""
    from distributed import as_completed

    from unstained.prediction.worker_side import do_field

    handed: dict[Future, FieldName] = {}
    told: set[str] = set()
    done = as_completed(loop=client.loop)

    def hand_out() -> None:
        most = AT_HAND * max(1, len(client.nthreads()))
        while waiting and len(handed) < most:
            field = waiting.popleft()
            future = client.submit(do_field, name, str(field), key=f"{name}-{field}", pure=False)
            handed[future] = field
            done.add(future)

    hand_out()
    for future in done:
        field = handed.pop(future)
        outcome: Outcome = _result(future, field)
        for caution in sorted(set(outcome.cautions) - told):
            warnings.warn(caution, UnstainedWarning, stacklevel=2)
        told.update(outcome.cautions)
        if outcome.error is not None:
            kind, text = outcome.error
            raise kind.__new__(kind, text)  # its text is whole: `__init__` would put it together again
        hand_out()
        yield field


def _result(future: "Future", field: FieldName) -> "Outcome":
    from distributed import KilledWorker

    try:
        outcome: Outcome = future.result()
    except KilledWorker as error:
        raise UnstainedError(
            f"field {field}: {error.allowed_failures + 1} workers were lost over it; a worker may have too"
            " little memory for it, or was ended each time; the same command goes on where it stopped"
        ) from error
    return outcome


@contextmanager
def _answering(scheduler: str) -> Iterator[None]:
    """Turn a scheduler that doesn't answer, or whose address is none, into one line."""
    try:
        yield
    except (OSError, ValueError, ImportError, TypeError) as error:
        raise BadSettings(
            "--scheduler", f"no Dask scheduler answers at {scheduler}: {one_line(error)}"
        ) from error


@contextmanager
def _losses_as_lines(scheduler: str | None) -> Iterator[None]:
    """Turn a cluster that is lost, or that hasn't this package, into one line."""
    from distributed.comm import CommClosedError

    where = f"the cluster at {scheduler}" if scheduler else "the local cluster"
    try:
        yield
    except (CancelledError, CommClosedError) as error:
        raise UnstainedError(f"{where} is lost; the same command goes on where it stopped") from error
    except ImportError as error:
        raise UnstainedError(
            f"{where} needs the same packages as this machine, on its scheduler, too: {one_line(error)}"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask's own reports of lost workers and closed connections off the terminal."""
    loggers = [logging.getLogger(name) for name in ("distributed", "tornado", "asyncio")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
