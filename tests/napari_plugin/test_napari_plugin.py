"""The plugin for napari: its manifest, its reader, its sample, and what its widget makes of a layer."""

import os
import time
import warnings
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import unstained
from unstained.errors import BadInput, WrongModel
from unstained.measurement.plates import measure_plate
from unstained.napari.labelling import label_plane, pixel_size_of, shown_plane
from unstained.napari.reading import get_reader, read_plate
from unstained.napari.sample import sample_field
from unstained.plates.plate import FieldName, create_plate
from unstained.prediction.labeller import load_model

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
with warnings.catch_warnings():  # of napari's own libraries
    warnings.simplefilter("ignore")
    components = pytest.importorskip("napari.components")
    layers = pytest.importorskip("napari.layers")
    npe2 = pytest.importorskip("npe2")

MANIFEST = Path(unstained.__file__).parent / "napari" / "napari.yaml"
FIELDS = (FieldName("A01", 0), FieldName("A01", 1), FieldName("B02", 0))
SHAPES = ((80, 96), (80, 96), (64, 90))

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


def spots(shape: tuple[int, int]) -> np.ndarray:
    """Draw six round cells."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    centres = [(cy, cx) for cy in (18, 46) for cx in (16, 46, 74)]
    return np.max([1 / (1 + np.exp((np.hypot(y - cy, x - cx) - 5) / 0.7)) for cy, cx in centres], axis=0)


@pytest.fixture(scope="module")
def predicted(tmp_path_factory):
    """Give a predicted plate of one stain that is measured, with fields of two sizes."""
    writer = create_plate(
        tmp_path_factory.mktemp("plates") / "predicted.zarr",
        name="P", channels=("nuclei",), pixel_size_um=0.5,
        info={"kind": "predicted", "models": [{"name": "m", "stains": ["nuclei"], "pixel_size_um": 0.5}]},
    )  # fmt: skip
    for number, (name, shape) in enumerate(zip(FIELDS, SHAPES, strict=True)):
        verdict = {"verdict": ("trust", "refuse", "caution")[number], "reason": "why"}
        stain = ((number + 1) * 1000 * spots(shape) + 100).astype(np.float32)
        writer.write_field(name, stain[None], info={"verdict": verdict})
    plate = writer.finish()
    measure_plate(plate)
    return plate


@pytest.fixture(scope="module")
def labeller():
    return load_model("hela-rpe1-nuclei", "cpu")


def test_the_manifest_is_valid_and_all_that_it_names_is_there():
    manifest = npe2.PluginManifest.from_file(MANIFEST)
    assert manifest.name == "unstained"
    contributed = manifest.contributions
    commands = {each.id: each.python_name for each in contributed.commands}
    for each in (*contributed.readers, *contributed.sample_data, *contributed.widgets):
        module, _, name = commands[each.command].partition(":")
        if "widget" not in module:  # which needs Qt, and has a test of its own
            assert callable(getattr(import_module(module), name))


def test_the_reader_takes_predicted_plates_alone(predicted, tmp_path):
    assert get_reader(str(predicted.path)) is read_plate
    assert get_reader([str(predicted.path)]) is None
    assert get_reader(str(tmp_path / "nothing.zarr")) is None
    other = create_plate(tmp_path / "p.zarr", name="p", channels=("TL",), pixel_size_um=None)
    other.write_field(FieldName("A01", 0), np.ones((1, 64, 64), np.uint16))
    assert get_reader(str(other.finish().path)) is None


def test_a_plate_becomes_stains_and_labels_with_its_fields_along_a_slider(predicted):
    viewer = components.ViewerModel()
    for data, settings, kind in read_plate(str(predicted.path)):
        viewer.add_layer(layers.Layer.create(data, settings, kind))
    stain, labels = viewer.layers
    assert (stain.name, labels.name) == ("nuclei", "nuclei labels")
    assert stain.data.shape == labels.data.shape == (3, 80, 96)
    assert list(stain.scale) == [1, 0.5, 0.5]
    assert pixel_size_of(stain.scale, stain.units) == 0.5
    np.testing.assert_array_equal(np.asarray(stain.data[1]), predicted.read(FIELDS[1], "nuclei"))
    smaller = np.asarray(labels.data[2])
    np.testing.assert_array_equal(smaller[:64, :90], predicted.read_labels(FIELDS[2], "nuclei"))
    assert not smaller[64:].any()
    assert not smaller[:, 90:].any()
    told = stain.metadata["unstained"]
    assert told == {"fields": ["A01/0", "A01/1", "B02/0"], "verdicts": ["trust", "refuse", "caution"]}
    assert stain.contrast_limits[0] < 200 < 900 < stain.contrast_limits[1]


@pytest.mark.filterwarnings("ignore:the pixel size")
def test_a_layer_that_does_not_know_its_pixel_size_is_labelled_as_it_is(labeller):
    """From the sample's layer to new layers: those that the model gives, with their table as features."""
    viewer = components.ViewerModel()
    for data, settings, kind in sample_field():
        viewer.add_layer(layers.Layer.create(data, settings, kind))
    light = viewer.layers["label-free"]
    assert pixel_size_of(light.scale, light.units) is None
    plane = light.data[:400, :400]
    found = label_plane(labeller, plane, None)
    for data, settings, kind in found.layers:
        viewer.add_layer(layers.Layer.create(data, settings, kind))
    stain, labels = viewer.layers["nuclei"], viewer.layers["nuclei labels"]
    np.testing.assert_allclose(stain.data, labeller.predict(plane), rtol=1e-5)
    assert found.objects["nuclei"] == labels.data.max() == len(labels.features) > 5
    assert list(labels.features["index"]) == list(range(1, len(labels.features) + 1))
    areas = np.bincount(labels.data.ravel())[1:]
    np.testing.assert_allclose(labels.features["area_px"], areas)
    assert found.verdict["verdict"] in ("trust", "caution", "refuse")
    assert str(found) == f"{areas.size} nuclei – {found.verdict['verdict']}: {found.verdict['reason']}"


def test_a_model_of_simulated_images_is_never_trusted_in_napari():
    found = label_plane(
        load_model("cho-brightfield", "cpu"), np.full((96, 96), 900) + 400 * np.eye(96), 0.325
    )
    assert found.verdict["verdict"] != "trust"
    assert [settings["name"] for _, settings, _ in found.layers][::2] == ["nuclei", "er", "golgi", "gfp"]
    assert found.layers[0][1]["scale"] == [0.325, 0.325]


def test_pixels_far_from_the_model_s_are_refused():
    with pytest.raises(WrongModel, match="more than a factor of 2"):
        label_plane(load_model("cho-brightfield", "cpu"), np.ones((64, 64)), 1.3)


@pytest.mark.parametrize(
    ("scale", "units", "size_um"),
    [
        ((1.0, 1.0), ("pixel", "pixel"), None),
        ((5.0, 1.0, 0.65, 0.65), ("pixel", "second", "micrometer", "micrometer"), 0.65),
        ((325.0, 325.0), ("nanometer", "nanometer"), 0.325),
    ],
)
def test_a_layer_s_units_tell_its_pixel_size(scale, units, size_um):
    assert pixel_size_of(scale, units) == size_um


@pytest.mark.parametrize(
    ("scale", "units", "said"),
    [((1.0, 1.0), ("second", "second"), "units"), ((0.3, 0.6), ("micrometer", "micrometer"), "square")],
)
def test_pixels_that_no_model_takes_are_refused(scale, units, said):
    with pytest.raises(BadInput, match=said):
        pixel_size_of(scale, units)


def test_the_plane_that_is_shown_is_taken():
    data = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    np.testing.assert_array_equal(shown_plane(data, (1.0, 2.2, 0.0, 0.0)), data[1, 2])
    np.testing.assert_array_equal(shown_plane(data, (9.0, -3.0, 0.0, 0.0)), data[1, 0])
    np.testing.assert_array_equal(shown_plane(data[0, 0], (1.0, 1.0)), data[0, 0])


@pytest.fixture(scope="module")
def widget():
    """Give the widget's module, and an application of Qt for it, where there is Qt."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        widgets = pytest.importorskip("qtpy.QtWidgets", reason="no Qt", exc_type=Exception)
        app = widgets.QApplication.instance() or widgets.QApplication([])
        yield import_module("unstained.napari.widget"), app


def labelled(begin, app, viewer, *asked):
    """Label a layer, and wait until its thread is done; gives its worker."""
    worker, done = begin(viewer, *asked), []
    if worker is not None:
        worker.finished.connect(lambda: done.append(True))
        until = time.monotonic() + 120
        while not done and time.monotonic() < until:
            app.processEvents()
            time.sleep(0.01)
        assert done
        app.processEvents()
    return worker


def test_the_widget_offers_the_bundled_models(widget):
    shown = widget[0].label_layer()
    assert {"hela-rpe1-nuclei", "cho-four", "cho-brightfield"} <= set(shown.model.choices)
    assert shown.call_button.text == "Label"


@pytest.mark.filterwarnings("ignore:the pixel size")
def test_the_widget_labels_the_plane_that_is_shown_and_says_the_verdict(widget, monkeypatch):
    module, app = widget
    said = []
    monkeypatch.setattr(module, "show_info", said.append)
    viewer = components.ViewerModel()
    light = sample_field()[0][0][:300, :300]
    stack = viewer.add_image(np.stack([light[::-1], light]), name="light", scale=(1, 2, 2))
    viewer.dims.set_point(0, 1)
    labelled(module.begin, app, viewer, stack, "hela-rpe1-nuclei")
    assert [layer.name for layer in viewer.layers] == ["light", "nuclei", "nuclei labels"]
    stain, labels = viewer.layers[1:]
    expected = load_model("hela-rpe1-nuclei", "cpu").predict(light)
    np.testing.assert_allclose(stain.data, expected, rtol=1e-5)
    assert list(stain.scale) == [2, 2]  # it lies on what it was made from
    assert isinstance(labels.features, pd.DataFrame)
    assert len(labels.features) == labels.data.max()
    assert any(f"nuclei – {word}: " in str(viewer.status) for word in ("trust", "caution", "refuse"))
    assert said == [viewer.status]


@pytest.mark.filterwarnings("ignore::UserWarning")  # as which napari's notifications come without a window
def test_the_widget_says_in_one_line_what_is_wrong(widget, monkeypatch):
    module, app = widget
    said = []
    monkeypatch.setattr(module, "show_error", said.append)
    viewer = components.ViewerModel()
    image = viewer.add_image(np.ones((64, 64)), scale=(3, 3), units=("um", "um"))
    assert labelled(module.begin, app, viewer, image, "cho-brightfield") is not None
    assert labelled(module.begin, app, viewer, image, "", "no/such/model") is not None
    image.units = ("s", "s")
    assert labelled(module.begin, app, viewer, image, "cho-brightfield") is None
    assert len(viewer.layers) == 1
    assert ["factor of 2" in said[0], "no model" in said[1], "units" in said[2]] == [True] * 3


def test_a_picture_in_colour_is_no_label_free_plane(monkeypatch):
    from unstained.napari import widget

    said = []
    monkeypatch.setattr(widget, "show_error", said.append)
    image = layers.Image(np.zeros((40, 30, 3), np.uint8), rgb=True, name="photo")
    assert widget.begin(SimpleNamespace(), image, "hela-rpe1-nuclei") is None
    assert said == ["photo is in colour; take one channel of it"]
