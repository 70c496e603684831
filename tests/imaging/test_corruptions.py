"""Corruptions: golden values of the thesis' table, and what physics says of the others."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.special import j1

from unstained.errors import BadSettings
from unstained.imaging.camera import Camera, expose
from unstained.imaging.corruptions import KINDS, View, blur_disc, corrupt, disc, find_kind, on_the_way

EIGHT = View(dark=0, bright=255, camera=Camera(offset=0))
VIEW = View(camera=Camera(gain=0.5, offset=100, read_noise=1.6), bright=4095, pixel_um=0.325)


def plane(side=128, seed=0):
    """Blobs in grey values of 12 bits, with the noise of a camera."""
    rng = np.random.default_rng(seed)
    light = 2000 + 600 * gaussian_filter(rng.standard_normal((side, side)), 3) * 8
    return expose(light.astype(np.float32), VIEW.camera, rng).astype(np.float32)


def done(name, strength, image=None, view=VIEW, seed=1):
    return corrupt(plane() if image is None else image, name, strength, view, np.random.default_rng(seed))


@pytest.mark.parametrize(("radius", "taps"), [(0.5, 1), (1, 5), (1.5, 9), (2, 13), (3, 29)])
def test_the_thesis_discs_have_its_taps(radius, taps):
    kernel = disc(radius)
    assert (kernel > 1e-3).sum() == taps
    assert kernel.sum() == pytest.approx(1)
    assert kernel.max() == pytest.approx(1 / taps, rel=1e-6)


def test_radius_half_is_the_identity_and_one_is_a_plus():
    image = np.zeros((9, 9), np.float32)
    image[4, 4] = 100
    np.testing.assert_allclose(done("thesis_defocus", 0.5, image, EIGHT).plane, image, atol=1e-5)
    blurred = done("thesis_defocus", 1, image, EIGHT).plane
    assert blurred[4, 4] == blurred[3, 4] == blurred[4, 5] == pytest.approx(20)
    assert blurred[3, 3] == pytest.approx(0, abs=1e-4)


def test_borders_are_mirrored_without_the_border_itself():
    image = np.tile(np.array([10, 20, 40, 80, 80, 80], np.float32), (6, 1))
    # left column, disc of radius 1: itself three times (up, down, middle), twice its only neighbour
    assert done("thesis_defocus", 1, image, EIGHT).plane[2, 0] == pytest.approx((3 * 10 + 2 * 20) / 5)


@pytest.mark.parametrize(
    ("name", "strength", "value", "eight"),
    [("contrast", 0.5, 100, 50), ("contrast", 3.5, 100, 255), ("contrast", 1.5, 100, 150),
     ("brightness", 50, 100, 150), ("brightness", -150, 100, 0), ("brightness", 120, 200, 255)],
)  # fmt: skip
def test_gain_and_bias_on_eight_bits_and_on_sixteen_with_fixed_limits(name, strength, value, eight):
    image = np.full((4, 4), value, np.uint8)
    assert done(name, strength, image, EIGHT).plane[0, 0] == eight
    lo, hi = 1000.0, 9000.0
    wide = View(dark=lo, bright=hi)
    found = done(name, strength, np.full((4, 4), lo + value * (hi - lo) / 255, np.float32), wide).plane[0, 0]
    assert found == pytest.approx(lo + eight * (hi - lo) / 255, rel=1e-6)


def test_the_severities_are_those_of_the_thesis():
    assert [KINDS["thesis_defocus"].severities[index] for index in range(1, 6)] == [0.5, 1, 1.5, 2, 3]
    gains = [KINDS["contrast"].severities[index] for index in (-5, -4, -3, -2, -1, 1, 2, 3, 4, 5)]
    assert gains == [3.5, 3, 2.5, 2, 1.5, 0.9, 0.8, 0.7, 0.5, 0.3]
    biases = [KINDS["brightness"].severities[index] for index in (-5, -4, -3, -2, -1, 1, 2, 3, 4, 5)]
    assert biases == [-150, -135, -120, -90, -50, 50, 90, 120, 135, 150]


def test_the_saturated_share_is_reported():
    image = np.full((10, 10), 200, np.uint8)
    image[:3] = 20
    assert done("brightness", 90, image, EIGHT).saturated == pytest.approx(0.7)
    assert done("contrast", 1.0, image, EIGHT).saturated == 0
    assert done("saturation", 0.2).saturated == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize("name", KINDS)
def test_each_keeps_shape_and_type_is_repeatable_and_leaves_its_input(name):
    image = plane()
    before = image.copy()
    kind = KINDS[name]
    neutral = done(name, kind.neutral, image).plane
    np.testing.assert_array_equal(neutral, np.clip(image, VIEW.dark, VIEW.bright))
    for strength in kind.severities.values():
        first, again = (done(name, strength, image) for _ in range(2))
        assert first.plane.dtype == np.float32
        assert first.plane.shape == image.shape
        np.testing.assert_array_equal(first.plane, again.plane)
        assert np.isfinite(first.plane).all()
        assert VIEW.dark <= first.plane.min() <= first.plane.max() <= VIEW.bright
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("name", sorted(set(KINDS) - {"dust", "tilt", "dic_bias"}))
def test_stronger_is_farther_from_the_image(name):
    image, kind = plane(), KINDS[name]
    changed = [done(name, kind.severities[index], image).plane for index in (1, 3, 5)]
    apart = [float(np.abs(each - image).mean()) for each in changed]
    assert apart[0] <= apart[1] <= apart[2]
    assert apart[2] > 0


@pytest.mark.parametrize("radius", [0.2, 1.0, 2.3, 6.0])
def test_the_disc_of_a_lens_covers_its_area(radius):
    kernel = blur_disc(radius)
    assert kernel.sum() == pytest.approx(1)
    assert 1 / kernel.max() == pytest.approx(max(1.0, np.pi * radius**2), rel=0.05)
    np.testing.assert_allclose(kernel, kernel.T)
    np.testing.assert_allclose(kernel, kernel[::-1])


def test_defocus_has_the_radius_of_the_cone_and_keeps_the_noise():
    x = np.indices((201, 201))[1] - 100
    image = 2000 + 500 * np.sin(x / 3).astype(np.float32)  # a wave of period 6π px; noise there is none
    radius_px = 3.0 * np.tan(np.arcsin(0.5)) / 0.325
    left = np.ptp(done("defocus", 3.0, image, VIEW, 0).plane[60:140].mean(axis=0)[60:140]) / 1000
    frequency = 2 * np.pi * radius_px / (6 * np.pi)
    assert left == pytest.approx(abs(2 * j1(frequency) / frequency), rel=0.05)  # of a disc (Bessel)
    light = np.full((256, 256), 2000, np.float32)
    flat = expose(light, VIEW.camera, np.random.default_rng(0)).astype(np.float32)
    assert done("defocus", 3.0, flat).plane.std() == pytest.approx(flat.std(), rel=0.05)
    assert done("thesis_defocus", 3.0, flat).plane.std() < 0.3 * flat.std()  # what gives it away


def test_less_light_has_the_noise_of_fewer_photons():
    camera = VIEW.camera
    electrons = np.full((400, 400), 3000, np.float32)
    full = expose(electrons, camera, np.random.default_rng(0)).astype(np.float32)
    dim = expose(0.2 * electrons, camera, np.random.default_rng(1)).astype(np.float32)
    found = done("lamp", 0.2, full).plane
    assert found.mean() == pytest.approx(dim.mean(), rel=1e-3)
    assert found.std() == pytest.approx(dim.std(), rel=0.02)


def test_vignetting_takes_its_share_in_the_corners_and_nothing_in_the_middle():
    flat = np.full((101, 101), 2100, np.float32)
    found = done("vignetting", 0.35, flat).plane
    assert found[50, 50] == pytest.approx(2100)
    assert found[0, 0] == pytest.approx(100 + 2000 * 0.65, rel=1e-4)


def test_the_prism_changes_ground_and_relief_as_two_beams_do():
    phase = 0.02 * np.random.default_rng(0).standard_normal((200, 200))
    wide = VIEW._replace(bright=65535)

    def image(bias_deg):
        return (100 + 8000 * np.sin((phase + np.deg2rad(bias_deg)) / 2) ** 2).astype(np.float32)

    for degrees in (-20, 30, 60):
        found = done("dic_bias", degrees, image(60), wide).plane
        np.testing.assert_allclose(found, image(60 + degrees), atol=0.03 * np.ptp(image(60)))


def test_inverted_relief_twice_is_the_image_but_for_its_ground():
    image = plane()
    ground = gaussian_filter(image, 16, mode="nearest")
    once = done("shear_inversion", 1.0, image).plane
    assert np.corrcoef((once - ground).ravel(), (image - ground).ravel())[0, 1] < -0.99


def test_turning_by_a_right_angle_is_exact():
    image = plane(65)
    turned = done("shear_angle", 90, image).plane
    assert np.abs(turned - np.rot90(image, 1)).max() < 1 or np.abs(turned - np.rot90(image, -1)).max() < 1


@pytest.mark.parametrize("factor", [0.7, 1.3])
def test_magnification_makes_a_disc_so_many_times_as_large(factor):
    y, x = np.indices((201, 201)) - 100
    image = np.where(np.hypot(y, x) <= 40, 1000, 0).astype(np.float32)
    larger = done("magnification", factor, image).plane > 500
    assert larger.sum() / (image > 500).sum() == pytest.approx(factor**2, rel=0.03)


def test_a_shift_moves_by_its_distance_and_motion_smears_over_it():
    point = np.zeros((61, 61), np.float32)
    point[30, 30] = 4000
    y, x = np.indices(point.shape)

    def spread(image):
        weight = image.clip(0) / image.clip(0).sum()
        middle = [(weight * axis).sum() for axis in (y, x)]
        return middle, np.sqrt((weight * ((y - middle[0]) ** 2 + (x - middle[1]) ** 2)).sum())

    middle, _ = spread(done("stage_shift", 4 * 0.325, point).plane)
    assert np.hypot(middle[0] - 30, middle[1] - 30) == pytest.approx(4, abs=0.3)
    middle, width = spread(done("motion", 12 * 0.325, point).plane)
    assert np.hypot(middle[0] - 30, middle[1] - 30) < 0.3
    assert width == pytest.approx(12 / np.sqrt(12), rel=0.15)  # of an even line


def test_camera_faults():
    image = plane()
    assert (done("hot_pixels", 0.01, image).plane == VIEW.bright).mean() == pytest.approx(0.01, abs=0.003)
    np.testing.assert_array_equal(done("bit_depth", 4, image).plane, np.floor(image / 16))
    binned = done("binning", 4, image).plane
    np.testing.assert_allclose(binned[:4, :4], image[:4, :4].mean(), rtol=1e-6)


def test_ramps_end_at_their_strength_and_gains_grow_evenly():
    assert on_the_way(KINDS["defocus"], 4.0, 0.5) == 2.0
    assert on_the_way(KINDS["contrast"], 0.25, 0.5) == pytest.approx(0.5)
    for kind in KINDS.values():
        strength = kind.severities[5]
        assert on_the_way(kind, strength, 0) == kind.neutral
        assert on_the_way(kind, strength, 1) == pytest.approx(strength)


def test_no_such_corruption():
    with pytest.raises(BadSettings, match="'fog' is none; there are: thesis_defocus"):
        find_kind("fog")


@pytest.mark.parametrize("level", [0, 500, 1000, 65535])
def test_a_dead_field_is_out_of_focus_without_becoming_nan(level):
    dead = np.full((64, 64), level, np.uint16)
    for kind in KINDS:
        assert np.isfinite(done(kind, find_kind(kind).severities[2], dead).plane).all()
