"""Charts of a report as numbers: where every dot and every well stands; the template draws them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from unstained.plates.fields import plate_format, row_name, well_place

SIDE = 240  # px of a scatter's frame
TICKS = 4
# Nuñez, Anderton & Renslow (2018), cividis: in order of lightness for any colour vision
RAMP = ((0, 34, 78), (63, 78, 110), (124, 123, 120), (187, 174, 106), (254, 232, 56))
NO_VALUE = (150, 150, 150)


@dataclass(frozen=True)
class Point:
    """A real and a predicted value, of which field, and what is said when the pointer rests on them."""

    real: float
    predicted: float
    title: str
    of: str = ""


@dataclass(frozen=True)
class Dot:
    """A point on the page, px from the frame's upper left."""

    x: float
    y: float
    title: str
    of: str = ""


@dataclass(frozen=True)
class Tick:
    """A round value, and how far it lies along an axis, px."""

    at: float
    text: str


@dataclass(frozen=True)
class Scatter:
    """Predicted (upwards) against real, both axes of one scale."""

    label: str
    caption: str
    dots: tuple[Dot, ...]
    ticks: tuple[Tick, ...]
    radius: float
    side: int = SIDE


@dataclass(frozen=True)
class Well:
    """A well on the map; `present` where the plate has it."""

    row: int
    column: int
    present: bool = False
    name: str = ""
    text: str = ""
    title: str = ""
    colour: str = ""
    ink: str = ""


@dataclass(frozen=True)
class PlateMap:
    """A plate with a colour for every well that has a value."""

    label: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    wells: tuple[Well, ...]
    low: str | None  # ends of the scale; None where one value is all
    high: str | None


def compact(value: float | None) -> str:
    """Write a number in about four characters: 0.94, 12.3, 41k, 2.2M; a dash for none."""
    if value is None or not np.isfinite(value):
        return "–"
    for limit, unit, sign in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if abs(value) >= limit:
            return f"{value / unit:.3g}{sign}"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def scatter(points: Sequence[Point], label: str, caption: str) -> Scatter:
    """Lay out predicted against real."""
    values = [value for point in points for value in (point.real, point.predicted)]
    low, high, ticks = round_axis(min(values), max(values))
    px = SIDE / (high - low)
    dots = (
        Dot(round(px * (point.real - low), 1), round(px * (high - point.predicted), 1), point.title, point.of)
        for point in points
    )
    marks = (Tick(round(px * (tick - low), 1), compact(tick)) for tick in ticks)
    return Scatter(label, caption, tuple(dots), tuple(marks), 4.5 if len(points) <= 100 else 2.5)


def plate_map(values: Mapping[str, float | None], titles: Mapping[str, str], label: str) -> PlateMap:
    """Lay out a plate of 8 × 12 wells, or the next larger format that holds all of them."""
    places = {place: well for well in values if (place := well_place(well)) is not None}
    rows, columns = plate_format(places)
    known = [value for value in values.values() if value is not None]
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    wells = []
    for row, column in np.ndindex(rows, columns):
        well = places.get((row, column))
        if well is None:
            wells.append(Well(row, column))
            continue
        value = values[well]
        share = 0.5 if value is None or high <= low else (value - low) / (high - low)
        colour = NO_VALUE if value is None else ramp(share)
        wells.append(
            Well(
                row, column, True, well, compact(value), titles.get(well, well), f"rgb{colour}", _ink(colour)
            )
        )
    ends = (compact(low), compact(high)) if high > low else (None, None)
    names = tuple(row_name(row) for row in range(rows)), tuple(str(1 + column) for column in range(columns))
    return PlateMap(label, *names, tuple(wells), *ends)


def ramp(share: float) -> tuple[int, int, int]:
    """Give the colour of a share 0 … 1, dark to bright."""
    places = np.linspace(0, 1, len(RAMP))
    red, green, blue = (
        round(float(np.interp(share, places, [stop[part] for stop in RAMP]))) for part in range(3)
    )
    return red, green, blue


def ramp_css() -> str:
    """Write the colours from dark to bright as stops of a CSS gradient."""
    return ", ".join(f"rgb{stop}" for stop in RAMP)


def round_axis(low: float, high: float) -> tuple[float, float, list[float]]:
    """Choose the ends of an axis a little beyond the values, and round ticks between them."""
    if high <= low:
        low, high = low - abs(low) / 10 - 0.5, high + abs(high) / 10 + 0.5
    margin = 0.06 * (high - low)
    start, stop = low - margin, high + margin
    rough = (high - low) / TICKS
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(part * power for part in (1, 2, 2.5, 5, 10) if part * power >= rough * (1 - 1e-9))
    ticks = np.arange(np.ceil(start / step), np.floor(stop / step) + 1) * step
    return start, stop, [float(tick) + 0.0 for tick in ticks]


def _ink(colour: tuple[int, int, int]) -> str:
    bright = 0.3 * colour[0] + 0.6 * colour[1] + 0.1 * colour[2] > 120
    return "#111" if bright else "#fff"
