"""`predict --workers` and `--scheduler`: the same plate, and one line for what can't be."""

import numpy as np
import pytest
import tifffile

from unstained.plates.plate import open_plate


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr("unstained.prediction.workers.PATIENCE_S", 0.5)


@pytest.mark.slow
def test_predict_with_workers_says_and_writes_the_same(run, plate, model, tmp_path):
    one, two = tmp_path / "one.zarr", tmp_path / "two.zarr"
    alone = run("predict", plate, "--model", model, "--out", one, "--json")
    together = run("predict", plate, "--model", model, "--out", two, "--workers", 1, "--json")
    assert (alone.code, together.code) == (0, 0), together
    assert together.last["fields"] == alone.last["fields"]
    assert together.err == alone.err
    for field in open_plate(one).fields:
        for stain in open_plate(one).channels:
            found = open_plate(two).read(field, stain)
            np.testing.assert_allclose(found, open_plate(one).read(field, stain), rtol=1e-4)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--scheduler", "tcp://127.0.0.1:9"), "no Dask scheduler answers at tcp://127.0.0.1:9"),
        (("--workers", 2, "--scheduler", "tcp://127.0.0.1:9"), "not both"),
        (("--workers", 0), "take 1 or more"),
    ],
)
def test_workers_that_cannot_be_had_are_one_line(run, plate, model, tmp_path, words, said):
    found = run("predict", plate, "--model", model, "--out", tmp_path / "q.zarr", *words)
    assert found.code == 1
    assert said in found.err.splitlines()[-1]
    assert "Traceback" not in found.err
    assert not (tmp_path / "q.zarr").exists()


def test_one_image_needs_one_process(run, model, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((32, 32), np.uint16))
    words = ("predict", tmp_path / "a.tif", "--model", model, "--out", tmp_path / "b.tif", "--workers", 2)
    found = run(*words)
    assert found.code == 1
    assert "this is one image" in found.err
