"""The demo: the sample where it can be fetched, else the built-in crop; a report on the held-out field."""

import hashlib
import shutil
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import tifffile

from unstained import demo, pipeline
from unstained.errors import OutputExists, SampleUnavailable
from unstained.measurement.plates import stored_tables
from unstained.networks.bundle import Model, ModelCard
from unstained.networks.normalisation import StainScale
from unstained.networks.unet import UNet, UNetSettings
from unstained.plates.plate import open_plate
from unstained.prediction.labeller import Labeller

CROP = Path(str(files("unstained"))) / "samples" / "hela-rpe1-crop"


def offline(*_, **__):
    raise SampleUnavailable("the index can't be reached")


def labeller(_: object) -> Labeller:
    card = ModelCard(
        name="hela-rpe1-nuclei", stains=("nuclei",), input="TL", targets=("DNA",), scales=(StainScale(),),
        network=UNetSettings(width=2, depth=2), object_diameters_px=(45.0,), working_scale=0.4,
    )  # fmt: skip
    return Labeller(Model(card, UNet(card.network).eval()))


def test_the_crop_is_small_licensed_and_the_pixels_of_the_held_out_field(shared_data):
    paths = [path for path in CROP.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in paths) < 1_000_000
    assert "MIT License" in (CROP / "LICENSE").read_text(encoding="utf-8")
    assert "Anish Virdi" in (CROP / "ATTRIBUTION.md").read_text(encoding="utf-8")
    for channel in ("TL", "DNA"):
        whole = tifffile.imread(shared_data / "hela-rpe1" / "images" / f"A01_f2_{channel}.tif")
        cut = tifffile.imread(CROP / "images" / f"A01_f2_{channel}.tif")
        np.testing.assert_array_equal(cut, whole[960:1600, 1408:2048])


def test_without_the_index_the_crop_stands_in_and_the_demo_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "fetch_sample", offline)
    monkeypatch.setattr(demo, "load_model", labeller)
    cautions: list[str] = []
    with pytest.warns(UserWarning, match="pixel size"):
        found = demo.demo(tmp_path / "demo", telling=pipeline.Telling(caution=cautions.append))
    assert cautions == ["the index can't be reached; going on with the built-in crop of A01/2"]
    assert found.sample == "hela-rpe1, the built-in crop"
    assert found.evaluations["nuclei"].fields[0].count_true == pytest.approx(25, abs=4)
    assert "A01" in found.report.read_text(encoding="utf-8")
    assert stored_tables(open_plate(tmp_path / "demo" / "predicted.zarr")) is not None
    assert {path.name for path in (tmp_path / "demo").iterdir()} >= {
        "run.json",
        "report.html",
        "tables",
        "evaluation",
    }
    with pytest.raises(OutputExists):
        demo.demo(tmp_path / "demo")


def test_with_the_sample_the_held_out_field_alone_is_predicted(tmp_path, monkeypatch):
    def fetched(name: str, out: Path, **_: object) -> Path:
        shutil.copytree(CROP, out)
        lines = (out / "manifest.csv").read_text(encoding="utf-8").splitlines()
        lines += [line.replace("A01,2", "A01,0") for line in lines[1:]]
        (out / "manifest.csv").write_text("\n".join(lines), encoding="utf-8")
        return out / "manifest.csv"

    monkeypatch.setattr(demo, "fetch_sample", fetched)
    monkeypatch.setattr(demo, "load_model", labeller)
    with pytest.warns(UserWarning, match="pixel size"):
        found = demo.demo(tmp_path / "demo")
    assert [str(name) for name in open_plate(tmp_path / "demo" / "plate.zarr").fields] == ["A01/0", "A01/2"]
    assert [str(name) for name in open_plate(tmp_path / "demo" / "predicted.zarr").fields] == ["A01/2"]
    assert found.sample == "hela-rpe1, from the Python package index"


def test_training_needs_the_whole_sample(tmp_path, monkeypatch):
    from unstained.training.recipes import TrainingSettings

    monkeypatch.setattr(demo, "fetch_sample", offline)
    with pytest.raises(SampleUnavailable):
        demo.demo(tmp_path / "demo", TrainingSettings(steps=1))
    assert not (tmp_path / "demo" / "plate.zarr").exists()


def test_the_source_is_never_written(tmp_path, monkeypatch):
    def hashed() -> str:
        return hashlib.sha256(
            b"".join(path.read_bytes() for path in sorted(CROP.rglob("*")) if path.is_file())
        ).hexdigest()

    before = hashed()
    pipeline.import_images(CROP / "manifest.csv", tmp_path / "p.zarr")
    assert hashed() == before


def test_the_simulated_plate_is_labelled_with_four_stains_and_every_figure_says_so(tmp_path, monkeypatch):
    def untrained(name: str) -> Labeller:
        card = ModelCard(
            name=name, stains=("nuclei", "er", "golgi", "gfp"), input="DIC",
            targets=("DNA", "ER", "GOLGI", "GFP"), scales=4 * (StainScale(offset=100, gain=500),),
            network=UNetSettings(width=2, depth=2, outputs=4), object_diameters_px=4 * (30.0,),
            object_contrasts=4 * (100.0,), pixel_size_um=0.325, simulated=True,
        )  # fmt: skip
        return Labeller(Model(card, UNet(card.network).eval()))

    monkeypatch.setattr(demo, "load_model", untrained)
    monkeypatch.setattr(demo, "CHO", demo.CHO.updated(wells=4, clones=1, side_px=128))
    found = demo.demo_cho(tmp_path / "cho")
    assert list(found.evaluations) == ["nuclei", "er", "golgi", "gfp"]
    assert found.sample.startswith("a simulated plate")
    page = found.report.read_text(encoding="utf-8")
    assert page.count('<span class="simulated">') == page.count("<figure") > 20
    assert {"cells.csv", "cells_by_well.csv", "wells.parquet"} <= {
        path.name for path in (tmp_path / "cho" / "tables").iterdir()
    }
    predicted = open_plate(tmp_path / "cho" / "predicted.zarr")
    assert predicted.field_info(predicted.fields[0])["verdict"] is None  # simulated models, simulated images
