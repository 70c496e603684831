"""A package of the BioImage Model Zoo passes the zoo's own test, and gives what the model gives."""

import gc
import zipfile

import numpy as np
import pytest
import yaml

from unstained.errors import BadModel, BadSettings, OutputFailed
from unstained.exchange import bioimageio as exchange
from unstained.exchange.bioimageio import export_bioimageio
from unstained.exchange.onnx import MOST_ERROR, largest_error
from unstained.prediction.engine import Engine

core = pytest.importorskip("bioimageio.core")

pytestmark = [  # of the zoo's libraries: files that are left open
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def _files_left_open():
    """Collect them here, where they are put up with, and not in the test that comes next."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def package(model_of, field, tmp_path_factory):
    """Write a model that asks for all that a card can."""
    out = tmp_path_factory.mktemp("zoo") / "model.zip"
    export_bioimageio(model_of("by its light", offsets_px=((1.2, -0.4), (0, 0))), out, field(300, 280))
    return out


def test_the_zoo_s_own_test_passes(package):
    summary = core.test_model(package)
    assert summary.status == "passed"
    assert {detail.status for detail in summary.details} == {"passed"}


def test_the_package_gives_what_the_model_gives(package, model_of, field):
    """Within 1e-4 of each stain's range, for a field of another size, by the zoo's own way of predicting."""
    image = field(201, 170)
    given = core.Tensor.from_numpy(image.astype(np.float32)[None, None], dims=("batch", "channel", "y", "x"))
    sample = core.Sample(members={"image": given}, stat={}, id=None)
    with core.create_prediction_pipeline(core.load_model_description(package)) as pipeline:
        found = pipeline.predict_sample_without_blocking(sample).members["stains"].data.to_numpy()
    expected = Engine(model_of("by its light", offsets_px=((1.2, -0.4), (0, 0)))).predict(image, 0.3)
    assert found.shape == (1, *expected.shape)
    assert largest_error(found[0], expected) < MOST_ERROR


def test_the_description_says_what_a_user_must_know(package):
    with zipfile.ZipFile(package) as archive:
        described = yaml.safe_load(archive.read("rdf.yaml"))
        files = {name: archive.read(name) for name in archive.namelist()}
    image, stains = described["inputs"][0], described["outputs"][0]
    assert described["format_version"].startswith("0.5.")
    assert described["license"] == "MIT"
    assert all(each["doi"] for each in described["cite"])
    assert [axis.get("scale") for axis in image["axes"]][2:] == [0.3, 0.3]
    assert [axis.get("unit") for axis in stains["axes"]][2:] == ["micrometer"] * 2
    assert stains["axes"][1]["channel_names"] == ["nuclei", "er"]
    kwargs = {"axis": "channel", "gain": [50.0, 300.0], "offset": [100.0, 7.0]}
    assert stains["postprocessing"][0] == {"id": "scale_linear", "kwargs": kwargs}
    assert described["config"]["unstained"]["reach_px"] == 35  # 24 px of the working grid
    assert b"whole" in files["README.md"]
    assert files["cover.png"].startswith(b"\x89PNG")


def test_probabilities_need_no_postprocessing(model_of, field, tmp_path):
    export_bioimageio(model_of("probabilities of mirror images"), tmp_path / "model.zip", field())
    with zipfile.ZipFile(tmp_path / "model.zip") as archive:
        (stains,) = yaml.safe_load(archive.read("rdf.yaml"))["outputs"]
    assert [each["id"] for each in stains["postprocessing"]] == ["ensure_dtype"]
    assert stains["description"] == "probabilities"


@pytest.mark.parametrize(("licence", "said"), [("", "names none"), ("mine alone", "isn't among SPDX's")])
def test_a_licence_must_be_known(model_of, field, tmp_path, licence, said):
    with pytest.raises(BadSettings, match=said):
        export_bioimageio(model_of(licence=licence), tmp_path / "model.zip", field(64, 64))
    assert list(tmp_path.iterdir()) == []


def test_a_package_that_the_zoo_refuses_is_not_written(model_of, field, tmp_path, monkeypatch):
    """Its graph is that of another model, so the test tensors don't come out."""
    whole, other = exchange.onnx_model, model_of(working_scale=0.5)
    monkeypatch.setattr(
        exchange, "onnx_model", lambda model, camera=True: whole(model if camera else other, camera=camera)
    )
    with pytest.raises(BadModel, match="doesn't pass the zoo's test"):
        export_bioimageio(model_of(), tmp_path / "model.zip", field(64, 64))
    assert list(tmp_path.iterdir()) == []


def test_a_package_is_a_zip(model_of, tmp_path):
    with pytest.raises(OutputFailed, match=r"ends in \.zip"):
        export_bioimageio(model_of(), tmp_path / "model", np.zeros((0, 0)))
