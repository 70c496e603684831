"""Spots: known numbers of small structures, whatever haze, gain and pixel size."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from unstained.errors import BadSettings
from unstained.segmentation.nuclei import NucleiSettings
from unstained.segmentation.recipes import segment, typical_diameter, usual_contrast, with_likely
from unstained.segmentation.spots import SpotSettings, likely_spots, segment_spots, white_top_hat

PIXEL_UM = 0.25
APART = [(40, 40), (40, 120), (100, 60), (140, 140), (160, 30)]


def spots(places, brightness=1000.0, size=200, haze=300.0):
    """Gaussian spots of σ 0.5 µm on wide haze, offset and noise."""
    plane = np.zeros((size, size), np.float32)
    for y, x in places:
        plane[y, x] = 1
    plane = gaussian_filter(plane, 0.5 / PIXEL_UM)
    plane *= brightness / plane.max()
    y, x = np.mgrid[:size, :size] / size
    noise = np.random.default_rng(0).normal(0, 10, (size, size))
    return (plane + 100 + haze * np.exp(-((y - 0.5) ** 2 + (x - 0.5) ** 2) / 0.1) + noise).astype(np.float32)


def test_every_spot_is_one_object_in_haze_ten_times_as_wide():
    labels = segment_spots(spots(APART), pixel_size_um=PIXEL_UM)
    assert labels.max() == len(APART)
    assert sorted(labels[y, x] for y, x in APART) == list(range(1, len(APART) + 1))


def test_gain_and_offset_of_the_camera_change_nothing():
    plane = spots(APART)
    first = segment_spots(plane, pixel_size_um=PIXEL_UM)
    np.testing.assert_array_equal(segment_spots(3 * plane + 500, pixel_size_um=PIXEL_UM), first)


@pytest.mark.parametrize(("gap_um", "objects"), [(3.0, 1), (8.0, 2)])
def test_near_stacks_are_one_object(gap_um, objects):
    plane = spots([(100, 60), (100, 60 + round(gap_um / PIXEL_UM))], haze=0)
    assert segment_spots(plane, pixel_size_um=PIXEL_UM, settings=SpotSettings(join_um=2)).max() == objects


def test_a_plane_without_spots_has_none():
    assert segment_spots(np.full((64, 64), 7, np.float32)).max() == 0


def test_faint_spots_go_when_they_must_stand_out():
    plane = spots(APART[:3]) + spots(APART[3:], brightness=400, haze=0) - 100
    assert segment_spots(plane, pixel_size_um=PIXEL_UM).max() == 5
    bright = SpotSettings(least_contrast=122)
    assert segment_spots(plane, pixel_size_um=PIXEL_UM, settings=bright).max() == 3


def test_a_top_hat_of_a_top_hat_is_itself():
    once = white_top_hat(spots(APART), 10)
    np.testing.assert_allclose(white_top_hat(once, 10), once, atol=1e-3)


def test_size_and_contrast_of_spots_are_learnt_from_planes():
    planes = [spots(APART, brightness) for brightness in (500, 1000)]
    recipe = SpotSettings()
    # a Gaussian of σ 0.5 µm stays above a thirtieth of its peak over 2.6 µm, above a third over 1.5
    assert 1.5 < typical_diameter(planes, recipe, pixel_size_um=PIXEL_UM) * PIXEL_UM < 2.6
    bright = usual_contrast(planes[1:], recipe, pixel_size_um=PIXEL_UM)
    assert bright == pytest.approx(2 * usual_contrast(planes[:1], recipe, pixel_size_um=PIXEL_UM), rel=0.15)
    assert typical_diameter([np.zeros((64, 64), np.float32)], recipe) is None


def test_a_recipe_is_told_what_is_likely_and_sets_its_method():
    assert with_likely(SpotSettings(), diameter_um=3, least_contrast=20) == SpotSettings(least_contrast=20)
    bodies = with_likely(NucleiSettings(), diameter_um=3, least_contrast=20)
    assert bodies == NucleiSettings(diameter_um=3, least_contrast=20)
    plane = spots(APART)
    found = segment(plane, SpotSettings(), pixel_size_um=PIXEL_UM)
    np.testing.assert_array_equal(found, segment_spots(plane, pixel_size_um=PIXEL_UM))


def test_cells_that_leave_no_gap_are_not_taken_for_background():
    """Found field by field, a confluent layer is background; with a threshold that fields share it isn't."""
    y, x = np.mgrid[:300, :300]
    cells = 400 * np.abs(np.sin(np.pi * (y + 20) / 50) * np.sin(np.pi * (x + 20) / 50)) + 500  # 36 hills
    plane = (cells + np.random.default_rng(0).normal(0, 5, cells.shape)).astype(np.float32)
    plane[:40, :40] += 2500  # one bright cell
    alone = NucleiSettings(diameter_um=45, texture=0)
    shared = alone.updated(fixed=True, background=100.0, threshold=200.0)
    found = segment(plane, shared, pixel_size_um=None)
    assert 34 <= found.max() <= 49
    assert (found > 0).mean() > 0.9
    assert (segment(plane, alone, pixel_size_um=None) > 0).mean() < 0.5
    likely = shared.updated(least_contrast=200)  # over the shared background, not over the neighbours
    assert segment(plane, likely, pixel_size_um=None).max() == found.max()


def test_a_threshold_needs_a_background_to_stand_on():
    with pytest.raises(BadSettings, match="go together"):
        NucleiSettings().updated(threshold=3.0)


def test_rings_around_spots_are_cut_down_to_as_much_and_as_many_as_there_are():
    # what a network gives that knows cells, but not on which side of a nucleus the Golgi lies
    real = spots(APART, haze=0)
    y, x = np.mgrid[:200, :200]
    rings = np.full((200, 200), 100.0)
    for top, left in APART:
        radius = np.hypot(y - top, x - left)
        angle = np.arctan2(y - top, x - left)
        rings += 200 * np.exp(-(((radius - 14) / 3) ** 2)) * (1 + 0.5 * np.cos(angle))
    rings += np.random.default_rng(1).normal(0, 2, rings.shape)
    rings = rings.astype(np.float32)

    def found(plane, settings):
        labels = segment_spots(plane, pixel_size_um=PIXEL_UM, settings=settings)
        return (labels > 0).sum(), labels.max()

    recipe = SpotSettings()
    area, number = found(real, recipe)
    assert found(rings, recipe)[0] > 2 * area
    likely = likely_spots([rings], [real], recipe, PIXEL_UM)
    fitted_area, fitted_number = found(rings, likely)
    assert fitted_area == pytest.approx(area, rel=0.1)
    assert fitted_number == number == len(APART)
    assert likely.updated(level=recipe.level, join_um=recipe.join_um) == recipe


def test_spots_predicted_as_they_are_keep_their_recipe():
    plane = spots(APART)
    assert likely_spots([plane], [plane], SpotSettings(), PIXEL_UM) == SpotSettings()
    empty = np.full_like(plane, 7)
    assert likely_spots([plane], [empty], SpotSettings(), PIXEL_UM) == SpotSettings()
