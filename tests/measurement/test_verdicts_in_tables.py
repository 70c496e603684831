"""Tables say what each field's verdict is; a strictly predicted plate keeps refused fields out of them."""

import numpy as np
import pytest

from unstained.errors import BadInput
from unstained.measurement.plates import measure_plate, stored_tables
from unstained.plates.plate import FieldName, create_plate

WORDS = {"A01/0": "trust", "A01/1": "refuse", "A02/0": "caution"}


def predicted(path, *, strict, words=WORDS):
    writer = create_plate(path, name="p", channels=["nuclei"], pixel_size_um=0.5, info={"strict": strict})
    y, x = np.mgrid[:64, :64]
    for name, word in words.items():
        plane = 100 + 900 * (np.hypot(y - 20, x - 20) < 7) + 900 * (np.hypot(y - 44, x - 40) < 7)
        verdict = None if word is None else {"verdict": word, "reason": "as told"}
        writer.write_field(FieldName.parse(name), plane[None].astype(np.float32), info={"verdict": verdict})
    return writer.finish()


def test_fields_carry_their_verdict_and_wells_the_worst_of_theirs(tmp_path):
    tables = measure_plate(predicted(tmp_path / "q.zarr", strict=False))
    assert tables["fields"]["verdict"].tolist() == ["trust", "refuse", "caution"]
    assert dict(zip(tables["wells"]["well"], tables["wells"]["verdict"], strict=True)) == {
        "A01": "refuse", "A02": "caution",
    }  # fmt: skip
    assert len(tables["objects"]) == 6


def test_strictly_predicted_refused_fields_are_in_no_table_also_when_read_again(tmp_path):
    plate = predicted(tmp_path / "q.zarr", strict=True)
    for tables in (measure_plate(plate), stored_tables(plate)):
        assert tables["fields"]["verdict"].tolist() == ["trust", "caution"]
        assert dict(zip(tables["wells"]["well"], tables["wells"]["fields"], strict=True)) == {
            "A01": 1,
            "A02": 1,
        }
        assert len(tables["objects"]) == 4
        assert tables["wells"]["verdict"].tolist() == ["trust", "caution"]  # of what is in them


def test_where_nobody_judged_there_is_no_column(tmp_path):
    tables = measure_plate(predicted(tmp_path / "q.zarr", strict=True, words={"A01/0": None, "A02/0": None}))
    assert "verdict" not in tables["fields"]
    assert len(tables["fields"]) == 2


def test_a_plate_of_refused_fields_says_so(tmp_path):
    plate = predicted(tmp_path / "q.zarr", strict=True, words={"A01/0": "refuse"})
    with pytest.raises(BadInput, match="every field is refused"):
        measure_plate(plate)
