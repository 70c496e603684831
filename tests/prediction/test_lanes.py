"""Several fields at once, a network and a core for each, make the plate that one at a time makes."""

import threading

import numpy as np
import pytest
import torch

from unstained.errors import UnstainedWarning
from unstained.plates.plate import FieldName, Plate, PlateWriter, create_plate
from unstained.prediction import engine
from unstained.prediction.labeller import Labeller
from unstained.prediction.lanes import in_lanes
from unstained.prediction.plates import predict_plate

FIELDS = [FieldName("A01", number) for number in range(5)]
SIDE_PX = 48


def make_plate(path, pixel_size_um=0.5) -> Plate:
    writer = create_plate(path, name="P1", channels=("TL",), pixel_size_um=pixel_size_um)
    for field in FIELDS:
        planes = np.random.default_rng(field.field).integers(300, 4000, (1, SIDE_PX, SIDE_PX))
        writer.write_field(field, planes.astype(np.uint16))
    return writer.finish()


@pytest.fixture
def labeller(random_model) -> Labeller:
    return Labeller(random_model())


def test_two_lanes_predict_two_fields_at_a_time_with_a_thread_each(labeller, tmp_path, monkeypatch):
    plate = make_plate(tmp_path / "in.zarr")
    alone = predict_plate(plate, labeller, tmp_path / "alone.zarr")
    together, threads, write = threading.Barrier(2), set(), PlateWriter.write_field

    def written(self, field, planes, **named):
        threads.add(torch.get_num_threads())
        if field.field < 4:  # the last of five has no partner
            together.wait(timeout=20)
        write(self, field, planes, **named)

    monkeypatch.setattr(PlateWriter, "write_field", written)
    torch.set_num_threads(2)
    seen = []
    predicted = predict_plate(plate, labeller, tmp_path / "out.zarr", progress=lambda *now: seen.append(now))
    assert seen == [(number, 5) for number in range(1, 6)]
    assert threads == {1}
    assert torch.get_num_threads() == 2
    for field in FIELDS:
        np.testing.assert_array_equal(predicted.read(field, "nuclei"), alone.read(field, "nuclei"))


def test_lanes_are_as_many_as_memory_holds_fields(random_model, tmp_path, monkeypatch):
    plate = make_plate(tmp_path / "in.zarr")
    needed = Labeller(random_model()).engine._bytes_per_pixel() * SIDE_PX**2 / 2**30
    asked = []

    def counted(work, fields, lanes):
        asked.append(lanes)
        return in_lanes(work, fields, lanes)

    monkeypatch.setattr("unstained.prediction.plates.in_lanes", counted)
    torch.set_num_threads(4)
    for fields_in_memory in (1.5, 2.5, 3.5, 9.5):
        labeller = Labeller(random_model(), memory_gib=fields_in_memory * needed)
        predict_plate(plate, labeller, tmp_path / f"{fields_in_memory}.zarr")
    assert asked == [2, 3, 4]  # one field at a time needs no lanes


def test_what_a_lane_warns_of_is_told_once(labeller, tmp_path):
    plate = make_plate(tmp_path / "in.zarr", pixel_size_um=None)
    torch.set_num_threads(2)
    with pytest.warns(UnstainedWarning, match="1:1") as caught:
        predict_plate(plate, labeller, tmp_path / "out.zarr")
    assert len(caught) == 1


def test_a_lanes_error_ends_the_run_and_gives_the_threads_back(labeller, tmp_path, monkeypatch):
    plate = make_plate(tmp_path / "in.zarr")
    monkeypatch.setattr(engine.Engine, "_forward", lambda *_, **__: 1 / 0)
    torch.set_num_threads(2)
    with pytest.raises(ZeroDivisionError):
        predict_plate(plate, labeller, tmp_path / "out.zarr")
    assert torch.get_num_threads() == 2
