"""Grey values have the mean, the noise and the limits of the EMVA 1288 model."""

import numpy as np
import pytest

from unstained.imaging.camera import NORMAL_FROM, Camera, expose


@pytest.mark.parametrize("electrons", [0.5, 10.0, NORMAL_FROM, 5000.0])
def test_mean_and_variance_are_those_of_photons_and_reading_out(electrons):
    camera = Camera(gain=2.0, offset=100.0, read_noise=3.0)
    grey = expose(np.full((400, 400), electrons, np.float32), camera, np.random.default_rng(0)).astype(float)
    assert grey.mean() == pytest.approx(100 + 2 * electrons, abs=0.1 + 0.001 * electrons)
    rounding = 1 / 12
    assert grey.var() == pytest.approx(4 * (electrons + 9) + rounding, rel=0.02)


@pytest.mark.parametrize(("bits", "highest"), [(8, 255), (12, 4095), (16, 65535)])
def test_values_stop_at_the_converters_depth(bits, highest):
    camera = Camera(bits=bits)
    grey = expose(np.array([[0, 1e7]], np.float32), camera, np.random.default_rng(0))
    assert grey.dtype == np.uint16
    assert grey[0, 1] == camera.highest == highest


def test_chance_is_the_generators():
    light = np.full((8, 8), 20, np.float32)
    one, same, other = (expose(light, Camera(), np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
