"""Whether drift detection keeps its promises on clean fields: false alarms of the test, fields per alarm.

Usage: python benchmarks/drift_validity.py [--runs 4000] [--references 60]
Feature vectors are simulated, Gaussian: crops of a field, and fields of a well, share some of their variance.
Writes results/drift-validity.json (the detector) and results/drift-validity-test.json (the permutation test).
"""

import argparse
from collections.abc import Sequence

import numpy as np

from record import write_result
from unstained.trust.drift import DriftSettings, calibrate_drift, self_check
from unstained.trust.mmd import permutation_test

COMMAND = "python benchmarks/drift_validity.py"
SEED = 909
FEATURES = 18
CORRELATION = {"crops": 0.2, "fields": 0.3}
"""Of crops of a field, of fields of a well."""
RUN_TIMES = (32, 64, 128, 256)
FIELDS_A_WELL = 4
ALARMS = 300
"""Expected alarms for each reference: enough that their number varies by 6 % only."""


def grouped(rng: np.random.Generator, groups: int, each: int, correlation: float) -> np.ndarray:
    """Draw feature vectors (groups × each, F); those of a group share so much of their variance."""
    shared = rng.normal(size=(groups, 1, FEATURES)) * correlation**0.5
    own = rng.normal(size=(groups, each, FEATURES)) * (1 - correlation) ** 0.5
    return (shared + own).reshape(-1, FEATURES)


def false_alarm(rng: np.random.Generator, *, whole_fields: bool) -> bool:
    """Test 20 fields of 8 crops against 40 where nothing differs, at 5 %."""
    made = grouped(rng, 60, 8, CORRELATION["crops"])
    groups = np.arange(480) // 8 if whole_fields else np.arange(480)
    return permutation_test(made[:320], made[320:], groups[:320], groups[320:], rng, 199).p_value <= 0.05


def achieved(rng: np.random.Generator, wells: int, settings: DriftSettings, *, by_well: bool = True) -> float:
    """Give achieved ÷ promised fields per alarm of one new reference, on new fields from the same source."""
    reference = grouped(rng, wells, FIELDS_A_WELL, CORRELATION["fields"])
    fields = np.arange(len(reference))
    labels = fields // FIELDS_A_WELL if by_well else fields
    detector = calibrate_drift(reference, [f"reference {each}" for each in labels], settings, rng)
    watched = ALARMS * settings.ert // FIELDS_A_WELL
    stream = grouped(rng, watched, FIELDS_A_WELL, CORRELATION["fields"])
    names = np.char.add("new ", (np.arange(len(stream)) // FIELDS_A_WELL).astype(str))
    found = self_check(detector, stream, names, rng, orders=1)
    return found.watched / max(found.alarms, 1) / settings.ert


def interval_covers(rng: np.random.Generator) -> bool:
    """Say whether a self-check on 96 held-out wells covers what is achieved in the long run."""
    detector = calibrate_drift(
        grouped(rng, 96, FIELDS_A_WELL, CORRELATION["fields"]), np.arange(384) // FIELDS_A_WELL,
        DriftSettings(ert=32), rng,
    )  # fmt: skip
    checks = []
    for wells, orders in ((96, 50), (2400, 1)):
        held_out = grouped(rng, wells, FIELDS_A_WELL, CORRELATION["fields"])
        names = np.char.add("new ", (np.arange(len(held_out)) // FIELDS_A_WELL).astype(str))
        checks.append(self_check(detector, held_out, names, rng, orders))
    short, long = checks
    return short.low <= long.achieved <= (np.inf if short.high is None else short.high)


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Give the mean, and its 95 % interval."""
    mean, error = np.mean(values), 1.96 * np.std(values, ddof=1) / len(values) ** 0.5
    return float(mean), float(mean - error), float(mean + error)


def told(ratios: Sequence[float]) -> str:
    """Say how far references differ, and what all of them make together."""
    pooled = 1 / np.mean(1 / np.asarray(ratios))
    low, middle, high = np.percentile(ratios, (5, 50, 95))
    return f"5–50–95 % of references {low:.2f}–{middle:.2f}–{high:.2f}, all fields ÷ all alarms {pooled:.2f}"


def test_keeps_5_percent(runs: int) -> None:
    """Write how often the permutation test finds a difference where there is none."""
    rng = np.random.default_rng((SEED, 1))
    fired = mean_interval([false_alarm(rng, whole_fields=True) for _ in range(runs)])
    single = np.mean([false_alarm(rng, whole_fields=False) for _ in range(max(200, runs // 10))])
    print("test", fired, single, flush=True)
    write_result(
        "drift-validity-test",
        title="false alarms of the permutation test at 5 %, crops of a field alike",
        value=fired[0], goal=[0.04, 0.06], comparison="in", interval=fired[1:],
        against={"permuting single crops": float(single), "promised": 0.05},
        data=f"simulated Gaussian vectors of {FEATURES} features, crops of a field correlated by"
        f" {CORRELATION['crops']}; 40 fields of 8 crops against 20",
        command=COMMAND, seed=SEED, notes=f"{runs} runs without any difference, 199 permutations", issue=5,
    )  # fmt: skip


def detector_holds_its_run_time(references: int) -> None:
    """Write achieved ÷ promised fields per alarm, for several promises."""
    rng = np.random.default_rng((SEED, 2))
    found = {ert: [achieved(rng, 96, DriftSettings(ert=ert)) for _ in range(references)] for ert in RUN_TIMES}
    means = {ert: mean_interval(ratios) for ert, ratios in found.items()}
    print(means, {ert: told(ratios) for ert, ratios in found.items()}, flush=True)
    few = max(20, references // 3)
    others = {
        "one window of 10": [achieved(rng, 96, DriftSettings(ert=128, windows=(10,))) for _ in range(few)],
        "384 wells": [achieved(rng, 384, DriftSettings(ert=128)) for _ in range(few)],
        "24 wells": [achieved(rng, 24, DriftSettings(ert=128)) for _ in range(few)],
        "wells ignored": [achieved(rng, 96, DriftSettings(ert=128), by_well=False) for _ in range(few)],
    }
    print({name: (np.mean(ratios), told(ratios)) for name, ratios in others.items()}, flush=True)
    covered = np.mean([interval_covers(rng) for _ in range(100)])
    furthest = max(RUN_TIMES, key=lambda ert: abs(means[ert][0] - 1))
    by_time = "; ".join(f"{ert}: mean {means[ert][0]:.2f}, {told(found[ert])}" for ert in RUN_TIMES)
    besides = "; ".join(f"{name}: mean {np.mean(each):.2f}, {told(each)}" for name, each in others.items())
    write_result(
        "drift-validity",
        title="achieved ÷ promised fields per false alarm of the drift detector, the furthest of four from 1",
        value=means[furthest][0], goal=[0.85, 1.15], comparison="in", interval=means[furthest][1:],
        against={f"{ert} promised": means[ert][0] for ert in RUN_TIMES}
        | {f"128 promised, {name}": float(np.mean(each)) for name, each in others.items()},
        data=f"simulated Gaussian vectors of {FEATURES} features, fields of a well correlated by"
        f" {CORRELATION['fields']}; references of 96 wells of {FIELDS_A_WELL} fields",
        command=COMMAND, seed=SEED, issue=5,
        notes=f"{references} references for each run time, each watched for {ALARMS} times as many fields as"
        " promised per alarm; after an alarm, anew with the next well. Means over references: promised"
        f" {by_time}. At 128, {few} references: {besides}. A self-check at 32 on 96 held-out wells has in"
        f" its 95 % interval what is achieved in the long run: {covered:.0%} of 100. Where few wells stand"
        " behind a rare alarm, references differ a lot; that is what the self-check is for",
    )  # fmt: skip


def main() -> None:
    """Measure both and write them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=4000)
    parser.add_argument("--references", type=int, default=60)
    chosen = parser.parse_args()
    test_keeps_5_percent(chosen.runs)
    detector_holds_its_run_time(chosen.references)


if __name__ == "__main__":
    main()
