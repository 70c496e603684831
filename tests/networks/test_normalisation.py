"""Gain and offset of lamp and camera cancel; camera units come back exactly."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.strategies import floats, integers

from unstained.networks.normalisation import Normalisation, StainScale, slow_light

PLAIN = Normalisation(flatten=0)


def texture(seed: int = 0, shape: tuple[int, int] = (96, 130)) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@settings(max_examples=30, deadline=None)
@given(gain=floats(0.01, 1000), offset=floats(-1000, 1000), seed=integers(0, 9))
def test_gain_and_offset_of_the_camera_cancel(gain, offset, seed):
    plane = texture(seed)
    changed = (plane.astype(np.float64) * gain + offset).astype(np.float32)
    rounding = 1e-6 * (1 + abs(offset) / gain)
    for normalisation in (PLAIN, Normalisation()):
        np.testing.assert_allclose(
            normalisation.apply(changed), normalisation.apply(plane), atol=10 * rounding
        )


def test_known_percentiles_become_known_values():
    """0..100 has its 1st, 50th and 99th percentile at 1, 50 and 99."""
    plane = np.arange(101, dtype=np.uint16).reshape(1, 101)
    normalised = PLAIN.apply(plane)
    assert normalised.dtype == np.float32
    np.testing.assert_allclose(normalised[0], (np.arange(101) - 50) / 98, rtol=1e-6)


def test_a_constant_plane_becomes_zero():
    for normalisation in (PLAIN, Normalisation()):
        assert not normalisation.apply(np.full((40, 50), 4095, np.uint16)).any()


def test_shading_that_is_slow_is_removed():
    plane = texture(shape=(256, 256))
    ramp = np.linspace(0, 20, 256, dtype=np.float32)
    with_ramp = Normalisation().apply(plane + ramp)
    thirds = np.array_split(with_ramp, 3, axis=1)
    medians = [float(np.median(third)) for third in thirds]
    assert np.ptp(medians) < 0.15
    assert np.ptp([np.median(third) for third in np.array_split(PLAIN.apply(plane + ramp), 3, axis=1)]) > 0.5


def test_slow_light_keeps_a_constant_and_the_mean():
    np.testing.assert_allclose(slow_light(np.full((37, 91), 3.5, np.float32), 5), 3.5, rtol=1e-6)
    plane = texture(shape=(160, 160)) + 10
    assert slow_light(plane, 20).mean() == pytest.approx(plane.mean(), rel=0.01)
    assert slow_light(plane, 20).std() < 0.1


@settings(max_examples=30, deadline=None)
@given(offset=floats(-5000, 5000), gain=floats(0.01, 60000))
def test_camera_units_come_back(offset, gain):
    scale = StainScale(offset=offset, gain=gain)
    units = texture() * 2
    np.testing.assert_allclose(scale.apply(scale.undo(units)), units, atol=1e-3 + abs(offset) / gain * 1e-6)


# Contrasts of training fields


def cells(share: float, *, gain: float = 1.0, relief: float = 1.0) -> np.ndarray:
    """Cover a share of a field, on light of 1000, with texture of one strength."""
    plane = np.full((200, 200), 1000.0)
    rows = round(200 * share)
    plane[:rows] += relief * 100 * texture(1, (200, 200))[:rows]
    return (gain * plane).astype(np.float32)


KNOWING = PLAIN.knowing([cells(0.03), cells(0.3), cells(0.9)])


def strength(plane: np.ndarray) -> float:
    """Of the texture in the first rows, in what a network sees."""
    return float(KNOWING.apply(plane)[:6].std())


def test_a_cell_looks_alike_in_a_full_and_in_an_empty_field():
    assert strength(cells(0.05)) == pytest.approx(strength(cells(0.8)), rel=0.02)
    apart = [float(PLAIN.apply(cells(share))[:6].std()) for share in (0.05, 0.8)]
    assert apart[0] > 1.3 * apart[1]


def test_the_typical_training_field_is_as_it_was_and_the_lamp_cancels():
    typical = cells(0.3)
    np.testing.assert_allclose(KNOWING.apply(typical), PLAIN.apply(typical), rtol=1e-5)
    np.testing.assert_allclose(KNOWING.apply(cells(0.3, gain=7)), KNOWING.apply(typical), atol=1e-4)


def test_another_microscopes_contrast_is_brought_to_the_nearest_that_is_known():
    strong, stronger = (KNOWING.apply(cells(0.9, relief=relief)) for relief in (10, 30))
    np.testing.assert_allclose(strong, stronger, atol=1e-3)
    np.testing.assert_allclose(strong, KNOWING.apply(cells(0.9)), atol=1e-3)


@pytest.mark.parametrize("plane", [texture() - 3, texture() * 0])
def test_fields_without_light_have_no_contrasts_and_are_scaled_each_by_itself(plane):
    assert PLAIN.knowing([plane]).contrasts is None
    assert PLAIN.knowing([cells(0.5), plane]).contrasts == PLAIN.knowing([cells(0.5)]).contrasts
    assert np.isfinite(KNOWING.apply(plane)).all()
