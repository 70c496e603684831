"""Floors: what takes no learning must be found where it is there, and must not be invented."""

import numpy as np
import pytest
from scipy.ndimage import correlate, gaussian_filter

from unstained.errors import BadInput
from unstained.measurement.agreement import (
    blurred_input_floor,
    constant_floor,
    fit_linear_filter,
    image_agreement,
    linear_filter_floor,
)


@pytest.fixture(scope="module")
def light() -> np.ndarray:
    return np.random.default_rng(0).normal(500, 40, (2, 136, 150)).astype(np.float32)


@pytest.fixture(scope="module")
def kernel() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(7, 7))


def test_a_stain_that_is_a_linear_filter_of_the_input_is_found(light, kernel):
    """With a kernel fitted on another field, of another gain and offset, as it must be in use."""
    stains = [30 * correlate(plane - 500, kernel, mode="constant") + 900 for plane in light]
    fitted = fit_linear_filter([(light[0], stains[0])])
    assert linear_filter_floor(light[1], stains[1], fitted) > 0.98


def test_the_fitted_kernel_is_the_kernel(light, kernel):
    stain = correlate(light[0].astype(float) - 500, kernel, mode="constant")
    found = fit_linear_filter([(light[0], stain)]).kernels[1]
    middle = found.shape[0] // 2
    np.testing.assert_allclose(found[middle - 3 : middle + 4, middle - 3 : middle + 4], kernel, atol=0.15)
    found[middle - 3 : middle + 4, middle - 3 : middle + 4] = 0
    assert np.abs(found).max() < 0.15


def test_an_unrelated_stain_has_no_linear_floor_on_another_field(light):
    stains = np.random.default_rng(2).normal(size=light.shape)
    fitted = fit_linear_filter([(light[0], stains[0])])
    assert abs(linear_filter_floor(light[1], stains[1], fitted)) < 0.1


def test_a_filter_fitted_on_the_scored_field_is_never_lower(light, kernel):
    stains = [correlate(p, kernel) + np.random.default_rng(5).normal(0, 300, p.shape) for p in light]
    elsewhere = linear_filter_floor(light[1], stains[1], fit_linear_filter([(light[0], stains[0])]))
    assert linear_filter_floor(light[1], stains[1]) > elsewhere


def test_gain_and_offset_of_either_plane_leave_floors_as_they_are(light, kernel):
    stain = correlate(light[0], kernel) + np.random.default_rng(4).normal(0, 200, light[0].shape)
    for floor in (blurred_input_floor, linear_filter_floor):
        assert floor(3 * light[0] + 77, 0.1 * stain - 5) == pytest.approx(floor(light[0], stain), abs=1e-3)


def test_a_blurred_input_is_found_with_either_sign(light):
    stain = gaussian_filter(light[0], 4, mode="nearest")
    assert blurred_input_floor(light[0], stain) > 0.99
    assert blurred_input_floor(light[0], -stain) > 0.99


def test_local_contrast_is_found(light):
    """Cells that show as texture of either sign, without being brighter, are part of the floor."""
    cells = np.zeros((136, 150))
    cells[40:80, 30:90] = 1
    textured = 500 + np.random.default_rng(7).normal(0, 1, cells.shape) * (1 + 30 * cells)
    assert blurred_input_floor(textured, cells) > 0.9


def test_the_best_constant_scores_as_said():
    real = np.random.default_rng(0).gamma(2, 100, (30, 40))
    floor = constant_floor(real)
    assert (
        floor["nrmse"] == image_agreement(np.full(real.shape, real.mean()), real)["nrmse"] == pytest.approx(1)
    )
    best = min(np.abs(real - value).mean() for value in np.linspace(0, 500, 2001))
    assert floor["mae"] == pytest.approx(best, rel=1e-4)


def test_constant_planes_have_no_floor(light):
    flat = np.full(light[0].shape, 3.0)
    assert blurred_input_floor(flat, light[0]) is None
    assert linear_filter_floor(light[0], flat) is None
    assert linear_filter_floor(flat, light[0]) is None
    assert constant_floor(flat) == {"nrmse": None, "mae": 0}


def test_small_and_odd_planes_work(light):
    assert 0.9 < linear_filter_floor(light[0][:17, :23], light[0][:17, :23]) <= 1
    assert 0.9 < blurred_input_floor(light[0][:5, :7], light[0][:5, :7]) <= 1


def test_fitting_on_nothing_is_refused():
    with pytest.raises(BadInput, match="at least one"):
        fit_linear_filter([])
