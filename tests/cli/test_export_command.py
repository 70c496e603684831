"""`unstained export`: what it writes and says, and what it refuses in one line."""

import json

import pytest

pytest.importorskip("onnxruntime")


def test_export_writes_a_file_and_says_how_near_it_is(run, model, tmp_path):
    done = run("export", model, "--to", "onnx", "--out", tmp_path / "blobs.onnx", "--json")
    assert done.code == 0, done.err
    assert done.last["command"] == "export"
    assert done.last["out"] == str(tmp_path / "blobs.onnx")
    assert 0 <= done.last["largest_error"] < 1e-4
    record = json.loads((tmp_path / "blobs.onnx.run.json").read_text(encoding="utf-8"))
    assert record["largest_error"] == done.last["largest_error"]
    assert list(record["inputs"]["models"]) == ["blobs"]


def test_export_compares_on_the_image_that_is_given(run, model, images, tmp_path):
    image = images / "images" / "A01_f0_TL.tif"
    asked = ("export", model, "--to", "onnx", "--out", tmp_path / "blobs.onnx")
    assert run(*asked, "--image", image).code == 0
    record = json.loads((tmp_path / "blobs.onnx.run.json").read_text(encoding="utf-8"))
    assert len(record["inputs"]["image"]) == 64
    assert (
        run(*asked).err
        == f"error: {tmp_path / 'blobs.onnx'} exists already; choose another name or add --overwrite\n"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--to", "keras", "--out", "x.onnx"), "should be 'onnx' or 'bioimageio'"),
        (("--to", "onnx", "--out", "x.zip"), "ends in .onnx"),
        (("--to", "bioimageio", "--out", "x.onnx"), "ends in .zip"),
    ],
)
def test_export_refuses_in_one_line(run, model, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    done = run("export", model, *words)
    assert done.code == 1
    assert said in done.err
    assert done.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_measure_writes_what_other_programs_read(run, predicted, tmp_path):
    out = tmp_path / "tables"
    done = run("measure", predicted, "--out", out, "--cellprofiler", "--label-tiffs", "--ome-tiffs")
    assert done.code == 0, done.err
    assert {path.name for path in (out / "cellprofiler").glob("*.csv")} == {
        "Image.csv", "Nuclei.csv", "profiles.csv",
    }  # fmt: skip
    names = {path.name for path in (out / "images").iterdir()}
    assert {"A01_f0.ome.tif", "A02_f1_nuclei_labels.tif"} <= names
    assert len(names) == 8


def test_files_for_other_programs_need_a_folder(run, predicted):
    done = run("measure", predicted, "--ome-tiffs")
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert "--out" in done.err
