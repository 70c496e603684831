"""Long work as commands in processes of their own: they outlive the page, say how far they are, can end.

A job is a folder with `job.json` (what was asked for, which process) and `log.txt` (what the command says).
The commands go on where they stopped, so a job that was stopped is begun again by the same words.
"""

import contextlib
import json
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

from unstained.errors import OutputFailed

RECORD, LOG = "job.json", "log.txt"
PATIENCE_S = 5.0
TAIL_BYTES = 4_000_000  # the last line of a command may hold all that it found

State: TypeAlias = Literal["running", "done", "failed", "stopped"]

_COUNTED = re.compile(r"^(?P<what>.+?):? (?:step )?(?P<done>\d+) of (?P<whole>\d+)")
_COURSE = re.compile(
    r"^step (?P<step>\d+) of (?P<steps>\d+), loss (?P<loss>[\d.einf+-]+), PCC (?P<pcc>[\d.–-]+)"
)


class Progress(NamedTuple):
    """How far a job is: `share` from 0 to 1, and its newest line."""

    share: float | None
    line: str


class CoursePoint(NamedTuple):
    """One line of a training."""

    step: int
    loss: float
    pcc: float | None


@dataclass(frozen=True)
class Job:
    """A command that was begun, maybe by another process or before a restart."""

    folder: Path

    @property
    def record(self) -> dict[str, Any]:
        """What was asked for: `what`, `arguments`, `out`, `begun`, the process."""
        found: dict[str, Any] = json.loads((self.folder / RECORD).read_text(encoding="utf-8"))
        return found

    @property
    def what(self) -> str:
        return str(self.record["what"])

    @property
    def out(self) -> Path:
        return Path(self.record["out"])

    @property
    def state(self) -> State:
        """Whether it runs, or how it ended: a command that is done says so by its last line, as JSON."""
        if self.result() is not None:
            return "done"
        if self._process() is not None:
            return "running"
        return "stopped" if self.record.get("stopped") else "failed"

    def lines(self) -> list[str]:
        """Give the newest lines that the command said."""
        path = self.folder / LOG
        if not path.exists():
            return []
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - TAIL_BYTES))
            return [line for line in log.read().decode("utf-8", "replace").splitlines() if line.strip()]

    def result(self) -> dict[str, Any] | None:
        """Give what the command found; None before it is done."""
        lines = self.lines()
        if not lines or not lines[-1].startswith('{"command"'):
            return None
        with contextlib.suppress(ValueError):
            found: dict[str, Any] = json.loads(lines[-1])
            return found
        return None

    def progress(self) -> Progress:
        """Say how far it is, by the newest line that counts."""
        lines = [line for line in self.lines() if not line.startswith("{")]
        share = None
        for line in reversed(lines):
            if match := _COUNTED.match(line):
                share = min(1.0, int(match["done"]) / max(1, int(match["whole"])))
                break
        return Progress(share, lines[-1] if lines else "beginning …")

    def course(self) -> list[CoursePoint]:
        """Give the course of a training so far."""
        found = [match for line in self.lines() if (match := _COURSE.match(line))]
        return [
            CoursePoint(
                int(each["step"]),
                float(each["loss"]),
                float(each["pcc"]) if each["pcc"].lstrip("-")[:1].isdigit() else None,
            )
            for each in found
        ]

    def fault(self) -> str:
        """Say in a line why it failed."""
        told = [line for line in self.lines() if line.startswith("error: ")]
        return told[-1].removeprefix("error: ") if told else (self.lines() or ["it ended without a word"])[-1]

    def stop(self) -> None:
        """End the command and all that it began; begun again, it goes on."""
        import psutil

        process = self._process()
        self._write({**self.record, "stopped": True})
        if process is None:
            return
        with contextlib.suppress(psutil.Error):
            family = [*process.children(recursive=True), process]
            for each in family:
                with contextlib.suppress(psutil.Error):
                    each.terminate()
            _, alive = psutil.wait_procs(family, timeout=PATIENCE_S)
            for each in alive:
                each.kill()

    def again(self) -> None:
        """Begin a job that isn't running with the same words once more."""
        if self.state != "running":
            self._begin({**self.record, "stopped": False})

    def _begin(self, record: dict[str, Any]) -> None:
        import psutil

        command = [sys.executable, "-u", "-m", "unstained", *record["arguments"], "--json"]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with (self.folder / LOG).open("wb") as log:
                process = subprocess.Popen(
                    command,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,
                )
        except OSError as error:
            raise OutputFailed(self.folder, error.strerror or error) from error
        _OURS[process.pid] = process
        created = psutil.Process(process.pid).create_time()
        self._write({**record, "pid": process.pid, "process_created": created, "begun": time.time()})

    def _process(self) -> Any:
        """Find the process, None where it has ended; a number that was given anew is another process."""
        import psutil

        record = self.record
        ours = _OURS.get(record["pid"])
        if ours is not None and ours.poll() is not None:
            del _OURS[record["pid"]]
            return None
        with contextlib.suppress(psutil.Error):
            found = psutil.Process(record["pid"])
            alive = found.is_running() and found.status() != psutil.STATUS_ZOMBIE
            if alive and abs(found.create_time() - record["process_created"]) < 1:
                return found
        return None

    def _write(self, record: dict[str, Any]) -> None:
        unfinished = self.folder / f".{RECORD}"
        unfinished.write_text(json.dumps(record, ensure_ascii=False, indent=1), encoding="utf-8")
        unfinished.replace(self.folder / RECORD)


_OURS: dict[int, "subprocess.Popen[bytes]"] = {}
"""Processes that this one began; they must be asked once they have ended."""


def begin(folder: Path, what: str, arguments: Sequence[str], out: Path) -> Job:
    """Begin `unstained ARGUMENTS` as a job under `folder`; `out` is what it will have written.

    Raises
    ------
    OutputFailed
        No permission, no space, or the process can't be begun.
    """
    job = Job(folder / f"{int(time.time() * 1000):013d}-{uuid.uuid4().hex[:6]}")
    job._begin({"what": what, "arguments": list(arguments), "out": str(out)})
    return job


def jobs_in(folder: Path, what: str | None = None) -> list[Job]:
    """List the jobs of a folder, the newest first; those of one kind where it is named."""
    if not folder.is_dir():
        return []
    found = [Job(path.parent) for path in sorted(folder.glob(f"*/{RECORD}"), reverse=True)]
    return [job for job in found if what is None or job.what == what]
