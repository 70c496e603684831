"""Studies of trust on made-up features, where what is right is known."""

from dataclasses import replace

import numpy as np
import pytest

from unstained.studies import drift_power, harm
from unstained.studies.drift_power import Draw, Fields, auc_of_run_lengths, benign_rows, offline_rows
from unstained.studies.harm import coverage
from unstained.studies.stability import lost_area
from unstained.trust.features import LIGHT_NAMES, RELIEF_NAMES, SEEN_NAMES

WELLS, FIELDS_EACH = 66, 2
FEATURES = len(LIGHT_NAMES) + len(SEEN_NAMES) + len(RELIEF_NAMES)


@pytest.fixture(scope="module")
def fields():
    """Give fields of 66 wells, alike within a well; shifted by half a deviation, and by four."""
    rng = np.random.default_rng(0)
    wells = np.repeat([f"A{index:02}" for index in range(WELLS)], FIELDS_EACH)
    clean = np.repeat(rng.normal(size=(WELLS, FEATURES)), FIELDS_EACH, axis=0) * 0.6
    clean += rng.normal(size=clean.shape) * 0.8
    shifts = {("defocus", 1): 0.3, ("defocus", 4): 4.0}
    return Fields(wells, {("clean", 0): clean, **{key: clean + shift for key, shift in shifts.items()}})


@pytest.fixture
def small(monkeypatch):
    """Make the study small."""
    sizes = {"DRAWS": 2, "STREAMS": 40, "TESTS": 20, "LENGTH": 64, "BURN_IN": 10}
    sizes |= {"WINDOWS": (), "ERTS": (32,)}
    for name, value in sizes.items():
        monkeypatch.setattr(drift_power, name, value)


def test_reference_and_watched_fields_share_no_well(fields):
    draw = Draw.drawn(fields, np.random.default_rng(1))
    held_out = {fields.wells[row] for well in draw.others for row in well}
    assert not held_out & set(draw.reference.wells)
    assert len(held_out | set(draw.reference.wells)) == WELLS
    stream = draw.stream(200, np.random.default_rng(2))
    assert len(stream) == 200
    assert {fields.wells[row] for row in stream} <= held_out
    first = fields.wells[stream[:FIELDS_EACH]]
    assert len(set(first)) == 1, "fields of a well stay together"


def test_a_large_shift_is_seen_at_the_first_field_and_clean_streams_run_as_promised(fields, small):
    calibrated = drift_power._calibrations(fields)[drift_power.SCAN, 32]
    large = drift_power._online(fields, calibrated, ("defocus", 4))
    assert large["delay"] == 1
    assert large["delay_after_burn_in"] == 1
    assert large["auc"] > 0.9
    slight = drift_power._online(fields, calibrated, ("defocus", 1))
    assert slight["delay"] > 1
    assert slight["auc"] < large["auc"]
    assert 0.4 < large["ert_over_promised"] < 2.5


def test_the_offline_test_misses_nothing_large_and_little_clean_is_called_drift(fields, small):
    rows = {(row["corruption"], row["severity"]): row for row in offline_rows(fields)}
    assert rows["defocus", 4]["missed_of_10"] == 0
    assert rows["clean", 0]["missed_of_20"] >= 0.8
    assert rows["defocus", 1]["missed_of_5"] >= rows["defocus", 1]["missed_of_40"]


def test_benign_rows_count_alarms_beside_the_nominal_number(fields, small):
    calibrated = drift_power._calibrations(fields)[drift_power.SCAN, 32]
    rows = benign_rows(fields, calibrated)
    assert [row["fields"] for row in rows] == ["few cells", "many cells"]
    assert all(row["alarms_over_nominal"] >= 0 for row in rows)


def test_more_fields_than_are_held_out_are_not_claimed_to_be_tested(fields, small):
    few = Fields(fields.wells[:60], {key: each[:60] for key, each in fields.features.items()})
    for row in offline_rows(few):  # 10 of its 30 wells are held out: 20 fields
        assert row["missed_of_20"] is not None
        assert row["missed_of_40"] is None


def test_a_draw_without_a_benign_well_is_passed_over(fields, small):
    calibrated = drift_power._calibrations(fields)[drift_power.SCAN, 32]
    clean = fields.clean.copy()
    index = drift_power.IMAGE_NAMES.index("percentile_95")
    clean[:, index] = np.repeat(np.arange(WELLS, dtype=float), FIELDS_EACH)  # set by the well alone
    draws = [(replace(draw, others=draw.others[:1]), found) for draw, found in calibrated]
    alone = Fields(fields.wells, {**fields.features, ("clean", 0): clean})
    rows = benign_rows(alone, draws)
    assert all(row["alarms_over_nominal"] is None or row["alarms_over_nominal"] >= 0 for row in rows)
    empty = [(replace(draw, others=()), found) for draw, found in calibrated]
    assert [row["alarms_over_nominal"] for row in benign_rows(alone, empty)] == [None, None]


@pytest.mark.parametrize(
    ("clean", "spoilt", "auc"),
    [([9, 9], [1, 2], 1.0), ([1, 1], [9, 9], 0.0), ([5, 5], [5, 5], 0.5), ([1, 9], [5, 5], 0.5)],
)
def test_the_area_counts_shorter_runs_and_half_of_equal_ones(clean, spoilt, auc):
    assert auc_of_run_lengths(np.array(clean, float), np.array(spoilt, float)) == auc


def test_a_bound_holds_nine_times_in_ten_within_each_bin_of_drift():
    """Errors that grow with drift: bins of their own keep the promise in each."""
    rng = np.random.default_rng(3)
    wells = np.repeat([f"w{index}" for index in range(60)], 30)
    drift = rng.random(len(wells))
    shortfall = rng.normal(size=len(wells)) * (0.1 + drift)
    rows = coverage(shortfall, wells, drift)
    assert [row["wells"] for row in rows] == [60, 60, 60]
    assert all(0.87 < row["held"] < 0.94 for row in rows)


def test_too_few_wells_give_no_bound():
    wells = np.repeat([f"w{index}" for index in range(12)], 4)
    rng = np.random.default_rng(0)
    rows = coverage(rng.normal(size=48), wells, rng.random(48))
    assert all(row["held"] is None for row in rows)


def test_the_lost_area_is_the_mean_loss_over_severities():
    rows = [
        {"corruption": "defocus", "severity": severity, "pcc": pcc}
        for severity, pcc in ((0, 0.9), (1, 0.9), (2, 0.7), (3, 0.5))
    ]
    assert lost_area(rows, "defocus") == pytest.approx((0.0 + 0.2 + 0.4) / 3)


def test_poor_fields_are_told_from_good_ones_by_how_low_they_are_expected():
    true = np.array([0.9, 0.85, 0.5, 0.3])
    found = harm._agreement(np.array([0.8, 0.9, 0.4, 0.5]), true)
    assert found["auc_poor"] == 1.0
    assert found["poor"] == 0.5
    assert found["spearman"] == 0.6
    assert harm._agreement(true, true + 0.5)["auc_poor"] is None
