"""How sure a figure is: intervals from resampling wells, as fields of one well are not independent."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Interval = tuple[float, float]

FEWEST_WELLS = 3
TOO_FEW_WELLS = f"an interval comes from resampling wells, and needs at least {FEWEST_WELLS}"
DRAWS = 2000
COVERED_PERCENT = (2.5, 97.5)


def interval_over_wells(
    wells: Sequence[str],
    statistic: Callable[[NDArray[np.intp]], float | None],
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> Interval | None:
    """95 % percentile interval of a statistic, from drawing whole wells with replacement (Efron 1979).

    Parameters
    ----------
    wells
        The well of every row.
    statistic
        Takes row numbers, a row twice where its well was drawn twice; None where it isn't defined.

    Returns
    -------
    Low and high end; None with fewer than three wells, or where most draws leave the statistic undefined.
    """
    names = np.asarray(wells, dtype=object)
    rows = [np.flatnonzero(names == name) for name in sorted(set(wells))]
    if len(rows) < FEWEST_WELLS:
        return None
    drawn = rng.integers(len(rows), size=(draws, len(rows)))
    found = [statistic(np.concatenate([rows[well] for well in draw])) for draw in drawn]
    return percentile_interval([value for value in found if value is not None], draws)


def percentile_interval(values: Sequence[float], draws: int) -> Interval | None:
    """Find the ends that cover 95 % of the draws; None where fewer than half of them gave a value."""
    if 2 * len(values) < draws:
        return None
    low, high = np.percentile(np.asarray(values, dtype=np.float64), COVERED_PERCENT)
    return float(low), float(high)


def mean_of_rows(values: Sequence[float]) -> Callable[[NDArray[np.intp]], float | None]:
    """Make a statistic for `interval_over_wells`: the mean of the drawn rows."""
    array: NDArray[Any] = np.asarray(values, dtype=np.float64)
    return lambda rows: float(array[rows].mean())
