"""`predict --workers` and `--scheduler`: the same plate, and one line for what can't be."""

import numpy as np
import pandas as pd
import pytest
import s3fs
import tifffile

from object_store import serving
from unstained.plates.plate import open_plate


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr("unstained.prediction.workers.PATIENCE_S", 0.5)


@pytest.mark.slow
def test_workers_predict_from_bucket_to_bucket_what_one_process_does_on_a_disk(run, plate, model, tmp_path):
    there, here = "s3://bucket/predicted.zarr", tmp_path / "predicted.zarr"
    alone = run("predict", plate, "--model", model, "--out", here, "--json")
    assert alone.code == 0, alone
    with serving():
        s3fs.S3FileSystem().put(str(plate), "bucket/plate.zarr", recursive=True)
        words = ("s3://bucket/plate.zarr", "--model", model, "--out", there, "--workers", 1, "--json")
        together = run("predict", *words)
        assert together.code == 0, together
        assert together.last["fields"] == alone.last["fields"]
        assert together.err == alone.err
        for field in open_plate(here).fields:
            found, expected = (open_plate(each).read(field, "nuclei") for each in (there, here))
            np.testing.assert_allclose(found, expected, rtol=1e-4)
        assert (
            run("predict", *words).err
            == f"error: {there} exists already; choose another name or add --overwrite\n"
        )
        assert run("measure", there, "--out", tmp_path / "tables").code == 0
    wells = pd.read_parquet(tmp_path / "tables" / "wells.parquet")
    assert set(wells["source"]) == {"s3://bucket/plate.zarr"}
    assert wells["count"].sum() > 40


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
