"""How well measurements from the predicted stain follow those from the real one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field
from scipy.stats import rankdata

from unstained.measurement.intervals import Interval, interval_over_wells, mean_interval
from unstained.settings import Settings

MEASURES = ("count", "area_um2", "intensity_total", "intensity_mean")
FEWEST_ROWS = 3  # two points lie on a line whatever they are

Vector = NDArray[np.float64]


class MeasureAgreement(Settings):
    """How one measurement agrees; rows are fields, wells or objects."""

    pearson: float | None = None
    spearman: float | None = None
    bias: float | None = Field(default=None, description="mean of (predicted − real) / real, real 0 left out")
    n: int = Field(default=0, description="number of rows compared")
    interval: Interval | None = Field(default=None, description="95 % of Pearson, over resampled wells")
    bias_interval: Interval | None = Field(default=None, description="95 % of the bias, over resampled wells")


def downstream(
    real: pd.DataFrame,
    predicted: pd.DataFrame,
    *,
    rng: np.random.Generator,
    measures: Sequence[str] = MEASURES,
) -> dict[str, MeasureAgreement]:
    """Compare two tables of the same rows: a column `well`, and one column per measurement.

    `area_um2` is taken from `area_px` where the pixel size isn't known; correlations and relative differences
    don't change by that. A row with a number missing on either side is left out of that measurement.
    """
    found = {}
    for measure in measures:
        column = measure if measure in real else measure.replace("_um2", "_px")
        known = (real[column].notna() & predicted[column].notna()).to_numpy()
        found[measure] = agreement(
            real[column].to_numpy(dtype=np.float64)[known],
            predicted[column].to_numpy(dtype=np.float64)[known],
            real["well"].to_numpy(dtype=object)[known].tolist(),
            rng,
        )
    return found


def agreement(
    real: Vector, predicted: Vector, wells: Sequence[str], rng: np.random.Generator
) -> MeasureAgreement:
    """Compare one measurement of matching rows."""
    return MeasureAgreement(
        pearson=pearson(real, predicted),
        spearman=spearman(real, predicted),
        bias=bias(real, predicted),
        n=len(real),
        interval=pearson_interval(real, predicted, wells, rng),
        bias_interval=bias_interval(real, predicted, wells, rng),
    )


def pearson(real: Vector, predicted: Vector) -> float | None:
    """Pearson's correlation; None with fewer than three rows, or where one side doesn't vary."""
    if len(real) < FEWEST_ROWS:
        return None
    x, y = real - real.mean(), predicted - predicted.mean()
    spread = float(np.sqrt((x @ x) * (y @ y)))
    if spread <= 1e-12 * float(np.sqrt((real @ real) * (predicted @ predicted))):
        return None
    return float(np.clip(x @ y / spread, -1, 1))


def spearman(real: Vector, predicted: Vector) -> float | None:
    """Pearson's correlation of the ranks, ties sharing theirs."""
    return pearson(rankdata(real), rankdata(predicted)) if len(real) >= FEWEST_ROWS else None


def bias(real: Vector, predicted: Vector) -> float | None:
    """Mean of (predicted − real) / real: +0.1 is 10 % too high; rows where real is 0 don't count."""
    counted = real != 0
    return float(np.mean((predicted[counted] - real[counted]) / real[counted])) if counted.any() else None


def pearson_interval(
    real: Vector, predicted: Vector, wells: Sequence[str], rng: np.random.Generator
) -> Interval | None:
    """95 % interval of Pearson's correlation, from resampling wells; None where it isn't defined."""
    if pearson(real, predicted) is None:
        return None
    x, y = ((side - side.mean()) / side.std() for side in (real, predicted))
    terms = np.stack([np.ones(len(x)), x, y, x * x, y * y, x * y], axis=1)
    return interval_over_wells(wells, terms, _pearson_of_sums, rng)


def bias_interval(
    real: Vector, predicted: Vector, wells: Sequence[str], rng: np.random.Generator
) -> Interval | None:
    """95 % interval of the bias, from resampling wells; None where it isn't defined."""
    counted = real != 0
    shares = (predicted[counted] - real[counted]) / real[counted]
    return mean_interval([well for well, holds in zip(wells, counted, strict=True) if holds], shares, rng)


def _pearson_of_sums(sums: Vector) -> Vector:
    n, x, y, xx, yy, xy = sums.T
    left, right = n * xx - x * x, n * yy - y * y
    defined = (n >= FEWEST_ROWS) & (np.minimum(left, right) > 1e-9 * n * n)
    product = np.sqrt(np.where(defined, left * right, 1.0))
    return np.where(defined, np.clip((n * xy - x * y) / product, -1, 1), np.nan)
