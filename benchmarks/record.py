"""Write one measured figure to `results/<id>.json`; every benchmark ends here."""

import json
import operator
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from unstained.version import __version__

RESULTS = Path(__file__).resolve().parent.parent / "results"

Goal = float | Sequence[float] | None

COMPARISONS = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "in": lambda value, goal: goal[0] <= value <= goal[1],
}


def write_result(  # noqa: PLR0913 - one parameter for each entry of the record
    id: str,
    *,
    title: str,
    value: float,
    goal: Goal,
    comparison: str | None,
    against: Mapping[str, float],
    data: str,
    command: str,
    seed: int | None,
    interval: Sequence[float] | None = None,
    notes: str = "",
    issue: int = 2,
    machine: str | None = None,
    folder: Path = RESULTS,
) -> Path:
    """Write one figure with its goal, rivals, data, command and machine; gives the file's path.

    `goal` is a number, `[low, high]` for the comparison `in`, or None for a figure without a goal;
    `against` holds other methods' values of the same figure by name. `machine` is this one unless given.

    Raises
    ------
    ValueError
        There is a goal, but its comparison is none of `>= <= > < in`.
    """
    record = {
        "id": id,
        "issue": issue,
        "title": title,
        "value": float(value),
        "goal": goal,
        "comparison": comparison,
        "holds": holds(value, goal, comparison),
        "interval": None if interval is None else [float(end) for end in interval],
        "against": {name: float(other) for name, other in against.items()},
        "data": data,
        "command": command,
        "seed": seed,
        "machine": machine or this_machine(),
        "version": __version__,
        "date": datetime.now(UTC).date().isoformat(),
        "notes": notes,
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{id}.json"
    text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def holds(value: float, goal: Goal, comparison: str | None) -> bool | None:
    """Say whether `value` reaches its goal; None where there is no goal."""
    if goal is None:
        return None
    if comparison not in COMPARISONS:
        raise ValueError(f"comparison {comparison!r} is none of: {' '.join(COMPARISONS)}")
    return bool(COMPARISONS[comparison](value, goal))


def this_machine() -> str:
    """Describe the processor that the figure was measured on."""
    return f"{os.cpu_count()} cores, {_cpu_model()}"


def _cpu_model() -> str:
    listing = Path("/proc/cpuinfo")
    if listing.exists():
        for line in listing.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
