"""How sure a figure is: intervals from resampling wells, as fields of one well are not independent."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Interval: TypeAlias = tuple[float, float]
Array: TypeAlias = NDArray[Any]

FEWEST_WELLS = 3
TOO_FEW_WELLS = f"an interval comes from resampling wells, and needs at least {FEWEST_WELLS}"
DRAWS = 2000
COVERED_PERCENT = (2.5, 97.5)


def interval_over_wells(
    wells: Sequence[str], terms: Array, statistic: Callable[[Array], Array], rng: np.random.Generator
) -> Interval | None:
    """95 % percentile interval of a statistic, from drawing whole wells with replacement (Efron 1979).

    Parameters
    ----------
    wells
        The well of every row.
    terms
        What the statistic adds up, (rows terms); a well drawn twice adds twice.
    statistic
        Makes of the sums of all draws (draws terms) one value each (draws); NaN where it isn't defined.

    Returns
    -------
    Low and high end; None with fewer than three wells, or where half of the draws leave it undefined.
    """
    names, rows = np.unique(np.asarray(wells, dtype=str), return_inverse=True)
    if len(names) < FEWEST_WELLS:
        return None
    sums = np.zeros((len(names), terms.shape[1]))
    np.add.at(sums, rows, terms)
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=DRAWS)  # (draws wells)
    values = statistic(drawn @ sums)
    known = values[np.isfinite(values)]
    if 2 * len(known) < DRAWS:
        return None
    low, high = np.percentile(known, COVERED_PERCENT)
    return float(low), float(high)


def mean_interval(wells: Sequence[str], values: Sequence[float], rng: np.random.Generator) -> Interval | None:
    """Give the interval of the mean of rows."""
    terms = np.stack([np.ones(len(values)), np.asarray(values, dtype=np.float64)], axis=1)
    return interval_over_wells(wells, terms, lambda sums: sums[:, 1] / sums[:, 0], rng)
