"""How a report writes numbers and names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from unstained.report.charts import compact

Values: TypeAlias = Mapping[str, Any]

MEASURES = {
    "count": "number",
    "area_um2": "area",
    "intensity_total": "total intensity",
    "intensity_mean": "mean intensity",
}


def things(stain: str) -> str:
    """Name the objects of a stain."""
    return "nuclei" if stain == "nuclei" else "objects"


def counted(number_of: int, thing: str) -> str:
    """Write `1 field`, `3 fields`."""
    return f"{number_of} {thing}{'s' if number_of != 1 else ''}"


def number(value: float | None) -> str:
    """Write a figure with three digits behind the point, or fewer where it is large."""
    if value is None:
        return "–"
    return f"{value:.3f}" if abs(value) < 10 else compact(value)


def percent(value: float | None) -> str:
    """Write a share as a signed percentage."""
    if value is None:
        return "–"
    return f"{100 * value:+.1f}\u00a0%".replace("-", "−") if abs(value) >= 0.0005 else "0.0\u00a0%"


def between(interval: Sequence[float] | None) -> str:
    """Write an interval; nothing for none."""
    return "" if interval is None else "\u00a0to\u00a0".join(number(end) for end in interval)
