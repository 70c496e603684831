"""A model's ONNX file gives what the model gives, whatever its card asks for and however the field lies."""

import json

import numpy as np
import pytest

from unstained.errors import BadModel, OutputExists, OutputFailed
from unstained.exchange import onnx as exchange
from unstained.exchange.onnx import MOST_ERROR, compared, export_onnx, largest_error, onnx_model
from unstained.exchange.trial import trial_field
from unstained.networks.bundle import Model, load_model_bundle
from unstained.prediction.engine import Engine

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")

WAYS = (
    "plain", "shrunk, moved, of known contrast", "without slow light", "probabilities of mirror images",
    "by its light",
)  # fmt: skip


@pytest.mark.parametrize("what", WAYS)
def test_onnx_gives_what_the_model_gives(model_of, field, what):
    """Camera pixels in, camera units out: within 1e-4 of each stain's range, for sides of any length."""
    model = model_of(what)
    written = onnx_model(model)
    for shape in ((97, 131), (64, 64), (150, 75)):
        expected = Engine(model).predict(field(*shape), model.card.pixel_size_um)
        assert largest_error(exchange.run(written, field(*shape)), expected) < MOST_ERROR / 2


def test_onnx_turns_fields_to_the_light_as_the_model_does(model_of, field):
    model = model_of("by its light")
    written, engine = onnx_model(model), Engine(model)
    turns = set()
    for turn in range(4):
        lit = field(220, 260, turn)
        turns.add(engine.seen(lit, 0.3).turns)
        assert largest_error(exchange.run(written, lit), engine.predict(lit, 0.3)) < MOST_ERROR / 2
    assert turns == {0, 1, 2, 3}


def test_a_field_without_relief_is_turned_as_the_training_fields(model_of):
    """Noise doesn't tell its light, so that of the card counts: 224.8° is one turn."""
    model, noise = model_of("by its light"), np.random.default_rng(0).integers(900, 1100, (96, 96))
    assert Engine(model).seen(noise, 0.3).turns == 1
    assert compared(model, onnx_model(model), noise).error < MOST_ERROR / 2


@pytest.mark.parametrize("name", ["hela-rpe1-nuclei", "cho-four", "cho-brightfield"])
def test_bundled_models_can_be_exported(name, tmp_path):
    model = load_model_bundle(name)
    found = export_onnx(model, tmp_path / "model.onnx", trial_field(model.card))
    assert found.error < 2e-5
    written = onnx.load(tmp_path / "model.onnx")
    onnx.checker.check_model(written, full_check=True)
    told = {each.key: each.value for each in written.metadata_props}
    assert json.loads(told["stains"]) == list(model.card.stains)
    assert told["weights_sha256"] == model.card.weights_sha256
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_the_file_is_as_large_as_the_weights(model_of):
    """Mirror images share one set of weights."""
    one, four = (len(onnx_model(model_of(average_flips=flips))) for flips in (False, True))
    assert four < 1.2 * one


def test_a_constant_field_gives_finite_stains(model_of):
    model = model_of("shrunk, moved, of known contrast")
    assert np.isfinite(exchange.run(onnx_model(model), np.full((64, 80), 7, np.uint8))).all()


def test_what_differs_from_the_model_is_not_written(model_of, field, tmp_path, monkeypatch):
    other = onnx_model(model_of(working_scale=0.9))
    monkeypatch.setattr(exchange, "onnx_model", lambda _: other)
    with pytest.raises(BadModel, match="gives other stains"):
        export_onnx(model_of(), tmp_path / "model.onnx", field())
    assert list(tmp_path.iterdir()) == []


def test_an_export_is_refused_before_any_work(model_of, tmp_path):
    with pytest.raises(OutputFailed, match=r"ends in \.onnx"):
        export_onnx(model_of(), tmp_path / "model.pt", np.zeros((0, 0)))
    (tmp_path / "there.onnx").touch()
    with pytest.raises(OutputExists):
        export_onnx(model_of(), tmp_path / "there.onnx", np.zeros((0, 0)))


def test_only_u_nets_are_exported(model_of):
    model = model_of()
    with pytest.raises(BadModel, match="U-Net"):
        onnx_model(Model(model.card, model.network.head))


def test_the_largest_error_is_a_share_of_each_stain_s_own_range():
    expected = np.stack([np.linspace(0, 10, 100), np.linspace(0, 1000, 100)]).reshape(2, 10, 10)
    assert largest_error(expected + np.array([1, 5])[:, None, None], expected) == pytest.approx(0.1)
    assert largest_error(expected + np.array([0, 5])[:, None, None], expected) == pytest.approx(0.005)
