"""Progress on a terminal: a bar of fields, and a training's loss, validation PCC, speed and time left."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from unstained.cli.task import Task, is_first_process, sparsely

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

    from unstained.training.fitting import Progress


def on_terminal() -> bool:
    """Whether a person is watching."""
    return sys.stdout.isatty()


@contextmanager
def bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show one bar; gives a function of `(done, of all)`."""
    with _bars() as bars:
        shown = bars.add_task(what, total=None, told="")
        yield lambda done, whole: bars.update(shown, completed=done, total=whole)


@contextmanager
def training(running: Task) -> Iterator[Callable[["Progress"], None]]:
    """Show a training's course: a bar on a terminal, else a line every 5 % of its steps."""
    if not is_first_process():
        yield lambda _: None
    elif on_terminal():
        with _bars() as bars:
            shown = bars.add_task("train", total=None, told="")
            yield lambda line: bars.update(shown, completed=line.step, total=line.steps, told=course_line(line))
    else:
        latest: list[Progress] = []
        say = sparsely(lambda done, whole: running.say(f"step {done} of {whole}, {course_line(latest[-1])}"))

        def tell(line: "Progress") -> None:
            latest[:] = [line]
            say(line.step, line.steps)

        yield tell


def course_line(line: "Progress") -> str:
    """Say how a training stands: `loss 0.312, PCC 0.871, 24 crops/s`."""
    pcc = "–" if line.pcc is None else f"{line.pcc:.3f}"
    return f"loss {line.loss:.3f}, PCC {pcc}, {line.crops_per_s:.3g} crops/s"


def _bars() -> "Bars":
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns: tuple[Any, ...] = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[told]}"),
    )
    return Bars(*columns, transient=True)
