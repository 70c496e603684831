"""Progress: a bar on a terminal, with a training's loss, PCC, speed and time left; plain lines elsewhere."""

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

    from unstained.training.fitting import Progress

PLAIN_LINES = 20
"""How many lines of progress a long piece of work writes where there is no terminal."""


class Display:
    """Shows how far one piece of work after another has come; nothing is shown before its first word."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._bars: Bars | None = None
        self._told = 0
        self._what = ""

    def count(self, what: str, done: int, whole: int) -> None:
        """Show that `done` fields of all are done."""
        self._show(what, done, whole, "", f"{what}: {done} of {whole}")

    def training(self, line: "Progress") -> None:
        """Show how a training stands."""
        told = course_line(line)
        self._show("train", line.step, line.steps, told, f"step {line.step} of {line.steps}, {told}")

    def close(self) -> None:
        """Take the bar away, so that a line can be printed."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def _show(self, what: str, done: int, whole: int, beside: str, plain: str) -> None:
        if not is_first_process():
            return
        if what != self._what or done == 0:
            self.close()
            self._what, self._told = what, 0
        if sys.stdout.isatty():
            self._bars = self._bars or _begun(what)
            self._bars.update(self._bars.task_ids[0], completed=done, total=whole, told=beside)
        elif (share := done * PLAIN_LINES // max(whole, 1)) > self._told:
            self._told = share
            self._say(plain)


def course_line(line: "Progress") -> str:
    """Say how a training stands: `loss 0.312, PCC 0.871, 24 crops/s`."""
    pcc = "–" if line.pcc is None else f"{line.pcc:.3f}"
    return f"loss {line.loss:.3f}, PCC {pcc}, {line.crops_per_s:.3g} crops/s"


def is_first_process() -> bool:
    """Whether this process is the one that speaks; with several GPUs there is one process for each."""
    return os.environ.get("LOCAL_RANK", "0") == "0" and os.environ.get("NODE_RANK", "0") == "0"


def _begun(what: str) -> "Bars":
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bars

    columns: tuple[Any, ...] = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[told]}"),
    )
    bars = Bars(*columns, transient=True)
    bars.add_task(what, total=None, told="")
    bars.start()
    return bars
