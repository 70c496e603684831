"""The direction of a field's light, found inside an ONNX graph; does what `networks/light.py` does."""

import math

from unstained.exchange.fields import COLUMNS, ROWS, TINY, cropped, percentiles, sides_of
from unstained.exchange.values import Value, counting, joined
from unstained.networks.light import BLOCKS, CERTAIN_DEG, COARSEST_PX, FINEST_PX, RELIEF, Light, quarter_turns

FAST_LENGTHS = sorted(
    2**two * 3**three * 5**five
    for two in range(18) for three in range(11) for five in range(8)
    if 2**two * 3**three * 5**five <= 2**17
)  # fmt: skip
"""Lengths of real Fourier transforms that `scipy.fft.next_fast_len` chooses from, px."""


def turns_of(field: Value, usual_deg: float) -> Value:
    """Count the turns by 90° (whole, (1)) after which a field's light falls down its rows.

    `field` is in network units. Where it doesn't tell its light, that of the training fields counts.
    """
    across, down = _integrated(field)
    squared = across * across + down * down
    variance = squared.mean() / 2.0
    x, y = ((squared * along).mean() * 0.75 for along in (across, down))
    length = (x * x + y * y).to("Sqrt").at_least(TINY)
    aside = _block_means(squared * (down * x - across * y)) * 0.75 / length
    deviation = aside - aside.mean()
    error = ((deviation * deviation).total(0) / float(BLOCKS**2 - 1)).to("Sqrt") / float(BLOCKS)
    strong = length / (variance * variance.to("Sqrt")).at_least(TINY) >= RELIEF
    certain = strong & (error <= length * math.tan(math.radians(CERTAIN_DEG))) & (variance > TINY)
    upright = (y > 0).where(x.whole(0), x.whole(2))
    lying = (x > 0).where(x.whole(3), x.whole(1))
    own = (y.to("Abs") >= x.to("Abs")).where(upright, lying)
    return certain.where(own, x.whole(quarter_turns(Light(usual_deg, 0.0))))


def _integrated(field: Value) -> tuple[Value, Value]:
    """Give a field's band-passed Riesz transform, outliers clipped: along columns and along rows."""
    low, middle, high = percentiles(field, (0.5, 50.0, 99.5))
    sides = sides_of(field)
    clipped = field.at_least(low).at_most(high) - middle
    wide = [_fast_length(side + int(4 * COARSEST_PX)) for side in sides]
    margins = [length - side for length, side in zip(wide, sides, strict=True)]
    zero = field.graph.constant(0.0)
    large = clipped.to("Pad", joined(field.graph, [0, 0, *margins]), zero, field.whole(ROWS, COLUMNS))
    spectrum = large.shaped(1, *wide, 1)
    for axis in (1, 2):
        spectrum = spectrum.to("DFT", axis=axis)
    y, x = _frequencies(wide[0]).shaped(-1, 1), _frequencies(wide[1]).shaped(1, -1)
    radius = (x * x + y * y).to("Sqrt")
    band = (radius * radius * (-2 * (math.pi * FINEST_PX) ** 2)).to("Exp")
    band = band - (radius * radius * (-2 * (math.pi * COARSEST_PX) ** 2)).to("Exp")
    band = band / (radius > 0).where(radius, radius * 0 + 1.0)
    real, imaginary = (spectrum.taken(field.whole(part), 3).shaped(*wide) * band for part in (0, 1))
    # Both transforms are real, so one inverse gives both: along columns as its real part, along rows as its
    # imaginary part. The factor −i turns (real, imaginary) into (imaginary, −real).
    both = [imaginary * x + real * y, imaginary * y - real * x]
    stacked = field.graph.add("Concat", *(each.shaped(1, *wide, 1) for each in both), kind="float32", axis=3)
    for axis in (1, 2):
        stacked = stacked.to("DFT", axis=axis, inverse=1)
    across, down = (
        cropped(stacked.taken(field.whole(part), 3).shaped(1, 1, *wide), sides) for part in (0, 1)
    )
    return across, down


def _fast_length(least: Value) -> Value:
    known = least.whole(*FAST_LENGTHS)
    enough = known.to("GreaterOrEqual", least, kind="bool").where(known, known * 0 + FAST_LENGTHS[-1])
    return enough.to("ReduceMin", least.whole(0), keepdims=1)


def _frequencies(length: Value) -> Value:
    """Give the frequencies of a Fourier transform, cycles a pixel (n)."""
    at = counting(length)
    signed = (at >= (length + 1) // 2).where(at - length, at)
    return (signed.cast("float64") / length.cast("float64")).cast("float32")


def _block_means(field: Value) -> Value:
    """Give the mean of each of `BLOCKS` × `BLOCKS` equal parts, (n)."""
    rows, columns = ((side // BLOCKS).at_least(1) for side in sides_of(field))
    even = cropped(field, (rows * BLOCKS, columns * BLOCKS))
    return even.shaped(BLOCKS, rows, BLOCKS, columns).mean(1, 3).shaped(-1)
