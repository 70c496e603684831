"""Have work done for fields by several processes, here or on a Dask cluster; this is the driver's side.

The driver sends the work (models, where to read and write) once to every worker, hands out fields, and hears
of each when its commit record is written. A lost worker's fields are handed out again.
"""

import logging
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import torch

from unstained.errors import BadSettings, MissingExtra, UnstainedError, UnstainedWarning, one_line
from unstained.plates.fields import FieldName

if TYPE_CHECKING:
    from distributed import Client, Future

    from unstained.prediction.worker_side import Keeping

AT_HAND = 2
"""Fields that a worker is given at once: the one it works on, and the next."""

PATIENCE_S = 10.0
"""So long a scheduler may take to answer."""

TRIES = 3
"""So often the work is sent while workers come and go."""

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
        BadSettings
            No scheduler answers.
        """
        with _quiet(), self._client() as client:

            def each(work: Work, fields: Sequence[FieldName]) -> Generator[FieldName]:
                with _losses_as_lines(self.scheduler):
                    yield from _done(client, self.threads, work, fields)

            yield each

    @property
    def threads(self) -> int | None:
        """Threads of each process here; None on a cluster, where each worker knows its own."""
        if self.number is None:
            return None
        from dask.system import CPU_COUNT

        share: int = CPU_COUNT // self.number
        return max(1, min(torch.get_num_threads(), share))

    def _client(self) -> "Client":
        return _local_client(self.number) if self.scheduler is None else _remote_client(self.scheduler)


@contextmanager
def _local_client(number: int | None) -> "Iterator[Client]":
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=number,
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",  # the usual port may be taken
            memory_limit=None,  # prediction keeps to its own limit, by tiles
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@contextmanager
def _remote_client(scheduler: str) -> "Iterator[Client]":
    from distributed import Client

    try:
        client = Client(scheduler, timeout=PATIENCE_S, set_as_default=False)
    except (OSError, ValueError, ImportError, TypeError) as error:  # the last three: it is no address
        fault = f"no Dask scheduler answers at {scheduler}: {one_line(error)}"
        raise BadSettings("--scheduler", fault) from error
    with client:
        if not client.nthreads():
            caution = f"the scheduler at {scheduler} has no workers yet; waiting for the first"
            warnings.warn(caution, UnstainedWarning, stacklevel=2)
        yield client


def _done(
    client: "Client", threads: int | None, work: Work, fields: Sequence[FieldName]
) -> Iterator[FieldName]:
    """Send the work to all workers, have every field done, and take the work away again."""
    from unstained.prediction.worker_side import Keeping

    if not fields:
        return
    kept = Keeping(work, threads)
    _send(client, kept)
    try:
        yield from _handed_out(client, kept.name, deque(fields))
    finally:
        with suppress(OSError):  # workers that are lost have nothing that could be taken away
            if client.status == "running":
                client.unregister_worker_plugin(kept.name)


def _send(client: "Client", kept: "Keeping") -> None:
    """Bring the work to all workers that are there, and have the scheduler give it to those that come."""
    for tries_left in reversed(range(TRIES)):
        try:
            client.register_plugin(kept)
        except OSError:  # a worker was lost before it had all of it
            if not tries_left:
                raise
        except AttributeError as error:  # another version has no such thing
            raise ImportError(str(error)) from error
        else:
            return


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
        cautions = _result(future, field)
        for caution in sorted(cautions - told):
            warnings.warn(caution, UnstainedWarning, stacklevel=2)
        told |= cautions
        hand_out()
        yield field


def _result(future: "Future", field: FieldName) -> set[str]:
    from distributed import KilledWorker

    try:
        return set(future.result())
    except KilledWorker as error:
        raise UnstainedError(
            f"field {field}: {error.allowed_failures + 1} workers were lost over it; a worker may have too"
            " little memory for it, or was ended each time; the same command goes on where it stopped"
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
