"""Several stains the whole way, on a small twin: one network, targets, cells, scores, page."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from unstained import pipeline
from unstained.errors import BadSettings, UnstainedError, WrongModel
from unstained.measurement.known import known_stain
from unstained.networks.bundle import Model, load_model_bundle
from unstained.networks.unet import UNetSettings
from unstained.plates.plate import FieldName, Plate, create_plate
from unstained.prediction.labeller import Labeller
from unstained.stains.catalogue import STAINS, read_stains
from unstained.stains.targets import make_target
from unstained.training.models import Subject, for_stains
from unstained.training.pairs import make_pairs
from unstained.training.recipes import TrainingSettings
from unstained.twin.plate import make_twin
from unstained.twin.wells import TwinSettings

CHANNELS = {"nuclei": "DNA", "er": "ER", "golgi": "GOLGI", "gfp": "GFP"}
TINY = TrainingSettings(
    network=UNetSettings(width=2, depth=2, dropout=False, batch_norm=True), crops={"side": 64}, steps=2
)


@pytest.fixture(scope="module")
def plate(tmp_path_factory) -> Plate:
    settings = TwinSettings(wells=4, fields=1, side_px=256, clones=2, seed=5)
    return make_twin(tmp_path_factory.mktemp("twin") / "cho.zarr", settings)


def trained(plate: Plate, out: Path, subject: Subject, **changes) -> Model:
    plan = pipeline.Plan(subject, TINY.updated(**changes), pipeline.HeldOut(("A04",), ("A03",)))
    return pipeline.train(plate, plan, out, accelerator="cpu", devices=1)


@pytest.fixture(scope="module")
def shared(plate, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("models") / "four"
    trained(plate, out, Subject("four", "DIC", CHANNELS))
    return out


@pytest.fixture(scope="module")
def predicted(plate, shared, tmp_path_factory) -> Plate:
    labeller = Labeller(load_model_bundle(shared))
    out = pipeline.predict(plate, [labeller], tmp_path_factory.mktemp("predicted") / "q.zarr")
    pipeline.measure(out)
    return out


def test_one_network_gives_four_stains_and_its_card_describes_each(shared, predicted):
    card = load_model_bundle(shared).card
    assert card.stains == predicted.channels == tuple(CHANNELS)
    assert card.network.outputs == 4
    assert card.described == tuple(STAINS[name] for name in CHANNELS)
    assert card.training["loss"].split(";")[2] == STAINS["golgi"].loss
    assert len(card.object_diameters_px) == len(card.object_contrasts) == 4
    assert card.working_scale > 0.8  # what the finest needs: ER alone would be shrunk to a half
    assert known_stain(predicted, "er").recipe(0.325, predicted=False).threshold > 0


def test_the_golgi_is_learnt_as_its_target(plate, shared):
    """What is dark in the target is 0, in a stain as recorded the camera's offset and more."""
    subject = Subject("four", "DIC", CHANNELS)
    split = pipeline.split_for(plate, "DIC", pipeline.HeldOut(("A04",), ("A03",)))
    scales = make_pairs(plate, split, subject.channels, stains=subject.stains).scales
    planes = [plate.read(FieldName.parse(name), "GOLGI") for name in ("A01/0", "A02/0")]
    targets = [make_target(plane, STAINS["golgi"].target, pixel_size_um=0.325) for plane in planes]
    assert scales[2].offset == 0
    assert scales[2].gain == pytest.approx(np.percentile(targets, 99.9), rel=0.1)
    card = load_model_bundle(shared).card
    assert card.backgrounds == tuple(scale.offset for scale in scales)
    assert card.backgrounds[1] > 90


def test_how_predicted_spots_are_found_is_in_the_card_and_used_for_them_alone(shared, predicted):
    spots = load_model_bundle(shared).card.likely_spots
    assert [each is None for each in spots] == [True, True, False, True]
    known = known_stain(predicted, "golgi")
    assert known.recipe(0.325, predicted=True) == spots[2]
    assert known.recipe(0.325, predicted=False) == STAINS["golgi"].objects


def test_scores_are_against_the_stain_as_recorded_and_the_target_stands_beside(plate, predicted, tmp_path):
    scores = pipeline.evaluate(predicted, plate, tmp_path / "scores", fields="all")
    assert list(scores) == list(CHANNELS)
    assert scores["golgi"].mean.pcc_target is not None
    assert scores["er"].mean.pcc_target is None
    name = predicted.fields[0]
    real = plate.read(name, "GOLGI")
    target = make_target(real, STAINS["golgi"].target, pixel_size_um=0.325)
    ours = predicted.read(name, "golgi")
    first = scores["golgi"].fields[0]
    assert first.pcc == pytest.approx(np.corrcoef(ours.ravel(), real.ravel())[0, 1], abs=1e-4)
    assert first.pcc_target == pytest.approx(np.corrcoef(ours.ravel(), target.ravel())[0, 1], abs=1e-4)
    assert first.measured["intensity_total"][0] <= target.sum() * 1.001
    assert any("pcc_target" in note for note in scores["golgi"].notes)


def test_cells_are_measured_and_stored(predicted):
    tables = pipeline.stored_tables(predicted)
    nuclei = tables["objects"].query("stain == 'nuclei'")
    assert len(tables["cells"]) == len(nuclei)
    assert list(tables["cells_by_well"]["well"]) == list(predicted.wells)
    assert {"er_total", "golgi_area_um2", "gfp_positive"} <= set(tables["cells_by_well"].columns)
    assert "granularity" in tables["objects"].query("stain == 'er'").dropna(axis=1, how="all")
    for name in predicted.fields:
        cells, seeds = predicted.read_labels(name, "cells"), predicted.read_labels(name, "nuclei")
        np.testing.assert_array_equal(cells[seeds > 0], seeds[seeds > 0])


def test_every_figure_of_the_page_says_simulated(plate, predicted, tmp_path):
    page = pipeline.report(predicted, tmp_path / "page.html", truth=plate).read_text(encoding="utf-8")
    assert "Stains together" in page
    assert page.count('<span class="simulated">') == page.count("<figure") > 12


def test_real_images_are_never_trusted_by_a_model_of_simulated_ones(plate, shared, tmp_path):
    writer = create_plate(tmp_path / "real.zarr", name="real", channels=["DIC"], pixel_size_um=0.325)
    writer.write_field(plate.fields[0], plate.read(plate.fields[0], "DIC")[None])
    told: list[str] = []
    telling = pipeline.Telling(caution=told.append)
    labeller = Labeller(load_model_bundle(shared))
    real = pipeline.predict(writer.finish(), [labeller], tmp_path / "q.zarr", telling=telling)
    verdict = real.field_info(real.fields[0])["verdict"]
    assert verdict["verdict"] in ("caution", "refuse")
    assert "--stain nuclei,er,golgi,gfp --input DIC" in verdict["reason"]
    assert len(told) == 1
    assert verdict["reason"].endswith(f"; {told[0]}")


def test_simulated_images_are_judged_without_that_advice(predicted):
    """Two steps of training give nothing that correlates: refused, and the reason says so."""
    verdict = predicted.field_info(predicted.fields[0])["verdict"]
    assert verdict["verdict"] == "refuse"
    assert verdict["expected_pcc"] < 0.3
    assert "has only seen simulated images" not in verdict["reason"]


def test_stains_of_the_page_can_be_trained_and_travel_with_the_model(plate, tmp_path):
    page = (Path(__file__).parents[1] / "docs" / "stains.md").read_text(encoding="utf-8")
    (tmp_path / "stains.yaml").write_text(page.split("```yaml\n")[1].split("```")[0], encoding="utf-8")
    known = read_stains(tmp_path / "stains.yaml")
    subject = Subject("own", "DIC", {"mito": "ER", "nucleoli": "DNA"}, known)
    card = trained(plate, tmp_path / "own", subject).card
    assert json.loads(card.model_dump_json())["described"][0]["title"] == "Mitochondria"
    assert card.described[1].objects.method == "spots"
    assert card.backgrounds[1] == pytest.approx(0, abs=5)


@pytest.mark.parametrize(
    ("loss", "said"), [("mse;mse;mse", "3 losses for 2 stains"), ("bce;mse", "can't share a model")]
)
def test_losses_that_make_no_model_get_a_line(plate, tmp_path, loss, said):
    subject = Subject("x", "DIC", {"nuclei": "DNA", "gfp": "GFP"})
    with pytest.raises(BadSettings, match=said):
        trained(plate, tmp_path / "x", subject, loss=loss)
    assert not (tmp_path / "x").exists()


def test_training_goes_on_with_some_of_a_shared_networks_stains(plate, shared, tmp_path):
    """Before a step is taken, the network predicts what the shared one did of them, in the new order."""
    start = load_model_bundle(shared)
    kept = for_stains(start, ("gfp", "er"))
    planes = torch.randn(1, 1, 64, 64)
    with torch.inference_mode():
        both = start.network.eval()(planes)[:, [3, 1]]
        torch.testing.assert_close(kept.network.eval()(planes), both)
    assert kept.card.targets == ("GFP", "ER")
    plan = pipeline.Plan(Subject("x", "DIC", {"er": "ER"}), TINY, start=shared)
    assert pipeline.train(plate, plan, tmp_path / "x", accelerator="cpu", devices=1).card.stains == ("er",)


def test_training_cant_go_on_with_a_stain_that_the_model_doesnt_know(plate, shared, tmp_path):
    plan = pipeline.Plan(Subject("x", "DIC", {"mito": "ER"}), TINY, start=shared)
    with pytest.raises(WrongModel, match="can't go on with mito"):
        pipeline.train(plate, plan, tmp_path / "x", accelerator="cpu", devices=1)


def test_one_channel_is_held_against_one_stain(plate, predicted, tmp_path):
    with pytest.raises(BadSettings, match="name which: nuclei, er, golgi, gfp"):
        pipeline.evaluate(predicted, plate, tmp_path / "all", fields="all", target_channel="DNA")
    one = pipeline.evaluate(
        predicted, plate, tmp_path / "one", stain="er", fields="all", target_channel="ER"
    )
    assert list(one) == ["er"]
    assert (tmp_path / "one" / "evaluation.json").exists()


def test_what_makes_no_model_is_said_before_a_plane_is_read(plate, shared, tmp_path):
    unknown = Subject("x", "DIC", {"mito": "ER"})
    for subject, changes, start in (
        (unknown, {}, shared),
        (unknown, {"loss": "foo"}, None),
        (Subject("x", "DIC", CHANNELS), {"network": UNetSettings(ending="frm")}, None),
    ):
        plan = pipeline.Plan(subject, TINY.updated(**changes), start=start)
        with pytest.raises(UnstainedError):
            pipeline.train(plate, plan, tmp_path / "x", accelerator="cpu", devices=1)
    assert list(tmp_path.iterdir()) == []
