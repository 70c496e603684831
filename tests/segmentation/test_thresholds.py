"""Thresholds lie between background and objects."""

import numpy as np
import pytest

from unstained.segmentation.thresholds import compress, global_threshold, local_levels, normalise


def test_normalising_cancels_gain_and_offset():
    plane = np.random.default_rng(0).gamma(2, 3, (80, 90)).astype(np.float32)
    np.testing.assert_allclose(normalise(plane * 300 + 77), normalise(plane), atol=1e-4)
    low, high = np.percentile(normalise(plane), (1.0, 99.8))
    assert (low, high) == pytest.approx((0, 1), abs=1e-5)


def test_a_constant_plane_normalises_to_zero_and_a_single_bright_pixel_to_one():
    plane = np.full((64, 64), 9, np.float32)
    assert not normalise(plane).any()
    plane[3, 4] = 10
    assert normalise(plane)[3, 4] == 1


def test_compressing_keeps_signs_and_roots():
    np.testing.assert_allclose(compress(np.array([[-9.0, 0.0, 16.0]], np.float32)), [[-3, 0, 4]])


@pytest.mark.parametrize("share", [0.002, 0.05, 0.3, 0.7])
def test_the_global_threshold_parts_few_and_many_objects_from_noise(share):
    rng = np.random.default_rng(0)
    objects = rng.random((300, 300)) < share
    plane = (objects + rng.normal(0, 0.06, objects.shape)).astype(np.float32)
    assert np.mean((plane > global_threshold(plane)) != objects) < 0.003


def test_the_local_threshold_follows_the_light():
    y, x = np.indices((120, 240))
    objects = ((y // 12) % 2 == 0) & ((x // 12) % 2 == 0)
    lamp = np.where(x < 120, 1.0, 4.0).astype(np.float32)
    plane = (lamp * (1 + objects)).astype(np.float32)
    levels = local_levels(plane, objects, 10.0)
    threshold = levels.at(0.5)
    np.testing.assert_allclose(threshold[:, 10:80], 1.5, rtol=0.02)
    np.testing.assert_allclose(threshold[:, 160:230], 6.0, rtol=0.02)
    np.testing.assert_allclose(levels.at(0.25)[:, 10:80], 1.25, rtol=0.02)
