"""The detector against its definition, what its run time is worth, how soon it sees drift, its refusals."""

from io import BytesIO

import numpy as np
import pytest

from unstained.errors import BadInput, BadSettings
from unstained.trust.drift import (
    DriftDetector,
    DriftSettings,
    _bootstrapped,
    calibrate_drift,
    self_check,
)
from unstained.trust.mmd import gaussian_kernel, mmd2, without_diagonal
from unstained.trust.moved import watch_features
from unstained.trust.streams import draw_streams, level_passed


def fields_of(rng, wells, each, correlation=0.0, features=6):
    """Clean fields of wells (N F); those of a well share so much of their variance."""
    shared = rng.normal(size=(wells, 1, features)) * correlation**0.5
    own = rng.normal(size=(wells, each, features)) * (1 - correlation) ** 0.5
    return (shared + own).reshape(-1, features)


def calibrated(rng, *, wells=80, each=1, correlation=0.0, **settings):
    """Make a detector and give the wells' labels, too."""
    settings = DriftSettings(**{"ert": 20, **settings})
    labels = [f"well {number // each}" for number in range(wells * each)]
    return calibrate_drift(fields_of(rng, wells, each, correlation), labels, settings, rng)


def achieved(detector, stream, each=1):
    """Fields watched for each alarm; after an alarm it starts anew with the next well."""
    watched = alarms = 0
    fields = iter(range(len(stream)))
    for field in fields:
        watched += 1
        if detector.update(stream[field]).alarm:
            alarms += 1
            for _ in range((-field - 1) % each):
                next(fields)
    return watched / alarms


# What it computes


def test_scores_are_those_of_mmd2_of_the_newest_fields():
    rng = np.random.default_rng(0)
    detector = calibrated(rng, windows=(1, 2, 5))
    known, stream = detector.calibration, fields_of(rng, 30, 1)
    start = 0
    for field in range(30):
        reading = detector.update(stream[field])
        assert reading.seen == field + 1 - start
        expected = [
            (mmd2(known.reference, stream[field + 1 - width : field + 1], known.scale) - mean) / deviation
            for width, mean, deviation in zip(known.windows, known.means, known.deviations, strict=True)
            if width <= reading.seen
        ]
        assert reading.score == pytest.approx(max(expected), abs=1e-9)
        assert reading.window == known.windows[int(np.argmax(expected))]
        assert reading.threshold == known.thresholds[min(reading.seen, 6) - 1]
        start = field + 1 if reading.alarm else start
    assert start > 0  # it did start anew


def test_bootstraps_have_the_mmd2_of_each_window_against_the_wells_that_are_left():
    rng = np.random.default_rng(1)
    reference = rng.normal(size=(40, 3))
    members = np.split(np.arange(40), [3, 4, 9, 14, 20, 22, 27, 30, 36])
    kernel = without_diagonal(gaussian_kernel(reference, reference, 5.0))
    windows = np.array([1, 3])
    found = _bootstrapped(kernel, members, windows, (7, np.random.default_rng(5)))
    drawn = draw_streams(members, 6, 7, np.random.default_rng(5))
    for stream, time, index in np.ndindex(7, 6, 2):
        taken = drawn[stream][drawn[stream] >= 0]
        rest = np.delete(reference, taken, axis=0)
        newest = reference[taken[max(0, time + 1 - windows[index]) : time + 1]]
        full = len(newest) == windows[index]
        expected = mmd2(rest, newest, 5.0) if full else -np.inf
        assert found[stream, time, index] == pytest.approx(expected, abs=1e-10)


def test_batches_change_nothing(monkeypatch):
    at_once = calibrated(np.random.default_rng(26)).calibration
    monkeypatch.setattr("unstained.trust.drift.BATCH_VALUES", 50_000)
    in_batches = calibrated(np.random.default_rng(26)).calibration
    np.testing.assert_allclose(in_batches.thresholds, at_once.thresholds)
    stream = fields_of(np.random.default_rng(27), 300, 1)
    np.testing.assert_allclose(in_batches.scores(stream), at_once.scores(stream))


def test_streams_take_whole_wells_in_order_of_their_fields_and_each_well_as_often():
    members = np.split(np.arange(20), [3, 4, 9, 14])
    streams = draw_streams(members, 5, 4000, np.random.default_rng(2))
    for stream in streams[:200]:
        left = list(stream[stream >= 0])
        assert len(left) >= 5
        assert (stream[len(left) :] == -1).all()
        while left:
            (well,) = [each for each in members if each[0] == left[0]]
            assert left[: len(well)] == list(well)
            left = left[len(well) :]
    first = [np.count_nonzero(streams[:, 0] == well[0]) for well in members]
    np.testing.assert_allclose(first, 800, atol=5 * 800**0.5)


def test_level_is_passed_with_the_hazard_that_was_asked_for():
    """Of a fair coin's runs, one in two passes at each step; exponential variables pass log 10 one in ten."""
    paths = np.random.default_rng(3).exponential(size=(4000, 30))
    assert level_passed(np.maximum.accumulate(paths, axis=1), 0.1) == pytest.approx(np.log(10), abs=0.05)


def test_replaying_raises_the_alarms_of_updating():
    rng = np.random.default_rng(4)
    for settings in ({}, {"windows": (5,)}, {"burn_in": 30}):
        detector = calibrated(rng, **settings)
        stream = fields_of(rng, 400, 1)
        stream[20:26] += 1.5
        stream[250:] += 0.7
        alarms = [field for field in range(400) if detector.update(stream[field]).alarm]
        assert len(alarms) > 2
        np.testing.assert_array_equal(detector.calibration.replay(stream), alarms)


# What its run time is worth


@pytest.mark.parametrize("windows", [(1, 2, 5, 10, 20), (10,)])
def test_expected_run_time_is_achieved(windows):
    rng = np.random.default_rng(5)
    found = []
    for _ in range(6):
        detector = calibrated(rng, wells=150, windows=windows)
        found.append(achieved(detector, fields_of(rng, 3000, 1)) / 20)
    assert 0.85 <= np.mean(found) <= 1.15


def test_first_fields_alarm_as_often_as_later_ones():
    rng = np.random.default_rng(6)
    first, at_risk = np.zeros(30), np.zeros(30)
    for _ in range(4):
        known = calibrated(rng, wells=200, windows=(1, 2, 5, 10)).calibration
        for stream in fields_of(rng, 500 * 30, 1).reshape(500, 30, -1):
            alarms = known.replay(stream)
            end = alarms[0] if len(alarms) else 29
            at_risk[: end + 1] += 1
            first[end] += len(alarms) > 0
    hazard = [first[part].sum() / at_risk[part].sum() for part in (slice(0, 5), slice(5, 10), slice(10, 30))]
    np.testing.assert_allclose(hazard, 1 / 20, rtol=0.2)


def test_wells_hold_the_run_time_where_their_fields_are_alike_and_single_fields_do_not():
    found = {"wells": [], "fields": []}
    for seed in range(6):
        rng = np.random.default_rng((7, seed))
        reference, stream = fields_of(rng, 60, 4, 0.5), fields_of(rng, 500, 4, 0.5)
        for unit, labels in (("wells", np.arange(240) // 4), ("fields", np.arange(240))):
            detector = calibrate_drift(reference, labels, DriftSettings(ert=30), rng)
            found[unit].append(achieved(detector, stream, each=4) / 30)
    assert 0.8 <= np.mean(found["wells"]) <= 1.3
    assert np.mean(found["fields"]) < 0.6


def test_self_check_gives_fields_per_alarm_with_an_interval():
    rng = np.random.default_rng(8)
    detector = calibrated(rng, wells=100, each=2, correlation=0.3)
    labels = np.char.add("other ", (np.arange(300) // 2).astype(str))
    clean = self_check(detector, fields_of(rng, 150, 2, 0.3), labels, rng)
    assert clean.promised == 20
    assert clean.low < clean.achieved < clean.high
    assert clean.low < 20 < clean.high
    assert clean.achieved == pytest.approx(clean.watched / clean.alarms)
    assert 250 < clean.watched <= 300
    wider = self_check(detector, fields_of(rng, 40, 2, 0.3), labels[:80], rng)
    assert wider.high / wider.low > 1.5 * clean.high / clean.low
    drifted = self_check(detector, fields_of(rng, 150, 2, 0.3) + 0.5, labels, rng)
    assert drifted.high < 20


def test_self_check_without_alarms_gives_a_lower_end_only():
    rng = np.random.default_rng(9)
    detector = calibrated(rng, ert=200, bootstraps=2000)
    still = np.tile(detector.calibration.reference.mean(axis=0), (3, 1))
    found = self_check(detector, still, ["a", "b", "c"], rng)
    assert (found.achieved, found.high, found.alarms) == (None, None, 0)
    assert found.low == pytest.approx(3 / 3.689, rel=1e-3)  # Garwood: 0 alarms are compatible with 3.689


def test_self_check_counts_fields_up_to_each_alarm_and_goes_on_with_the_next_well():
    rng = np.random.default_rng(10)
    detector = calibrated(rng)
    far = np.full((20, 6), 6.0)
    alone = self_check(detector, far, range(20), rng)
    assert (alone.watched, alone.alarms, alone.achieved) == (20, 20, 1)
    pairs = self_check(detector, far, np.arange(20) // 2, rng)
    assert (pairs.watched, pairs.alarms, pairs.achieved) == (10, 10, 1)


def test_self_check_leaves_the_detector_as_it_was():
    rng = np.random.default_rng(10)
    detector = calibrated(rng)
    before = detector.state()
    self_check(detector, fields_of(rng, 20, 1), range(20), rng)
    for name, value in detector.state().items():
        np.testing.assert_array_equal(value, before[name])


# How soon it sees drift


def test_drift_is_seen_soon_and_clean_fields_before_it_hardly_delay_that():
    rng = np.random.default_rng(11)
    detector = calibrated(rng, ert=100, bootstraps=4000, wells=120)
    delays = {0: [], 30: []}
    for _ in range(30):
        for clean, delay in delays.items():
            stream = fields_of(rng, 80, 1)
            stream[clean:] += 1.0
            alarms = detector.calibration.replay(stream)
            delay.append(alarms[alarms >= clean][0] - clean + 1)
    assert np.mean(delays[0]) < 5
    assert np.mean(delays[30]) < 6


def test_a_large_drift_is_seen_at_its_first_field_even_when_it_is_the_first_of_all():
    rng = np.random.default_rng(12)
    detector = calibrated(rng)
    reading = detector.update(np.full(6, 6.0))
    assert reading.alarm
    assert (reading.seen, reading.window) == (1, 1)


def test_a_single_window_says_nothing_before_it_is_full():
    detector = calibrated(np.random.default_rng(13), windows=(5,))
    for _ in range(4):
        assert detector.update(np.full(6, 6.0))[1:] == (None, None, None, False, False)
    assert detector.update(np.full(6, 6.0)).alarm


def test_an_alarm_and_a_reset_start_a_new_window():
    rng = np.random.default_rng(14)
    detector = calibrated(rng)
    middle, far = detector.calibration.reference.mean(axis=0), np.full(6, 6.0)
    assert [detector.update(each).seen for each in (middle, middle, far, middle)] == [1, 2, 3, 1]
    detector.reset()
    assert detector.update(middle).seen == 1
    fresh = DriftDetector(detector.calibration)
    fresh.update(middle)
    assert detector.update(middle) == fresh.update(middle)


def test_burn_in_scores_without_an_alarm_and_is_left_behind():
    rng = np.random.default_rng(15)
    detector = calibrated(rng, burn_in=3)
    far = np.full(6, 6.0)
    readings = [detector.update(far) for _ in range(5)]
    assert all(each.exceeds for each in readings)
    assert [each.alarm for each in readings] == [False, False, False, True, True]
    assert [each.seen for each in readings] == [1, 2, 3, 1, 1]


# What is kept


@pytest.mark.parametrize("burn_in", [0, 20])
def test_restored_from_a_file_it_decides_as_if_never_stopped(burn_in):
    rng = np.random.default_rng(16)
    detector = calibrated(rng, each=2, burn_in=burn_in)
    stream = fields_of(rng, 150, 1)
    stream[100:] += 0.7
    for field in stream[:13]:
        detector.update(field)
    file = BytesIO()
    np.savez(file, **detector.state())
    file.seek(0)
    restored = DriftDetector.restored(np.load(file, allow_pickle=False))
    expected = [detector.update(field) for field in stream[13:]]
    assert [restored.update(field) for field in stream[13:]] == expected
    assert any(each.alarm for each in expected)
    held_out = fields_of(rng, 10, 1)
    checks = [
        self_check(each, held_out, range(10), np.random.default_rng(0)) for each in (detector, restored)
    ]
    assert checks[0] == checks[1]


def test_a_state_that_is_none_is_refused():
    state = calibrated(np.random.default_rng(17)).state()
    lacking = {name: value for name, value in state.items() if name != "cross"}
    with pytest.raises(BadInput, match="it lacks cross"):
        DriftDetector.restored(lacking)
    with pytest.raises(BadInput, match=r"its 'block' has shape \(2, 2\)"):
        DriftDetector.restored(state | {"block": np.zeros((2, 2))})


def test_a_state_is_a_copy():
    rng = np.random.default_rng(18)
    detector = calibrated(rng)
    detector.update(np.zeros(6))
    state = detector.state()
    before = {name: value.copy() for name, value in state.items()}
    detector.update(np.ones(6))
    for name, value in state.items():
        np.testing.assert_array_equal(value, before[name])


# What it refuses


def some(wells=60, each=1, features=3, seed=0):
    return fields_of(np.random.default_rng(seed), wells, each, 0.0, features)


def with_one(value):
    return np.where(np.arange(60)[:, None] == 7, value, some())


@pytest.mark.parametrize(
    ("reference", "groups", "said"),
    [
        (some(), None, "must name the field or well"),
        (some(49), range(49), "49 fields of 49 wells; an expected run time needs"),
        (some(8, 10), np.arange(80) // 10, "80 fields of 8 wells"),
        (some(), range(59), "60 rows, but 59 groups"),
        (with_one(np.nan), range(60), "1 of 60 rows of the reference hold NaN"),
        (with_one(np.inf), range(60), "1 of 60 rows"),
        (np.ones((60, 3)), range(60), "the reference is constant"),
        (some()[:, 0], range(60), r"not of shape \(60,\)"),
        (some(), [*range(8), *[9] * 52], "allows windows of up to 0 fields"),
    ],
)  # fmt: skip
def test_a_reference_of_which_nothing_can_be_promised_is_refused(reference, groups, said):
    with pytest.raises(BadInput, match=said):
        calibrate_drift(reference, groups, DriftSettings(ert=20), np.random.default_rng(0))


def test_windows_are_watched_as_far_as_the_reference_allows():
    rng = np.random.default_rng(19)
    assert list(calibrated(rng, wells=50).calibration.windows) == [1, 2, 5, 10]
    assert list(calibrated(rng, wells=80).calibration.windows) == [1, 2, 5, 10, 20]
    assert list(calibrated(rng, wells=10, each=8).calibration.windows) == [1, 2, 5, 10]
    with pytest.raises(BadInput, match="allows windows of up to 12 fields"):
        calibrated(rng, wells=50, windows=(20,), ert=30)


@pytest.mark.parametrize(
    ("vector", "said"),
    [
        ([0.0, np.nan, 0.0, 0.0, 0.0, 0.0], "hold NaN or infinite values"),
        ([0.0, np.inf, 0.0, 0.0, 0.0, 0.0], "hold NaN or infinite values"),
        ([0.0] * 5, "length 5 can't be compared with a reference of length 6"),
        (0.0, "not of shape"),
        (["a"] * 6, "must be numbers"),
    ],
)
def test_a_bad_vector_is_refused_and_changes_nothing(vector, said):
    detector = calibrated(np.random.default_rng(20))
    detector.update(np.zeros(6))
    with pytest.raises(BadInput, match=said):
        detector.update(vector)
    assert detector.update(np.zeros(6)).seen == 2


def test_held_out_fields_are_checked():
    rng = np.random.default_rng(21)
    detector = calibrated(rng)
    held_out = fields_of(rng, 4, 1)
    with pytest.raises(BadInput, match="held-out wells are in the reference: well 3"):
        self_check(detector, held_out, ["a", "b", "c", "well 3"], rng)
    with pytest.raises(BadInput, match="must name the field or well"):
        self_check(detector, held_out, None, rng)
    with pytest.raises(BadInput, match="hold NaN"):
        self_check(detector, held_out * np.nan, range(4), rng)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"ert": 1}, "ert"),
        ({"windows": ()}, "windows"),
        ({"windows": (0, 2)}, r"windows \(0, 2\) must rise, from 1 field on"),
        ({"windows": (5, 2)}, "must rise"),
        ({"windows": (2, 2)}, "must rise"),
        ({"ert": 10, "windows": (10,)}, "longer than the shortest window"),
        ({"ert": 100, "bootstraps": 999}, "at least 10 times ert"),
        ({"burn_in": -1}, "burn_in"),
        ({"window": 5}, "known settings: bootstraps, burn_in, ert, windows"),
    ],
)
def test_bad_settings_are_refused(settings, said):
    with pytest.raises(BadSettings, match=said):
        DriftSettings.checked(settings)


# What moved


NAMES = ("sharpness", "brightness", "grain")


def test_features_that_moved_are_named_with_sign_size_and_since_when():
    rng = np.random.default_rng(22)
    scale = np.array([1.0, 100.0, 0.01])
    watch = watch_features(some(150) * scale + 7, range(150), NAMES, 1000, rng)
    stream = some(60, seed=1)
    stream[25:, 0] -= 3.0
    stream[40:, 2] += 2.0
    found = watch.moved(stream * scale + 7)
    assert [(each.name, each.sign) for each in found] == [("sharpness", -1), ("grain", 1)]
    assert found[0].size == pytest.approx(3, abs=0.5)
    assert found[1].size == pytest.approx(2, abs=0.5)
    assert abs(found[0].since - 25) <= 5
    assert abs(found[1].since - 40) <= 5


def test_an_excursion_that_ended_is_told_with_its_own_size():
    watch = watch_features(some(150), range(150), NAMES, 50, np.random.default_rng(23))
    still = np.tile(watch.means, (60, 1))
    still[20:30, 1] += 2 * watch.deviations[1]
    (found,) = watch.moved(still)
    # CUSUM: 10 × 1.5 = 15, then 30 fields of −.5 until it is 0 again at the 30th
    assert (found.name, found.sign, found.since) == ("brightness", 1, 20)
    assert found.size == pytest.approx(20 / 39)


def test_what_is_long_over_is_not_told_and_the_newest_excursion_is():
    watch = watch_features(some(150), range(150), NAMES, 50, np.random.default_rng(23))
    stream = np.tile(watch.means, (160, 1))
    stream[10:20, 1] += 2 * watch.deviations[1]
    assert watch.moved(stream[:120]) == []
    stream[130:, 1] += 2 * watch.deviations[1]
    (found,) = watch.moved(stream)
    assert (found.since, found.size) == (130, pytest.approx(2))


def test_all_features_together_hold_the_expected_run_time():
    """Bonferroni: with three independent features one in `ert` fields alarms, or hardly fewer."""
    rng, found = np.random.default_rng(24), []
    for seed in range(5):
        watch = watch_features(some(200, seed=seed), range(200), NAMES, 30, rng)
        streams = [fields_of(rng, 30, 1, 0.0, 3) for _ in range(300)]
        found.append(np.mean([len(watch.moved(stream)) > 0 for stream in streams]))
    # 1 − (1 − 1/30)^30 = .64, less while a CUSUM still rises from 0
    assert 0.45 <= np.mean(found) <= 0.7


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"names": NAMES[:2]}, "2 names were given for 3 features"),
        ({"reference": some() * [1, 1, 0]}, "features are constant in the reference, leave them out: grain"),
        ({"groups": None}, "must name the field or well"),
        ({"groups": [*range(8), *[9] * 52]}, "one well holds most of the reference"),
        ({"reference": some(40), "groups": range(40)}, "40 fields of 40 wells"),
        ({"ert": 0}, "an expected run time must be at least 2 fields, not 0"),
    ],
)
def test_features_that_cannot_be_watched_are_refused(changed, said):
    given = {"reference": some(), "groups": range(60), "names": NAMES, "ert": 20} | changed
    with pytest.raises(BadInput, match=said):
        watch_features(**given, rng=np.random.default_rng(0))


def test_streams_of_features_are_checked():
    watch = watch_features(some(), range(60), NAMES, 20, np.random.default_rng(25))
    with pytest.raises(BadInput, match="length 2 can't be compared"):
        watch.moved(np.zeros((4, 2)))
    with pytest.raises(BadInput, match="hold NaN"):
        watch.moved(np.full((4, 3), np.nan))
    assert watch.moved(np.tile(watch.means, (4, 1))) == []
