"""Light is found where relief shows it, and turns with the image."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from unstained.networks import light as light_module
from unstained.networks.light import (
    RELIEF_PX_UM,
    Light,
    common_light,
    field_light,
    find_light,
    quarter_turns,
    turned,
)
from unstained.networks.normalisation import Normalisation
from unstained.networks.resampling import network_plane


def bumps(seed: int = 0, side: int = 256) -> np.ndarray:
    """Heights of round cells on a flat ground (Y X)."""
    peaks = np.zeros((side, side), np.float32)
    at = np.random.default_rng(seed).integers(0, side, size=(60, 2))
    peaks[at[:, 0], at[:, 1]] = 1
    return gaussian_filter(peaks, 6) * 200


def relief(angle_deg: float, seed: int = 0) -> np.ndarray:
    """Show bumps as oblique light does: the slope along its direction, and camera noise."""
    down, across = np.gradient(bumps(seed))
    along = np.cos(np.radians(angle_deg)) * across + np.sin(np.radians(angle_deg)) * down
    noise = np.random.default_rng(1).normal(0, along.std() / 2, along.shape)
    return (along + noise).astype(np.float32)


def apart(first_deg: float, second_deg: float) -> float:
    return abs((first_deg - second_deg + 180) % 360 - 180)


@pytest.mark.parametrize("angle_deg", [0, 35, 90, 170, 225, 300])
def test_the_direction_of_relief_is_found(angle_deg: float) -> None:
    light = find_light(relief(angle_deg))
    assert apart(light.angle_deg, angle_deg) < 10
    assert light.is_relief


def test_dark_on_bright_is_the_other_side() -> None:
    plane = relief(30)
    assert apart(find_light(-plane).angle_deg, find_light(plane).angle_deg) == pytest.approx(180, abs=0.5)


def test_gain_and_offset_change_nothing() -> None:
    plane = relief(120)
    np.testing.assert_allclose(find_light(7 * plane + 1000), find_light(plane), rtol=1e-2)


def test_without_relief_there_is_no_light() -> None:
    round_cells, noise = bumps(), np.random.default_rng(0).normal(size=(256, 256)).astype(np.float32)
    assert not find_light(round_cells).is_relief
    assert not find_light(noise).is_relief
    assert find_light(np.full((64, 64), 3.0, np.float32)) == Light(0.0, 0.0)


@pytest.mark.parametrize("angle_deg", [0, 50, 100, 185, 260, 310])
def test_quarter_turns_bring_the_light_down(angle_deg: float) -> None:
    plane = relief(angle_deg)
    light = find_light(plane)
    turns = quarter_turns(light)
    after = find_light(np.rot90(plane, turns))
    assert apart(after.angle_deg, 90) <= 46
    assert apart(after.angle_deg, turned(light, turns).angle_deg) < 3


def test_the_common_light_of_fields_goes_by_the_stronger_ones() -> None:
    fields = [Light(350, 0.8), Light(10, 0.8), Light(180, 0.1)]
    assert apart(common_light(fields).angle_deg, 0) < 1e-6
    assert common_light(fields).strength == pytest.approx(0.8)


def test_a_field_with_few_cells_does_not_decide_alone() -> None:
    """One bright cell among noise may point anywhere; the error that its blocks show says so."""
    full = find_light(relief(30))
    assert full.is_certain
    few = np.random.default_rng(3).normal(0, 0.4, (256, 256)).astype(np.float32)
    few[90:150, 90:150] += relief(30)[90:150, 90:150]
    assert find_light(few).error_deg > 2 * full.error_deg


def test_known_pixels_are_looked_at_finely_unknown_ones_on_the_working_grid() -> None:
    plane, plain = relief(225) + 1000, Normalisation()
    coarse = field_light(plane, plain, 0.3, None)
    fine = field_light(plane, plain, 0.3, RELIEF_PX_UM)
    assert fine == find_light(network_plane(plane, plain, 1.0))
    assert coarse == find_light(network_plane(plane, plain, 0.3))
    assert apart(fine.angle_deg, 225) < 10


def test_of_a_large_field_some_parts_tell_the_light(monkeypatch) -> None:
    plane = relief(70)
    whole = find_light(plane)
    side = min(plane.shape)
    for name, value in {"LARGEST_PX": side // 2, "PART_PX": side // 2, "PARTS": 2}.items():
        monkeypatch.setattr(light_module, name, value)
    parts = find_light(plane)
    assert apart(parts.angle_deg, whole.angle_deg) < 5
    assert parts.strength == pytest.approx(whole.strength, rel=0.1)
    assert 0 < parts.error_deg < 2 * whole.error_deg
