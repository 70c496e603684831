"""The rolling ball is scikit-image's, to within the error that was asked for."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage import restoration

from unstained.segmentation.background import BALL_ERROR, rolling_ball

RNG = np.random.default_rng(0)
HAZE = gaussian_filter(RNG.random((120, 140)), 20)
HAZE = (HAZE - HAZE.min()) / np.ptp(HAZE)
SPOTS = gaussian_filter((RNG.random((120, 140)) > 0.995).astype(float), 2)
PLANE = (300 * HAZE + 800 * SPOTS / SPOTS.max() + RNG.normal(0, 5, HAZE.shape)).astype(np.float32)
RANGE = float(np.diff(np.percentile(PLANE, (1.0, 99.8)))[0])


@pytest.mark.parametrize("scale", [0.05, 1.0, 30.0])
@pytest.mark.parametrize("radius", [3, 17])
@pytest.mark.parametrize("error", [BALL_ERROR, 0.05])
def test_it_is_never_farther_from_scikit_images_than_asked_for(radius, scale, error):
    plane = PLANE * np.float32(scale)
    slow = restoration.rolling_ball(plane, radius=radius, workers=1)
    found = rolling_ball(plane, radius, error=error)
    off = np.abs(found - slow).max() / (scale * RANGE)
    assert off <= error * 1.001
    assert (found <= plane).all()


def test_a_ball_can_be_an_ellipsoid_of_any_height():
    y, x = np.mgrid[-12:13, -12:13]
    share = (y**2 + x**2) / 12**2
    kernel = np.where(share > 1, np.inf, 400 * np.sqrt(np.clip(1 - share, 0, None)))
    slow = restoration.rolling_ball(PLANE, kernel=kernel, workers=1)
    assert np.abs(rolling_ball(PLANE, 12, height=400.0) - slow).max() / RANGE <= BALL_ERROR * 1.001


def test_with_hardly_any_error_it_is_scikit_images():
    slow = restoration.rolling_ball(PLANE, radius=6, workers=1)
    np.testing.assert_allclose(rolling_ball(PLANE, 6, error=1e-6), slow, atol=2e-6 * RANGE + 1e-4)


def test_a_constant_plane_is_its_own_background():
    np.testing.assert_array_equal(rolling_ball(np.full((9, 8), 7, np.uint16), 5), np.full((9, 8), 7))
