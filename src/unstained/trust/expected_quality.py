"""How good a prediction probably is, told from the field and the prediction alone, with a lower bound."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unstained.trust.features import Vector
from unstained.trust.forest import Forest

CERTAINTY = 0.9
"""A bound holds for this share of fields."""

FEWEST_WELLS = 9
"""Below, a bound of 90 % can't be told: the worst of 8 wells isn't rare enough."""

DRIFT_BINS = 3
"""A bound is calibrated apart for fields that lie near, off and far from the clean ones."""

FOLDS = 6

COUNT_ERRORS_TO = 2.0
"""Count errors are drawn in to this: a field where nothing is found and one with thrice as many are alike."""


@dataclass(frozen=True)
class Expected:
    """What is expected of one field."""

    pcc: Vector  # (stain)
    count_error: float | None  # mean over stains of |predicted − real| / real; None where it wasn't learnt
    at_least: float | None  # the mean PCC over stains that 90 % of fields exceed; None with too few wells


@dataclass(frozen=True)
class ExpectedQuality:
    """A forest from compressed features to PCC (and count error) of every stain, and its bound by drift."""

    forest: Forest
    stains: int  # values beyond so many are count errors
    edges: Vector  # of the bins of drift
    shortfalls: Vector  # (bin): what 90 % of wells fall short of the expected mean PCC at most; NaN = unknown

    @classmethod
    def fitted(
        cls, points: Vector, quality: Vector, stains: int, wells: Sequence[str], drift: Vector
    ) -> "ExpectedQuality":
        """Fit to examples: points (N F), PCC of each stain and perhaps its count error, wells, drift (N).

        The bound comes from examples whose well the forest hasn't seen, one of each well and bin at a time
        (conformal prediction within bins: Vovk et al. 2005, ch. 4; Angelopoulos & Bates, arXiv 2107.07511).
        """
        unseen = cross_fitted(points, quality, wells)
        shortfall = (unseen - quality)[:, :stains].mean(axis=1)
        edges = np.quantile(drift, np.linspace(0, 1, DRIFT_BINS + 1)[1:-1])
        which = np.searchsorted(edges, drift)
        shortfalls = [well_quantile(shortfall[which == each], np.asarray(wells)[which == each])
                      for each in range(DRIFT_BINS)]  # fmt: skip
        return cls(Forest.fitted(points, quality), stains, edges, np.array(shortfalls))

    def expect(self, point: Vector, drift: float) -> Expected:
        """Say what is expected of a field with these features (F)."""
        found = self.forest.predict(point[None])[0]
        pcc, errors = found[: self.stains], found[self.stains :]
        shortfall = self.shortfalls[int(np.searchsorted(self.edges, drift))]
        bound = None if np.isnan(shortfall) else float(pcc.mean() - max(shortfall, 0.0))
        return Expected(pcc, float(errors.mean()) if len(errors) else None, bound)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Give all that it is, for `quality.npz`."""
        own = {"stains": np.array(self.stains), "edges": self.edges, "shortfalls": self.shortfalls}
        return {**self.forest.arrays(), **own}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "ExpectedQuality":
        """Take what `arrays` gave."""
        forest = Forest.from_arrays(arrays)
        return cls(forest, int(arrays["stains"]), arrays["edges"], arrays["shortfalls"])


def cross_fitted(points: Vector, values: Vector, groups: Sequence[str]) -> Vector:
    """Predict every value (N output) by a forest that hasn't seen its group."""
    each = sorted(set(groups))
    fold = np.array([each.index(group) for group in groups]) % min(FOLDS, len(each))
    unseen = np.full_like(values, np.nan)
    for held_out in np.unique(fold):
        rest = fold != held_out
        if rest.any():
            unseen[~rest] = Forest.fitted(points[rest], values[rest]).predict(points[~rest])
    return unseen


def well_quantile(shortfall: Vector, wells: NDArray[Any], rng: np.random.Generator | None = None) -> float:
    """Give the conformal 90 % quantile over wells, one example of each at a time; NaN below nine wells.

    With n wells it is the ⌈(n + 1)·0.9⌉-th smallest; the mean of it over draws of the wells' examples.
    """
    draw = rng or np.random.default_rng(0)
    known = [shortfall[wells == well] for well in np.unique(wells)]
    rank = int(np.ceil((len(known) + 1) * CERTAINTY - 1e-9))
    if len(known) < FEWEST_WELLS or rank > len(known):
        return float("nan")
    drawn = [np.sort([draw.choice(own) for own in known])[rank - 1] for _ in range(200)]
    return float(np.mean(drawn))
