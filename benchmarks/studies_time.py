"""How long `make studies` takes: studies are timed, two at a time, their hours added up as `make` runs them.

Usage: python benchmarks/studies_time.py FOLDER [--only recipes,phenotypes] [--make VENV=.venv …]; hours.
What stands in FOLDER already isn't timed. With `--only`, the times of the others stay as they were measured
before; in another FOLDER, what they share is then trained again, and counted twice.
Writes results/study-time.json.
"""

import argparse
import heapq
import json
import os
import re
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from record import RESULTS, write_result

ROOT = Path(__file__).resolve().parent.parent
GOAL_HOURS, AT_ONCE = 4.0, 2
PLATE = "plate"


def main() -> None:
    """Time what is asked for and write the sum."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", help="studies, parted by commas")
    parser.add_argument("--make", nargs="*", default=[], help="variables for make")
    given = parser.parse_args()
    names = given.only.split(",") if given.only else all_studies()
    for name in names:
        if (given.folder / name).exists():
            parser.error(f"{given.folder / name} is there already; it would not be timed")
    call = ["make", f"STUDIES={given.folder.resolve()}", *given.make]
    hours = measured_before()
    if not (given.folder / "plate.zarr").exists():
        hours[PLATE] = hours_of([*call, f"study-{PLATE}"])
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = {pool.submit(hours_of, [*call, f"study-{name}"]): name for name in names}
        for done in as_completed(running):
            hours[running[done]] = done.result()
            record(hours)


def all_studies() -> list[str]:
    """Name the studies that `make studies` runs, in its order."""
    text = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    found = re.search(r"^ALL_STUDIES := (.*)$", text, re.MULTILINE)
    assert found is not None
    return found[1].split()


def measured_before() -> dict[str, float]:
    """Give the hours of studies that are on record."""
    kept = RESULTS / "study-time.json"
    return json.loads(kept.read_text(encoding="utf-8"))["against"] if kept.exists() else {}


def hours_of(call: Sequence[str]) -> float:
    """Run a command and give its hours by the clock."""
    began = time.monotonic()
    subprocess.run(call, cwd=ROOT, check=True)
    return (time.monotonic() - began) / 3600


def makespan(hours: Sequence[float], at_once: int = AT_ONCE) -> float:
    """Give the time until all are done, each begun as soon as one of `at_once` places is free."""
    ends = [0.0] * at_once
    for each in hours:
        heapq.heapreplace(ends, ends[0] + each)
    return max(ends)


def record(hours: dict[str, float]) -> None:
    """Write the time of all, as far as each was measured; a part is no figure."""
    names = [name for name in all_studies() if name in hours]
    missing = ", ".join(sorted({PLATE, *all_studies()} - set(hours)))
    write_result(
        "study-time",
        title="hours that `make studies` takes" + (f", without {missing}" if missing else ""),
        value=hours.get(PLATE, 0.0) + makespan([hours[name] for name in names]),
        goal=None if missing else GOAL_HOURS,
        comparison=None if missing else "<=",
        against=hours,
        data="the plate that it simulates (80 wells, 160 fields)",
        command="python benchmarks/studies_time.py FOLDER",
        seed=303,
        issue=4,
        notes=f"what the hours of each by the clock add up to, {AT_ONCE} at a time on {os.cpu_count()} cores,"
        " in the order of `make`; they may be of several runs",
    )


if __name__ == "__main__":
    main()
