"""Sharpness: a blur of known width loses the detail that it must, a copy loses none."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from unstained.studies.sharpness import radial_power, sharpness_of


def noise(side=256, seed=0):
    return np.random.default_rng(seed).standard_normal((side, side))


def test_a_copy_of_any_gain_and_offset_keeps_all_detail():
    plane = noise()
    found = sharpness_of([(3 * plane + 7, plane)])
    assert found.finest_px == 2
    np.testing.assert_allclose(found.predicted, found.real, rtol=1e-9)


@pytest.mark.parametrize("side", [48, 64])
def test_small_planes_that_leave_bands_empty_lose_nothing_by_that(side):
    plane = noise(side)
    assert sharpness_of([(plane, plane)]).finest_px == 2


@pytest.mark.parametrize("sigma", [1.0, 2.0])
def test_a_gaussian_blur_halves_the_amplitude_where_its_transform_does(sigma):
    plane = gaussian_filter(noise(512), 0.3)  # mean 0; the blur's spread is undone below
    blurred = gaussian_filter(plane, sigma, mode="wrap")
    found = sharpness_of([(blurred, plane)])
    # amplitude exp(−2 π² σ² f²), divided by the blurred plane's own standard deviation
    gain = plane.std() / blurred.std()
    frequency = np.sqrt(np.log(2 * gain) / (2 * np.pi**2)) / sigma
    assert found.finest_px == pytest.approx(1 / frequency, rel=0.08)


def test_a_wave_has_its_power_at_its_frequency():
    x = np.arange(256)
    wave = np.broadcast_to(np.sin(2 * np.pi * x / 8), (256, 256))
    power = radial_power(wave)
    assert np.argmax(power) == pytest.approx(64 * (1 / 8) / 0.5, abs=1)
    assert power.max() > 50 * np.median(power)


def test_a_constant_plane_has_no_power():
    assert radial_power(np.full((64, 64), 5.0)).max() == 0
