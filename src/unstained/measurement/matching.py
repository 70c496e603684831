"""Which predicted object is which real one: matching by overlap, and the scores made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unstained.arrays import Labels
from unstained.errors import BadInput

IOU_LADDER = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
ROUNDING = 1e-9


@dataclass(frozen=True)
class Matches:
    """Objects of one field, or of several added together, paired by intersection over union (IoU)."""

    real: int  # number of real objects
    predicted: int  # number of predicted objects
    pairs: tuple[tuple[int, int], ...]  # (real label, predicted label)
    iou: tuple[float, ...]  # one per pair

    @property
    def f1(self) -> float | None:
        """2·pairs / (real + predicted); None where there are no objects at all."""
        return _share(2 * len(self.pairs), self.real + self.predicted)

    @property
    def precision(self) -> float | None:
        """Share of predicted objects that are real; None where none was predicted."""
        return _share(len(self.pairs), self.predicted)

    @property
    def recall(self) -> float | None:
        """Share of real objects that were predicted; None where there is none."""
        return _share(len(self.pairs), self.real)

    @property
    def jaccard(self) -> float | None:
        """Pairs / (real + predicted − pairs): the "average precision" at one IoU of Caicedo et al. 2019."""
        return _share(len(self.pairs), self.real + self.predicted - len(self.pairs))

    def __add__(self, other: Matches) -> Matches:
        """Count the objects of both; labels of different fields may then repeat in `pairs`."""
        return Matches(
            self.real + other.real,
            self.predicted + other.predicted,
            self.pairs + other.pairs,
            self.iou + other.iou,
        )


NO_OBJECTS = Matches(0, 0, (), ())


def match_objects(real: Labels, predicted: Labels, iou: float = 0.5) -> Matches:
    """Pair the objects of two label planes (Y X) whose intersection over union is at least `iou`.

    `iou` lies in .5 … 1: only there can no object have two partners worth choosing between, so that
    pairing the best overlaps first is the best pairing.

    Raises
    ------
    BadInput
        The planes differ in shape.
    ValueError
        `iou` is below .5 or above 1.
    """
    return _pair(*_overlaps(real, predicted), iou)


def average_precision(
    real: Labels, predicted: Labels, thresholds: Sequence[float] = IOU_LADDER
) -> float | None:
    """Mean over IoU thresholds of pairs / (real + predicted − pairs), as the Data Science Bowl 2018 scores.

    None where neither plane has an object.
    """
    found = _overlaps(real, predicted)
    scores = [score for iou in thresholds if (score := _pair(*found, iou).jaccard) is not None]
    return float(np.mean(scores)) if scores else None


def _pair(overlaps: NDArray[Any], real: int, predicted: int, iou: float) -> Matches:
    if not 0.5 <= iou <= 1:
        raise ValueError(f"iou must lie in .5 … 1, not {iou}")
    pairs: dict[int, tuple[int, float]] = {}
    taken: set[int] = set()
    for truth, guess, overlap in overlaps[np.argsort(-overlaps["iou"], kind="stable")].tolist():
        if overlap < iou - ROUNDING:
            break
        if truth not in pairs and guess not in taken:
            pairs[truth] = (guess, overlap)
            taken.add(guess)
    ordered = sorted(pairs.items())
    return Matches(
        real,
        predicted,
        tuple((truth, guess) for truth, (guess, _) in ordered),
        tuple(overlap for _, (_, overlap) in ordered),
    )


def _overlaps(real: Labels, predicted: Labels) -> tuple[NDArray[Any], int, int]:
    """Give every touching pair (real, predicted, iou), and the numbers of objects on both sides."""
    if real.shape != predicted.shape:
        raise BadInput(
            f"real {real.shape} and predicted {predicted.shape} labels differ in shape; "
            "compare labels of one field"
        )
    area_real, area_predicted = np.bincount(real.ravel()), np.bincount(predicted.ravel())
    both = (real > 0) & (predicted > 0)
    codes, shared = np.unique(
        real[both].astype(np.int64) * len(area_predicted) + predicted[both], return_counts=True
    )
    truth, guess = np.divmod(codes, len(area_predicted))
    found = np.empty(len(codes), dtype=[("real", np.int64), ("predicted", np.int64), ("iou", np.float64)])
    found["real"], found["predicted"] = truth, guess
    found["iou"] = shared / (area_real[truth] + area_predicted[guess] - shared)
    return found, int(np.count_nonzero(area_real[1:])), int(np.count_nonzero(area_predicted[1:]))


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
