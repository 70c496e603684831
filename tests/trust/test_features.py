"""Features say what they are called after: gain is no texture, blur is, vignetting is dark corners."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from unstained.networks.light import Light
from unstained.prediction.engine import Engine
from unstained.trust.features import (
    LARGEST_PX,
    LIGHT_NAMES,
    SEEN_NAMES,
    feature_names,
    field_features,
    image_features,
    light_features,
    seen_features,
)
from unstained.trust.forest import Forest


def texture(side=128, seed=0):
    return gaussian_filter(np.random.default_rng(seed).normal(size=(side, side)), 1.5).astype(np.float32)


def named(names, values):
    return dict(zip(names, values, strict=True))


def test_gain_and_bias_change_no_spectrum():
    plane = texture()
    before, after = (named(SEEN_NAMES, seen_features(each)) for each in (plane, 3 * plane + 7))
    for name in SEEN_NAMES:
        if not name.startswith("percentile"):
            assert after[name] == pytest.approx(before[name], abs=1e-3), name


def test_shares_of_octaves_add_up_and_blur_takes_the_finest():
    plane = texture()
    before, after = (named(SEEN_NAMES, seen_features(each)) for each in (plane, gaussian_filter(plane, 3)))
    octaves = [np.exp(before[f"spectrum_{band}"]) for band in range(8)]
    assert sum(octaves) == pytest.approx(1, abs=1e-3)
    assert after["spectrum_0"] < before["spectrum_0"] - 1
    assert after["laplacian"] < before["laplacian"] - 2


def test_a_wave_lies_in_the_octave_of_its_period():
    """A period of 6 px lies between 4 and 8 px: the second octave."""
    wave = np.sin(2 * np.pi * np.arange(120) / 6)[None] * np.ones((120, 1))
    values = named(SEEN_NAMES, seen_features(wave.astype(np.float32)))
    assert max((values[f"spectrum_{band}"], band) for band in range(8))[1] == 1


def test_dark_corners_and_a_dark_side_are_told_as_shares_of_the_light():
    y, x = np.mgrid[-1:1:128j, -1:1:128j]
    bowl = named(LIGHT_NAMES, light_features(1000 * (1 - 0.2 * (x**2 + y**2) / 2)))
    assert bowl["corner_light"] == pytest.approx(0.2, abs=0.05)
    assert bowl["side_light"] == pytest.approx(0, abs=0.01)
    slope = named(LIGHT_NAMES, light_features(1000 * (1 + 0.15 * x)))
    assert slope["side_light"] == pytest.approx(0.3 * 7 / 8, abs=0.01), "between the middles of 8 blocks"
    assert slope["corner_light"] == pytest.approx(0, abs=0.01)


def test_saturated_pixels_are_counted():
    plane = texture()
    clipped = np.minimum(plane, np.quantile(plane, 0.9))
    assert named(LIGHT_NAMES, light_features(clipped))["saturated"] == pytest.approx(np.log(0.1), abs=0.05)
    assert named(LIGHT_NAMES, light_features(plane))["saturated"] < np.log(0.001)


def test_relief_is_told_beside_that_of_training(blob_model):
    card = blob_model.card.model_copy(update={"light_deg": 90.0})
    plane = texture()
    same, turned = (image_features(card, plane, plane, 0, Light(deg, 0.8, 2.0))[-3:] for deg in (90, 270))
    np.testing.assert_allclose(same, [0.8, 0.8, 0.0], atol=1e-9)
    np.testing.assert_allclose(turned, [0.8, -0.8, 0.0], atol=1e-9)


@pytest.mark.parametrize("side", [64, LARGEST_PX + 200])
def test_every_feature_has_a_name_and_large_fields_look_like_small_ones(blob_model, side):
    plane = (1000 + 200 * texture(side)).astype(np.float32)
    found = field_features(blob_model.card, plane, Engine(blob_model).predict_with_embedding(plane, 0.5))
    values = named(feature_names(("nuclei",)), found.plain)
    assert np.isfinite(found.plain).all()
    assert len(found.pooled) == 4
    assert values["spectrum_1"] == pytest.approx(-1.35, abs=0.2)


def test_a_forest_of_arrays_gives_what_the_library_gives():
    from sklearn.ensemble import ExtraTreesRegressor

    from unstained.trust.forest import SMALLEST_LEAF, TREES

    rng = np.random.default_rng(0)
    points = rng.normal(size=(80, 5))
    values = np.stack([points[:, 0] * 2, np.sign(points[:, 1])], axis=1)
    theirs = ExtraTreesRegressor(TREES, min_samples_leaf=SMALLEST_LEAF, random_state=0).fit(points, values)
    ours = Forest.from_arrays(Forest.fitted(points, values).arrays())
    fresh = rng.normal(size=(30, 5))
    np.testing.assert_allclose(ours.predict(fresh), theirs.predict(fresh), atol=1e-5)
    one = Forest.fitted(points, values[:, :1])
    assert one.predict(fresh).shape == (30, 1)
