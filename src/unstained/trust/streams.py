"""Streams of clean fields, whole wells drawn from a reference: what a detector promises is tried on them."""

import numpy as np
from numpy.typing import NDArray

from unstained.errors import BadInput
from unstained.trust.mmd import Array, Groups, Indices, checked_features, checked_groups

FEWEST_FIELDS = 50
FEWEST_WELLS = 9
STREAMS_PER_FIELD = 100
"""Streams for each field of the expected run time, as Cobb et al. (2022, arXiv 2108.00883) advise."""


def clean_reference(reference: Array, groups: Groups | None) -> tuple[Array, NDArray[np.str_], list[Indices]]:
    """Check that a run time can be promised; gives the reference, its wells, and the fields of each."""
    reference = checked_features(reference, "the reference")
    wells = checked_groups(groups, len(reference), "the reference")
    members = members_of(wells)
    if len(reference) < FEWEST_FIELDS or len(members) < FEWEST_WELLS:
        raise BadInput(
            f"the reference has {len(reference)} fields of {len(members)} wells; an expected run time needs"
            f" at least {FEWEST_FIELDS} of {FEWEST_WELLS}"
        )
    return reference, wells, members


def members_of(wells: NDArray[np.str_]) -> list[Indices]:
    """Give the fields of each well, in the order in which they stand."""
    numbers = np.unique(wells, return_inverse=True)[1]
    return np.split(np.argsort(numbers, kind="stable"), np.cumsum(np.bincount(numbers))[:-1])


def longest_stream(members: list[Indices]) -> int:
    """Give the length of streams whose wells, the last one in full, leave half of the reference."""
    sizes = [len(each) for each in members]
    return sum(sizes) // 2 - max(sizes) + 1


def draw_streams(members: list[Indices], length: int, rows: int, rng: np.random.Generator) -> Indices:
    """Draw streams of at least `length` fields (rows fields): whole wells in random order; −1 pads."""
    sizes = np.array([len(each) for each in members])
    padded = np.full((len(members), sizes.max()), -1)
    for well, each in enumerate(members):
        padded[well, : len(each)] = each
    order = rng.permuted(np.broadcast_to(np.arange(len(members)), (rows, len(members))), axis=1)
    needed = np.cumsum(sizes[order], axis=1) - sizes[order] < length
    most = int(needed.sum(axis=1).max())
    taken = np.where(needed[:, :most, None], padded[order[:, :most]], -1).reshape(rows, -1)
    if sizes.min() == sizes.max():
        return taken
    front = np.argsort(taken < 0, axis=1, kind="stable")  # close the gaps between wells
    return np.take_along_axis(taken, front[:, : int((taken >= 0).sum(axis=1).max())], axis=1)


def level_passed(highest: Array, hazard: float) -> float:
    """Find the level that paths pass with `hazard` at a step, by their highest value so far (path T)."""
    low, high = float(highest[:, 0].min()), float(highest[:, -1].max())
    for _ in range(50):
        middle = (low + high) / 2
        passed = highest > middle
        alarms = np.count_nonzero(passed[:, -1])
        at_risk = passed.size - np.count_nonzero(passed) + alarms
        low, high = (middle, high) if alarms > hazard * at_risk else (low, middle)
    return high
