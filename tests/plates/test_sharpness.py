"""Noise, structure and edge width of one plane: known answers."""

import numpy as np
import pytest
import tifffile
from scipy.ndimage import gaussian_filter

from unstained.plates.sharpness import edge_width_px, noise_level, structure_above_noise


def discs(side: int = 400, sigma: float = 0.0, height: float = 1000) -> np.ndarray:
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:side, :side]
    plane = np.full((side, side), 100.0)
    for centre_y, centre_x in rng.uniform(40, side - 40, (25, 2)):
        plane[np.hypot(y - centre_y, x - centre_x) < 14] = 100 + height
    return gaussian_filter(plane, sigma) if sigma else plane


@pytest.mark.parametrize("sigma", [2.0, 20.0])
def test_the_noise_is_found_under_cells(sigma):
    plane = discs(sigma=3.0) + np.random.default_rng(0).normal(0, sigma, (400, 400))
    assert noise_level(plane.astype(np.float32)) == pytest.approx(sigma, rel=0.15)


def test_whole_numbers_have_at_least_the_noise_of_rounding():
    assert noise_level(np.full((64, 64), 7, np.uint8)) == pytest.approx(12**-0.5)


@pytest.mark.parametrize("photons", [20, 3000])
@pytest.mark.parametrize("vignette", [0.0, 0.5])
def test_noise_and_uneven_light_are_no_structure(photons, vignette):
    y, x = np.mgrid[-1:1:300j, -1:1:400j]
    plane = np.random.default_rng(1).poisson(photons * (1 - vignette * (y**2 + x**2) / 2)).astype(np.uint16)
    assert structure_above_noise(plane) == pytest.approx(1, abs=0.25)
    hot = plane.copy()
    hot[33, 44] = 4095
    assert structure_above_noise(hot) < 3


def test_faint_cells_are_structure():
    plane = np.random.default_rng(1).poisson(discs(height=20)).astype(np.uint16)
    assert structure_above_noise(plane) > 3


@pytest.mark.parametrize("sigma", [1.0, 2.0, 4.0, 6.0])
def test_the_width_of_edges_is_the_blur_that_made_them(sigma):
    plane = discs(sigma=sigma) + np.random.default_rng(0).normal(0, 2, (400, 400))
    assert edge_width_px(plane.astype(np.float32)) == pytest.approx(sigma, rel=0.15)


def test_edge_width_does_not_depend_on_gain_and_offset():
    plane = discs(sigma=2.0).astype(np.float32)
    assert edge_width_px(5 * plane + 300) == pytest.approx(edge_width_px(plane), rel=1e-3)


def test_real_fields_in_and_out_of_focus_are_told_apart(shared_data):
    """All 9 fields in focus lie below 5 px, all 25 out of it above (2.0–3.1 and 6.5–7.9 px when written)."""
    rows = (shared_data / "defocus" / "focus.csv").read_text(encoding="utf-8").split()[1:]
    widths = {"in": [], "out": []}
    for row in rows:
        path, *_, focus = row.split(",")
        widths[focus].append(
            edge_width_px(tifffile.imread(shared_data / "defocus" / path).astype(np.float32))
        )
    assert (len(widths["in"]), len(widths["out"])) == (9, 25)
    assert max(widths["in"]) < 4
    assert min(widths["out"]) > 6
