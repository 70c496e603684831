"""How much fine detail a predicted stain keeps: its radial power spectrum beside the real one's."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import fft

from unstained.arrays import RawPlane
from unstained.settings import Settings

BINS = 64
"""Bands of frequency between 0 and half a cycle per px."""

KEPT = 0.5
"""Detail counts as kept where the prediction has at least this share of the real amplitude."""


FINEST_PX = 2.0
"""Two pixels a period: finer detail can't be sampled."""


class Sharpness(Settings):
    """Power of predicted and real planes by frequency, each plane with mean 0 and standard deviation 1."""

    frequency: tuple[float, ...] = Field(description="middle of each band, cycles per px")
    predicted: tuple[float, ...]
    real: tuple[float, ...]
    finest_px: float = Field(description="smallest period whose amplitude is half kept, px; 2 = all is")


def sharpness_of(pairs: Iterable[tuple[RawPlane, RawPlane]]) -> Sharpness:
    """Compare predicted with real planes (Y X each), means over pairs.

    A network that is unsure where an edge lies predicts the mean of all places: it blurs (thesis, Fig. 17).
    From coarse to fine, `finest_px` is where the predicted amplitude first falls below half of the real one.
    The camera's noise is part of the real plane; it hides what detail there is where it is stronger.
    """
    powers = [tuple(radial_power(plane) for plane in pair) for pair in pairs]
    ours, theirs = (np.mean([power[side] for power in powers], axis=0) for side in (0, 1))
    share = np.sqrt(ours / np.maximum(theirs, np.finfo(float).tiny))
    middle = (np.arange(BINS) + 0.5) * 0.5 / BINS
    lost = np.flatnonzero((share[1:] < KEPT) & (theirs[1:] > 0)) + 1  # small planes leave bands empty
    finest = float(1 / middle[lost[0]]) if len(lost) else FINEST_PX
    return Sharpness(
        frequency=tuple(map(float, middle)),
        predicted=tuple(map(float, ours)),
        real=tuple(map(float, theirs)),
        finest_px=finest,
    )


def radial_power(plane: RawPlane) -> NDArray[np.float64]:
    """Give the mean power of a plane (Y X) in `BINS` bands of frequency, borders faded out by a Hann window.

    The plane is brought to mean 0 and standard deviation 1; a constant one has no power.
    """
    flat = np.asarray(plane, dtype=np.float64)
    spread = flat.std()
    flat = (flat - flat.mean()) / (spread if spread > 0 else 1.0)
    window = np.outer(*(np.hanning(side) for side in flat.shape))
    power = np.abs(fft.fft2(flat * window)) ** 2 / np.square(window).sum()
    radius = np.hypot(*np.meshgrid(*map(fft.fftfreq, flat.shape), indexing="ij"))
    band = np.minimum((radius / 0.5 * BINS).astype(int), BINS)
    sums = np.bincount(band.ravel(), power.ravel(), BINS + 1)[:BINS]
    counts = np.bincount(band.ravel(), minlength=BINS + 1)[:BINS]
    found: NDArray[np.float64] = sums / np.maximum(counts, 1)
    return found
