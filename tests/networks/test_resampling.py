"""The working grid covers what the field covers: nothing moves, nothing is gained, nothing aliases."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.strategies import floats, integers

from unstained.networks.normalisation import Normalisation
from unstained.networks.resampling import network_plane, resample, working_shape


def blob(shape: tuple[int, int], centre: tuple[float, float], sigma_px: float) -> np.ndarray:
    y, x = np.mgrid[: shape[0], : shape[1]]
    return np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / (2 * sigma_px**2)).astype(np.float32)


def centre_of(plane: np.ndarray) -> tuple[float, float]:
    y, x = np.indices(plane.shape)
    return float((plane * y).sum() / plane.sum()), float((plane * x).sum() / plane.sum())


@settings(max_examples=25, deadline=None)
@given(rows=integers(101, 170), columns=integers(101, 170), zoom=floats(0.25, 2))
def test_there_and_back_moves_nothing(rows, columns, zoom):
    """A blob stays where it was, to 0.02 px, whatever the size and the zoom."""
    middle = (rows / 2 + 3.3, columns / 2 - 4.7)
    there = resample(blob((rows, columns), middle, 8), working_shape((rows, columns), zoom))
    np.testing.assert_allclose(centre_of(resample(there, (rows, columns))), middle, atol=0.02)


def test_pixel_centres_lie_where_they_should():
    """Halving an even plane averages symmetrically about (2j + ½): a ramp keeps its values there."""
    ramp = np.tile(np.arange(64, dtype=np.float32), (64, 1))
    halved = resample(ramp, (32, 32))
    np.testing.assert_allclose(halved[5, 2:-2], (2 * np.arange(32) + 0.5)[2:-2], atol=1e-4)


@settings(max_examples=25, deadline=None)
@given(rows=integers(1, 90), columns=integers(1, 90), to_rows=integers(1, 120), to_columns=integers(1, 120))
def test_a_constant_stays_constant(rows, columns, to_rows, to_columns):
    resampled = resample(np.full((rows, columns), 1234.5, np.float32), (to_rows, to_columns))
    assert resampled.shape == (to_rows, to_columns)
    np.testing.assert_allclose(resampled, 1234.5, rtol=1e-6)


def test_texture_finer_than_the_new_grid_vanishes():
    """A checkerboard of ±1 has no place on a third of the pixels; taking every third would keep it."""
    checkerboard = (np.indices((120, 120)).sum(0) % 2 * 2 - 1).astype(np.float32)
    assert np.abs(resample(checkerboard, (40, 40))[1:-1, 1:-1]).max() < 0.02
    assert np.abs(checkerboard[::3, ::3]).min() == 1


def test_same_size_is_the_same_plane():
    plane = np.random.default_rng(0).random((20, 30), dtype=np.float32)
    np.testing.assert_array_equal(resample(plane, (20, 30)), plane)


def test_working_shape_has_at_least_one_pixel():
    assert working_shape((2048, 1000), 0.33) == (676, 330)
    assert working_shape((1, 2), 0.1) == (1, 1)


def test_binned_and_full_resolution_look_alike_to_the_network():
    """The same field from a camera with 2×2 binning and half the zoom: equal planes, up to resampling."""
    rng = np.random.default_rng(0)
    field = resample(rng.normal(size=(60, 60)).astype(np.float32), (480, 480)) * 300 + 2000
    field = (field + rng.normal(size=field.shape) * 40).astype(np.uint16)
    binned = field.reshape(240, 2, 240, 2).sum(axis=(1, 3), dtype=np.uint16)
    full = network_plane(field, Normalisation(), 0.25)
    half = network_plane(binned, Normalisation(), 0.5)
    assert full.shape == half.shape == (120, 120)
    assert np.abs(full - half).mean() < 0.02
    assert full.std() == pytest.approx(half.std(), rel=0.02)


def test_the_spread_is_measured_on_what_the_network_sees():
    """Whatever the single pixels' noise: on the working grid, the 1st and 99th percentile lie 1 apart."""
    noise = np.random.default_rng(0).normal(size=(400, 400)) * 50 + 1000
    seen = network_plane(noise, Normalisation(flatten=0), 0.25)
    assert np.ptp(np.percentile(seen, (1, 99))) == pytest.approx(1, rel=1e-4)
    assert np.median(seen) == pytest.approx(0, abs=1e-4)
