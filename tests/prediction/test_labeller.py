"""Two lines of Python: a model, and what it makes of an image."""

import pickle
import subprocess
import sys

import numpy as np
import pytest

import unstained
from unstained.errors import BadInput, BadModel, ModelNotFound
from unstained.networks.bundle import save_model
from unstained.networks.normalisation import StainScale
from unstained.networks.unet import UNetSettings
from unstained.prediction.backends import Running
from unstained.prediction.labeller import Labeller, load_model


def image(rows: int = 50, columns: int = 61) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 4096, (rows, columns)).astype(np.uint16)


def test_a_saved_model_predicts_what_the_fresh_one_does(random_model, tmp_path):
    model = random_model()
    labeller = unstained.load_model(save_model(model, tmp_path / "model.zip"), device="cpu")
    predicted = labeller.predict(image(), pixel_size_um=0.5)
    assert predicted.shape == (50, 61)
    assert predicted.dtype == np.float32
    np.testing.assert_array_equal(predicted, Labeller(model).predict(image(), 0.5))
    np.testing.assert_array_equal(predicted, labeller.predict_with_embedding(image(), 0.5).stains[0])


def test_a_labeller_that_travels_predicts_the_same_by_what_auto_took(random_model):
    labeller = Labeller(random_model(), running=Running(precision="auto"), memory_gib=0.25)
    expected = labeller.predict(image(), 0.5)
    taken = labeller.engine.taken
    assert taken is not None
    travelled = pickle.loads(pickle.dumps(labeller))
    assert "engine" not in vars(travelled), "it is made where it is used"
    assert travelled.way == taken.running
    assert travelled.engine.memory_gib == 0.25
    np.testing.assert_array_equal(travelled.predict(image(), 0.5), expected)
    assert labeller.on("cpu").way == taken.running


def test_several_stains_come_as_a_stack(random_model):
    card = {
        "stains": ("nuclei", "er"),
        "targets": ("DNA", "ER"),
        "scales": (StainScale(), StainScale()),
        "network": UNetSettings(width=2, depth=1, outputs=2),
    }
    labeller = Labeller(random_model(**card))
    assert labeller.stains == ("nuclei", "er")
    assert labeller.predict(image(), 0.5).shape == (2, 50, 61)


def test_what_is_given_is_left_as_it_was(unchanging):
    given = image().astype(np.float32)
    before = given.copy()
    predicted = Labeller(unchanging()).predict(given, 0.5)
    np.testing.assert_array_equal(given, before)
    assert not np.shares_memory(predicted, given)


def test_lists_views_and_bools_are_images_too(unchanging):
    labeller = Labeller(unchanging())
    np.testing.assert_array_equal(labeller.predict(image().tolist(), 0.5), labeller.predict(image(), 0.5))
    np.testing.assert_array_equal(labeller.predict(image()[::-1], 0.5)[::-1].shape, image().shape)
    assert labeller.predict(image() > 2000, 0.5).shape == (50, 61)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (np.zeros((40, 50, 3), np.uint8), r"\(40, 50, 3\).*colour"),
        (np.zeros((5, 40, 50), np.uint16), r"\(5, 40, 50\).*image\[0\]"),
        (np.zeros(50), r"\(50,\)"),
        (np.zeros((4, 4), complex), "complex128"),
        (np.full((4, 4), "x"), "numbers"),
        ("image.tif", "numbers"),
    ],
)
def test_what_is_no_plane_is_refused_in_one_line(unchanging, given, said):
    with pytest.raises(BadInput, match=said) as caught:
        Labeller(unchanging()).predict(given)
    assert "\n" not in str(caught.value)


def test_it_says_what_it_is(unchanging):
    labeller = Labeller(unchanging())
    assert repr(labeller) == "<Labeller 'test': TL → nuclei, pixels of 0.5 µm, on cpu>"
    assert "unknown size" in repr(Labeller(unchanging(pixel_size_um=None)))
    assert labeller.card.input == "TL"


def test_no_model_is_taken_in_place_of_another(tmp_path):
    with pytest.raises(ModelNotFound, match="nuclei_v9"):
        load_model("nuclei_v9")
    with pytest.raises(BadModel, match=r"model\.json is missing"):
        load_model(tmp_path)


def test_importing_is_quick_and_names_resolve():
    """`import unstained` brings neither torch nor zarr; every public name is there."""
    code = "import sys, unstained; print([m for m in ('torch', 'zarr', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    for name in unstained.__all__:
        assert getattr(unstained, name) is not None
        assert name in dir(unstained)
    with pytest.raises(AttributeError, match="segment_everything"):
        _ = unstained.segment_everything
