"""How every command runs: its lines, its progress, its errors, and the machine-readable last line."""

import json
import math
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from unstained.cli.progress import Display, is_first_process
from unstained.errors import UnstainedError, UnstainedWarning, one_line
from unstained.version import __version__

if TYPE_CHECKING:
    from unstained.pipeline import Telling

FAILED, INTERRUPTED = 1, 130


class Task:
    """A command while it runs: what it says, and what it has found."""

    def __init__(self, command: str, *, json: bool) -> None:
        self.command = command
        self.json = json
        self.results: dict[str, Any] = {"out": None}
        self.progress = Display(self.say)
        self._begun = time.perf_counter()

    def say(self, line: str) -> None:
        """Print one line for a person."""
        if is_first_process():
            self.progress.close()
            typer.echo(line)

    def caution(self, line: str) -> None:
        """Print what a person should know though the work goes on."""
        if is_first_process():
            self.progress.close()
            typer.echo(f"caution: {line}", err=True)

    def telling(self) -> "Telling":
        """Let the pipeline speak through this command."""
        from unstained.pipeline import Telling

        shown = self.progress
        return Telling(progress=shown.training, count=shown.count, note=self.say, caution=self.caution)

    def found(self, **values: Any) -> None:
        """Keep what the last line will say; `out` is what was written, if anything."""
        self.results |= values

    def finish(self) -> None:
        """Print the last line where it was asked for."""
        if self.json and is_first_process():
            seconds = round(time.perf_counter() - self._begun, 3)
            whole = {"command": self.command, **self.results, "seconds": seconds, "version": __version__}
            typer.echo(json.dumps(_plain(whole), ensure_ascii=False))


@contextmanager
def task(command: str, *, json: bool) -> Iterator[Task]:
    """Run a command's body: user errors become one line and exit code 1, bugs keep their traceback."""
    with errors_as_lines(), _library_warnings_kept_away():
        running = Task(command, json=json)
        try:
            yield running
        finally:
            running.progress.close()
        running.finish()


@contextmanager
def errors_as_lines() -> Iterator[None]:
    """Turn what the user can put right into one line on stderr and an exit code."""
    try:
        yield
    except UnstainedError as error:
        typer.echo(f"error: {one_line(error, most=2000)}", err=True)
        raise typer.Exit(FAILED) from error
    except (KeyboardInterrupt, SystemExit) as error:
        if isinstance(error, SystemExit) and not isinstance(error.__context__, KeyboardInterrupt):
            raise  # Lightning makes an exit of Ctrl-C; others stay as they are
        typer.echo("interrupted; the same command goes on where it stopped, or begins anew", err=True)
        raise typer.Exit(INTERRUPTED) from error


@contextmanager
def _library_warnings_kept_away() -> Iterator[None]:
    """Print our cautions as one line each; what libraries warn of is shown where Python was asked to (-W)."""
    with warnings.catch_warnings():
        if not sys.warnoptions:
            warnings.filterwarnings("ignore", module=r"(?!unstained\b)")
        warnings.filterwarnings("always", category=UnstainedWarning)
        warnings.showwarning = _show_caution
        yield


def counted(number: int, what: str) -> str:
    """Write `1 field`, `3 fields`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _show_caution(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
    if issubclass(category, UnstainedWarning):
        typer.echo(f"caution: {' '.join(str(message).split())}", err=True)
    else:
        typer.echo(warnings.formatwarning(message, category, *where[:2]), err=True, nl=False)


def _plain(value: Any) -> Any:
    """Make what JSON can hold: paths become texts, numbers that aren't finite become null."""
    if isinstance(value, dict):
        return {str(name): _plain(content) for name, content in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(content) for content in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
