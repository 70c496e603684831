"""Orders with their uncertainty: what the true rank may be, who is tied, whose stain would tell most.

Units (wells, or clones) have a score and a standard error. The true scores are taken as draws from one normal
distribution, so an estimate is pulled towards the mean by as much as its error is large (empirical Bayes:
Efron & Morris 1975, J. Am. Stat. Assoc. 70, 311); ranks of draws from what is then known of each unit give
intervals and probabilities. Resampling alone would add the error a second time and spread the best out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

Vector = NDArray[np.float64]

DRAWS = 4000
COVER = 0.9
"""Share of true ranks that intervals are to hold."""

DISTINCT = 0.9
"""Two units differ if one is better with this probability; else they are tied."""

LEAST_SHARE = 0.02
"""Spread of true scores, at least, as a share of that observed: a plate of equals isn't ranked by noise."""


@dataclass(frozen=True)
class Known:
    """What is known of the true score of every unit: normal, mean and standard deviation."""

    mean: Vector
    deviation: Vector
    sampling: Vector  # the part of the deviation that more fields would take away
    drawn: NDArray[np.float64]  # (draw, unit)

    @property
    def ranks(self) -> NDArray[np.intp]:
        """Give the rank, from 1, of every unit in every draw."""
        ranks: NDArray[np.intp] = np.argsort(np.argsort(-self.drawn, axis=1), axis=1) + 1
        return ranks


def known_scores(
    score: Vector, error: Vector, model_error: Vector | float, rng: np.random.Generator
) -> Known:
    """Say what is known of true scores, given observed ones with their standard errors.

    Parameters
    ----------
    score, error
        Of every unit; the error of sampling.
    model_error
        Standard deviation of the true score around what perfect sampling would give: what the predicted
        stains don't tell. It doesn't shrink with more fields.
    """
    middle = float(score.mean())
    observed = float(score.var(ddof=1)) if len(score) > 1 else 0.0
    true = max(observed - float(np.mean(error**2)), LEAST_SHARE * observed)
    kept = np.where(error > 0, true / np.maximum(true + error**2, 1e-300), 1.0)
    mean = middle + kept * (score - middle)
    sampling = np.sqrt(kept) * error
    deviation = np.sqrt(sampling**2 + np.square(model_error))
    drawn = mean + deviation * rng.standard_normal((DRAWS, len(score)))
    return Known(mean, deviation, sampling, drawn)


def rank_intervals(known: Known) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Give the first and last rank of each unit's interval: the likeliest ranks, `COVER` of the draws.

    From the median rank on the likelier neighbour is added. Ranks are whole numbers, so an interval that
    holds at least so much holds more on average; the one whose share is nearest is taken.
    """
    units = len(known.mean)
    ranks = known.ranks
    low, high = np.empty(units, dtype=np.intp), np.empty(units, dtype=np.intp)
    for unit in range(units):
        share = np.bincount(ranks[:, unit], minlength=units + 2) / len(ranks)
        first = last = int(np.median(ranks[:, unit]))
        held, before = share[first], 0.0
        while held < COVER:
            before = held
            down = share[first - 1] >= share[last + 1] if first > 1 else False
            narrow = (first, last)
            first, last = (first - 1, last) if down or last == units else (first, last + 1)
            held = share[first : last + 1].sum()
            if held >= COVER and COVER - before < held - COVER:
                first, last = narrow
                break
        low[unit], high[unit] = first, last
    return low, high


def chance_of_top(known: Known, number: int) -> Vector:
    """Give the probability that each unit is truly among so many best."""
    chance: Vector = (known.ranks <= number).mean(axis=0)
    return chance


def tie_groups(known: Known) -> NDArray[np.intp]:
    """Give each unit the number of its group of tied ones, from 1, by their order of means.

    Down the order, a unit belongs to the group of the first one above it that isn't better with the
    probability `DISTINCT`.
    """
    order = np.argsort(-known.mean)
    groups = np.zeros(len(order), dtype=np.intp)
    leader, group = None, 0
    for unit in order:
        if leader is None or (known.drawn[:, leader] > known.drawn[:, unit]).mean() >= DISTINCT:
            leader, group = unit, group + 1
        groups[unit] = group
    return groups


def worth_of_staining(known: Known, after: Vector, number: int) -> Vector:
    """Give how much better the chosen best are to be expected if one unit's real stain were known.

    `after` is the standard deviation that a unit's score would keep then. The gain of learning about one unit
    before `number` are chosen is that of the knowledge gradient (Frazier, Powell & Dayanik 2008, SIAM J.
    Control Optim. 47, 2410): σ·(φ(d/σ) − |d|/σ·Φ(−|d|/σ)), where d is how far the unit lies from the limit
    between chosen and not, σ how far its mean may move.
    """
    if not 0 < number < len(known.mean):
        return np.zeros(len(known.mean))
    order = np.argsort(-known.mean)
    last, first = known.mean[order[number - 1]], known.mean[order[number]]
    chosen = np.isin(np.arange(len(order)), order[:number])
    distance = np.abs(known.mean - np.where(chosen, first, last))
    moves = np.sqrt(np.maximum(known.deviation**2 - after**2, 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        far = np.where(moves > 0, distance / moves, np.inf)
    worth: Vector = moves * (norm.pdf(far) - np.where(moves > 0, far, 0) * norm.sf(far))
    return worth


def safe_to_drop(known: Known, number: int, risk: float) -> NDArray[np.bool_]:
    """Say which units can be dropped together, at most so much risk that one of the `number` best is lost."""
    among_best = known.ranks <= number
    order = np.argsort(among_best.mean(axis=0), kind="stable")
    lost = np.maximum.accumulate(among_best[:, order], axis=1).mean(axis=0)
    dropped = np.zeros(len(order), dtype=bool)
    dropped[order[lost <= risk]] = True
    return dropped
