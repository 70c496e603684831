"""Nuclei are found where they are, in any units, light and size; and nowhere else."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from unstained.segmentation.nuclei import NucleiSettings, estimate_diameter, segment_nuclei
from unstained.segmentation.recipes import usual_contrast


def ellipses(shape, places, *, semi=(10, 10), angles=None, heights=None, blur=1.0):
    """Draw bright ellipses (Y X) with half axes `semi` px, blurred like a microscope does; background 0."""
    y, x = np.indices(shape, dtype=np.float32)
    plane = np.zeros(shape, np.float32)
    for number, (row, column) in enumerate(places):
        angle = 0.0 if angles is None else angles[number]
        along = (y - row) * np.cos(angle) + (x - column) * np.sin(angle)
        across = (x - column) * np.cos(angle) - (y - row) * np.sin(angle)
        inside = (along / semi[0]) ** 2 + (across / semi[1]) ** 2 <= 1
        plane = np.maximum(plane, inside * (1.0 if heights is None else heights[number]))
    return gaussian_filter(plane, blur)


def noisy(plane, *, noise, seed=0):
    return (plane + np.random.default_rng(seed).normal(0, noise, plane.shape)).astype(np.float32)


def grid(rows, columns, pitch, start):
    return [(start + pitch * row, start + pitch * column) for row in range(rows) for column in range(columns)]


PLACES = grid(4, 5, 48, 30)
FIELD = noisy(ellipses((210, 250), PLACES, semi=(12, 9)), noise=0.04)
AREA = np.pi * 12 * 9


def test_every_nucleus_is_found_once_with_its_area():
    labels = segment_nuclei(FIELD)
    assert labels.dtype == np.int32
    assert sorted(labels[row, column] for row, column in PLACES) == list(range(1, 21))
    np.testing.assert_allclose(np.bincount(labels.ravel())[1:], AREA, rtol=0.12)


@pytest.mark.parametrize(("gain", "offset"), [(37.5, 0.0), (1.0, 500.0), (4096.0, 12000.0), (1e-4, -3.0)])
def test_gain_and_offset_of_the_camera_change_nothing(gain, offset):
    seen = (FIELD.astype(np.float64) * gain + offset).astype(np.float32)
    assert np.mean(segment_nuclei(seen) != segment_nuclei(FIELD)) < 1e-4


def test_whole_numbers_of_an_8_bit_camera_find_the_same_nuclei():
    seen = np.clip(FIELD * 60 + 10, 0, 255).astype(np.uint8)
    labels = segment_nuclei(seen)
    assert labels.max() == 20
    np.testing.assert_allclose(np.bincount(labels.ravel())[1:], AREA, rtol=0.12)


@pytest.mark.parametrize("radius", [4, 8, 16, 30, 60])
def test_the_diameter_is_estimated_and_nuclei_found_from_8_to_120_px(radius):
    side = 10 * radius
    places = grid(3, 3, 3 * radius, 2 * radius)
    plane = noisy(ellipses((side, side), places, semi=(radius, radius), blur=max(1, radius / 12)), noise=0.05)
    assert estimate_diameter(plane) == pytest.approx(2 * radius, rel=0.15)
    labels = segment_nuclei(plane)
    assert labels.max() == 9
    np.testing.assert_allclose(np.bincount(labels.ravel())[1:], np.pi * radius**2, rtol=0.15)


@pytest.mark.parametrize("overlap", [0.95, 1.0, 0.85])
def test_two_disks_that_touch_are_two(overlap):
    radius = 12
    apart = 2 * radius * overlap
    places = [(40, 40), (40, 40 + apart), (110, 40), (40, 140), (110, 140)]
    labels = segment_nuclei(ellipses((150, 180), places, semi=(radius, radius)))
    assert labels.max() == 5
    assert labels[40, 40] != labels[40, int(40 + apart)]


@pytest.mark.parametrize("angle", [0.0, 0.6, 1.2])
def test_a_long_nucleus_is_one(angle):
    places = grid(2, 3, 70, 45)
    labels = segment_nuclei(noisy(ellipses((160, 230), places, semi=(22, 9), angles=[angle] * 6), noise=0.03))
    assert labels.max() == 6


@pytest.mark.parametrize("pitch", [22, 26, 48])
def test_bright_mitotic_nuclei_hide_and_shrink_no_others(pitch):
    places = grid(5, 5, pitch, 20)
    heights = [10.0 if number in (6, 8, 16, 18) else 1.0 for number in range(25)]
    side = 4 * pitch + 40
    plane = ellipses((side, side), places, semi=(9, 9), heights=heights)
    labels = segment_nuclei(noisy(plane, noise=0.04))
    assert sorted(labels[row, column] for row, column in places) == list(range(1, 26))
    np.testing.assert_allclose(np.bincount(labels.ravel())[1:], np.pi * 81, rtol=0.15)


def test_a_ramp_of_light_changes_no_nucleus():
    y, x = np.indices(FIELD.shape) / 210
    labels = segment_nuclei((FIELD + 2 * x + y).astype(np.float32))
    assert sorted(labels[row, column] for row, column in PLACES) == list(range(1, 21))
    np.testing.assert_allclose(np.bincount(labels.ravel())[1:], AREA, rtol=0.2)


def test_vignetting_loses_no_nucleus():
    y, x = np.indices(FIELD.shape)
    lamp = np.exp(-((y - 105) ** 2 + (x - 125) ** 2) / (2 * 110**2))
    labels = segment_nuclei(((FIELD + 0.5) * lamp).astype(np.float32))
    assert sorted(labels[row, column] for row, column in PLACES) == list(range(1, 21))


@pytest.mark.parametrize("diameter_um", [None, 5.0, 7.0, 25.0])
@pytest.mark.parametrize("seed", range(4))
def test_noise_alone_shows_no_nuclei(seed, diameter_um):
    noise = np.random.default_rng(seed).normal(100, 5, (256, 256)).astype(np.float32)
    settings = NucleiSettings(diameter_um=diameter_um)
    assert segment_nuclei(noise, settings=settings).max() == 0


@pytest.mark.parametrize("seed", range(3))
def test_uneven_empty_light_shows_no_nuclei(seed):
    y, x = np.indices((256, 256)) / 256
    rng = np.random.default_rng(seed)
    light = 400 * np.exp(-((y - 0.4) ** 2 + (x - 0.6) ** 2)) + 80 * x
    assert segment_nuclei(rng.poisson(light).astype(np.float32)).max() == 0


@pytest.mark.parametrize("value", [0.0, 1.0, 4095.0])
def test_a_constant_plane_has_no_nuclei(value):
    plane = np.full((64, 80), value, np.float32)
    assert estimate_diameter(plane) is None
    assert segment_nuclei(plane).shape == (64, 80)
    assert segment_nuclei(plane).max() == 0
    assert segment_nuclei(plane, settings=NucleiSettings(diameter_um=12)).max() == 0


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (17, 300)])
def test_odd_and_tiny_planes_give_labels_of_their_own_size(shape):
    plane = np.random.default_rng(0).random(shape).astype(np.float32)
    assert segment_nuclei(plane).shape == shape


def test_sizes_in_um_follow_the_pixel_size():
    settings = NucleiSettings(diameter_um=10.5)
    px = NucleiSettings(diameter_um=21)
    in_um = segment_nuclei(FIELD, pixel_size_um=0.5, settings=settings)
    np.testing.assert_array_equal(in_um, segment_nuclei(FIELD, settings=px))
    assert in_um.max() == 20


def test_objects_far_below_the_given_size_are_dropped():
    places = [(40, 40), (40, 120), (120, 40)]
    plane = ellipses((160, 160), places, semi=(14, 14)) + ellipses((160, 160), [(120, 120)], semi=(2, 2))
    labels = segment_nuclei(plane, settings=NucleiSettings(diameter_um=28))
    assert labels.max() == 3
    assert labels[120, 120] == 0


def test_faint_objects_can_be_left_out_by_camera_units():
    heights = [200.0] * 19 + [80.0]
    plane = ellipses((210, 250), PLACES, semi=(12, 9), heights=heights) + 100
    assert segment_nuclei(plane).max() == 20
    assert segment_nuclei(plane, settings=NucleiSettings(least_contrast=100)).max() == 19


def test_the_usual_contrast_is_what_three_of_four_nuclei_exceed() -> None:
    heights = [float(height) for height in range(110, 310, 10)]
    plane = ellipses((210, 250), PLACES, semi=(12, 9), heights=heights) + 100
    assert usual_contrast([plane], NucleiSettings()) == pytest.approx(np.quantile(heights, 0.25), rel=0.1)
    assert usual_contrast([np.full((64, 64), 7, np.float32)], NucleiSettings()) is None
