"""The whole path by its commands, on a plate small enough to know the answers; and what each says as JSON."""

import json

import numpy as np
import pandas as pd
import pytest
import tifffile

from unstained.plates.plate import open_plate

COMMON = {"command", "out", "seconds", "version"}


def test_import_makes_a_plate_and_leaves_the_source_alone(run, images, tmp_path, hashed):
    before, out = hashed(images), tmp_path / "plate.zarr"
    found = run("import", images, "--out", out, "--pixel-size-um", 0.5, "--json")
    assert (found.code, found.err) == (0, "")
    assert set(found.last) == COMMON | {"wells", "fields", "channels", "pixel_size_um"}
    assert found.last["fields"] == ["A01/0", "A01/1", "A02/0", "A02/1"]
    assert found.last["pixel_size_um"] == 0.5
    assert hashed(images) == before
    plane = open_plate(out).read(open_plate(out).fields[0], "DNA")
    np.testing.assert_array_equal(plane, tifffile.imread(images / "images" / "A01_f0_DNA.tif"))
    assert json.loads((tmp_path / "plate.zarr.run.json").read_text(encoding="utf-8"))["command"] == "import"


def test_import_takes_a_plate_map(run, images, tmp_path):
    (tmp_path / "map.csv").write_text("well,clone\nA01,K7\nA02,K8\n", encoding="utf-8")
    out = tmp_path / "plate.zarr"
    assert run("import", images, "--out", out, "--wells", tmp_path / "map.csv").code == 0
    assert open_plate(out).conditions["clone"].tolist() == ["K7", "K8"]


def test_check_says_what_is_in_a_plate(run, plate):
    found = run("check", plate, "--json")
    assert found.code == 0
    assert found.last["plate"] == str(plate)
    assert (found.last["wells"], found.last["fields"], found.last["pixel_size_um"]) == (2, 4, 0.5)
    assert [channel["channel"] for channel in found.last["channels"]] == ["TL", "DNA"]
    assert "0.5 µm" in found.out


def test_models_says_which_fit_and_why_others_do_not(run, plate, model, model_like, tmp_path):
    from unstained.networks.bundle import save_model

    for name, changes in {
        "other-light": {"input": "DIC"},
        "far-away": {"pixel_size_um": 1.5},
        "unknown-size": {"pixel_size_um": None},
        "fits": {},
    }.items():
        save_model(model_like(name=name, **changes), tmp_path / name)
    found = run("models", plate, "--folder", tmp_path, "--json")
    assert found.code == 0
    told = {each["card"]["name"]: each for each in found.last["models"] if not each["bundled"]}
    assert {name: each["fits"] for name, each in told.items()} == {
        "other-light": False, "far-away": False, "unknown-size": True, "fits": True,
    }  # fmt: skip
    assert told["other-light"]["reason"] == "it reads channel DIC, and the plate holds: TL, DNA"
    assert "1.5 µm" in told["far-away"]["reason"]
    assert "0.5 µm" in told["far-away"]["reason"]
    assert "not known" in told["unknown-size"]["reason"]
    assert told["fits"]["reason"] is None
    assert "doesn't fit" in found.out


def test_predict_gives_a_verdict_row_for_every_field(run, plate, model, tmp_path, hashed):
    before, out = hashed(plate), tmp_path / "predicted.zarr"
    found = run("predict", plate, "--model", model, "--out", out, "--device", "cpu", "--json")
    assert (found.code, found.err) == (0, "")
    assert found.last["fields"][0] == {
        "well": "A01", "field": 0, "verdict": None, "reason": None, "expected_pcc": None,
    }  # fmt: skip
    assert [(row["well"], row["field"]) for row in found.last["fields"]] == [
        ("A01", 0), ("A01", 1), ("A02", 0), ("A02", 1),
    ]  # fmt: skip
    assert hashed(plate) == before
    run_record = json.loads((tmp_path / "predicted.zarr.run.json").read_text(encoding="utf-8"))
    assert run_record["inputs"]["plate"]["path"] == str(plate.resolve())
    assert len(run_record["inputs"]["models"]["blobs"]) == 64


def test_predict_takes_some_fields_alone(run, plate, model, tmp_path):
    out = tmp_path / "some.zarr"
    found = run("predict", plate, "--model", model, "--out", out, "--fields", "A02, A01/1", "--json")
    assert [(row["well"], row["field"]) for row in found.last["fields"]] == [
        ("A01", 1),
        ("A02", 0),
        ("A02", 1),
    ]


def test_an_image_file_is_predicted_as_the_same_field_of_a_plate_is(run, images, model, predicted, tmp_path):
    out = tmp_path / "einzeln.tif"
    found = run(
        "predict",
        images / "images" / "A01_f0_TL.tif",
        "--model",
        model,
        "--out",
        out,
        "--pixel-size-um",
        0.5,
        "--json",
    )
    assert (found.code, found.err) == (0, "")
    assert found.last["fields"] == [
        {"well": None, "field": None, "verdict": None, "reason": None, "expected_pcc": None}
    ]
    in_plate = open_plate(predicted)
    with tifffile.TiffFile(out) as file:
        assert "µm" in file.ome_metadata
        assert 'PhysicalSizeX="0.5"' in file.ome_metadata
        assert 'Name="nuclei"' in file.ome_metadata
        written = file.asarray()
    np.testing.assert_array_equal(written.squeeze(), in_plate.read(in_plate.fields[0], "nuclei"))
    assert written.dtype == np.float32
    record = json.loads((tmp_path / "einzeln.tif.run.json").read_text(encoding="utf-8"))
    assert record["settings"]["pixel_size_um"] == 0.5


def test_measure_counts_the_blobs_that_were_drawn(run, predicted, tmp_path):
    out = tmp_path / "tables"
    found = run("measure", predicted, "--out", out, "--xlsx", "--json")
    assert (found.code, found.err) == (0, "")
    assert found.last["objects"] == {"nuclei": 48}
    objects = pd.read_csv(out / "objects.csv")
    assert list(objects.columns[:6]) == ["plate", "well", "row", "column", "field", "label"]
    area = np.pi / 4 * (13 * 0.5) ** 2
    assert objects["area_um2"].median() == pytest.approx(area, rel=0.25)
    fields = pd.read_parquet(out / "fields.parquet")
    assert fields["count"].tolist() == [12, 12, 12, 12]
    assert pd.read_excel(out / "wells.xlsx")["count"].tolist() == [24, 24]
    assert json.loads((out / "run.json").read_text(encoding="utf-8"))["command"] == "measure"


def test_evaluate_gives_the_record_of_the_folder(run, predicted, plate, tmp_path):
    out = tmp_path / "evaluation"
    found = run("evaluate", predicted, "--truth", plate, "--out", out, "--json")
    assert found.code == 0
    written = json.loads((out / "evaluation.json").read_text(encoding="utf-8"))
    assert {name: value for name, value in found.last.items() if name not in COMMON} == written
    assert written["schema"] == "unstained.evaluation/1"
    assert written["mean"]["pcc"] > 0.95
    assert written["objects"]["f1_iou50"] == 1.0
    assert [field["count_true"] for field in written["fields"]] == [12, 12, 12, 12]
    assert "PCC 0.9" in found.out


def test_report_is_one_file(run, predicted, plate, tmp_path):
    assert run("evaluate", predicted, "--truth", plate, "--out", tmp_path / "ev").code == 0
    page = tmp_path / "report.html"
    found = run("report", predicted, "--evaluation", tmp_path / "ev", "--out", page, "--json")
    assert (found.code, found.last["out"]) == (0, str(page))
    assert "<html" in page.read_text(encoding="utf-8")
    record = json.loads((tmp_path / "report.html.run.json").read_text(encoding="utf-8"))
    assert record["inputs"]["predicted"]["channels"] == ["nuclei"]


def test_rank_puts_wells_in_order_and_the_report_takes_it(run, predicted, plate, tmp_path):
    out, quiet = tmp_path / "ranking", tmp_path / "quiet.yaml"
    quiet.write_text("terms: {nuclei.intensity_total: {}}", encoding="utf-8")
    found = run("rank", predicted, "--by", quiet, "--stained", plate, "--out", out, "--json")
    assert (found.code, found.err) == (0, "")
    assert [each["rank"] for each in found.last["best"]] == [1, 2]
    assert found.last["units"] == "wells"
    table = pd.read_csv(out / "ranking.csv")
    assert set(table["well"]) == {"A01", "A02"}
    notes = " ".join(found.last["notes"])
    assert "2 stained wells are too few to learn from" in notes
    page = tmp_path / "page.html"
    assert run("report", predicted, "--ranking", out, "--out", page).code == 0
    assert "Ranking: quiet" in page.read_text(encoding="utf-8")
    wrong = run("rank", predicted, "--out", tmp_path / "no")
    assert wrong.code == 1
    assert "cells.gfp_mean" in wrong.err
    assert not (tmp_path / "no").exists()


def test_screen_goes_from_a_folder_of_images_to_a_report(run, images, model, tmp_path):
    out = tmp_path / "screened"
    words = ("screen", images, "--model", model, "--out", out, "--pixel-size-um", 0.5, "--json")
    found = run(*words)
    assert (found.code, found.err) == (0, "")
    assert len(found.last["fields"]) == 4
    assert {path.name for path in out.iterdir()} >= {
        "plate.zarr",
        "predicted.zarr",
        "tables",
        "ranking",
        "report.html",
        "run.json",
    }
    ranking = json.loads((out / "ranking" / "ranking.json").read_text(encoding="utf-8"))
    assert ranking["settings"]["score"]["title"] == "Growth"
    assert pd.read_csv(out / "tables" / "wells.csv")["count"].tolist() == [24, 24]
    assert run(*words).code == 1
    assert run(*words, "--overwrite").code == 0


def test_screen_takes_a_plate_as_it_is(run, plate, model, tmp_path, hashed):
    before = hashed(plate)
    assert run("screen", plate, "--model", model, "--out", tmp_path / "out").code == 0
    assert not (tmp_path / "out" / "plate.zarr").exists()
    assert hashed(plate) == before


def test_sample_writes_a_manifest(run, tmp_path, monkeypatch):
    def fetched(name, out, *, overwrite, tell):
        out.mkdir()
        (out / "manifest.csv").write_text("path,well,field,channel\n", encoding="utf-8")
        return out / "manifest.csv"

    monkeypatch.setattr("unstained.plates.samples.fetch_sample", fetched)
    found = run("sample", "hela-rpe1", "--out", tmp_path / "hela", "--json")
    assert found.code == 0
    assert found.last["manifest"] == str(tmp_path / "hela" / "manifest.csv")


def test_train_writes_a_model_that_the_next_commands_take(run, plate, tmp_path):
    settings = tmp_path / "train.yaml"
    settings.write_text(
        "stain: nuclei\ninput: TL\ntarget: DNA\ntest: A02\nsteps: 99\n"
        "batch: 2\ncrops.side: 32\nnetwork.width: 4\nnetwork.depth: 2\n",
        encoding="utf-8",
    )
    out = tmp_path / "model"
    words = ("train", plate, "--out", out, "--settings", settings, "--steps", 3, "--device", "cpu", "--json")
    found = run(*words)
    assert found.code == 0
    assert found.last["steps"] == 3, "flags win"
    assert found.last["split"]["test"] == ["A02/0 [0:96, 0:112]", "A02/1 [0:96, 0:112]"]
    assert {path.name for path in out.iterdir()} >= {
        "model.json",
        "weights.safetensors",
        "run.json",
        "curves.csv",
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "train.yaml"]
    again = run(*words, "--overwrite")
    assert again.code == 0
    predicted = tmp_path / "predicted.zarr"
    assert run("predict", plate, "--model", out, "--out", predicted, "--device", "cpu").code == 0
    scored = run("evaluate", predicted, "--truth", plate, "--out", tmp_path / "ev", "--json")
    assert [(field["well"], field["field"]) for field in scored.last["fields"]] == [("A02", 0), ("A02", 1)]
    tuned = run(
        "train", plate, "--out", tmp_path / "tuned", "--settings", settings, "--from", out, "--steps", 2,
        "--device", "cpu", "--json",
    )  # fmt: skip
    assert (tuned.code, tuned.last["from"]) == (0, str(out))
