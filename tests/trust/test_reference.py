"""What a reference calls unusual: not what clean fields vary by, nor its own fields less than new ones."""

import numpy as np
import pytest

from unstained.errors import BadInput
from unstained.trust.features import FieldFeatures
from unstained.trust.reference import Reference

NAMES = tuple("abcdefghij")
SPREADS = np.array([30, 20, 10, 5, 2, 1, 1, 1, 1, 1.0])


def clean(wells, seed):
    """Draw two like fields of each well; most of what they vary by lies in few directions."""
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(10, 10)))[0]
    points = np.repeat(rng.normal(size=(wells, 10)), 2, axis=0) + 0.3 * rng.normal(size=(2 * wells, 10))
    return points * SPREADS @ turn, turn


def reference_of(points):
    found = [FieldFeatures(each, np.zeros(1)) for each in points]
    return Reference.of(NAMES, [f"W{index // 2}/{index % 2}" for index in range(len(points))], found)


def test_shifts_that_clean_fields_show_count_little_and_others_much():
    points, turn = clean(40, 1)
    reference = reference_of(points)
    usual, odd = points + 20 * turn[0], points + 20 * turn[9]
    base = np.linalg.norm(reference.unusual(points), axis=1).mean()
    assert np.linalg.norm(reference.unusual(usual), axis=1).mean() < 1.7 * base
    assert np.linalg.norm(reference.unusual(odd), axis=1).mean() > 2 * base


def test_own_fields_lie_as_far_as_new_ones_do_and_not_closer():
    ratios, flattered = [], []
    for seed in range(20):
        reference = reference_of(clean(12, seed)[0])
        new = np.mean(reference.unusual(clean(200, 100 + seed)[0]) ** 2)
        ratios.append(np.mean(reference.own_unusual**2) / new)
        flattered.append(np.mean(reference.unusual(reference.plain) ** 2) / new)
    assert np.mean(ratios) == pytest.approx(1, abs=0.2)
    assert np.mean(flattered) < 0.6


def test_at_least_half_of_the_directions_are_watched():
    points = np.random.default_rng(3).normal(size=(60, 10))
    reference = reference_of(points)
    assert np.linalg.matrix_rank(reference.unusual(points)) == 5


def test_a_reference_read_again_sees_the_same():
    reference = reference_of(clean(20, 4)[0])
    again = Reference.from_arrays(reference.arrays())
    new = clean(5, 5)[0]
    np.testing.assert_allclose(again.unusual(new), reference.unusual(new), atol=1e-3)
    np.testing.assert_allclose(again.own_unusual, reference.own_unusual, atol=1e-3)


def test_two_wells_tell_nothing_unusual():
    with pytest.raises(BadInput, match="4 fields of 2 wells"):
        _ = reference_of(clean(2, 6)[0]).own_unusual
