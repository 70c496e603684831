"""A predicted plate that is segmented and measured: what goes into it, and what comes out again."""

import numpy as np
import pandas as pd
import pytest

from unstained.errors import BadInput, BadSettings, MissingChannel, OutputExists
from unstained.measurement import pooling
from unstained.measurement.evaluation import evaluate_plate
from unstained.measurement.known import known_stain, other_segmenter
from unstained.measurement.plates import measure_plate, measure_real, stored_tables
from unstained.plates.plate import FieldName, Plate, create_plate, open_plate
from unstained.ranking.columns import columns_of
from unstained.segmentation.others import OtherSettings

RADIUS_PX = 8


def disks(count: int, brightness: float = 1000) -> np.ndarray:
    """Draw `count` disks on a 128 × 160 px field."""
    y, x = np.mgrid[:128, :160]
    field = np.zeros((128, 160))
    for index in range(count):
        row, column = divmod(index, 4)
        field[np.hypot(y - 20 - 40 * row, x - 20 - 40 * column) <= RADIUS_PX] = brightness
    return field


@pytest.fixture
def make(tmp_path):
    """Make a predicted plate: field → stain → number of disks."""

    def plate(fields: dict[str, dict[str, int]], size_um: float | None = 0.5, **card: object) -> Plate:
        stains = list(next(iter(fields.values())))
        cards = [{"name": stain, "stains": [stain], **card} for stain in stains]
        writer = create_plate(
            tmp_path / "q.zarr", name="q", channels=stains, pixel_size_um=size_um, info={"models": cards},
            conditions=pd.DataFrame({"well": ["A01", "A02"], "clone": ["K7", "K8"]}),
        )  # fmt: skip
        rng = np.random.default_rng(0)
        for name, counts in fields.items():
            planes = np.stack([disks(counts[stain]) + rng.normal(100, 3, (128, 160)) for stain in stains])
            writer.write_field(FieldName.parse(name), planes.astype(np.float32))
        return writer.finish()

    return plate


def test_counts_and_areas_are_those_that_were_drawn(make):
    plate = make(
        {"A01/0": {"nuclei": 12}, "A01/1": {"nuclei": 5}, "A02/0": {"nuclei": 3}}, object_diameters_px=(16,)
    )
    tables = measure_plate(plate)
    assert tables["fields"]["count"].tolist() == [12, 5, 3]
    assert tables["wells"]["count"].tolist() == [17, 3]
    assert tables["wells"]["clone"].tolist() == ["K7", "K8"]
    assert tables["objects"]["area_um2"].median() == pytest.approx(np.pi * (RADIUS_PX * 0.5) ** 2, rel=0.1)
    assert plate.read_labels(FieldName("A01", 1), "nuclei").max() == 5


def test_what_is_stored_is_what_was_measured(make):
    counts = {"A01/0": {"nuclei": 4, "gfp": 2}, "A02/0": {"nuclei": 1, "gfp": 0}}
    plate = make(counts, object_diameters_px=(16,))
    assert stored_tables(plate) is None
    tables = measure_plate(plate)
    stored = stored_tables(plate)
    for name, table in tables.items():
        pd.testing.assert_frame_equal(stored[name], table, check_dtype=False)
    counts = tables["fields"].set_index(["stain", "well"])["count"]
    assert counts.to_dict() == {
        ("nuclei", "A01"): 4, ("nuclei", "A02"): 1, ("gfp", "A01"): 2, ("gfp", "A02"): 0,
    }  # fmt: skip


def test_several_processes_measure_the_same(make, monkeypatch):
    plate = make({f"A01/{field}": {"nuclei": field, "gfp": 2} for field in range(5)})
    alone = measure_plate(plate)
    labels = plate.read_labels(FieldName("A01", 4), "cells")
    monkeypatch.setattr(pooling, "PAYS_FROM_S", 0.0)
    monkeypatch.setattr(pooling, "cpu_count", lambda: 2)
    together = measure_plate(plate, overwrite=True)
    for name, table in alone.items():
        pd.testing.assert_frame_equal(together[name], table)
    np.testing.assert_array_equal(plate.read_labels(FieldName("A01", 4), "cells"), labels)


def test_a_plate_is_measured_again_only_where_that_is_asked_for(make):
    plate = make({"A01/0": {"nuclei": 4}}, object_diameters_px=(16,))
    told = []
    measure_plate(plate, progress=lambda done, whole: told.append((done, whole)))
    assert told == [(1, 1)]
    with pytest.raises(OutputExists, match="--overwrite"):
        measure_plate(plate)
    measure_plate(plate, overwrite=True)


@pytest.mark.parametrize(
    ("plate_um", "card", "expected"),
    [
        (0.5, {"object_diameters_px": [20], "pixel_size_um": 0.25}, 5.0),      # 20 px of 0.25 µm
        (0.5, {"object_diameters_px": [20], "pixel_size_um": None}, 10.0),     # pixels taken as equal
        (None, {"object_diameters_px": [20], "pixel_size_um": 0.25}, 20.0),    # px in place of µm
        (None, {"object_diameters_px": [20]}, 20.0),
        (0.5, {}, None),
    ],
)  # fmt: skip
def test_objects_are_sought_at_the_size_that_the_model_knows(make, plate_um, card, expected):
    plate = make({"A01/0": {"nuclei": 1}}, plate_um, **card)
    assert known_stain(plate, "nuclei").recipe(plate_um, predicted=True).diameter_um == expected


@pytest.mark.parametrize(("card", "least"), [({"object_contrasts": [300]}, 150), ({}, 0)])
def test_predicted_objects_must_be_half_as_bright_as_faint_real_ones(make, card, least):
    plate = make({"A01/0": {"nuclei": 1}}, object_diameters_px=(16,), **card)
    assert known_stain(plate, "nuclei").recipe(None, predicted=True).least_contrast == least
    assert known_stain(plate, "nuclei").recipe(None, predicted=False).least_contrast == 0


def test_real_stains_are_measured_as_predicted_ones_and_nothing_is_stored(make, tmp_path):
    predicted = make(
        {"A01/0": {"nuclei": 12, "er": 12}, "A02/0": {"nuclei": 3, "er": 3}},
        targets=("REAL",), object_diameters_px=(16,),
    )  # fmt: skip
    writer = create_plate(tmp_path / "p.zarr", name="p", channels=("REAL",), pixel_size_um=0.5)
    rng = np.random.default_rng(1)
    for name, count in (("A01/0", 7), ("A03/0", 1)):
        planes = (disks(count) + rng.normal(100, 3, (128, 160)))[None]
        writer.write_field(FieldName.parse(name), planes.astype(np.float32))
    truth = writer.finish()
    tables = measure_real(truth, predicted)
    fields = tables["fields"]
    assert fields.groupby("stain")["count"].first().to_dict() == {"er": 7, "nuclei": 7}
    assert set(fields["well"]) == {"A01"}  # A02 has no real stain, A03 no predicted one
    assert tables["cells_by_well"]["cells"].tolist() == [7]
    assert truth.labels_of(FieldName("A01", 0)) == ()
    assert stored_tables(predicted) is None


def test_real_stains_that_are_not_there(make, tmp_path):
    predicted = make({"A01/0": {"nuclei": 1}}, targets=("DNA",))
    for channel, well, error in (("ER", "A01", MissingChannel), ("DNA", "B01", BadInput)):
        writer = create_plate(tmp_path / f"{channel}.zarr", name="p", channels=(channel,), pixel_size_um=0.5)
        writer.write_field(FieldName(well, 0), disks(1)[None].astype(np.float32))
        with pytest.raises(error):
            measure_real(writer.finish(), predicted)


def test_nuclei_are_found_by_somebody_elses_function_and_the_plate_remembers_it(make, tmp_path):
    counts = {"A01/0": {"nuclei": 6, "gfp": 3}, "A02/0": {"nuclei": 2, "gfp": 1}}
    plate = make(counts, object_diameters_px=(16,), targets=("nuclei",))
    mine = tmp_path / "mine.py"
    mine.write_text(
        "from scipy.ndimage import label\n"
        "def halves(plane, pixel_size_um):\n"
        "    plane[:, 20::40] = 0          # cuts every disk in two\n"
        "    return label(plane > 600)[0]\n"
    )
    tables = measure_plate(plate, segmenter=f"{mine}:halves")
    found = tables["fields"].pivot(index="well", columns="stain", values="count")
    assert found["nuclei"].tolist() == [12, 4]
    assert found["gfp"].tolist() == [3, 1]
    assert tables["cells"].groupby("well").size().tolist() == [12, 4]
    assert plate.info["measured"]["nuclei"] == {"method": "other", "function": f"{mine}:halves"}
    assert other_segmenter(plate, "nuclei") == OtherSettings(function=f"{mine}:halves")
    assert other_segmenter(plate, "gfp") is None
    real = measure_real(plate, plate)["fields"]
    assert real.loc[real["stain"] == "nuclei", "count"].tolist() == [12, 4]
    scored = evaluate_plate(plate, plate, stain="nuclei", target_channel="nuclei", fields="all")
    assert (scored.objects.real, scored.objects.predicted, scored.objects.f1_iou50) == (16, 16, 1)
    assert any("whether the model saw it" in note for note in scored.notes)
    with pytest.raises(BadInput, match="can't be told; score them all the same with --fields all"):
        evaluate_plate(plate, plate, stain="nuclei", target_channel="nuclei")
    with pytest.raises(BadSettings, match="segmenter"):
        measure_plate(plate, segmenter="nowhere:f", overwrite=True)


def test_measuring_anew_that_was_stopped_leaves_nothing_that_counts_as_measured(make, monkeypatch):
    plate = make({"A01/0": {"nuclei": 4}, "A02/0": {"nuclei": 2}}, object_diameters_px=(16,))
    measure_plate(plate)

    def stop(done: int, whole: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure_plate(plate, overwrite=True, progress=stop)
    for each in (plate, open_plate(plate.path)):
        assert stored_tables(each) is None
        assert other_segmenter(each, "nuclei") is None
    assert measure_plate(plate)["fields"]["count"].tolist() == [4, 2]


def test_columns_of_a_plate_map_are_no_measurements(tmp_path):
    conditions = pd.DataFrame(
        {"well": ["A01", "A02"], "plate": ["P7", "P7"], "passage_count": ["p12", "p13"], "titre_mean": [1, 2]}
    )
    writer = create_plate(
        tmp_path / "q.zarr", name="q", channels=["nuclei", "er"], pixel_size_um=0.5, conditions=conditions,
        info={"models": [{"name": "m", "stains": ["nuclei", "er"], "object_diameters_px": (16, 16)}]},
    )  # fmt: skip
    rng = np.random.default_rng(0)
    for name in (FieldName("A01", 0), FieldName("A02", 0)):
        writer.write_field(name, (disks(4) + rng.normal(100, 3, (2, 128, 160))).astype(np.float32))
    tables = measure_plate(writer.finish())
    assert tables["fields"]["plate"].unique().tolist() == ["q"]
    assert tables["fields"]["titre_mean"].tolist() == [1, 2, 1, 2]
    measured = {name for name in columns_of(tables).values if name.startswith("cells.")}
    assert measured == {"cells.area_um2", "cells.nucleus_area_um2", "cells.er_total", "cells.er_mean",
                        "cells.er_positive"}  # fmt: skip


def test_a_segmenter_needs_nuclei(make):
    plate = make({"A01/0": {"gfp": 3}, "A02/0": {"gfp": 1}}, object_diameters_px=(16,))
    with pytest.raises(BadSettings, match="nuclei"):
        measure_plate(plate, segmenter="skimage.measure:label")
