"""A model comes back bit for bit, or not at all."""

import json
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save, save_file

from unstained.errors import BadModel, ModelNotFound, OutputExists, OutputFailed
from unstained.networks import bundle
from unstained.networks.bundle import Model, ModelCard, load_model_bundle, read_card, save_model
from unstained.networks.normalisation import StainScale
from unstained.networks.unet import UNet, UNetSettings
from unstained.prediction.catalogue import models_at_hand

SMALL = UNetSettings(width=2, depth=2, batch_norm=True)


def make_model(**card) -> Model:
    torch.manual_seed(0)
    values = {
        "name": "nuclei-test",
        "stains": ("nuclei",),
        "input": "TL",
        "targets": ("DNA",),
        "scales": (StainScale(offset=100.5, gain=1234.25),),
        "network": SMALL,
        "pixel_size_um": 0.65,
        "fingerprints": {"train": {"A01/0": "ab" * 32}},
        "metrics": {"pcc": 0.5, "nothing": None},
        "training": {"loss": "mse+pearson", "steps": 12, "lr": 1e-3},
        "attribution": "Zoë & Ümit, µm",
    }
    return Model(ModelCard(**{**values, **card}), UNet(SMALL), {"reference.npz": b"\x00\x01"})


@pytest.fixture(params=["model", "model.zip", "a folder/ä model"])
def saved(request, tmp_path) -> Path:
    return save_model(make_model(), tmp_path / request.param)


@pytest.fixture
def folder(tmp_path) -> Path:
    return save_model(make_model(), tmp_path / "model")


def edit_card(folder: Path, **changes) -> None:
    card = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    (folder / "model.json").write_text(json.dumps({**card, **changes}), encoding="utf-8")


def replace_weights(folder: Path, weights: bytes) -> None:
    """Weights that the card vouches for, so that only their content can be wrong."""
    (folder / "weights.safetensors").write_bytes(weights)
    edit_card(folder, weights_sha256=bundle.hashlib.sha256(weights).hexdigest())


def test_all_comes_back_bit_for_bit(saved):
    before, after = make_model(), load_model_bundle(saved)
    assert after.card == before.card.model_copy(update={"weights_sha256": after.card.weights_sha256})
    assert after.extras == before.extras
    assert not after.network.training
    for (name, old), (same, new) in zip(
        before.network.state_dict().items(), after.network.state_dict().items(), strict=True
    ):
        assert name == same
        assert torch.equal(old, new)
    assert read_card(saved) == after.card


def test_a_second_round_trip_writes_the_same_bytes(folder, tmp_path):
    again = save_model(load_model_bundle(folder), tmp_path / "again")
    for path in folder.iterdir():
        assert (again / path.name).read_bytes() == path.read_bytes()


def test_a_score_that_is_no_number_is_saved_as_null(tmp_path):
    card = make_model().card.model_copy(update={"metrics": {"pcc": float("nan")}})
    path = save_model(Model(card, UNet(SMALL)), tmp_path / "model")
    assert load_model_bundle(path).card.metrics == {"pcc": None}


@pytest.mark.parametrize("name", ["model.json", "weights.safetensors"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(BadModel, match=f"{name} is missing"):
        load_model_bundle(folder)


def test_one_flipped_bit_in_the_weights_is_noticed(folder):
    weights = bytearray((folder / "weights.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "weights.safetensors").write_bytes(weights)
    with pytest.raises(BadModel, match="SHA-256"):
        load_model_bundle(folder)


@pytest.mark.parametrize("keep", [0, 5, 100, -1])
def test_truncated_weights_are_refused_even_where_the_hash_agrees(folder, keep):
    replace_weights(folder, (folder / "weights.safetensors").read_bytes()[:keep])
    with pytest.raises(BadModel, match="doesn't fit"):
        load_model_bundle(folder)


@pytest.mark.parametrize("change", ["extra", "lacking", "shape"])
def test_weights_of_another_network_are_refused(folder, change):
    state = load_file(folder / "weights.safetensors")
    if change == "extra":
        state["more.weight"] = torch.zeros(3)
    elif change == "lacking":
        del state["head.bias"]
    else:
        state["head.bias"] = torch.zeros(2)
    replace_weights(folder, save(state))
    with pytest.raises(BadModel, match=r"head\.bias|more\.weight"):
        load_model_bundle(folder)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"colour": "blue"}, "colour"),
        ({"schema": "unstained.model/2"}, "schema"),
        ({"working_scale": 0}, "working_scale"),
        ({"stains": ["nuclei", "er"]}, "equally many"),
        ({"network": {"width": 2, "depth": 2, "batch_norm": True, "attention": True}}, "network.attention"),
        ({"network": {"width": 2, "depth": 2, "batch_norm": True, "inputs": 3}}, "takes 3 planes"),
        ({"scales": [{"offset": 0, "gain": -1}]}, "scales.0.gain"),
    ],
)
def test_a_card_that_is_not_understood_is_refused(folder, change, named):
    edit_card(folder, **change)
    with pytest.raises(BadModel, match=named) as caught:
        load_model_bundle(folder)
    assert "\n" not in str(caught.value)


def test_a_card_that_is_no_json_is_refused(folder):
    (folder / "model.json").write_text("{", encoding="utf-8")
    with pytest.raises(BadModel, match=r"model\.json"):
        load_model_bundle(folder)


def test_a_pickle_is_never_opened(tmp_path):
    """Its content would call, when unpickled, what it likes."""

    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    (tmp_path / "model.pt").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(BadModel):
        load_model_bundle(tmp_path / "model.pt")
    torch.save(UNet(SMALL).state_dict(), tmp_path / "weights.pt")  # a zip archive, but no model
    with pytest.raises(BadModel, match="no model"):
        load_model_bundle(tmp_path / "weights.pt")
    save_file(UNet(SMALL).state_dict(), tmp_path / "bare.safetensors")
    with pytest.raises(BadModel):
        load_model_bundle(tmp_path / "bare.safetensors")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_zip_is_refused(tmp_path, damage):
    path = save_model(make_model(), tmp_path / "model.zip")
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    if damage == "cut":
        content = content[:middle]
    else:
        content[middle] ^= 255
    path.write_bytes(content)
    with pytest.raises(BadModel):
        load_model_bundle(path)


def test_a_zip_cannot_bring_files_from_elsewhere(tmp_path):
    path = save_model(make_model(), tmp_path / "model.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../outside", b"x")
        archive.writestr("inner/model.json", b"{}")
    assert set(load_model_bundle(path).extras) == {"reference.npz"}


def test_an_unknown_name_lists_what_there_is():
    with pytest.raises(ModelNotFound, match="no model 'nuclei-v9'"):
        load_model_bundle("nuclei-v9")


def test_an_existing_output_stays(folder):
    before = (folder / "weights.safetensors").read_bytes()
    with pytest.raises(OutputExists):
        save_model(make_model(), folder)
    assert (folder / "weights.safetensors").read_bytes() == before
    replaced = save_model(make_model(name="newer"), folder, overwrite=True)
    assert load_model_bundle(replaced).name == "newer"


def test_what_is_no_model_is_not_replaced(tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years", encoding="utf-8")
    for path in (precious, precious / "thesis.txt"):
        with pytest.raises(OutputFailed, match="isn't a model"):
            save_model(make_model(), path, overwrite=True)
    assert (precious / "thesis.txt").read_text(encoding="utf-8") == "years"


@pytest.mark.parametrize("name", ["model", "model.zip"])
@pytest.mark.parametrize("existing", [False, True])
def test_a_failure_while_writing_leaves_what_was_there(tmp_path, monkeypatch, name, existing):
    out = tmp_path / name
    if existing:
        save_model(make_model(name="older"), out)
    before = sorted(path.name for path in tmp_path.iterdir())

    def full(*_args, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bundle.zipfile.ZipFile, "writestr", full)
    monkeypatch.setattr(bundle.Path, "write_bytes", full)
    with pytest.raises(OutputFailed, match="No space left"):
        save_model(make_model(), out, overwrite=True)
    monkeypatch.undo()
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    if existing:
        assert load_model_bundle(out).name == "older"


def test_other_programs_packages_are_passed_over_in_a_folder_of_models(tmp_path):
    with zipfile.ZipFile(tmp_path / "zoo.zip", "w") as package:
        package.writestr("rdf.yaml", "type: model")
    save_model(make_model(), tmp_path / "mine.zip")
    found = [each.path.name for each in models_at_hand(tmp_path) if not each.bundled]
    assert found == ["mine.zip"]
