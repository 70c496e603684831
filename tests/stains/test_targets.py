"""Targets keep what is small and bright, whatever the camera, and lose what is not."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from unstained.stains.targets import (
    Target,
    above_rolling_ball,
    less_noisy,
    make_target,
    target_steps,
    white_top_hat,
)

RNG = np.random.default_rng(0)
SPOTS = np.zeros((160, 160), np.float32)
SPOTS[tuple(RNG.integers(12, 148, (2, 25)))] = 1
SPOTS = gaussian_filter(SPOTS, 1.5)
SPOTS /= SPOTS.max()
HAZE = gaussian_filter(RNG.random((160, 160)).astype(np.float32), 25, mode="wrap")
HAZE = (HAZE - HAZE.min()) / np.ptp(HAZE)
RECORDED = (100 * SPOTS + 400 * HAZE + RNG.normal(0, 1, HAZE.shape)).astype(np.float32)
GOLGI = Target(smooth_um=1.0, background="top_hat", radius_um=6.0, clip=1.0)


def test_the_recorded_plane_is_the_target_unless_more_is_asked_for():
    raw = (RECORDED + 100).astype(np.uint16)
    np.testing.assert_array_equal(make_target(raw, Target(), pixel_size_um=0.3), raw)
    assert Target().is_recorded
    assert not GOLGI.is_recorded


@pytest.mark.parametrize(("background", "alike"), [("top_hat", 0.9), ("rolling_ball", 0.75)])
def test_background_goes_and_spots_stay(background, alike):
    """The haze is four times as bright as the spots; a ball on its slopes leaves a little of it."""
    target = Target(background=background, radius_um=6.0)
    left = make_target(RECORDED, target, pixel_size_um=None)
    assert np.corrcoef(RECORDED.ravel(), SPOTS.ravel())[0, 1] < 0.3
    assert np.corrcoef(left.ravel(), SPOTS.ravel())[0, 1] > alike
    assert left.max() == pytest.approx(100, rel=0.25)  # camera units
    assert left.min() >= 0


@pytest.mark.parametrize(
    "target", [GOLGI, GOLGI.updated(background="rolling_ball"), GOLGI.updated(mask=True)]
)
def test_gain_and_offset_of_the_camera_carry_through(target):
    gain = 1.0 if target.mask else 3.0
    once = make_target(RECORDED, target, pixel_size_um=None)
    again = make_target(3 * RECORDED + 700, target, pixel_size_um=None)
    np.testing.assert_allclose(again, gain * once, atol=0.05 * gain)


def test_sizes_are_micrometres():
    fine = make_target(RECORDED, GOLGI, pixel_size_um=None)
    halved = {"smooth_um": GOLGI.smooth_um / 2, "radius_um": GOLGI.radius_um / 2}
    np.testing.assert_array_equal(make_target(RECORDED, GOLGI.updated(**halved), pixel_size_um=0.5), fine)


def test_clipping_leaves_nothing_of_the_noise_and_the_mask_is_where_spots_are():
    steps = target_steps(RECORDED, GOLGI.updated(mask=True), pixel_size_um=None)
    assert list(steps) == ["recorded", "smoothed", "background removed", "clipped", "mask"]
    assert set(np.unique(steps["mask"])) == {0, 1}
    far, near = SPOTS < 0.001, SPOTS > 0.3
    assert steps["mask"][near].mean() == 1
    assert steps["mask"][far].mean() < 0.03


def test_the_top_hat_takes_what_is_wider_than_its_disc():
    plane = np.zeros((60, 60), np.float32)
    plane[10:15, 10:15] = 5.0
    plane[25:55, 25:55] = 9.0
    left = white_top_hat(plane + 3, 6)
    assert (left[10:15, 10:15] == 5).all()
    assert left[30:50, 30:50].max() == 0


def test_a_ball_rolls_alike_on_a_coarser_grid_and_a_flat_plane_has_nothing_above_it():
    wide = gaussian_filter(SPOTS, 4)
    plane = (wide / wide.max() * 100 + 300 * HAZE).astype(np.float32)
    fine, coarse = above_rolling_ball(plane, 15), above_rolling_ball(plane, 16)
    assert np.corrcoef(fine.ravel(), coarse.ravel())[0, 1] > 0.97
    assert not above_rolling_ball(np.full((20, 20), 7, np.float32), 5).any()


@pytest.mark.parametrize("method", ["median", "wavelet", "non_local_means"])
def test_a_constant_plane_has_no_noise_to_reduce(method):
    flat = np.full((40, 50), 100, np.float32)
    np.testing.assert_array_equal(less_noisy(flat, method), flat)
