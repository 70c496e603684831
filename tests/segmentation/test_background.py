"""The light behind objects, the noise, and coarse grids."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from unstained.segmentation.background import (
    MOST_SAMPLED,
    blur,
    enlarge,
    estimate_background,
    gaussian,
    local_mean,
    middle_and_spread,
    noise_spread,
    robust_spread,
    shrink,
)


def test_shrinking_keeps_the_mean_and_a_ramp_comes_back():
    y, x = np.indices((48, 60)).astype(np.float32)
    ramp = 3 * y - 2 * x
    small = shrink(ramp, 4)
    assert small.shape == (12, 15)
    assert small.mean() == pytest.approx(ramp.mean(), rel=1e-6)
    back = enlarge(small, 4, ramp.shape)
    np.testing.assert_allclose(back[2:-2, 2:-2], ramp[2:-2, 2:-2], atol=1e-3)


@pytest.mark.parametrize("mode", ["nearest", "reflect"])
@pytest.mark.parametrize("shape", [(64, 128), (37, 23)])
def test_the_blur_on_longer_rows_is_scipys_to_the_last_bit(mode, shape):
    plane = np.random.default_rng(3).normal(size=shape).astype(np.float32)
    before = plane.copy()
    found = gaussian(plane, 1.7, mode=mode, truncate=3.0)
    np.testing.assert_array_equal(found, gaussian_filter(plane, 1.7, mode=mode, truncate=3.0))
    np.testing.assert_array_equal(plane, before)
    assert found.flags.c_contiguous


@pytest.mark.parametrize("step", [1, 2, 5, 64])
def test_a_constant_stays_constant_on_any_grid(step):
    plane = np.full((37, 23), 7.5, np.float32)
    np.testing.assert_allclose(enlarge(shrink(plane, step), step, plane.shape), plane, rtol=1e-6)


@pytest.mark.parametrize("sigma", [1.0, 4.0, 12.0])
def test_blur_spreads_a_point_by_its_sigma(sigma):
    plane = np.zeros((201, 201), np.float32)
    plane[100, 100] = 1
    spread = blur(plane, sigma)
    y = np.arange(201) - 100
    assert spread.sum() == pytest.approx(1, rel=1e-3)
    assert np.sqrt((spread.sum(axis=1) * y**2).sum()) == pytest.approx(sigma, rel=0.12)


def test_the_local_mean_sees_only_what_is_inside():
    plane = np.zeros((60, 60), np.float32)
    plane[:, 30:] = 100
    inside = np.zeros((60, 60), bool)
    inside[:, :30] = True
    np.testing.assert_allclose(local_mean(plane, inside, 5.0), 0, atol=1e-3)
    np.testing.assert_allclose(local_mean(plane, ~inside, 5.0), 100, atol=0.1)


def test_the_background_is_the_light_without_the_objects():
    y, x = np.indices((200, 240)).astype(np.float32)
    light = 50 + 0.2 * y - 0.1 * x
    objects = np.zeros_like(light)
    for row in range(30, 200, 45):
        for column in range(30, 240, 45):
            objects[(y - row) ** 2 + (x - column) ** 2 <= 100] = 80
    found = estimate_background(light + objects, 20.0)
    assert np.abs(found - light).max() < 4


@pytest.mark.parametrize("noise", [0.0, 1.0, 25.0])
def test_the_noise_is_told_from_the_structure(noise):
    y, x = np.indices((256, 256))
    structure = 1000 * np.sin(y / 20) * np.cos(x / 25)
    plane = structure + np.random.default_rng(0).normal(0, 1, structure.shape) * noise
    assert noise_spread(plane.astype(np.float32)) == pytest.approx(noise, rel=0.05, abs=0.2)


def test_statistics_of_a_large_plane_are_those_of_all_its_pixels():
    rng = np.random.default_rng(2)
    rows = np.linspace(100, 300, 1500, dtype=np.float32)[:, None]
    plane = (rows + rng.normal(0, 3, (1500, 1700))).astype(np.float32)
    assert plane.size > 10 * MOST_SAMPLED
    assert noise_spread(plane) == pytest.approx(3, rel=0.01)
    middle, spread = middle_and_spread(plane)
    assert middle == pytest.approx(np.median(plane), abs=1)
    assert spread == pytest.approx(1.4826 * np.median(np.abs(plane - np.median(plane))), rel=0.01)


def test_the_robust_spread_is_the_standard_deviation_whatever_lies_far_out():
    values = np.random.default_rng(0).normal(5, 2, 20_000)
    values[:400] = 1e6
    assert robust_spread(values) == pytest.approx(2, rel=0.05)
    assert robust_spread(np.empty(0)) == 0
