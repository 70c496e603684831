"""A predicted plate is whole, traceable, and goes on where it stopped."""

import shutil
import threading
import time

import numpy as np
import pandas as pd
import pytest
import tifffile

from unstained.errors import (
    BadInput,
    BadSettings,
    MissingChannel,
    OutputExists,
    OutputFailed,
    UnknownField,
    UnstainedWarning,
    WrongModel,
)
from unstained.networks.normalisation import StainScale
from unstained.plates.plate import FieldName, PlateWriter, create_plate, fingerprint, open_plate
from unstained.prediction import plates
from unstained.prediction.files import predict_file
from unstained.prediction.labeller import Labeller
from unstained.prediction.plates import PlateSettings, predict_plate
from unstained.prediction.verdicts import worst

FIELDS = {FieldName("A01", 0): (40, 50), FieldName("A01", 1): (40, 50), FieldName("B03", 0): (33, 47)}


def pixels(field: FieldName) -> np.ndarray:
    rng = np.random.default_rng(sum(map(ord, str(field))))
    return rng.integers(300, 4000, (2, *FIELDS[field])).astype(np.uint16)


@pytest.fixture
def plate(tmp_path):
    conditions = pd.DataFrame({"well": ["A01", "B03"], "clone": ["k7", "k9"]})
    writer = create_plate(
        tmp_path / "in.zarr", name="P1", channels=("TL", "DNA"), pixel_size_um=0.5, conditions=conditions
    )
    for field in FIELDS:
        writer.write_field(field, pixels(field), place=f"place of {field.well}")
    return writer.finish()


@pytest.fixture
def labeller(unchanging) -> Labeller:
    known = fingerprint(pixels(FieldName("A01", 0))[0])
    return Labeller(unchanging(fingerprints={"train": {"A01/0": known}}))


class Interrupted(Exception):
    """Someone pulls the plug."""


def interrupt_after(fields: int):
    def progress(done: int, _: int) -> None:
        if done == fields:
            raise Interrupted

    return progress


def test_what_is_stored_is_what_the_model_predicts(plate, labeller, tmp_path):
    seen = []
    predicted = predict_plate(plate, labeller, tmp_path / "out.zarr", progress=lambda *now: seen.append(now))
    assert predicted.fields == plate.fields
    assert predicted.channels == ("nuclei",)
    assert predicted.pixel_size_um == 0.5
    assert seen == [(1, 3), (2, 3), (3, 3)]
    pd.testing.assert_frame_equal(predicted.conditions, plate.conditions)
    for field in FIELDS:
        stored = predicted.read(field, "nuclei")
        assert stored.dtype == np.float32
        # The network changes nothing: normalised input, in the stain's units (offset 100, gain 50).
        expected = labeller.card.normalisation.apply(pixels(field)[0]) * 50 + 100
        np.testing.assert_allclose(stored, expected, rtol=1e-5)
        assert predicted.place(field) == f"place of {field.well}"


def test_every_number_can_be_traced(plate, labeller, tmp_path):
    predicted = predict_plate(plate, [labeller], tmp_path / "out.zarr")
    info = predicted.info
    assert info["kind"] == "predicted"
    assert info["source"] == str(plate.path)
    assert info["input"] == "TL"
    assert info["units"] == {"nuclei": "camera"}
    assert info["model"]["name"] == "test"
    assert info["model"]["weights_sha256"] == labeller.card.weights_sha256
    assert {"unstained", "torch", "numpy"} <= info["versions"].keys()
    for field in FIELDS:
        record = predicted.field_info(field)
        assert record["input_fingerprints"] == {"TL": fingerprint(pixels(field)[0])}
        assert record["roles"] == {"test": ["train"] if field == FieldName("A01", 0) else []}
        assert record["verdict"] is None


def test_a_judge_sees_input_stains_and_embedding(plate, labeller, tmp_path):
    def judge(card, plane, prediction):
        mean = float(prediction.stains.mean())
        verdict = "caution" if plane.shape == (33, 47) else "trust"
        return {"verdict": verdict, "reason": f"{card.name} {mean:.3f}", "length": len(prediction.embedding)}

    predicted = predict_plate(plate, labeller, tmp_path / "out.zarr", judge=judge)
    for field in FIELDS:
        verdict = predicted.field_info(field)["verdict"]
        assert verdict["verdict"] == ("caution" if field.well == "B03" else "trust")
        assert verdict["reason"] == f"test {predicted.read(field, 'nuclei').mean():.3f}"
        assert verdict["length"] == 1


def test_the_worst_verdict_counts():
    trust, caution, refuse = ({"verdict": name} for name in ("trust", "caution", "refuse"))
    assert worst([trust, caution, None]) == caution
    assert worst([refuse, caution, trust]) == refuse
    assert worst([None]) is None


def test_several_models_become_several_channels(plate, labeller, unchanging, tmp_path):
    other = unchanging(name="er", stains=("er",), input="DNA", scales=(StainScale(offset=0, gain=1),))
    predicted = predict_plate(plate, [labeller, Labeller(other)], tmp_path / "out.zarr")
    assert predicted.channels == ("nuclei", "er")
    field = FieldName("B03", 0)
    np.testing.assert_allclose(
        predicted.read(field, "er"), other.card.normalisation.apply(pixels(field)[1]), atol=1e-5
    )
    assert [model["name"] for model in predicted.info["models"]] == ["test", "er"]


def test_a_second_run_goes_on_where_the_first_stopped(plate, labeller, tmp_path, monkeypatch):
    monkeypatch.setattr(plates, "AT_ONCE", 1)  # a second field that is in work would still be written
    out = tmp_path / "out.zarr"
    with pytest.raises(Interrupted):
        predict_plate(plate, labeller, out, progress=interrupt_after(2))
    with pytest.raises(BadInput, match="isn't finished"):
        open_plate(out)
    calls = []
    predict = labeller.engine.predict
    monkeypatch.setattr(labeller.engine, "predict", lambda *given: calls.append(1) or predict(*given))
    seen = []
    resumed = predict_plate(plate, labeller, out, progress=lambda *now: seen.append(now))
    assert len(calls) == 1
    assert seen == [(3, 3)]
    whole = predict_plate(plate, labeller, tmp_path / "whole.zarr")
    assert resumed.fields == whole.fields
    for field in FIELDS:
        np.testing.assert_array_equal(resumed.read(field, "nuclei"), whole.read(field, "nuclei"))


def test_a_field_is_written_while_the_next_is_predicted_and_the_network_has_one_at_a_time(
    plate, labeller, tmp_path, monkeypatch
):
    second_begun, begun, running, most = threading.Event(), [], [], []
    predict, write, backend = labeller.engine.predict, PlateWriter.write_field, labeller.engine._backend

    def predicted(*given):
        begun.append(1)
        if len(begun) == 2:
            second_begun.set()
        return predict(*given)

    def written(*given, **named):
        assert second_begun.wait(20), "the first field is written before the second is begun"
        write(*given, **named)

    def passed(planes):
        running.append(1)
        most.append(len(running))
        time.sleep(0.05)
        running.pop()
        return backend(planes)

    passed.bytes_per_pixel = backend.bytes_per_pixel
    monkeypatch.setattr(labeller.engine, "predict", predicted)
    monkeypatch.setattr(labeller.engine, "_backend", passed)
    monkeypatch.setattr(PlateWriter, "write_field", written)
    predict_plate(plate, labeller, tmp_path / "out.zarr")
    assert set(most) == {1}


def test_a_damaged_field_stops_the_run_and_names_itself(plate, labeller, tmp_path):
    out = tmp_path / "out.zarr"
    source = tmp_path / "in.zarr"
    shutil.copytree(source, tmp_path / "kept")
    shutil.rmtree(source / "B" / "03" / "0" / "0" / "c")  # pixels gone: zarr reads zeros
    with pytest.raises(BadInput, match="B03/0"):
        predict_plate(open_plate(source), labeller, out)
    with pytest.raises(BadInput, match="isn't finished"):
        open_plate(out)
    shutil.rmtree(source)
    shutil.move(tmp_path / "kept", source)
    assert predict_plate(open_plate(source), labeller, out).fields == plate.fields


def test_pixels_that_are_no_numbers_name_their_field(labeller, tmp_path):
    writer = create_plate(tmp_path / "in.zarr", name="P", channels=("TL",), pixel_size_um=0.5)
    planes = np.arange(400, dtype=np.float32).reshape(1, 20, 20)
    planes[0, 3, 3:5] = np.nan
    writer.write_field(FieldName("A01", 0), planes)
    with pytest.raises(BadInput, match=r"field A01/0, channel TL: 2 of 400 pixels are NaN"):
        predict_plate(writer.finish(), labeller, tmp_path / "out.zarr")


def test_a_finished_plate_is_kept_unless_told_otherwise(plate, labeller, tmp_path):
    out = tmp_path / "out.zarr"
    predict_plate(plate, labeller, out)
    with pytest.raises(OutputExists):
        predict_plate(plate, labeller, out)
    assert predict_plate(plate, labeller, out, overwrite=True).fields == plate.fields


def test_more_fields_can_be_added_later(plate, labeller, tmp_path):
    out = tmp_path / "out.zarr"
    first = predict_plate(plate, labeller, out, PlateSettings(fields=("B03",)))
    assert first.fields == (FieldName("B03", 0),)
    with pytest.raises(OutputExists):
        predict_plate(plate, labeller, out, PlateSettings(fields=("B03",)))
    assert predict_plate(plate, labeller, out).fields == plate.fields


def test_fields_whose_input_changed_are_predicted_again(plate, labeller, tmp_path):
    out = tmp_path / "out.zarr"
    predict_plate(plate, labeller, out)
    field = FieldName("A01", 1)
    source = {"name": "P1", "channels": ("TL", "DNA"), "pixel_size_um": 0.5}
    writer = create_plate(tmp_path / "in.zarr", **source, resume=True)
    writer.write_field(field, pixels(field)[:, ::-1])
    seen = []
    predicted = predict_plate(writer.finish(), labeller, out, progress=lambda *now: seen.append(now))
    assert seen == [(3, 3)]
    expected = labeller.card.normalisation.apply(pixels(field)[0, ::-1]) * 50 + 100
    np.testing.assert_allclose(predicted.read(field, "nuclei"), expected, rtol=1e-5)


def test_a_finished_plate_that_is_gone_on_with_is_unfinished_again_and_forgets_what_was_measured(
    plate, labeller, tmp_path
):
    out = tmp_path / "out.zarr"
    first = predict_plate(plate, labeller, out, PlateSettings(fields=("A01",)))
    first.update_info(measured={"nuclei": {}}, runs={"measure": {}})

    def stop(done: int, _: int) -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        predict_plate(plate, labeller, out, progress=stop)
    with pytest.raises(BadInput, match="isn't finished"):
        open_plate(out)
    again = predict_plate(plate, labeller, out)
    assert again.fields == plate.fields
    assert "measured" not in again.info
    assert again.info["name"] == "P1"
    assert again.info["request"]["strict"] is False


def test_strict_or_not_is_part_of_what_is_asked_for(plate, labeller, tmp_path):
    out = tmp_path / "out.zarr"
    with pytest.raises(Interrupted):
        predict_plate(plate, labeller, out, progress=interrupt_after(1))
    with pytest.raises(OutputFailed, match=r"other strict; .*--overwrite"):
        predict_plate(plate, labeller, out, PlateSettings(strict=True))


def test_an_image_takes_one_model_of_each_stain_and_name(unchanging, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", pixels(FieldName("A01", 0))[0])
    twice = [Labeller(unchanging()), Labeller(unchanging(stains=("er",)))]
    with pytest.raises(BadSettings, match="several are called test"):
        predict_file(tmp_path / "a.tif", twice, tmp_path / "out.tif", pixel_size_um=0.5)
    assert not (tmp_path / "out.tif").exists()


def test_a_source_that_was_imported_anew_gives_its_plate_map_and_no_lost_field_stays(
    plate, labeller, tmp_path
):
    out, source = tmp_path / "out.zarr", {"name": "P1", "channels": ("TL", "DNA"), "pixel_size_um": 0.5}
    predict_plate(plate, labeller, out)
    clones = pd.DataFrame({"well": ["A01", "B03"], "clone": ["k1", "k2"]})
    for fields in (list(FIELDS), list(FIELDS)[1:]):
        writer = create_plate(tmp_path / "in.zarr", **source, conditions=clones, overwrite=True)
        for field in fields:
            writer.write_field(field, pixels(field))
        again = writer.finish()
        if len(fields) == len(FIELDS):
            assert predict_plate(again, labeller, out).conditions["clone"].tolist() == ["k1", "k2"]
            with pytest.raises(OutputExists):
                predict_plate(again, labeller, out)
        else:
            with pytest.raises(OutputFailed, match=r"it holds A01/0, which .* has no longer"):
                predict_plate(again, labeller, out)


def test_a_run_begun_otherwise_is_not_mixed_in(plate, labeller, unchanging, tmp_path):
    out = tmp_path / "out.zarr"
    with pytest.raises(Interrupted):
        predict_plate(plate, labeller, out, progress=interrupt_after(1))
    other = Labeller(unchanging(scales=(StainScale(offset=7, gain=1),)))
    with pytest.raises(OutputFailed, match=r"other models.*--overwrite"):
        predict_plate(plate, other, out)
    with pytest.raises(OutputFailed, match="other inputs"):
        predict_plate(plate, labeller, out, PlateSettings(input_channel="DNA"))
    assert predict_plate(plate, other, out, overwrite=True).info["model"]["scales"][0]["offset"] == 7


def test_the_source_is_never_the_output(plate, labeller, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    for out in (plate.path, tmp_path / "sub" / ".." / "in.zarr", tmp_path / "in.zarr" / "B", tmp_path):
        with pytest.raises(OutputFailed, match="where the plate to be read is"):
            predict_plate(plate, labeller, out, overwrite=True)
    assert sorted(tmp_path.rglob("*")) == before


def test_the_input_channel_is_the_models_own_or_named(plate, unchanging, tmp_path):
    phase = Labeller(unchanging(input="PH"))
    with pytest.raises(WrongModel, match=r"reads channel 'PH'.*holds: TL, DNA.*--input"):
        predict_plate(plate, phase, tmp_path / "out.zarr")
    with pytest.raises(MissingChannel, match="BF"):
        predict_plate(plate, phase, tmp_path / "out.zarr", PlateSettings(input_channel="BF"))
    assert not (tmp_path / "out.zarr").exists()
    predicted = predict_plate(plate, phase, tmp_path / "out.zarr", PlateSettings(input_channel="DNA"))
    assert predicted.info["input"] == "DNA"
    field = FieldName("A01", 0)
    expected = phase.card.normalisation.apply(pixels(field)[1]) * 50 + 100
    np.testing.assert_allclose(predicted.read(field, "nuclei"), expected, rtol=1e-5)


def test_a_pixel_size_can_be_put_right(plate, labeller, tmp_path):
    predicted = predict_plate(plate, labeller, tmp_path / "out.zarr", PlateSettings(pixel_size_um=0.9))
    assert predicted.pixel_size_um == 0.9
    field = FieldName("B03", 0)
    expected = labeller.predict(pixels(field)[0], 0.9)
    np.testing.assert_allclose(predicted.read(field, "nuclei"), expected, rtol=1e-5)
    with pytest.raises(WrongModel, match="factor of 2"):
        predict_plate(plate, labeller, tmp_path / "far.zarr", PlateSettings(pixel_size_um=5))
    assert not (tmp_path / "far.zarr").exists()


def test_an_unknown_pixel_size_stays_unknown(labeller, tmp_path):
    writer = create_plate(tmp_path / "in.zarr", name="P", channels=("TL",), pixel_size_um=None)
    for number in range(3):
        writer.write_field(FieldName("A01", number), pixels(FieldName("A01", 0))[:1])
    with pytest.warns(UnstainedWarning, match="1:1") as caught:
        predicted = predict_plate(writer.finish(), labeller, tmp_path / "out.zarr")
    assert len(caught) == 1
    assert predicted.pixel_size_um is None


def test_models_that_would_overwrite_each_other_are_refused(plate, labeller, unchanging, tmp_path):
    for models in ([], [labeller, labeller], [labeller, Labeller(unchanging(stains=("er",)))]):
        with pytest.raises(BadSettings):
            predict_plate(plate, models, tmp_path / "out.zarr")


def test_unknown_fields_are_refused_before_anything_is_written(plate, labeller, tmp_path):
    with pytest.raises(UnknownField, match="C09"):
        predict_plate(plate, labeller, tmp_path / "out.zarr", PlateSettings(fields=("C09",)))
    assert not (tmp_path / "out.zarr").exists()
