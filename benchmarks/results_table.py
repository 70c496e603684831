"""Render `results/*.json` to one table, `docs/results.md`; missed goals stay in it, marked ✗."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
COLUMNS = ("figure", "value", "95 % interval", "goal", "holds", "against", "data", "machine, seed", "date")
HELD = {True: "✓", False: "✗", None: ""}
HEAD = """# Results

Every figure was written by the script named below the table (`results/<id>.json`); none is typed by hand.
A goal that was missed stays in the table with ✗. The sample sets are small: a few fields of one or two wells
say how methods compare on these images, not how well a model does on other cells.
"""


def main(results: Path = ROOT / "results", page: Path = ROOT / "docs" / "results.md") -> None:
    """Read the records in `results`, and write `page`."""
    records = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(results.glob("*.json"))]
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(rendered(records), encoding="utf-8")
    missed = sum(record["holds"] is False for record in records)
    print(f"{page}: {len(records)} figures, {missed} of them short of their goal")


def rendered(records: Sequence[Mapping[str, Any]]) -> str:
    """Give the page: one table, then how each figure is measured again, and its notes."""
    if not records:
        return HEAD + "\nNothing has been measured yet.\n"
    rows = [COLUMNS, ("---",) * len(COLUMNS), *(_row(record) for record in records)]
    table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    told = "\n".join(_told(record) for record in records)
    return f"{HEAD}\n{table}\n\n## Measured again with\n\n{told}\n"


def number(value: float | None) -> str:
    """Write a number in three significant digits, whole ones in full."""
    if value is None:
        return "not computable"
    return f"{value:.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}"


def _row(record: Mapping[str, Any]) -> tuple[str, ...]:
    interval, against = record["interval"], record["against"]
    cells = (
        record["title"],
        f"**{number(record['value'])}**",
        f"{number(interval[0])} to {number(interval[1])}" if interval else "",
        _goal(record["goal"], record["comparison"]),
        HELD[record["holds"]],
        "; ".join(f"{name} {number(value)}" for name, value in against.items()),
        record["data"],
        record["machine"] + ("" if record["seed"] is None else f"; seed {record['seed']}"),
        record["date"],
    )
    return tuple(" ".join(cell.replace("|", "\\|").split()) for cell in cells)


def _goal(goal: float | Sequence[float] | None, comparison: str | None) -> str:
    if goal is None:
        return ""
    if isinstance(goal, Sequence):
        return f"{number(goal[0])} to {number(goal[1])}"
    return f"{ {'>=': '≥', '<=': '≤'}.get(comparison or '', comparison) } {number(goal)}"


def _told(record: Mapping[str, Any]) -> str:
    notes = f" {record['notes']}" if record["notes"] else ""
    return f"- `{record['id']}` ({record['version']}): `{record['command']}`.{notes}"


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
