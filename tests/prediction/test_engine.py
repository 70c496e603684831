"""Camera units in, camera units out, at the place and the size they came from."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis.strategies import floats, integers, sampled_from
from scipy.ndimage import gaussian_filter

from unstained.errors import BadInput, BadSettings, UnstainedWarning, WrongModel
from unstained.networks.normalisation import Normalisation, StainScale
from unstained.networks.resampling import network_plane
from unstained.networks.unet import UNetSettings
from unstained.prediction.engine import Engine, find_device
from unstained.prediction.grids import pixel_scale
from unstained.prediction.tiling import THESIS_TILING, Tiling


def field(rows: int, columns: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(300, 4000, (rows, columns)).astype(np.uint16)


def smooth_field(rows: int, columns: int) -> np.ndarray:
    y, x = np.mgrid[:rows, :columns]
    return (2000 + 800 * np.sin(y / 9) * np.cos(x / 13) + y).astype(np.float32)


@pytest.mark.parametrize("shape", [(64, 64), (33, 70), (1, 9), (5, 200)])
@pytest.mark.parametrize("flips", [False, True])
def test_a_network_that_changes_nothing_gives_the_normalised_field_in_camera_units(unchanging, shape, flips):
    model = unchanging(average_flips=flips)
    stains = Engine(model).predict(field(*shape), 0.5)
    assert stains.dtype == np.float32
    expected = StainScale(offset=100, gain=50).undo(model.card.normalisation.apply(field(*shape)))
    np.testing.assert_allclose(stains, expected[None], rtol=1e-5)


@settings(max_examples=15, deadline=None)
@given(
    rows=integers(1, 90),
    columns=integers(1, 90),
    size=floats(0.25, 1),
    scale=floats(0.3, 1),
    dtype=sampled_from(["uint8", "uint16", "int32", "float32", "float64", ">u2"]),
)
def test_any_size_type_and_pixel_size_gives_the_same_size_back(unchanging, rows, columns, size, scale, dtype):
    plane = (field(rows, columns) // 16).astype(dtype)
    stains = Engine(unchanging(working_scale=scale)).predict(plane, size)
    assert stains.shape == (1, rows, columns)
    assert np.isfinite(stains).all()


@pytest.mark.parametrize("size", [0.25, 0.4, 0.5, 0.77, 1.0])
@pytest.mark.parametrize("scale", [0.33, 1.0])
@pytest.mark.parametrize("tile", [None, 128])
def test_a_blob_stays_where_it_is(unchanging, size, scale, tile):
    """The centre of mass above the background moves by less than 0.05 px."""
    y, x = np.mgrid[:203, :170]
    plane = 1000 + 3000 * np.exp(-((y - 101.0) ** 2 + (x - 84.5) ** 2) / (2 * 12**2))
    tiling = Tiling(tile=tile, halo=24, multiple=4) if tile else None
    model = unchanging(working_scale=scale, normalisation=Normalisation(flatten=0))
    stain = Engine(model, tiling=tiling).predict(plane, size)[0]
    light = np.clip(stain - stain.min() - np.ptp(stain) / 5, 0, None)
    centre = (light * y).sum() / light.sum(), (light * x).sum() / light.sum()
    np.testing.assert_allclose(centre, (101, 84.5), atol=0.05)


@pytest.mark.parametrize("flips", [False, True])
@pytest.mark.parametrize(("rows", "columns"), [(250, 333), (97, 410)])
def test_little_memory_changes_nothing(random_model, flips, rows, columns):
    """Tiles against one pass, through normalisation and resampling: within 1e-4 of the range."""
    model = random_model(average_flips=flips, working_scale=0.8)
    one_pass = Engine(model, memory_gib=8).predict_with_embedding(field(rows, columns), 0.6)
    frugal = Engine(model, memory_gib=1e-4)
    shape = network_plane(field(rows, columns), model.card.normalisation, 0.96).shape
    assert frugal.tiling_for(shape).step < max(shape)
    tiled = frugal.predict_with_embedding(field(rows, columns), 0.6)
    assert np.abs(tiled.stains - one_pass.stains).max() < 1e-4 * np.ptp(one_pass.stains)
    np.testing.assert_allclose(tiled.bottleneck, one_pass.bottleneck, atol=1e-4)


def test_flips_are_averaged(random_model):
    """What is predicted for a mirrored field is the mirrored prediction, once mirror images are averaged."""
    plane = field(64, 96)
    averaged = Engine(random_model(average_flips=True)).predict(plane, 0.5)
    mirrored = Engine(random_model(average_flips=True)).predict(plane[:, ::-1], 0.5)[..., ::-1]
    np.testing.assert_allclose(mirrored, averaged, rtol=1e-4, atol=1e-2)
    plain = Engine(random_model()).predict(plane, 0.5)
    mirrored = Engine(random_model()).predict(plane[:, ::-1], 0.5)[..., ::-1]
    assert np.abs(mirrored - plain).max() > 1


def relief(rows: int, columns: int) -> np.ndarray:
    """Round cells, lit from one side: their slope along the columns and a little along the rows."""
    peaks = np.zeros((rows, columns))
    at = np.random.default_rng(0).integers(0, (rows, columns), size=(40, 2))
    peaks[at[:, 0], at[:, 1]] = 1
    down, across = np.gradient(gaussian_filter(peaks, 6))
    return (1000 + 1e5 * (across + 0.3 * down)).astype(np.float32)


@pytest.mark.parametrize("flips", [False, True])
@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_model_that_goes_by_the_light_sees_turned_fields_alike(random_model, flips, turns):
    plane = relief(128, 192)
    engine = Engine(random_model(light_deg=90.0, average_flips=flips))
    upright, lying = (engine.predict_with_embedding(x, 0.5) for x in (plane, np.rot90(plane, turns)))
    np.testing.assert_allclose(lying.stains[0], np.rot90(upright.stains[0], turns), rtol=1e-3, atol=0.1)
    np.testing.assert_allclose(lying.embedding, upright.embedding, rtol=1e-3, atol=1e-3)
    other = Engine(random_model(average_flips=flips))
    unlike = other.predict(np.rot90(plane, turns), 0.5)[0] - np.rot90(other.predict(plane, 0.5)[0], turns)
    if not (flips and turns == 2):  # four mirror images make up for half a turn
        assert np.abs(unlike).max() > 1


@pytest.mark.parametrize(("light_deg", "turns"), [(90.0, 0), (0.0, 3), (270.0, 2), (180.0, 1)])
def test_a_field_without_relief_is_taken_as_lit_like_the_training_fields(random_model, light_deg, turns):
    plane = field(64, 96)
    found = Engine(random_model(light_deg=light_deg)).predict(plane, 0.5)[0]
    expected = Engine(random_model()).predict(np.rot90(plane, turns), 0.5)[0]
    np.testing.assert_allclose(found, np.rot90(expected, -turns), rtol=1e-3, atol=0.1)


def test_gain_and_offset_of_the_lamp_do_not_matter(random_model):
    engine = Engine(random_model())
    plane = field(80, 80)
    np.testing.assert_allclose(
        engine.predict(plane * 3.5 + 1000, 0.5), engine.predict(plane, 0.5), rtol=1e-3, atol=0.05
    )


def test_a_constant_field_comes_back_constant(unchanging):
    """Nothing to see is the scale's offset everywhere, in tiles as well."""
    for memory in (1e-5, 4):
        stains = Engine(unchanging(), memory_gib=memory).predict(np.full((300, 301), 777, np.uint16), 0.7)
        np.testing.assert_array_equal(stains, 100)


def test_probabilities_are_between_0_and_1(random_model):
    """After binary cross-entropy the network gives logits."""
    card = {"units": "probability", "scales": (StainScale(),)}
    plane = field(64, 64)
    probability = Engine(random_model(**card)).predict(plane, 0.5)
    logit = Engine(random_model(scales=(StainScale(),))).predict(plane, 0.5)
    np.testing.assert_allclose(probability, 1 / (1 + np.exp(-logit)), rtol=1e-4, atol=1e-6)


def test_every_stain_has_its_own_units(random_model):
    scales = (StainScale(offset=100, gain=50), StainScale(offset=-3, gain=2))
    card = {
        "stains": ("nuclei", "er"),
        "targets": ("DNA", "ER"),
        "network": UNetSettings(width=4, depth=2, batch_norm=True, outputs=2),
    }
    plane = field(40, 40)
    stains = Engine(random_model(**card, scales=scales)).predict(plane, 0.5)
    units = Engine(random_model(**card, scales=(StainScale(), StainScale()))).predict(plane, 0.5)
    np.testing.assert_allclose(stains[0], units[0] * 50 + 100, rtol=1e-4)
    np.testing.assert_allclose(stains[1], units[1] * 2 - 3, rtol=1e-4, atol=1e-4)


def test_the_embedding_is_of_the_same_pass(unchanging):
    """The bottleneck of the network that changes nothing: 4×4 means of the normalised field."""
    model = unchanging()
    plane = smooth_field(62, 80)
    prediction = Engine(model).predict_with_embedding(plane, 0.5)
    units = model.card.normalisation.apply(plane)
    np.testing.assert_allclose(
        prediction.bottleneck[0, :15], units[:60].reshape(15, 4, 20, 4).mean(axis=(1, 3)), atol=1e-5
    )
    assert prediction.bottleneck.shape == (1, 16, 20)
    np.testing.assert_allclose(prediction.embedding, [prediction.bottleneck.mean()], atol=1e-6)
    np.testing.assert_array_equal(Engine(model).embed(plane, 0.5), prediction.embedding)


def test_the_thesis_network_embeds_in_256_numbers(random_model):
    engine = Engine(random_model(network=UNetSettings()))
    prediction = engine.predict_with_embedding(field(100, 50), 0.5)
    assert prediction.embedding.shape == (256,)
    assert prediction.bottleneck.shape == (256, 7, 4)


def test_the_thesis_mode_is_at_hand(random_model):
    engine = Engine(random_model(), tiling=THESIS_TILING)
    assert engine.predict(field(300, 280), 0.5).shape == (1, 300, 280)
    with pytest.raises(BadSettings, match="embedding"):
        engine.embed(field(300, 280), 0.5)


def test_the_model_itself_is_left_alone(random_model):
    model = random_model()
    model.network.train()
    before = {name: value.clone() for name, value in model.network.state_dict().items()}
    Engine(model).predict(field(64, 64), 0.5)
    assert model.network.training
    assert all(torch.equal(before[name], value) for name, value in model.network.state_dict().items())


@pytest.mark.parametrize(("image_um", "expected"), [(0.5, 1), (0.25, 0.5), (0.6, 1.2), (1.0, 2)])
def test_pixel_sizes_up_to_a_factor_of_two_are_resampled(unchanging, image_um, expected):
    card = unchanging(pixel_size_um=0.5, working_scale=0.4).card
    assert pixel_scale(card, image_um) == pytest.approx(expected)
    assert Engine(unchanging(working_scale=0.4)).zoom(image_um) == pytest.approx(0.4 * expected)


@pytest.mark.parametrize("image_um", [0.2499, 1.0001])
def test_pixel_sizes_beyond_a_factor_of_two_are_refused(unchanging, image_um):
    with pytest.raises(WrongModel, match=r"factor of 2.*--pixel-size-um") as caught:
        Engine(unchanging()).predict(field(20, 20), image_um)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("image_um", [0, -1, float("nan"), float("inf")])
def test_impossible_pixel_sizes_are_refused(unchanging, image_um):
    with pytest.raises(BadInput, match="side of a pixel"):
        Engine(unchanging()).predict(field(20, 20), image_um)


@pytest.mark.parametrize(("image_um", "model_um"), [(None, 0.5), (0.5, None), (None, None)])
def test_unknown_pixel_sizes_warn_once_and_change_nothing(unchanging, image_um, model_um):
    engine = Engine(unchanging(pixel_size_um=model_um))
    with pytest.warns(UnstainedWarning, match="1:1") as caught:
        stains = engine.predict(field(40, 50), image_um)
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(engine.predict(field(40, 50), image_um), stains)
    np.testing.assert_array_equal(stains, Engine(unchanging()).predict(field(40, 50), 0.5))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_pixels_that_are_no_numbers_are_refused(unchanging, value):
    plane = field(20, 20).astype(np.float64)
    plane[3, 4] = value
    with pytest.raises(BadInput, match="1 of 400 pixels"):
        Engine(unchanging()).predict(plane, 0.5)


def test_an_image_without_pixels_is_refused(unchanging):
    with pytest.raises(BadInput, match="no pixels"):
        Engine(unchanging()).predict(np.zeros((0, 20)), 0.5)


def test_devices_are_never_guessed():
    assert find_device("cpu") == torch.device("cpu")
    assert find_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    for name in ("cuda:99", "gpu", "mps:7", ""):
        with pytest.raises(BadSettings, match=r"there are: auto, cpu"):
            find_device(name)


@pytest.mark.parametrize(("image_um", "moved_px"), [(0.5, (4, -6)), (1.0, (2, -3))])
def test_a_stain_lies_where_the_microscope_would_record_it(unchanging, image_um, moved_px):
    """An offset of (4, −6) px of the training images, half as many of pixels twice as large."""
    plane = smooth_field(96, 80)
    still = Engine(unchanging()).predict(plane, image_um)[0]
    moved = Engine(unchanging(offsets_px=((4.0, -6.0),))).predict(plane, image_um)[0]
    inner = np.s_[8:-8, 8:-8]
    np.testing.assert_allclose(moved[inner], np.roll(still, moved_px, (0, 1))[inner], rtol=1e-5)
    assert not np.allclose(moved[inner], still[inner], rtol=1e-3)


def test_an_offset_leaves_a_constant_field_constant(unchanging):
    predicted = Engine(unchanging(offsets_px=((1.3, -2.6),))).predict(np.full((40, 56), 900, np.uint16), 0.5)
    assert np.ptp(predicted) == 0
