"""All that prediction does with a whole field, as parts of an ONNX graph; each does what its namesake does.

The namesakes are in `networks/normalisation.py`, `networks/resampling.py`, `networks/light.py` and
`prediction/engine.py`. Fields are values (1 1 Y X) float32, of any Y and X.
"""

import math
from collections.abc import Sequence

import numpy as np

from unstained.exchange.values import Value, counting, joined
from unstained.networks.normalisation import Normalisation

TINY = float(np.finfo(np.float32).tiny)
ROWS, COLUMNS = 2, 3
"""Axes of a field."""


def sides_of(field: Value) -> tuple[Value, Value]:
    """Give Y and X of a field, px: whole, (1) each."""
    return field.length(ROWS), field.length(COLUMNS)


def working_sides(sides: tuple[Value, Value], zoom: float) -> tuple[Value, Value]:
    """Give Y and X of a field's working grid, px."""
    rows, columns = ((side.cast("float64") * zoom).to("Round").at_least(1.0).cast("int64") for side in sides)
    return rows, columns


def resampled(field: Value, sides: tuple[Value, Value]) -> Value:
    """Bring a field to other sides, both grids covering the same rectangle, without aliasing."""
    return field.to(
        "Resize", None, None, joined(field.graph, sides), mode="linear", antialias=1, exclude_outside=1,
        axes=[ROWS, COLUMNS], coordinate_transformation_mode="half_pixel",
    )  # fmt: skip


def normalised(field: Value, by: Normalisation) -> Value:
    """Bring a field to network units."""
    flat = field - slow_light(field, by.flatten) if by.flatten else field
    low, middle, high = percentiles(flat, (by.lower, 50.0, by.upper))
    spread = high - low
    scale = spread.at_least(TINY)
    if by.contrasts is not None:
        least, typical, most = by.contrasts
        (light,) = percentiles(field, (50.0,))
        contrast = (light > 0).where(spread / light.at_least(TINY), spread * 0 + most)
        scale = scale * typical / contrast.at_least(least).at_most(most)
    return (flat - middle) / scale


def percentiles(values: Value, percents: Sequence[float]) -> list[Value]:
    """Give percentiles of all numbers of a value, (1) each, linear between neighbours."""
    flat = values.shaped(-1)
    count = flat.length(0)
    ordered = flat.to("TopK", count, axis=0, largest=0, sorted=1)
    found = []
    for percent in percents:
        place = (count - 1).cast("float64") * percent / 100.0
        below, above = (ordered.taken(place.to(edge).cast("int64"), 0) for edge in ("Floor", "Ceil"))
        found.append(below + (above - below) * (place - place.to("Floor")).cast("float32"))
    return found


def slow_light(field: Value, flatten: float) -> Value:
    """Give the slow part of a field, a Gaussian blur of `flatten` field sides, on a coarse grid."""
    rows, columns = sides_of(field)
    sigma = rows.at_most(columns).cast("float64") * flatten
    step = (sigma / 8.0).cast("int64").at_least(1)
    missing = [(side * -1) % step for side in (rows, columns)]
    whole = padded(field, [0, 0, *missing])
    down, across = (side // step for side in sides_of(whole))
    coarse = whole.shaped(down, step, across, step).mean(1, 3).shaped(1, 1, down, across)
    blurred = gaussian(coarse, sigma / step.cast("float64"))
    fine = blurred.to(
        "Resize", None, None, joined(field.graph, [down * step, across * step]), mode="linear",
        axes=[ROWS, COLUMNS], coordinate_transformation_mode="half_pixel",
    )  # fmt: skip
    return cropped(fine, (rows, columns))


def gaussian(field: Value, sigma_px: Value) -> Value:
    """Blur a field by a Gaussian cut off at 4 σ; beyond the edges lies what is at the edge."""
    radius = (sigma_px * 4.0 + 0.5).cast("int64")
    offsets = (counting(radius * 2 + 1) - radius).cast("float64") / sigma_px
    weights = (offsets * offsets * -0.5).to("Exp")
    weights = (weights / weights.total(0)).cast("float32")
    wide = padded(field, [radius, radius, radius, radius])
    return wide.to("Conv", weights.shaped(1, 1, -1, 1)).to("Conv", weights.shaped(1, 1, 1, -1))


def padded(field: Value, widths: Sequence["int | Value"]) -> Value:
    """Repeat a field's edges: widths above, left, below, right."""
    axes = field.whole(ROWS, COLUMNS)
    return field.to("Pad", joined(field.graph, widths), None, axes, mode="edge")


def cropped(field: Value, sides: tuple[Value, Value]) -> Value:
    """Keep the first rows and columns."""
    axes = field.whole(ROWS, COLUMNS)
    return field.to("Slice", field.whole(0, 0), joined(field.graph, sides), axes)


def mirrored_to(field: Value, multiple: int) -> Value:
    """Lengthen a field to sides that are multiples, mirrored beyond its last row and column."""
    for axis in (ROWS, COLUMNS):
        side = field.length(axis)
        period = ((side - 1) * 2).at_least(1)
        at = counting(side + (side * -1) % field.whole(multiple)) % period
        field = field.taken(at.at_most(period - at), axis)
    return field


def flipped(field: Value, axes: Sequence[int]) -> Value:
    """Turn axes round."""
    if not axes:
        return field
    count = len(axes)
    return field.to(
        "Slice", field.whole(*[-1] * count), field.whole(*[np.iinfo(np.int64).min] * count),
        field.whole(*axes), field.whole(*[-1] * count),
    )  # fmt: skip


def turned(field: Value, turns: Value) -> Value:
    """Turn a field (1 C Y X) by 90° so many times (whole, (1), 0 to 3), as `numpy.rot90` does."""
    lying = field.graph.either(turns % 2 > 0, field, "Transpose", perm=[0, 1, COLUMNS, ROWS])
    upright = _flipped_where(lying, ((turns + 1) % 4) > 1, ROWS)
    return _flipped_where(upright, turns > 1, COLUMNS)


def _flipped_where(field: Value, condition: Value, axis: int) -> Value:
    at = counting(field.length(axis))
    return field.taken(condition.where(field.length(axis) - 1 - at, at), axis)


def moved(field: Value, offset_px: Sequence[float]) -> Value:
    """Move what a field shows down and right; its edges are drawn out."""
    for axis, offset in zip((ROWS, COLUMNS), offset_px, strict=True):
        if not offset:
            continue
        whole = math.floor(-offset)
        share = -offset - whole
        last = field.length(axis) - 1
        near, far = (
            field.taken((counting(field.length(axis)) + step).at_least(0).at_most(last), axis)
            for step in (whole, whole + 1)
        )
        field = near * (1 - share) + far * share
    return field
