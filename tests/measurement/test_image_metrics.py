"""Image metrics against formulas written out, and against what must hold for any image."""

import numpy as np
import pytest

from unstained.errors import BadInput
from unstained.measurement.agreement import (
    Moments,
    image_agreement,
    light_my_cells,
    mean_of,
    ssim,
    why_undefined,
)


@pytest.fixture
def planes() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    real = rng.gamma(2.0, 400.0, (40, 52)).astype(np.uint16)
    return (0.7 * real + 90 + rng.normal(0, 60, real.shape)).astype(np.float32), real


def test_a_stain_of_another_gain_and_offset_correlates_fully(planes):
    _, real = planes
    found = image_agreement(3.5 * real.astype(np.float32) + 120, real)
    assert found["pcc"] == pytest.approx(1, abs=1e-9)
    assert image_agreement(-2.0 * real.astype(np.float32), real)["pcc"] == pytest.approx(-1, abs=1e-9)
    assert found["nrmse"] > 1


def test_every_figure_is_its_formula(planes):
    predicted, real = planes
    x, y = predicted.astype(float).ravel(), real.astype(float).ravel()
    rmse = np.sqrt(np.mean((x - y) ** 2))
    found = image_agreement(predicted, real)
    assert found["pcc"] == pytest.approx(np.corrcoef(x, y)[0, 1], rel=1e-9)
    assert found["mae"] == pytest.approx(np.mean(np.abs(x - y)), rel=1e-9)
    assert found["nrmse"] == pytest.approx(rmse / y.std(), rel=1e-9)
    assert found["psnr"] == pytest.approx(20 * np.log10((y.max() - y.min()) / rmse), rel=1e-9)


def test_the_mean_as_a_prediction_has_an_nrmse_of_1(planes):
    _, real = planes
    assert image_agreement(np.full(real.shape, real.mean()), real)["nrmse"] == pytest.approx(1, rel=1e-9)


def test_ssim_is_that_of_wang_with_gaussian_weights(planes):
    from scipy.ndimage import gaussian_filter

    predicted, real = (plane.astype(float) for plane in planes)
    extent = np.ptp(real)

    def blur(plane: np.ndarray) -> np.ndarray:
        return gaussian_filter(plane, 1.5, truncate=3.5)

    mean_x, mean_y = blur(predicted), blur(real)
    var_x, var_y = blur(predicted**2) - mean_x**2, blur(real**2) - mean_y**2
    both = blur(predicted * real) - mean_x * mean_y
    first, second = (0.01 * extent) ** 2, (0.03 * extent) ** 2
    plane = ((2 * mean_x * mean_y + first) * (2 * both + second)) / (
        (mean_x**2 + mean_y**2 + first) * (var_x + var_y + second)
    )
    assert image_agreement(*planes)["ssim"] == pytest.approx(plane[5:-5, 5:-5].mean(), rel=1e-6)


def test_equal_planes_agree_fully(planes):
    _, real = planes
    found = image_agreement(real, real)
    assert found["ssim"] == pytest.approx(1)
    assert (found["mae"], found["nrmse"], found["psnr"]) == (0, 0, None)
    assert "infinite" in " ".join(why_undefined(real, real))


def test_gain_of_both_planes_changes_nothing_but_the_error_in_camera_units(planes):
    predicted, real = planes
    once, twice = image_agreement(predicted, real), image_agreement(2 * predicted, 2.0 * real)
    for name in ("pcc", "ssim", "nrmse", "psnr"):
        assert twice[name] == pytest.approx(once[name], rel=1e-6), name
    assert twice["mae"] == pytest.approx(2 * once["mae"], rel=1e-6)


@pytest.mark.parametrize(
    ("predicted", "real", "word"),
    [
        (np.zeros((20, 20)), np.arange(400.0).reshape(20, 20), "predicted plane is constant"),
        (np.arange(400.0).reshape(20, 20), np.full((20, 20), 7), "real plane is constant"),
        (np.full((20, 20), np.nan), np.arange(400.0).reshape(20, 20), "finite"),
        (np.arange(64.0).reshape(8, 8), np.eye(8), "11 px"),
    ],
)
def test_what_is_undefined_is_none_with_a_reason(predicted, real, word):
    found = image_agreement(predicted, real)
    assert None in found.values()
    assert not any(value is not None and np.isnan(value) for value in found.values())
    assert word in " ".join(why_undefined(predicted, real))


def test_a_flat_plane_with_rounding_noise_has_no_correlation():
    flat = np.full((50, 50), 1000.1) + 1e-10 * np.random.default_rng(0).normal(size=(50, 50))
    assert image_agreement(flat, np.arange(2500.0).reshape(50, 50))["pcc"] is None


def test_planes_of_other_sizes_are_refused():
    with pytest.raises(BadInput, match="differ in shape"):
        image_agreement(np.zeros((5, 6)), np.zeros((6, 5)))


def test_moments_of_parts_add_up_to_those_of_the_whole(planes):
    predicted, real = planes
    parts = [
        Moments.of(predicted[:, part], real[:, part]) for part in (slice(0, 7), slice(7, 30), slice(30, 52))
    ]
    whole = sum(parts, Moments())
    assert whole.pcc == pytest.approx(np.corrcoef(predicted.ravel(), real.ravel())[0, 1], rel=1e-9)
    assert whole.n == real.size


def test_pooled_differs_from_the_mean_where_fields_differ_in_brightness():
    rng = np.random.default_rng(1)
    dim, bright = rng.normal(0, 1, (2, 30, 30)), rng.normal(100, 1, (2, 30, 30))
    pooled = (Moments.of(*dim) + Moments.of(*bright)).pcc
    assert abs(Moments.of(*dim).pcc) < 0.15
    assert pooled > 0.99


def test_light_my_cells_ignores_gain_and_offset_and_uses_its_percentiles(planes):
    predicted, real = planes
    found = light_my_cells(5 * predicted + 1000, real)
    assert found == pytest.approx(light_my_cells(predicted, real), rel=1e-4)

    def scaled(plane: np.ndarray) -> np.ndarray:
        low, high = np.percentile(plane.astype(float), (2, 99.8))
        return (plane - low) / (high - low)

    x, y = scaled(predicted), scaled(real)
    assert found["euclidean"] == pytest.approx(np.sqrt(((x - y) ** 2).sum()), rel=1e-4)
    assert found["mae"] == pytest.approx(np.abs(x - y).mean(), rel=1e-4)
    assert found["ssim"] == pytest.approx(ssim(x, y, max(np.ptp(x), np.ptp(y))), rel=1e-4)
    cosine = 1 - (x * y).sum() / np.sqrt((x**2).sum() * (y**2).sum())
    assert found["cosine"] == pytest.approx(cosine, rel=1e-3)


def test_light_my_cells_of_a_constant_plane_is_none():
    assert set(light_my_cells(np.ones((20, 20)), np.eye(20)).values()) == {None}


def test_means_leave_out_what_is_missing():
    assert mean_of([{"a": 1.0, "b": None}, {"a": 3.0, "b": None}, {"a": None}]) == {"a": 2.0, "b": None}
