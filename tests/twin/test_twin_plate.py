"""A simulated plate is the same for the same seed, tells its truth, and drifts as it is told to."""

import numpy as np
import pytest

from unstained import pipeline
from unstained.errors import BadSettings, OutputExists, OutputFailed
from unstained.networks.unet import UNetSettings
from unstained.plates.plate import FieldName, open_plate
from unstained.training.recipes import TrainingSettings
from unstained.twin.anatomy import Window, draw_cells
from unstained.twin.photos import LABEL_FREE_ELECTRONS, STAINS, cameras, simulate_field, stained
from unstained.twin.plate import TRUTH, VERSION, cell_table, make_twin, truth_path
from unstained.twin.wells import CANVAS, TwinSettings, grow_well, plan_wells

SMALL = TwinSettings(wells=2, fields=2, side_px=128, days=(0, 60))
GOLDEN = {
    "DIC": (1965.25, 277.511),
    "BF": (1927.86, 51.4856),
    "PH": (2216.42, 1040.24),
    "OBLIQUE": (1860.82, 316.178),
    "DNA": (112.269, 128.646),
    "ER": (345.761, 260.107),
    "GOLGI": (70.293, 49.9821),
    "GFP": (367.195, 280.737),
}
"""Mean and standard deviation of the electrons of a field of version 1; with numpy 2.4, scipy 1.17."""

CHANNELS = ("DIC", "DNA", "ER", "GOLGI", "GFP")


@pytest.fixture(scope="module")
def twin(tmp_path_factory):
    path = tmp_path_factory.mktemp("twin") / "cho.zarr"
    make_twin(path, SMALL)
    return path


def field(settings, number=0, well=0, **more):
    planned = list(plan_wells(settings).values())[well]
    return simulate_field(grow_well(planned, settings), number, settings, **more)


def test_the_plate_has_channels_clones_and_says_that_it_is_simulated(twin):
    plate = open_plate(twin)
    assert plate.channels == CHANNELS
    assert plate.pixel_size_um == 0.325
    assert [str(name) for name in plate.fields] == ["A01/0", "A01/1", "A02/0", "A02/1"]
    assert set(plate.conditions.columns) == {"well", "clone", "phenotype", "day", "titre_g_per_l"}
    assert plate.info["simulated"]
    assert plate.info["twin"]["seed"] == 0
    assert "productivity" not in plate.conditions


def test_the_truth_is_what_was_drawn(twin):
    truth = open_plate(truth_path(twin))
    assert truth.channels == (*TRUTH, *CHANNELS)
    assert {"productivity", "half_life_days"} <= set(truth.conditions.columns)
    name = FieldName("A02", 1)
    at = list(plan_wells(SMALL)).index("A02")
    made = field(SMALL, number=1, well=at)
    for channel in TRUTH:
        np.testing.assert_array_equal(truth.read(name, channel), getattr(made.anatomy, channel))
    labels, nuclei = (truth.read_labels(name, each) for each in ("cells", "nuclei"))
    np.testing.assert_array_equal(labels > 0, made.anatomy.cells > 0)
    table = truth.read_table(name, "cells")
    assert list(table["label"]) == list(np.unique(labels)[1:]) == list(range(1, len(table) + 1))
    for row in table.itertuples():
        inside = labels == row.label
        assert (made.anatomy.cells[inside] == row.cell + 1).all()
        assert row.area_um2 == pytest.approx(inside.sum() * 0.325**2)
        assert row.nucleus_area_um2 == pytest.approx((nuclei == row.label).sum() * 0.325**2)
        assert row.er_total == pytest.approx(made.anatomy.er[inside].sum() * 0.325**2, rel=1e-4)
        assert row.er_mean == pytest.approx(made.anatomy.er[inside].mean(), rel=1e-4)
        assert row.y_um == pytest.approx((np.nonzero(inside)[0].mean() + 0.5) * 0.325, rel=1e-4)
        assert row.touches_border == (inside[[0, -1]].any() or inside[:, [0, -1]].any())
        assert row.kind in ("adherent", "rounded", "mitotic")


def test_a_camera_without_noise_sees_what_the_real_one_does(twin):
    plate, truth = open_plate(twin), open_plate(truth_path(twin))
    for channel, camera in zip(CHANNELS, cameras(SMALL), strict=True):
        seen = plate.read(FieldName("A01", 0), channel).astype(float)
        expected = camera.offset + camera.gain * truth.read(FieldName("A01", 0), channel)
        noise = camera.gain * np.sqrt(truth.read(FieldName("A01", 0), channel) + camera.read_noise**2)
        assert np.std((seen - expected) / noise) == pytest.approx(1, abs=0.03)
        assert np.mean((seen - expected) / noise) == pytest.approx(0, abs=0.03)


def test_each_stain_is_seen_over_its_background_with_what_bleeds_into_it():
    """Of even planes, known answers: 60 + 700 · (.5 + .03 · 2) electrons in the ER's channel, 40 in DNA's."""
    drawn = field(SMALL).anatomy
    even = {"dna": 0.0, "er": 0.5, "golgi": 0.0, "gfp": 2.0}
    anatomy = drawn._replace(**{name: np.full_like(drawn.dna, value) for name, value in even.items()})
    for channel, electrons in (("ER", 60 + 700 * 0.56), ("DNA", 40), ("GOLGI", 50 + 500 * 0.02)):
        seen = stained(anatomy, STAINS[channel], SMALL, focus_um=0.5)
        np.testing.assert_allclose(seen, electrons, rtol=1e-4)


def test_an_empty_field_is_background_in_uneven_light():
    empty = field(SMALL.updated(cells_per_mm2=0.0))
    for stain, plane in zip(STAINS.values(), empty.electrons[1:], strict=True):
        assert np.median(plane) == pytest.approx(stain.background, rel=0.12)
        assert plane.max() <= stain.background * 1.001
        assert np.ptp(plane) > 0.01 * stain.background


def test_a_model_that_learnt_from_the_twin_says_so(twin, tmp_path):
    settings = TrainingSettings(network=UNetSettings(width=2, depth=2), crops={"side": 64}, steps=1)
    plan = pipeline.Plan(pipeline.Subject("m", "DIC", {"nuclei": "DNA"}), settings)
    model = pipeline.train(open_plate(twin), plan, tmp_path / "m", accelerator="cpu", devices=1)
    assert model.card.simulated
    assert model.card.training["twin"]["version"] == VERSION


def test_same_seed_same_bytes_other_seed_other_plate(twin, tmp_path):
    again = make_twin(tmp_path / "again.zarr", SMALL)
    other = make_twin(tmp_path / "other.zarr", SMALL.updated(seed=1, fields=1))
    plate = open_plate(twin)
    prints = {name: plate.field_info(name)["fingerprints"] for name in plate.fields}
    assert {name: again.field_info(name)["fingerprints"] for name in again.fields} == prints
    assert other.field_info(FieldName("A01", 0))["fingerprints"] != prints[FieldName("A01", 0)]


def test_a_well_is_the_same_whatever_the_plates_other_settings_of_taking():
    plain, drifting = SMALL, SMALL.updated(focus_drift_um=5.0, lamp_drift=0.5)
    np.testing.assert_array_equal(field(plain).anatomy.cells, field(drifting).anatomy.cells)


def test_clones_take_all_days_and_wells_stand_in_any_order():
    plan = plan_wells(TwinSettings(wells=24, days=(0, 30, 60, 90)))
    assert len(plan) == 24
    seen = {(planned.clone.name, planned.day) for planned in plan.values()}
    assert seen == {(f"C{clone:02d}", day) for clone in range(1, 7) for day in (0, 30, 60, 90)}
    assert list(plan)[:2] == ["A01", "A02"]
    assert list(plan)[12:14] == ["B12", "B11"]  # the microscope goes back along the second row
    names = [planned.clone.name for planned in plan.values()]
    assert names[:6] != sorted(names[:6])


def test_fields_of_a_well_overlap_at_times():
    settings = TwinSettings(wells=8, fields=6, side_px=64, cells_per_mm2=50)
    shares = []
    for planned in plan_wells(settings).values():
        well = grow_well(planned, settings)
        taken = [simulate_field(well, number, settings).taken for number in range(6)]
        corners = np.array([(made["top_px"], made["left_px"]) for made in taken])
        assert corners.min() >= settings.margin_px
        assert corners.max() <= settings.margin_px + 64 * (np.sqrt(CANVAS * 6) - 1)
        apart = np.abs(corners[:, None] - corners[None]).max(axis=2)
        shares.append((apart[np.triu_indices(6, 1)] < 64).mean())
    assert 0.01 < np.mean(shares) < 0.2


def test_focus_and_lamp_drift_from_the_first_field_to_the_last():
    settings = SMALL.updated(focus_um=0.0, focus_drift_um=8.0, lamp_drift=0.25)
    first, last = (field(settings, lateness=at) for at in (0.0, 1.0))
    assert (first.taken["focus_um"], last.taken["focus_um"]) == (0.0, 8.0)
    dic = [made.recorded[0].astype(float) - 100 for made in (first, last)]
    assert np.median(dic[1]) / np.median(dic[0]) == pytest.approx(0.75, abs=0.02)
    sharpness = [np.abs(np.diff(made.recorded[1].astype(float), axis=0)).max() for made in (first, last)]
    assert sharpness[1] < 0.7 * sharpness[0]


def test_unfixed_cells_move_between_channels():
    still, little, far = (field(SMALL.updated(motion_um=motion)) for motion in (0.0, 0.3, 1.5))
    np.testing.assert_array_equal(still.anatomy.path_um, far.anatomy.path_um)

    def moved(one, other):
        return [
            1 - np.corrcoef(*(made.electrons[channel].ravel() for made in (one, other)))[0, 1]
            for channel in range(5)
        ]

    assert abs(moved(still, far)[0]) < 1e-6  # the label-free image is taken first
    assert min(moved(still, far)[1:]) > 0.1
    assert (np.array(moved(still, little)[1:]) < moved(still, far)[1:]).all()


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_every_depth_is_used_and_nothing_saturates(bits):
    settings = SMALL.updated(bits=bits)
    made, highest = field(settings), 2**bits - 1
    assert (made.recorded == highest).mean() < 1e-3
    empty = [camera.offset + LABEL_FREE_ELECTRONS * camera.gain for camera in cameras(settings)[:1]]
    assert np.median(made.recorded[0]) == pytest.approx(empty[0], rel=0.08)
    assert min(np.ptp(plane) for plane in made.recorded) > 30


def test_the_order_in_which_fields_were_taken_is_known_and_nothing_that_a_laboratory_cannot_know(tmp_path):
    settings = SMALL.updated(wells=14, fields=1, side_px=64, days=(0,), focus_um=0.0, focus_drift_um=13.0)
    plate = make_twin(tmp_path / "cho.zarr", settings)
    truth = open_plate(truth_path(tmp_path / "cho.zarr"))
    order = sorted(plate.fields, key=lambda name: plate.field_info(name)["acquired"])
    assert [name.well for name in order][-3:] == ["A12", "B02", "B01"]
    assert [truth.field_info(name)["focus_um"] for name in order] == pytest.approx(range(14))
    assert "focus_um" not in plate.field_info(order[0])


def test_an_empty_well_has_a_table_without_rows():
    settings = SMALL.updated(cells_per_mm2=0.0)
    planned = next(iter(plan_wells(settings).values()))
    well = grow_well(planned, settings)
    table = cell_table(simulate_field(well, 0, settings).anatomy, well.cells, 0.325)
    assert len(table) == 0
    assert table["kind"].dtype == object


def test_a_pixel_that_changes_needs_a_new_version():
    made = field(SMALL.updated(label_free=("DIC", "BF", "PH", "OBLIQUE")))
    found = {
        name: (float(plane.mean()), float(plane.std()))
        for name, plane in zip(("DIC", "BF", "PH", "OBLIQUE", *STAINS), made.electrons, strict=True)
    }
    assert VERSION == 1
    assert found == {name: pytest.approx(values, rel=2e-3) for name, values in GOLDEN.items()}


def test_the_drawn_part_is_the_fields_own(twin):
    """The margin is cut off evenly: truth lies where the photo was taken."""
    made = field(SMALL)
    planned = next(iter(plan_wells(SMALL).values()))
    well = grow_well(planned, SMALL)
    window = Window(int(made.taken["top_px"]), int(made.taken["left_px"]), 128, 128, 0.325)
    np.testing.assert_array_equal(draw_cells(well.cells, window, well.textures).cells, made.anatomy.cells)


def test_bad_wishes_get_a_line(tmp_path, twin):
    for wish, said in (
        ({"label_free": ("DIK",)}, "label_free"),
        ({"label_free": ("DIC", "DIC")}, "at most once"),
        ({"wells": 97}, "wells"),
        ({"clones": 3}, "3 clones on 2 days need 6 wells"),
        ({"days": ()}, "days"),
        ({"days": (-1,)}, "days"),
        ({"bits": 10}, "bits"),
        ({"pixel_size_um": 0.65}, "pixel_size_um"),
    ):
        with pytest.raises(BadSettings, match=said):
            SMALL.updated(**wish)
    with pytest.raises(OutputExists):
        make_twin(twin, SMALL)


def test_neither_plate_is_touched_where_one_may_not_be_replaced(tmp_path):
    out = tmp_path / "cho.zarr"
    truth_path(out).mkdir()
    (truth_path(out) / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputExists):
        make_twin(out, SMALL)
    with pytest.raises(OutputFailed):
        make_twin(out, SMALL, overwrite=True)
    assert not out.exists()
    assert (truth_path(out) / "thesis.txt").read_text(encoding="utf-8") == "mine"
