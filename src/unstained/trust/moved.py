"""Which features are no longer where the reference has them, and since which field: CUSUMs (Page 1954)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from unstained.errors import BadInput, listed
from unstained.trust.mmd import Array, Groups, checked_features, same_length
from unstained.trust.streams import (
    STREAMS_PER_FIELD,
    clean_reference,
    draw_streams,
    level_passed,
    longest_stream,
)

CUSUM_SLACK = 0.5
"""Deviations of a feature that don't add up: half of the shift that is found soonest (Page 1954)."""

LONG_OVER = 20
"""Fields since a feature was back where it was; the detector looks no further back, either."""


class Moved(NamedTuple):
    """A feature that is no longer where the reference has it."""

    name: str
    sign: int  # +1 up, −1 down
    size: float  # mean shift since then, in deviations of the reference
    since: int  # first field of the stream that belongs to it, counted from 0


class FeatureWatch(NamedTuple):
    """What tells which features moved: their place in the reference, and how far chance carries a CUSUM."""

    names: tuple[str, ...]
    means: Array  # (F)
    deviations: Array  # (F)
    thresholds: Array  # (F), in deviations

    def moved(self, stream: Array) -> list[Moved]:
        """Name the features of `stream` (M F) that have moved, those that moved furthest first.

        `since` is the first field after the CUSUM's last zero before it passed its threshold, the last time
        that it did; what was over `LONG_OVER` fields ago isn't told.

        Raises
        ------
        BadInput
            Values are NaN or infinite, or the stream has other features than the reference.
        """
        stream = checked_features(stream, "the stream")
        same_length(self.means, stream)
        z = (stream - self.means) / self.deviations  # (M F)
        found = []
        for index, name in enumerate(self.names):
            for sign in (1, -1):
                excursion = _excursion(_cusum(sign * z[:, index]), self.thresholds[index])
                if excursion is not None:
                    size = float(sign * z[slice(*excursion), index].mean())
                    found.append(Moved(name, sign, size, excursion[0]))
        return sorted(found, key=lambda each: -each.size)


def watch_features(
    reference: Array, groups: Groups | None, names: Sequence[str], ert: int, rng: np.random.Generator
) -> FeatureWatch:
    """Calibrate a two-sided CUSUM (Page 1954) for each feature of clean fields (N F) and their wells.

    Streams of whole wells that take half of the reference are standardised by the rest. Each feature's
    threshold lets a share of 1/(`ert` F) pass at a field, so that all F together hold `ert` (Bonferroni).

    Raises
    ------
    BadInput
        As `calibrate_drift`; or there is not one name for each feature, or a feature is constant.
    """
    reference, _, members = clean_reference(reference, groups)
    rows, features = reference.shape
    if len(names) != features:
        raise BadInput(f"{len(names)} names were given for {features} features")
    if ert < 2:
        raise BadInput(f"an expected run time must be at least 2 fields, not {ert}")
    means, deviations = reference.mean(axis=0), reference.std(axis=0)
    constant = [name for name, each in zip(names, np.ptp(reference, axis=0), strict=True) if each == 0]
    if constant:
        raise BadInput(f"features are constant in the reference, leave them out: {listed(constant)}")
    length = longest_stream(members)
    if length < 1:
        raise BadInput("one well holds most of the reference; a CUSUM needs others to compare it with")
    taken = draw_streams(members, length, -(-STREAMS_PER_FIELD * ert * features // length), rng)
    left = rows - np.count_nonzero(taken >= 0, axis=1)
    thresholds = np.empty(features)
    for index, column in enumerate(((reference - means) / deviations).T):
        of_taken = np.append(column, 0)[taken]  # (stream T), 0 where −1 pads
        z = of_taken[:, :length] + (of_taken.sum(axis=1) / left)[:, None]  # all add up to 0
        highest = np.maximum.accumulate(np.maximum(_cusum(z), _cusum(-z)), axis=1)
        thresholds[index] = level_passed(highest, 1 / (ert * features))
    return FeatureWatch(tuple(names), means, deviations, thresholds)


def _cusum(z: Array) -> Array:
    """Add up what lies above the slack, never below 0, along the last axis (… T)."""
    path = np.empty_like(z)
    total = np.zeros(z.shape[:-1])
    for field in range(z.shape[-1]):
        total = np.maximum(0, total + z[..., field] - CUSUM_SLACK)
        path[..., field] = total
    return path


def _excursion(path: Array, threshold: float) -> tuple[int, int] | None:
    """Find where a CUSUM (T) last passed its threshold, from its last zero before to the next one."""
    passed = np.flatnonzero(path > threshold)
    if not len(passed):
        return None
    zeros = np.concatenate([[-1], np.flatnonzero(path == 0), [len(path)]])
    end = int(zeros[zeros > passed[-1]][0])
    return (int(zeros[zeros < passed[-1]][-1]) + 1, end) if len(path) - end < LONG_OVER else None
