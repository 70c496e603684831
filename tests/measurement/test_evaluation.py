"""Evaluation of plates whose nuclei are drawn, so that every figure is known beforehand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter

from unstained.errors import BadInput, MissingChannel
from unstained.measurement.evaluation import Evaluation, EvaluationSettings, evaluate_plate
from unstained.measurement.summary import known_together
from unstained.measurement.unseen import input_fingerprints, select_regions
from unstained.plates.plate import FieldName, Plate, create_plate, fingerprint
from unstained.segmentation.nuclei import NucleiSettings
from unstained.segmentation.recipes import usual_contrast

SIDE, DIAMETER = 112, 14
COUNTS = {"A01": 4, "A02": 6, "B01": 9, "B02": 12}
SECTION_6 = {
    "schema": None, "stain": None, "model": None, "input": None, "target": None,
    "fields": {
        "well", "field", "pcc", "ssim", "mae", "nrmse", "psnr", "count_true", "count_predicted", "verdict"
    },
    "mean": {"pcc", "ssim", "mae", "nrmse", "psnr"}, "pooled": {"pcc"},
    "floor": {"blurred_input", "linear_filter"},
    "objects": {"reference", "f1_iou50", "precision_iou50", "recall_iou50"},
    "downstream": {"count", "area_um2", "intensity_total", "intensity_mean"}, "notes": None,
}  # fmt: skip


def drawn(count: int, seed: int) -> np.ndarray:
    """Draw so many nuclei on a grid, each with a brightness of its own."""
    rng = np.random.default_rng(seed)
    places = [(y, x) for y in range(16, SIDE, 27) for x in range(16, SIDE, 27)]
    grid = np.mgrid[:SIDE, :SIDE]
    plane = np.zeros((SIDE, SIDE))
    for y, x in rng.permutation(places)[:count]:
        plane[(grid[0] - y) ** 2 + (grid[1] - x) ** 2 <= (DIAMETER / 2) ** 2] = rng.uniform(700, 1000)
    return gaussian_filter(plane, 1.0) + 100 + rng.normal(0, 4, plane.shape)


def light_of(stained: np.ndarray, seed: int) -> np.ndarray:
    """Make a label-free plane: relief of the nuclei, and noise."""
    relief = np.gradient(gaussian_filter(stained, 2))[0]
    return (2000 + relief + np.random.default_rng(seed).normal(0, 30, stained.shape)).astype(np.uint16)


def card_for(prints: dict[str, dict[str, str]], **changes: Any) -> dict[str, Any]:
    return {"name": "drawn", "stains": ["nuclei"], "targets": ["DNA"], "input": "TL", "pixel_size_um": 0.5,
            "object_diameters_px": [DIAMETER], "fingerprints": prints, "split": {}, **changes}  # fmt: skip


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Plate:
    writer = create_plate(
        tmp_path_factory.mktemp("truth") / "truth.zarr",
        name="drawn",
        channels=["TL", "DNA"],
        pixel_size_um=0.5,
    )
    for seed, (well, count) in enumerate(COUNTS.items()):
        stained = drawn(count, seed)
        writer.write_field(FieldName(well, 0), np.stack([light_of(stained, seed), stained.astype(np.uint16)]))
    return writer.finish()


@pytest.fixture(scope="module")
def prints(truth: Plate) -> dict[str, str]:
    return {str(name): fingerprint(truth.read(name, "TL")) for name in truth.fields}


def predict_by(truth: Plate, out: Path, card: dict[str, Any], gain: float = 1.0, **kinds: Any) -> Plate:
    """Write a predicted plate: the real stain times a gain, or what `kinds` says of a well."""
    info = {"kind": "predicted", "input": "TL", "models": [card]}
    writer = create_plate(out, name="drawn", channels=["nuclei"], pixel_size_um=0.5, info=info)
    for name in truth.fields:
        plane = kinds.get(name.well, gain * truth.read(name, "DNA").astype(np.float32))
        record = {
            "input_fingerprints": {"TL": fingerprint(truth.read(name, "TL"))},
            "verdict": {"verdict": "caution", "reason": "thin"} if name.well == "A02" else None,
        }
        writer.write_field(name, plane[None].astype(np.float32), info=record)
    return writer.finish()


@pytest.fixture(scope="module")
def perfect(truth: Plate, tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    predicted = predict_by(truth, tmp_path_factory.mktemp("p") / "p.zarr", card_for({}))
    return evaluate_plate(predicted, truth, stain="nuclei")


def test_a_perfect_prediction_is_perfect_in_everything(perfect: Evaluation):
    assert perfect.mean.pcc == pytest.approx(1)
    assert perfect.mean.ssim == pytest.approx(1)
    assert (perfect.mean.mae, perfect.mean.nrmse, perfect.mean.psnr) == (0, 0, None)
    assert perfect.pooled.pcc == pytest.approx(1)
    assert (perfect.objects.f1_iou50, perfect.objects.average_precision) == (1, 1)
    for measure in perfect.downstream.values():
        assert measure.pearson == pytest.approx(1)
        assert (measure.bias, measure.n) == (0, 4)
    assert any("PSNR is infinite" in note for note in perfect.notes)


def test_counts_are_those_that_were_drawn(perfect: Evaluation):
    assert {row.well: (row.count_true, row.count_predicted) for row in perfect.fields} == {
        well: (count, count) for well, count in COUNTS.items()
    }
    assert perfect.objects.real == sum(COUNTS.values())


def test_floors_lie_below_and_are_fitted_elsewhere(perfect: Evaluation):
    assert 0 < perfect.floor.linear_filter.pcc < 0.95
    assert 0 < perfect.floor.blurred_input.pcc < 0.95
    assert perfect.floor.constant.nrmse == 1
    assert "linear filter fitted on other scored fields" in perfect.notes


def test_json_has_the_keys_of_the_schema(perfect: Evaluation):
    found = json.loads(json.dumps(perfect.to_json(), allow_nan=False))
    assert SECTION_6.keys() <= found.keys()
    for key, inner in SECTION_6.items():
        if inner is not None:
            assert inner <= (found[key][0] if key == "fields" else found[key]).keys(), key
    assert found["schema"] == "unstained.evaluation/1"
    assert (found["model"], found["input"], found["target"]) == ("drawn", "TL", "DNA")
    assert found["objects"]["reference"] == "segmented"
    assert {"pearson", "spearman", "bias", "n", "interval"} <= found["downstream"]["count"].keys()
    assert len(found["downstream"]["count"]["interval"]) == 2
    assert found["floor"]["blurred_input"].keys() == found["floor"]["linear_filter"].keys() == {"pcc"}
    assert [row["verdict"] for row in found["fields"]] == [None, "caution", None, None]
    assert Evaluation.model_validate(found) == perfect


def test_the_same_evaluation_twice_is_equal(truth, perfect, tmp_path):
    predicted = predict_by(truth, tmp_path / "p.zarr", card_for({}))
    assert evaluate_plate(predicted, truth, stain="nuclei") == perfect


def test_predicted_objects_less_likely_than_not_dont_count_but_faint_real_ones_do(truth, tmp_path):
    """Half of each well's nuclei are predicted at .4 of their brightness: an unsure network's mean."""
    counted = {}
    for contrast in (None, 1.0):
        halved = {}
        for name in truth.fields:
            real = truth.read(name, "DNA").astype(np.float32)
            ground = float(np.median(real))
            share = np.where(np.arange(real.shape[1]) < real.shape[1] // 2, 1.0, 0.4)
            halved[name.well] = ground + share * (real - ground)
        planes = [truth.read(name, "DNA").astype(np.float32) for name in truth.fields]
        usual = usual_contrast(planes, NucleiSettings())
        card = card_for({}, object_contrasts=[contrast and contrast * usual])
        predicted = predict_by(truth, tmp_path / f"{contrast}.zarr", card, **halved)
        counted[contrast] = evaluate_plate(predicted, truth, stain="nuclei").fields
    for row in counted[None]:
        assert (row.count_true, row.count_predicted) == (COUNTS[row.well], COUNTS[row.well])
    for row in counted[1.0]:
        assert row.count_true == COUNTS[row.well]
        assert row.count_predicted < row.count_true


def test_too_bright_a_prediction_is_biased_in_intensity_alone(truth, tmp_path):
    predicted = predict_by(truth, tmp_path / "p.zarr", card_for({}), gain=1.25)
    found = evaluate_plate(predicted, truth, stain="nuclei")
    assert found.mean.pcc == pytest.approx(1)
    assert found.downstream["intensity_mean"].bias == pytest.approx(0.25, abs=1e-4)
    assert found.downstream["intensity_total"].bias == pytest.approx(0.25, abs=1e-4)
    assert found.downstream["area_um2"].bias == pytest.approx(0, abs=1e-9)
    assert found.matched_objects.agreement["intensity_mean"].bias == pytest.approx(0.25, abs=1e-4)
    assert found.matched_objects.agreement["area_um2"].n == sum(COUNTS.values())


def test_an_empty_prediction_finds_nothing_and_says_so(truth, tmp_path):
    empty = {well: np.full((SIDE, SIDE), 100.0) for well in COUNTS}
    found = evaluate_plate(
        predict_by(truth, tmp_path / "p.zarr", card_for({}), **empty), truth, stain="nuclei"
    )
    assert found.mean.pcc is None
    assert (found.objects.f1_iou50, found.objects.precision_iou50) == (0, None)
    assert found.downstream["count"].bias == -1
    assert found.downstream["count"].pearson is None
    assert any("A01/0" in note and "constant" in note for note in found.notes)
    assert any(note.startswith("count doesn't vary") for note in found.notes)
    json.dumps(found.to_json(), allow_nan=False)


def test_only_unseen_fields_are_scored_unless_all_are_asked_for(truth, prints, tmp_path):
    roles = {
        "train": {"Z09/5": prints["A01/0"]},
        "validation": {"A02/0": prints["A02/0"]},
        "test": {"B01/0": prints["B01/0"]},
    }
    predicted = predict_by(truth, tmp_path / "p.zarr", card_for(roles, split={"level": "well"}))
    test = evaluate_plate(predicted, truth, stain="nuclei")
    assert [row.well for row in test.fields] == ["B01", "B02"]
    assert "linear filter fitted on training fields (A01/0)" in test.notes
    assert test.downstream["count"].pearson is None
    assert any("it takes three" in note for note in test.notes)
    assert any(note.startswith("2 wells: no intervals") for note in test.notes)
    everything = evaluate_plate(predicted, truth, stain="nuclei", fields="all")
    assert [row.well for row in everything.fields] == list(COUNTS)
    assert everything.notes[0].startswith("not an honest test: the model saw 2 of the 4 scored fields")
    assert "A01/0, A02/0" in everything.notes[0]


def test_a_model_that_saw_everything_can_not_be_tested(truth, prints, tmp_path):
    predicted = predict_by(truth, tmp_path / "p.zarr", card_for({"train": prints}))
    with pytest.raises(BadInput, match="--fields all"):
        evaluate_plate(predicted, truth, stain="nuclei")


def test_where_images_were_split_only_the_unseen_part_is_scored(truth, prints, tmp_path):
    half = SIDE // 2
    split = {
        "level": "half",
        "train": [f"A01/0 [0:{SIDE}, 0:{half - 8}]"],
        "test": [f"A01/0 [0:{SIDE}, {half}:{SIDE}]"],
        "warnings": ["one image: cut in two"],
    }
    roles = {"train": {"A01/0": prints["A01/0"]}, "test": {"A01/0": prints["A01/0"]}}
    real = truth.read(FieldName("A01", 0), "DNA").astype(np.float32)
    spoiled = real.copy()
    spoiled[:, : half - 8] = np.random.default_rng(0).normal(400, 300, (SIDE, half - 8))
    predicted = predict_by(truth, tmp_path / "p.zarr", card_for(roles, split=split), A01=spoiled)
    found = evaluate_plate(predicted, truth, stain="nuclei")
    first = found.fields[0]
    assert first.region == f"A01/0 [0:{SIDE}, {half}:{SIDE}]"
    assert first.pcc == pytest.approx(1)
    assert found.fields[1].region is None
    assert found.notes[0] == "split: one image: cut in two"
    assert found.notes[1].startswith("tested on other parts of the images")
    assert evaluate_plate(predicted, truth, stain="nuclei", fields="all").fields[0].pcc < 0.9


def test_annotated_labels_are_compared_where_named(truth, tmp_path):
    name = FieldName("A01", 0)
    predicted = predict_by(truth, tmp_path / "p.zarr", card_for({}))
    labels = np.zeros((SIDE, SIDE), np.int32)
    labels[2:8, 2:8] = 1
    for field in truth.fields:
        truth.write_labels(field, "by hand", labels)
    found = evaluate_plate(predicted, truth, stain="nuclei", settings=EvaluationSettings(annotated="by hand"))
    assert found.objects.reference == "annotated"
    assert (found.objects.real, found.objects.predicted, found.objects.matched) == (
        4,
        sum(COUNTS.values()),
        0,
    )
    assert {row.count_true for row in found.fields} == {1}
    with pytest.raises(MissingChannel, match="by eye"):
        evaluate_plate(predicted, truth, stain="nuclei", settings=EvaluationSettings(annotated="by eye"))
    assert name in truth.fields


def test_light_my_cells_stands_beside_where_asked_for(truth, tmp_path):
    predicted = predict_by(truth, tmp_path / "p.zarr", card_for({}), gain=3)
    found = evaluate_plate(predicted, truth, stain="nuclei", settings=EvaluationSettings(light_my_cells=True))
    assert found.light_my_cells["mae"] == pytest.approx(0, abs=1e-6)
    assert found.fields[0].light_my_cells["ssim"] == pytest.approx(1)


def test_what_can_not_be_compared_is_refused_in_one_line(truth, tmp_path):
    predicted = predict_by(truth, tmp_path / "p.zarr", card_for({}))
    with pytest.raises(MissingChannel, match="'er'"):
        evaluate_plate(predicted, truth, stain="er", target_channel="DNA")
    with pytest.raises(MissingChannel, match="'GFP'"):
        evaluate_plate(predicted, truth, stain="nuclei", target_channel="GFP")
    nameless = predict_by(truth, tmp_path / "q.zarr", {"stains": ["nuclei"]})
    with pytest.raises(BadInput, match="--target"):
        evaluate_plate(nameless, truth, stain="nuclei")
    writer = create_plate(tmp_path / "o.zarr", name="o", channels=["TL", "DNA"], pixel_size_um=0.5)
    writer.write_field(FieldName("H12", 3), np.zeros((2, 20, 20), np.uint16))
    with pytest.raises(BadInput, match="no field in common"):
        evaluate_plate(predicted, writer.finish(), stain="nuclei")


def test_fields_are_known_by_pixels_where_a_predicted_plate_tells_nothing(truth, prints, tmp_path):
    writer = create_plate(tmp_path / "p.zarr", name="p", channels=["nuclei"], pixel_size_um=None)
    for name in truth.fields:
        writer.write_field(name, np.zeros((1, SIDE, SIDE), np.float32))
    found = input_fingerprints(writer.finish(), truth, "TL")
    assert {str(name): print_ for name, print_ in found.items()} == prints
    selection = select_regions(truth, found, {"fingerprints": {"train": {"x": prints["A01/0"]}}}, "test")
    assert [str(region.field) for region in selection.scored] == ["A02/0", "B01/0", "B02/0"]
    assert [str(region.field) for region in selection.training] == ["A01/0"]


def test_a_field_whose_image_is_not_known_is_left_out_of_a_test_and_said(truth, prints):
    known: dict[FieldName, str | None] = {name: prints[str(name)] for name in truth.fields}
    known[FieldName("B02", 0)] = None
    for choice, number in (("test", 3), ("all", 4)):
        selection = select_regions(truth, known, {}, choice)
        assert len(selection.scored) == number
        assert selection.notes[-1].startswith("left out: B02/0" if choice == "test" else "B02/0")


def test_what_each_model_saw_is_told_by_the_channel_that_it_looked_at(tmp_path):
    rng = np.random.default_rng(5)
    names = [FieldName("A01", field) for field in range(2)]
    writer = create_plate(tmp_path / "t.zarr", name="t", channels=["BF", "DIC", "DNA"], pixel_size_um=0.5)
    for seed, name in enumerate(names):
        stained = drawn(6, seed)
        light = [light_of(stained, seed + shift) for shift in (10, 20)]
        writer.write_field(name, np.stack([*light, stained.astype(np.uint16)]))
    two = writer.finish()
    seen = {channel: fingerprint(two.read(names[0], channel)) for channel in ("BF", "DIC")}
    cards = [
        card_for({"train": {"A01/0": seen[channel]}}, name=channel.lower(), stains=[stain], input=channel)
        for stain, channel in (("nuclei", "BF"), ("er", "DIC"))
    ]
    info = {"kind": "predicted", "input": "BF", "models": cards,
            "request": {"inputs": {"bf": "BF", "dic": "DIC"}}}  # fmt: skip
    stains = ["nuclei", "er"]
    made = create_plate(tmp_path / "p.zarr", name="t", channels=stains, pixel_size_um=0.5, info=info)
    for name in names:
        prints = {channel: fingerprint(two.read(name, channel)) for channel in ("BF", "DIC")}
        planes = rng.normal(100, 3, (2, SIDE, SIDE)).astype(np.float32)
        made.write_field(name, planes, info={"input_fingerprints": prints})
    predicted = made.finish()
    for stain, channel in (("nuclei", "BF"), ("er", "DIC")):
        found = evaluate_plate(predicted, two, stain=stain)
        assert [row.field for row in found.fields] == [1], "training fields scored as test"
        assert found.input == channel


def test_a_truth_without_label_free_images_still_tells_seen_from_unseen_fields(truth, prints, tmp_path):
    card = card_for({"train": {"A01/0": prints["A01/0"]}})
    predicted = predict_by(truth, tmp_path / "p.zarr", card)
    writer = create_plate(tmp_path / "t.zarr", name="drawn", channels=["DNA"], pixel_size_um=0.5)
    for name in truth.fields:
        writer.write_field(name, truth.read(name, "DNA")[None])
    found = evaluate_plate(predicted, writer.finish(), stain="nuclei")
    assert [row.well for row in found.fields] == ["A02", "B01", "B02"]
    assert found.input is None


def test_the_pixel_size_is_that_which_was_predicted_with(truth, tmp_path):
    unsized = create_plate(tmp_path / "t.zarr", name="drawn", channels=["TL", "DNA"], pixel_size_um=None)
    for name in truth.fields:
        unsized.write_field(name, np.stack([truth.read(name, "TL"), truth.read(name, "DNA")]))
    predicted = predict_by(truth, tmp_path / "p.zarr", card_for({}))
    found = evaluate_plate(predicted, unsized.finish(), stain="nuclei")
    assert found.object_diameter_px == pytest.approx(DIAMETER)
    assert found.mean.pcc == pytest.approx(1)
    assert not any("pixel size not known" in note for note in found.notes)


def test_means_of_wells_are_of_the_same_fields_on_both_sides():
    real = pd.DataFrame({"well": ["A01", "A01", "A02"], "intensity_mean": [10.0, 90.0, 40.0]})
    predicted = pd.DataFrame({"well": ["A01", "A01", "A02"], "intensity_mean": [10.0, np.nan, 40.0]})
    sides = known_together(real, predicted)
    means = [side.groupby("well")["intensity_mean"].mean().tolist() for side in sides]
    assert means == [[10, 40], [10, 40]]
