"""Disks, squares and distances are those of the slow ways, to the last bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from scipy.ndimage import distance_transform_edt, grey_dilation, grey_erosion, grey_opening, maximum_filter
from skimage.morphology import disk

from unstained.segmentation.distances import (
    FARTHEST_PX,
    TILE_PX,
    dilated,
    eroded,
    highest_in_squares,
    inner_distance,
    opened,
)
from unstained.segmentation.spots import white_top_hat


def random_plane(height, width, seed=0):
    return np.random.default_rng(seed).random((height, width)).astype(np.float32)


@given(
    height=some.integers(1, 40),
    width=some.integers(1, 40),
    radius=some.integers(0, 12),
    seed=some.integers(0, 99),
)
@settings(max_examples=30, deadline=None)
def test_disks_see_what_scipys_footprints_see(height, width, radius, seed):
    plane = random_plane(height, width, seed)
    footprint = disk(radius)
    np.testing.assert_array_equal(
        eroded(plane, radius), grey_erosion(plane, footprint=footprint, mode="nearest")
    )
    np.testing.assert_array_equal(
        dilated(plane, radius), grey_dilation(plane, footprint=footprint, mode="nearest")
    )


def test_tiles_leave_no_seams():
    plane = random_plane(TILE_PX + 30, 2 * TILE_PX + 7)
    np.testing.assert_array_equal(opened(plane, 5), grey_opening(plane, footprint=disk(5), mode="nearest"))


def test_the_top_hat_is_that_of_scipys_opening():
    plane = random_plane(60, 70)
    slow = plane - grey_opening(plane, footprint=disk(7), mode="nearest")
    np.testing.assert_array_equal(white_top_hat(plane, 7.3), slow)


@pytest.mark.parametrize("radius", [1.0, np.sqrt(2), 2.1, np.sqrt(5), 3.7])
def test_opening_a_mask_keeps_what_the_distance_transform_keeps(radius):
    inside = random_plane(80, 90) > 0.02
    deep = distance_transform_edt(inside) > radius
    np.testing.assert_array_equal(eroded(inside, radius), deep)
    np.testing.assert_array_equal(opened(inside, radius), distance_transform_edt(~deep) <= radius)


@given(height=some.integers(1, 30), width=some.integers(1, 30), reach=some.integers(0, 8))
@settings(max_examples=30, deadline=None)
def test_squares_see_what_scipys_filter_sees(height, width, reach):
    plane = random_plane(height, width)
    kept = plane.copy()
    np.testing.assert_array_equal(
        highest_in_squares(plane, reach), maximum_filter(plane, size=2 * reach + 1, mode="nearest")
    )
    np.testing.assert_array_equal(plane, kept)


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99, 0.999])
def test_distances_are_scipys(share):
    inside = random_plane(150, 130) < share
    np.testing.assert_array_equal(inner_distance(inside), distance_transform_edt(inside).astype(np.float32))


@pytest.mark.parametrize("farthest", [FARTHEST_PX - 1, FARTHEST_PX, FARTHEST_PX + 40])
def test_distances_are_right_on_both_sides_of_what_16_bits_hold(farthest):
    inside = np.ones((5, farthest + 1), bool)
    inside[:, 0] = False
    np.testing.assert_array_equal(inner_distance(inside)[2], np.arange(farthest + 1))
