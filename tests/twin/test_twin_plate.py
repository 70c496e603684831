"""A simulated plate is the same for the same seed, tells its truth, and drifts as it is told to."""

import numpy as np
import pytest

from unstained.errors import BadInput, BadSettings, OutputExists
from unstained.plates.plate import FieldName, open_plate
from unstained.twin.anatomy import Window, draw_cells
from unstained.twin.plate import (
    CANVAS,
    TRUTH,
    TwinSettings,
    grow_well,
    make_twin,
    plan_wells,
    simulate_field,
    truth_path,
)

SMALL = TwinSettings(wells=2, fields=2, side_px=128, days=(0, 60))


@pytest.fixture(scope="module")
def twin(tmp_path_factory):
    path = tmp_path_factory.mktemp("twin") / "cho.zarr"
    make_twin(path, SMALL)
    return path


def field(settings, number=0, well=0, **more):
    name, planned = list(plan_wells(settings).items())[well]
    return simulate_field(grow_well(name, planned, settings), number, settings, **more)


def test_the_plate_has_channels_clones_and_says_that_it_is_simulated(twin):
    plate = open_plate(twin)
    assert plate.channels == ("DIC", "DNA", "ER", "GOLGI", "GFP")
    assert plate.pixel_size_um == 0.325
    assert [str(name) for name in plate.fields] == ["A01/0", "A01/1", "A02/0", "A02/1"]
    assert set(plate.conditions.columns) == {"well", "clone", "phenotype", "day", "titre_g_per_l"}
    assert plate.info["simulated"]
    assert plate.info["twin"]["seed"] == 0
    assert "productivity" not in plate.conditions


def test_the_truth_is_what_was_drawn(twin):
    truth = open_plate(truth_path(twin))
    assert truth.channels == TRUTH
    assert {"productivity", "half_life_days"} <= set(truth.conditions.columns)
    name = FieldName("A02", 1)
    at = list(plan_wells(SMALL)).index("A02")
    drawn = field(SMALL, number=1, well=at).anatomy
    for channel in TRUTH:
        np.testing.assert_array_equal(truth.read(name, channel), getattr(drawn, channel))
    np.testing.assert_array_equal(truth.read_labels(name, "cells"), drawn.cells)
    table = truth.read_table(name, "cells").set_index("label")
    assert list(table.index) == [label for label in np.unique(drawn.cells) if label]
    for label, row in table.iterrows():
        inside = drawn.cells == label
        assert row["area_um2"] == pytest.approx(inside.sum() * 0.325**2)
        assert row["er_total"] == pytest.approx(drawn.er[inside].sum() * 0.325**2, rel=1e-4)
        assert row["kind"] in ("adherent", "rounded", "mitotic")


def test_same_seed_same_bytes_other_seed_other_plate(twin, tmp_path):
    again = make_twin(tmp_path / "again.zarr", SMALL)
    other = make_twin(tmp_path / "other.zarr", SMALL.updated(seed=1, wells=1, fields=1))
    plate = open_plate(twin)
    prints = {name: plate.field_info(name)["fingerprints"] for name in plate.fields}
    assert {name: again.field_info(name)["fingerprints"] for name in again.fields} == prints
    assert other.field_info(FieldName("A01", 0))["fingerprints"] != prints[FieldName("A01", 0)]


def test_a_well_is_the_same_whatever_the_plates_other_settings_of_taking():
    plain, drifting = SMALL, SMALL.updated(focus_drift_um=5.0, lamp_drift=0.5)
    np.testing.assert_array_equal(field(plain).anatomy.cells, field(drifting).anatomy.cells)


def test_clones_take_all_days_and_wells_stand_in_any_order():
    plan = plan_wells(TwinSettings(wells=24, clones=6, days=(0, 30, 60, 90)))
    assert len(plan) == 24
    seen = {(planned.clone.name, planned.day) for planned in plan.values()}
    assert seen == {(f"C{clone:02d}", day) for clone in range(1, 7) for day in (0, 30, 60, 90)}
    assert list(plan)[:2] == ["A01", "A02"]
    assert list(plan)[12:14] == ["B12", "B11"]  # the microscope goes back along the second row
    names = [planned.clone.name for planned in plan.values()]
    assert names[:6] != sorted(names[:6])


def test_fields_of_a_well_overlap_at_times():
    settings = TwinSettings(wells=1, fields=6, side_px=64)
    _, planned = next(iter(plan_wells(settings).items()))
    well = grow_well("A01", planned, settings)
    corners = np.array(
        [(made["top_px"], made["left_px"]) for made in
         (simulate_field(well, number, settings).info for number in range(6))]
    )  # fmt: skip
    apart = np.abs(corners[:, None] - corners[None]).max(axis=2)
    assert (apart[np.triu_indices(6, 1)] < 64).any()
    assert (corners >= 0).all()
    assert (corners < 64 * np.sqrt(CANVAS * 6)).all()


def test_focus_and_lamp_drift_from_the_first_field_to_the_last():
    settings = SMALL.updated(focus_um=0.0, focus_drift_um=8.0, lamp_drift=0.25)
    first, last = (field(settings, lateness=at) for at in (0.0, 1.0))
    assert (first.info["focus_um"], last.info["focus_um"]) == (0.0, 8.0)
    dic = [made.recorded[0].astype(float) - 100 for made in (first, last)]
    assert np.median(dic[1]) / np.median(dic[0]) == pytest.approx(0.75, abs=0.02)
    sharpness = [np.abs(np.diff(made.recorded[1].astype(float), axis=0)).max() for made in (first, last)]
    assert sharpness[1] < 0.7 * sharpness[0]


def test_unfixed_cells_move_between_channels():
    still, little, far = (field(SMALL.updated(motion_um=motion)) for motion in (0.0, 0.3, 1.5))
    np.testing.assert_array_equal(still.anatomy.path_um, far.anatomy.path_um)

    def moved(one, other):
        return [
            1 - np.corrcoef(*(made.recorded[channel].ravel().astype(float) for made in (one, other)))[0, 1]
            for channel in range(5)
        ]

    assert moved(still, far)[0] < 0.02  # the label-free image is taken first
    assert min(moved(still, far)[1:]) > 0.1
    assert (np.array(moved(still, little)[1:]) < moved(still, far)[1:]).all()


def test_twelve_bits_are_enough_and_kept():
    made = field(SMALL.updated(bits=12)).recorded
    assert made.max() <= 4095
    assert np.median(made[0]) > 400


def test_the_drawn_part_is_the_fields_own(twin):
    """The margin is cut off evenly: truth lies where the photo was taken."""
    made = field(SMALL)
    _, planned = next(iter(plan_wells(SMALL).items()))
    well = grow_well("A01", planned, SMALL)
    window = Window(made.info["top_px"], made.info["left_px"], 128, 128, 0.325)
    np.testing.assert_array_equal(draw_cells(well.cells, window, well.textures).cells, made.anatomy.cells)


def test_bad_wishes_get_a_line(tmp_path, twin):
    with pytest.raises(BadInput, match="no label-free channel 'DIK'"):
        make_twin(tmp_path / "a.zarr", SMALL.updated(label_free=("DIK",)))
    with pytest.raises(BadSettings, match="wells"):
        SMALL.updated(wells=97)
    with pytest.raises(OutputExists):
        make_twin(twin, SMALL)
