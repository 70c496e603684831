"""`unstained predict --engine … --precision …`: what ran is said, recorded, and changes little."""

import json

import numpy as np
import pytest
import tifffile


@pytest.fixture
def image(images):
    """Give one label-free image."""
    return images / "images" / "A01_f0_TL.tif"


def test_auto_says_what_it_took_and_gives_the_same_image(run, image, model, tmp_path):
    words = ("predict", image, "--model", model, "--pixel-size-um", 0.5, "--device", "cpu")
    assert run(*words, "--out", tmp_path / "plain.tif").code == 0
    found = run(*words, "--out", tmp_path / "auto.tif", "--engine", "auto", "--json")
    assert (found.code, found.err) == (0, "")
    (way,) = found.last["engines"].values()
    assert way in ("torch fp32", "onnx fp32", "openvino fp32")
    assert f"blobs: took {way} (" in found.out
    plain, auto = (tifffile.imread(tmp_path / name) for name in ("plain.tif", "auto.tif"))
    np.testing.assert_allclose(auto, plain, atol=1e-4 * np.ptp(plain))


def test_a_plate_remembers_how_it_was_predicted(run, plate, model, tmp_path):
    words = ("predict", plate, "--model", model, "--out", tmp_path / "q.zarr", "--device", "cpu")
    assert run(*words, "--precision", "bf16", "--fields", "A01").code == 0
    record = json.loads((tmp_path / "q.zarr.run.json").read_text(encoding="utf-8"))
    assert record["settings"]["engines"] == {"blobs": "torch bf16"}
    found = run(*words)  # the other well, otherwise
    assert found.code == 1
    assert "other running" in found.err


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--engine", "onnx", "--precision", "bf16"), "backend onnx runs in fp32 only"),
        (("--engine", "tensorflow"), "'torch', 'onnx', 'openvino', 'auto'"),
    ],
)
def test_what_cannot_run_is_one_line(run, image, model, tmp_path, words, line):
    found = run("predict", image, "--model", model, "--out", tmp_path / "x.tif", "--device", "cpu", *words)
    assert found.code != 0
    assert line in " ".join(found.err.replace("│", " ").split())
    assert not (tmp_path / "x.tif").exists()
