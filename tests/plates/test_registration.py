"""The shift between label-free and stained planes: known answers, relief that must not pull, honest doubt."""

import numpy as np
import pytest
import tifffile
from scipy.ndimage import gaussian_filter, shift

from unstained.plates import registration
from unstained.plates.registration import ChannelShift, channel_shift


def cells(seed: int, side: int = 320, number: int = 60) -> np.ndarray:
    """Draw nuclei (Y X): discs of 7–11 px radius, brightness 0.5–1, none outside the plane."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    plane = np.zeros((side, side), np.float32)
    for centre_y, centre_x in rng.uniform(15, side - 15, (number, 2)):
        inside = np.hypot(y - centre_y, x - centre_x) < rng.uniform(7, 11)
        plane[inside] = rng.uniform(0.5, 1)
    return gaussian_filter(plane, 1.0)


def relief(nuclei: np.ndarray, angle: float, seed: int = 9) -> np.ndarray:
    """Light the cells from one side: the slope of their height along `angle`, over granular noise."""
    rng = np.random.default_rng(seed)
    dy, dx = np.gradient(gaussian_filter(nuclei, 1.0))
    lit = np.sin(angle) * dy + np.cos(angle) * dx
    return (1000 + 2000 * lit + 40 * rng.normal(size=nuclei.shape)).astype(np.float32)


def stain(nuclei: np.ndarray, moved: tuple[float, float], seed: int = 5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.poisson(100 + 500 * shift(nuclei, moved, order=1, mode="nearest")).astype(np.float32)


@pytest.mark.parametrize("moved", [(0.0, 0.0), (2.0, -3.0), (-5.5, 4.0), (0.0, 8.0)])
def test_a_known_shift_is_found(moved):
    nuclei = cells(1)
    found = channel_shift(relief(nuclei, 0.7), stain(nuclei, moved))
    assert found.reliable
    assert (found.dy, found.dx) == pytest.approx(moved, abs=0.35)


@pytest.mark.parametrize(
    ("dx", "error_px", "reliable", "certain"),
    [(1.5, 0.7, True, True), (1.0, 0.7, True, False), (-1.5, 0.7, True, True), (0, 2, False, False)],
)
def test_a_shift_is_certain_beyond_two_standard_errors(dx, error_px, reliable, certain):
    assert ChannelShift(0.0, dx, 0.5, reliable, error_px, 10.0).certain is certain


@pytest.mark.parametrize("angle", np.linspace(0, 2 * np.pi, 4, endpoint=False))
def test_the_side_the_light_comes_from_does_not_pull(angle):
    nuclei = cells(2)
    found = channel_shift(relief(nuclei, angle), stain(nuclei, (0.0, 0.0)))
    assert found.reliable
    assert (found.dy, found.dx) == pytest.approx((0, 0), abs=0.35)


def test_other_cells_give_no_shift():
    for seed in range(4):
        found = channel_shift(relief(cells(10 + seed), 0.7), stain(cells(20 + seed), (0, 0)))
        assert (found.reliable, found.dy, found.dx) == (False, 0.0, 0.0)
        assert found.confidence < 0.5


def test_a_shift_beyond_reach_is_not_believed():
    nuclei = cells(3)
    assert not channel_shift(relief(nuclei, 0.7), stain(nuclei, (0.0, 20.0)), max_px=8).reliable


@pytest.mark.parametrize("constant", ["label_free", "stained"])
def test_a_constant_plane_gives_no_shift(constant):
    planes = {"label_free": relief(cells(4), 0.7), "stained": stain(cells(4), (1, 1))}
    planes[constant] = np.full((320, 320), 7, np.uint16)
    found = channel_shift(**planes)
    assert (found.reliable, found.confidence, found.dy) == (False, 0.0, 0.0)


def test_a_plane_too_small_for_the_question_gives_no_shift():
    nuclei = cells(4)[:100, :100]
    assert not channel_shift(relief(nuclei, 0.7), stain(nuclei, (1, 1)), max_px=12).reliable


def test_units_and_gain_do_not_matter():
    nuclei = cells(5)
    label_free, stained = relief(nuclei, 0.7), stain(nuclei, (1.0, 2.0))
    plain = channel_shift(label_free, stained)
    scaled = channel_shift(3 * label_free + 500, 10 * stained + 200)
    assert (scaled.dy, scaled.dx) == pytest.approx((plain.dy, plain.dx), abs=0.02)


@pytest.mark.parametrize(
    ("label_free", "stained"),
    [
        ("scratch-assay/images/A01_f4_OBLIQUE.tif", "scratch-assay/images/A01_f4_DNA.tif"),
        ("neurons/images/A04_f0_PH_z06.tif", "neurons/images/A04_f0_DNA.tif"),
        pytest.param(
            "cellpainting-brightfield/images/C03_f0_BF.tif",
            "cellpainting-brightfield/images/C03_f0_AGP.tif",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_moving_a_real_stain_moves_the_estimate_as_far(shared_data, label_free, stained):
    light, stain_plane = (tifffile.imread(shared_data / path) for path in (label_free, stained))
    margin = 8
    inner = np.s_[margin:-margin, margin:-margin]
    before = channel_shift(light[inner], stain_plane[inner])
    after = channel_shift(light[inner], np.roll(stain_plane, (3, -4), (0, 1))[inner])
    assert before.reliable
    assert after.reliable
    assert max(abs(before.dy), abs(before.dx)) < 6
    assert (after.dy - before.dy, after.dx - before.dx) == pytest.approx((3, -4), abs=0.35)


def test_the_same_planes_are_looked_at_once_and_others_anew(monkeypatch):
    looked = []
    monkeypatch.setattr(registration, "_structure", lambda plane, real=registration._structure:
                        looked.append(1) or real(plane))  # fmt: skip
    nuclei = cells(91)
    light, stained = relief(nuclei, 1.0), stain(nuclei, (2.0, -3.0))
    first, again = channel_shift(light, stained), channel_shift(light.copy(), stained.copy())
    other = channel_shift(light, np.roll(stained, 4, axis=1))
    assert first == again
    assert len(looked) == 2
    assert other.dx - first.dx == pytest.approx(4, abs=0.5)
