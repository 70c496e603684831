"""Light does what the formulas of the field say: known answers for weak and smooth samples."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, laplace

from unstained.errors import BadInput, BadSettings
from unstained.imaging.optics import HAZE_UM, Objective, Transmission, fluorescent, transmitted
from unstained.networks.light import find_light

PIXEL = 0.325
MODES = ("brightfield", "dic", "phase", "oblique")


def bumps(height_um: float, sigma_px: float = 8.0, number: int = 60) -> np.ndarray:
    """Make smooth cells on a plane (256 256) that repeats itself, of path differences up to `height_um`."""
    peaks = np.zeros((256, 256), np.float32)
    peaks[tuple(np.random.default_rng(0).integers(0, 256, (2, number)))] = 1
    smooth = gaussian_filter(peaks, sigma_px, mode="wrap")
    return height_um * smooth / smooth.max()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("defocus_um", [0.0, 4.0])
def test_an_empty_field_is_evenly_lit(mode, defocus_um):
    nothing, microscope = np.zeros((64, 96), np.float32), Transmission(mode=mode)
    seen = transmitted(nothing, microscope, pixel_um=PIXEL, defocus_um=defocus_um)
    np.testing.assert_allclose(seen, 1, atol=1e-5)


@pytest.mark.parametrize("bias_deg", [40.0, 90.0])
@pytest.mark.parametrize("shear_deg", [0.0, 45.0, 200.0])
def test_dic_is_the_interference_of_two_beams_a_shear_apart(bias_deg, shear_deg):
    """For a sample far coarser than the lens' limit: sin²((bias + Δφ) / 2), Δφ over the shear."""
    path = bumps(0.3, sigma_px=14)
    microscope = Transmission(shear_deg=shear_deg, bias_deg=bias_deg, condenser_na=0)
    angle, phase = np.radians(shear_deg), 2 * np.pi * path / microscope.objective.wavelength_um
    down, across = (np.roll(phase, -1, axis) - np.roll(phase, 1, axis) for axis in (0, 1))
    along = (np.sin(angle) * down + np.cos(angle) * across) / 2 / PIXEL * microscope.shear_um
    half = np.radians(bias_deg) / 2
    expected = np.sin(half + along / 2) ** 2 / np.sin(half) ** 2
    np.testing.assert_allclose(transmitted(path, microscope, pixel_um=PIXEL), expected, atol=0.01)


@pytest.mark.parametrize("mode", ["dic", "oblique"])
@pytest.mark.parametrize("angle_deg", [30.0, 100.0, 250.0])
def test_relief_is_lit_from_where_it_is_said_to_be(mode, angle_deg):
    seen = transmitted(bumps(0.1), Transmission(mode=mode, shear_deg=angle_deg), pixel_um=PIXEL)
    light = find_light((seen - 1).astype(np.float32))
    assert light.is_relief
    assert abs((light.angle_deg - angle_deg + 180) % 360 - 180) < 6


@pytest.mark.parametrize("defocus_um", [-3.0, 3.0])
def test_brightfield_shows_phase_out_of_focus_alone(defocus_um):
    """Transport of intensity (Teague 1983): I − 1 = −z λ/2π ∇²φ for weak phase, so −z ∇² of the path."""
    path, microscope = bumps(0.02), Transmission(mode="brightfield", condenser_na=0.02)
    expected = -defocus_um * laplace(path, mode="wrap") / PIXEL**2
    seen = transmitted(path, microscope, pixel_um=PIXEL, defocus_um=defocus_um) - 1
    np.testing.assert_allclose(seen, expected, atol=0.1 * np.abs(expected).max())
    focused = transmitted(path, microscope, pixel_um=PIXEL) - 1
    assert np.abs(focused).max() < 0.1 * np.abs(seen).max()


def test_phase_contrast_darkens_what_is_thick_and_puts_a_halo_round_it():
    path = bumps(0.05, number=1, sigma_px=6)
    seen = transmitted(path, Transmission(mode="phase"), pixel_um=PIXEL)
    top = np.unravel_index(path.argmax(), path.shape)
    assert seen[top] == seen.min() < 0.8
    assert seen.max() > 1.01


def test_phase_contrast_of_a_weak_grating_is_four_times_its_phase():
    """I − 1 = −2φ / √T where only the direct light meets the ring of transmission T = .25 (Zernike 1942)."""
    wave = np.cos(2 * np.pi * 6 * np.arange(60) / 60).astype(np.float32)[None]  # a period of 3.25 µm
    path = np.float32(0.002) * np.repeat(wave, 64, axis=0)
    ring = Transmission(mode="phase", ring_na=0.15, ring_width=0.02)
    seen = transmitted(path, ring, pixel_um=PIXEL) - 1
    phase = 2 * np.pi * path / ring.objective.wavelength_um
    np.testing.assert_allclose(seen, -4 * phase, atol=0.03 * np.abs(4 * phase).max())


def test_the_image_moves_with_the_sample():
    path, microscope = bumps(0.3), Transmission()
    moved = transmitted(np.roll(path, (5, -9), (0, 1)), microscope, pixel_um=PIXEL, defocus_um=2)
    stays = transmitted(path, microscope, pixel_um=PIXEL, defocus_um=2)
    np.testing.assert_allclose(moved, np.roll(stays, (5, -9), (0, 1)), atol=1e-4)


@pytest.mark.parametrize(("defocus_um", "haze"), [(0.0, 0.0), (3.0, 0.0), (0.0, 0.4), (6.0, 0.2)])
def test_fluorescence_loses_no_light(defocus_um, haze):
    light = np.random.default_rng(0).random((96, 128)).astype(np.float32)
    seen = fluorescent(light, Objective(), pixel_um=PIXEL, defocus_um=defocus_um, haze=haze)
    assert seen.sum() == pytest.approx(light.sum(), rel=1e-4)
    assert seen.std() < light.std()


def test_haze_blurs_its_share_and_no_more():
    """A wave of 24 µm loses little to the lens; of its haze exp(−2π²σ²f²) is left."""
    wave = 1 + np.cos(2 * np.pi * np.arange(320) * PIXEL / 26.0).astype(np.float32)[None].repeat(64, axis=0)
    sharp, hazy = (fluorescent(wave, Objective(), pixel_um=PIXEL, haze=haze).std() for haze in (0.0, 0.4))
    left = np.exp(-2 * (np.pi * HAZE_UM / 26.0) ** 2)
    assert hazy / sharp == pytest.approx(0.6 + 0.4 * left, abs=0.01)


def test_pixels_too_coarse_for_the_lens_are_refused():
    for seen, microscope in ((transmitted, Transmission()), (fluorescent, Objective())):
        with pytest.raises(BadInput, match="too coarse"):
            seen(np.zeros((64, 64), np.float32), microscope, pixel_um=0.65)


@pytest.mark.parametrize("na", [0.3, 0.5, 0.75])
def test_a_point_in_focus_is_an_airy_disc(na):
    """Its width at half height is 0.515 λ / NA (Born & Wolf, §8.5)."""
    pixel, lens = 0.05, Objective(na=na, wavelength_um=0.52)
    point = np.zeros((256, 256), np.float32)
    point[128, 128] = 1
    profile = fluorescent(point, lens, pixel_um=pixel)[128]
    above = profile > profile.max() / 2
    assert above.sum() * pixel == pytest.approx(0.515 * 0.52 / na, abs=2 * pixel)


def test_defocus_spreads_a_point_into_the_cone_of_the_lens():
    """Far from focus the spot's radius is z·tan(asin NA), and light is about even in it."""
    point = np.zeros((512, 512), np.float32)
    point[256, 256] = 1
    y, x = np.mgrid[:512, :512] - 256
    radius = np.hypot(y, x) * PIXEL
    for defocus_um in (20.0, 40.0):
        seen = fluorescent(point, Objective(), pixel_um=PIXEL, defocus_um=defocus_um)
        edge = defocus_um * np.tan(np.arcsin(0.5))
        assert seen[radius < edge].sum() > 0.9
        assert seen[radius < edge * 3**-0.5].sum() == pytest.approx(1 / 3, abs=0.08)
    sides = [fluorescent(point, Objective(), pixel_um=PIXEL, defocus_um=z) for z in (-5.0, 5.0)]
    np.testing.assert_allclose(*sides, atol=1e-6)


def test_a_lens_that_cannot_be_is_refused():
    with pytest.raises(BadSettings, match="na"):
        Objective.checked({"na": 1.2, "index": 1.0})
    with pytest.raises(BadSettings, match="ring_na"):
        Transmission.checked({"mode": "phase", "ring_na": 0.6})
