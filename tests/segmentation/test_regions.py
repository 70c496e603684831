"""Regions: holes, spurs, notches, ellipses, numbers."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, label
from skimage.segmentation import watershed

from unstained.segmentation.distances import inner_distance
from unstained.segmentation.regions import (
    drop_small_objects,
    ellipse_fill,
    extend,
    fill_holes,
    flood,
    join_convex,
    keep_labels,
    largest_pieces,
    quantile_by_label,
    renumbered,
    smooth_outline,
    split_touching,
)


def disk(shape, centre, radius):
    y, x = np.indices(shape)
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2


def test_small_holes_are_filled_large_ones_and_bays_are_not():
    inside = np.ones((40, 40), bool)
    inside[5:7, 5:7] = False
    inside[15:30, 15:30] = False
    inside[0:2, 20:22] = False
    filled = fill_holes(inside, 10)
    assert filled[5:7, 5:7].all()
    assert not filled[15:30, 15:30].any()
    assert not filled[0:2, 20:22].any()


def test_objects_smaller_than_a_disk_are_dropped():
    labels = np.zeros((20, 20), np.int32)
    labels[2:4, 2:8] = 1
    labels[10:13, 10:14] = 3
    labels[10:14, 16:20] = 5
    np.testing.assert_array_equal(drop_small_objects(labels, 4.0), labels == 5)     # a disk of 12.6 px


def test_opening_takes_a_spur_off_and_leaves_the_disk():
    shape = disk((60, 60), (30, 30), 14)
    spurred = shape.copy()
    spurred[29:31, 40:58] = True
    opened = smooth_outline(spurred, 3)
    assert not opened[30, 50]
    assert np.logical_xor(opened, shape).sum() < 0.06 * shape.sum()


def test_a_deep_notch_splits_and_a_shallow_one_does_not():
    for apart, expected in ((20, 2), (6, 1)):
        inside = disk((50, 80), (25, 30), 12) | disk((50, 80), (25, 30 + apart), 12)
        labels = split_touching(inside, inner_distance(inside) / 12, 2, 0.1)
        assert labels.max() == expected
        np.testing.assert_array_equal(labels > 0, inside)


def test_a_mask_without_anything_has_no_regions():
    assert not split_touching(np.zeros((9, 9), bool), np.zeros((9, 9), np.float32), 2, 0.1).any()


def test_the_fill_of_an_ellipse_is_one_and_of_two_disks_nine_tenths():
    y, x = np.indices((120, 160))
    ellipse = ((y - 60) / 20) ** 2 + ((x - 80) / 50) ** 2 <= 1
    pair = disk((120, 160), (60, 50), 25) | disk((120, 160), (60, 100), 25)
    # two disks of radius r: 2πr² against 4π·√(r²/4 · 5r²/4) = 4π·√5/4·r²
    for mask, expected in ((ellipse, 1.0), (pair, 2 / np.sqrt(5))):
        rows, columns = np.nonzero(mask)
        moments = np.array([term.sum() for term in
                            (np.ones(len(rows)), rows, columns, rows**2, columns**2, rows * columns)])
        assert ellipse_fill(moments) == pytest.approx(expected, abs=0.01)


def test_halves_of_a_disk_are_joined_and_two_disks_are_not():
    whole = disk((60, 100), (30, 30), 15)
    halves = np.where(whole, 1 + (np.indices((60, 100))[1] > 30), 0).astype(np.int32)
    assert join_convex(halves, 0.94, 2000).max() == 1
    assert join_convex(halves, 0.94, 500).max() == 2
    both = np.where(whole, 1, 0) + np.where(disk((60, 100), (30, 60), 15) & ~whole, 2, 0)
    assert join_convex(both.astype(np.int32), 0.94, 2000).max() == 2


def test_cores_grow_over_their_part_and_bare_parts_become_objects():
    inside = np.zeros((10, 30), bool)
    inside[2:8, 2:12] = True
    inside[2:8, 20:28] = True
    cores = np.zeros((10, 30), np.int32)
    cores[4, 3:5] = 1
    cores[4, 9:11] = 2
    grown = extend(cores, np.zeros((10, 30), np.float32), inside)
    assert grown.max() == 3
    np.testing.assert_array_equal(grown > 0, inside)
    assert (grown[4, 4], grown[4, 10], grown[4, 24]) == (1, 2, 3)


def test_only_the_largest_piece_of_a_label_is_kept():
    labels = np.array([[1, 1, 0, 1], [2, 0, 2, 2]], np.int32)
    np.testing.assert_array_equal(largest_pieces(labels), [[1, 1, 0, 0], [0, 0, 2, 2]])


def test_kept_labels_are_numbered_without_gaps():
    labels = np.array([[5, 5, 0], [9, 2, 2]], np.int32)
    np.testing.assert_array_equal(renumbered(labels), [[2, 2, 0], [3, 1, 1]])
    keep = np.array([False, False, True, False, False, False, False, False, False, True])
    np.testing.assert_array_equal(keep_labels(labels, keep), [[0, 0, 0], [2, 1, 1]])
    assert not renumbered(np.zeros((3, 3), np.int32)).any()


def test_quantiles_by_label_are_those_of_the_pixels():
    rng = np.random.default_rng(0)
    labels = renumbered(rng.integers(0, 6, (30, 30)))
    plane = rng.random((30, 30)).astype(np.float32)
    found = quantile_by_label(labels, plane, 0.5)
    assert found[0] == 0
    for number in range(1, labels.max() + 1):
        assert found[number] == np.quantile(plane[labels == number], 0.5, method="lower")


def test_quantiles_know_negative_values():
    labels = np.array([[1, 1, 1, 2, 2, 2]], np.int32)
    plane = np.array([[-3, -0.5, 2, -7, -9, -8]], np.float32)
    np.testing.assert_array_equal(quantile_by_label(labels, plane, 0.5), [0, -0.5, -8])


def test_flooding_from_wide_seeds_is_the_watershed_of_all():
    rng = np.random.default_rng(5)
    height = gaussian_filter(rng.normal(size=(90, 110)), 2).astype(np.float32)
    seeds, count = label(height > 1.2 * height.std())
    assert count > 10
    assert np.bincount(seeds.ravel())[1:].max() > 60
    inside = (height > -0.5 * height.std()) | (seeds > 0)
    np.testing.assert_array_equal(flood(height, seeds, inside), watershed(-height, seeds, mask=inside))


@pytest.mark.parametrize("seed", range(5))
def test_flooding_parts_with_several_seeds_alone_is_the_watershed_of_all(seed):
    rng = np.random.default_rng(seed)
    height = gaussian_filter(rng.random((90, 110)), 2).astype(np.float32)
    inside = gaussian_filter(rng.random((90, 110)), 1.5) > 0.53
    seeds = label(rng.random((90, 110)) > 0.98)[0].astype(np.int32)
    found = flood(height, seeds, inside)
    np.testing.assert_array_equal(found, watershed(-height, seeds, mask=inside))
    parts, count = label(inside)
    kinds = [len(np.unique(seeds[(parts == part) & (seeds > 0)])) for part in range(1, count + 1)]
    assert {0, 1} < set(kinds)  # parts without seed, with one, and with several
