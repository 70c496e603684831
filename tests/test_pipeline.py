"""The order of the stages: what is decided before training, what goes on after a break, what is recorded."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from unstained import pipeline
from unstained.errors import BadInput, MissingChannel, OutputExists, OutputFailed, WrongModel
from unstained.networks.bundle import Model, ModelCard, load_model_bundle
from unstained.networks.normalisation import StainScale
from unstained.networks.unet import UNet, UNetSettings
from unstained.plates.plate import FieldName, Plate, create_plate
from unstained.prediction.labeller import Labeller
from unstained.provenance import begin_folder
from unstained.training.models import Subject
from unstained.training.recipes import TrainingSettings

SUBJECT = Subject("tiny", "TL", {"nuclei": "DNA"})
DEVICES = {"accelerator": "cpu", "devices": 1}


def tiny(**changes) -> TrainingSettings:
    values = TrainingSettings().model_dump()
    values |= {"batch": 2, "steps": 3, **changes}
    values["network"] |= {"width": 2, "depth": 2}
    values["crops"] |= {"side": 32}
    return TrainingSettings.checked(values)


def make_plate(path: Path, fields: dict[str, np.ndarray]) -> Plate:
    """Make a plate with a dark blob wherever the stain has a bright one."""
    writer = create_plate(path, name="tiny", channels=["TL", "DNA"], pixel_size_um=0.5)
    for name, signal in fields.items():
        planes = np.stack([2000 - 500 * signal, 100 + 1000 * signal]).astype(np.uint16)
        writer.write_field(FieldName.parse(name), planes)
    return writer.finish()


def signal(seed: int, shape: tuple[int, int] = (96, 96)) -> np.ndarray:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    spots = [np.hypot(y - rng.uniform(0, shape[0]), x - rng.uniform(0, shape[1])) < 6 for _ in range(15)]
    return np.any(spots, axis=0) + rng.normal(0, 0.02, shape)


@pytest.fixture(scope="module")
def plate(tmp_path_factory) -> Plate:
    names = ("A01/0", "A02/0", "A03/0", "A04/0")
    return make_plate(
        tmp_path_factory.mktemp("plates") / "p.zarr", {n: signal(i) for i, n in enumerate(names)}
    )


@pytest.fixture
def unfit() -> Labeller:
    """Give a model that reads a channel that the plate doesn't have."""
    shape = UNetSettings(width=2, depth=2)
    card = ModelCard(
        name="phase", stains=("nuclei",), input="PH", targets=("DNA",), network=shape, scales=(StainScale(),)
    )
    return Labeller(Model(card, UNet(shape)))


@pytest.fixture(scope="module")
def plan() -> pipeline.Plan:
    return pipeline.Plan(SUBJECT, tiny(), pipeline.HeldOut(("A04",), ("A03",)))


def weights(model) -> torch.Tensor:
    return torch.cat([values.float().ravel() for values in model.network.state_dict().values()])


def test_training_keeps_held_out_wells_out_and_says_so_in_the_model(plate, plan, tmp_path):
    told = []
    telling = pipeline.Telling(progress=lambda line: told.append(line.step), note=lambda _: None)
    out = tmp_path / "m"
    pipeline.train(plate, plan, out, telling=telling, **DEVICES)
    card = load_model_bundle(out).card
    assert card.split["train"] == ["A01/0 [0:96, 0:96]", "A02/0 [0:96, 0:96]"]
    assert set(card.fingerprints["test"]) == {"A04/0"}
    assert not set(card.fingerprints["train"].values()) & set(card.fingerprints["test"].values())
    assert told[-1] == 3
    record = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert record["settings"]["steps"] == 3
    assert record["settings"]["test"] == ["A04"]
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_the_same_steps_and_seed_give_the_same_weights(plate, plan, tmp_path):
    first = pipeline.train(plate, plan, tmp_path / "a", **DEVICES)
    second = pipeline.train(plate, plan, tmp_path / "b", **DEVICES)
    other = pipeline.train(
        plate, pipeline.Plan(SUBJECT, tiny(seed=1), plan.held_out), tmp_path / "c", **DEVICES
    )
    torch.testing.assert_close(weights(first), weights(second), rtol=0, atol=0)
    assert not torch.equal(weights(first), weights(other))


def test_an_interrupted_training_goes_on_where_it_stopped(plate, tmp_path):
    plan = pipeline.Plan(SUBJECT, tiny(steps=8), pipeline.HeldOut(("A04",), ("A03",)))
    straight = pipeline.train(plate, plan, tmp_path / "straight", **DEVICES)

    class Broken(Exception):
        pass

    def breaks(line):
        if line.step == 5:
            raise Broken

    steps = []
    with pytest.raises(Broken):
        pipeline.train(plate, plan, tmp_path / "m", telling=pipeline.Telling(progress=breaks), **DEVICES)
    assert not (tmp_path / "m").exists()
    resumed = pipeline.train(
        plate,
        plan,
        tmp_path / "m",
        telling=pipeline.Telling(progress=lambda line: steps.append(line.step)),
        **DEVICES,
    )
    assert steps[0] > 1, "it began anew"
    torch.testing.assert_close(weights(resumed), weights(straight))
    assert {path.name for path in tmp_path.iterdir()} == {"m", "straight"}


def test_a_training_from_a_model_starts_with_its_weights(plate, plan, tmp_path):
    first = pipeline.train(plate, plan, tmp_path / "a", **DEVICES)
    still = tiny(steps=1, learning_rate=1e-12, weight_decay=0.0)
    second = pipeline.train(
        plate, pipeline.Plan(SUBJECT, still, plan.held_out, tmp_path / "a"), tmp_path / "b", **DEVICES
    )
    convolutions = [name for name in first.network.state_dict() if name.endswith("weight")]
    for name in convolutions:
        torch.testing.assert_close(
            second.network.state_dict()[name], first.network.state_dict()[name], rtol=0, atol=1e-6
        )
    assert second.card.training["from"] == "tiny"


def test_nothing_is_left_where_a_training_is_refused(plate, tmp_path):
    out = tmp_path / "m"
    with pytest.raises(MissingChannel):
        pipeline.train(plate, pipeline.Plan(Subject("x", "TL", {"gfp": "GFP"}), tiny()), out)
    (tmp_path / "there").mkdir()
    with pytest.raises(OutputExists):
        pipeline.train(plate, pipeline.Plan(SUBJECT, tiny()), tmp_path / "there")
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_a_training_onto_what_is_no_model_is_refused_before_it_begins(plate, plan, tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious", encoding="utf-8")
    monkeypatch.setattr(pipeline, "fit_model", None)
    with pytest.raises(OutputFailed, match="isn't a model"):
        pipeline.train(plate, plan, tmp_path / "mine", overwrite=True)
    assert (tmp_path / "mine" / "thesis.txt").exists()


def test_overlapping_fields_are_never_parted(tmp_path):
    whole = np.random.default_rng(0).normal(0, 1, (320, 520))
    kinds = {
        "A01/0": whole[:, :320],
        "A01/1": whole[:, 200:],
        "A01/2": np.random.default_rng(1).normal(0, 1, (320, 320)),
    }
    plate = make_plate(tmp_path / "p.zarr", kinds)
    split = pipeline.split_for(plate, "TL", pipeline.HeldOut(test=("A01/0",)))
    trained = {str(region.field) for region in (*split.train, *split.validation)}
    assert "A01/1" not in trained
    assert "A01/1 shows the same ground" in " ".join(split.warnings)


def test_a_report_needs_an_evaluation_where_one_is_named(plate, tmp_path):
    with pytest.raises(BadInput, match=r"holds no evaluation\.json"):
        pipeline.report(plate, tmp_path / "page.html", evaluation=tmp_path)


def test_screening_with_a_model_that_does_not_fit_replaces_nothing(plate, unfit, tmp_path):
    out = tmp_path / "out"
    begin_folder(out, {}, overwrite=False, command="screen")
    (out / "report.html").write_text("of yesterday", encoding="utf-8")
    with pytest.raises(WrongModel, match="PH"):
        pipeline.screen(plate.path, [unfit], out, overwrite=True)
    assert (out / "report.html").exists()


def test_screening_what_is_not_there(tmp_path):
    with pytest.raises(BadInput, match="no plate, folder or file"):
        pipeline.screen(tmp_path / "nowhere", [], tmp_path / "out")
    assert not (tmp_path / "out").exists()
