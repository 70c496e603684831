"""How soon and how surely drift is seen: by window, by run time, by corruption; and how often falsely."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from unstained.imaging.corruptions import View
from unstained.prediction.engine import Engine
from unstained.studies.figures import COLOURS, curves
from unstained.studies.study import Answer, Row
from unstained.studies.workbench import Workbench, keep
from unstained.trust.drift import Calibration, DriftSettings, calibrate_drift
from unstained.trust.examples import UNCHANGED, Bench, Change, corrupted
from unstained.trust.features import (
    LIGHT_NAMES,
    RELIEF_NAMES,
    SEEN_NAMES,
    FieldFeatures,
    Vector,
    image_features,
)
from unstained.trust.mmd import permutation_test
from unstained.trust.reference import Reference
from unstained.trust.streams import clean_reference

STAIN = "nuclei"
WINDOWS = (2, 5, 10, 15, 20)
ERTS = (32, 64, 128, 256)
DRAWS, STREAMS, LENGTH = 20, 200, 128
"""Draws of reference and held-out wells; streams of each draw; fields of a stream."""

USUAL_ERT, USUAL_LEVEL = 128, 4
BURN_IN = 50
FIELDS = (5, 10, 20, 40)
"""Numbers of fields that the offline test is tried on."""

TESTS = 100
"""Offline tests of each kind, level and number of fields, each on a draw of its own."""

PERMUTATIONS = 200
ALPHA = 0.05
KINDS = ("thesis_defocus", "defocus", "contrast", "brightness", "motion")

THESIS = tuple(
    {"table": table, "by": by, "auc": auc}
    for table, by, auc in (
        *(
            ("6, window", width, auc)
            for width, auc in zip(WINDOWS, (0.85, 0.92, 0.98, 0.9, 0.88), strict=True)
        ),
        *(("7, ERT", ert, auc) for ert, auc in zip(ERTS, (0.9, 0.95, 0.98, 0.98), strict=True)),
        *(("8, defocus level", level, auc) for level, auc in ((2, 0.84), (3, 0.92), (4, 0.98))),
        ("Fig. 42, unfixed cells", None, 0.91),
    )
)

IMAGE_NAMES = (*LIGHT_NAMES, *SEEN_NAMES, *RELIEF_NAMES)

Spoilt = Mapping[tuple[str, int], Vector]
"""Corruption and severity → features of every field (field F); `("clean", 0)` among them."""


@dataclass(frozen=True)
class Fields:
    """Features of all fields, clean and spoilt, and the wells that they lie in."""

    wells: NDArray[np.str_]
    features: Spoilt

    @property
    def clean(self) -> Vector:
        return self.features["clean", 0]


@dataclass(frozen=True)
class Draw:
    """Two thirds of the wells as reference, the others to watch."""

    reference: Reference
    others: tuple[NDArray[np.intp], ...]  # rows of each held-out well

    @classmethod
    def drawn(cls, fields: Fields, rng: np.random.Generator) -> "Draw":
        names = rng.permutation(np.unique(fields.wells))
        ours, theirs = np.split(names, [2 * len(names) // 3])
        inside = np.isin(fields.wells, ours)
        found = [FieldFeatures(plain, np.zeros(0)) for plain in fields.clean[inside]]
        reference = Reference.of(IMAGE_NAMES, fields.wells[inside].tolist(), found)
        return cls(reference, tuple(np.flatnonzero(fields.wells == well) for well in theirs))

    def stream(self, length: int, rng: np.random.Generator) -> NDArray[np.intp]:
        """Draw rows of held-out fields, whole wells in random order, over and over to the length."""
        rows: list[NDArray[np.intp]] = []
        while sum(map(len, rows)) < length:
            rows += [self.others[index] for index in rng.permutation(len(self.others))]
        return np.concatenate(rows)[:length]


def drift_power(bench: Workbench) -> Answer:
    """Watch streams of clean and of spoilt fields; features of the image alone, no network is run."""
    return answered(features_of(bench))


def answered(fields: Fields) -> Answer:
    """Make tables and figures of fields whose features are known."""
    clean_reference(fields.clean, fields.wells)  # refuses what promises nothing
    calibrated = _calibrations(fields)
    usual = ("defocus", USUAL_LEVEL)
    windows = [
        {"window": name, **_online(fields, calibrated[chosen, USUAL_ERT], usual)}
        for name, chosen in {**{str(width): (width,) for width in WINDOWS}, "scan": SCAN}.items()
    ]
    erts = [
        {"ert": ert, **_online(fields, calibrated[SCAN, ert], usual), "ceiling": round(1 - 0.5 / ert, 4)}
        for ert in ERTS
    ]
    by_kind = [
        {"corruption": kind, "severity": level, **_online(fields, calibrated[SCAN, USUAL_ERT], (kind, level))}
        for kind, level in fields.features
        if kind != "clean"
    ]
    offline = offline_rows(fields)
    benign = benign_rows(fields, calibrated[SCAN, USUAL_ERT])
    tables = {"table-6": windows, "table-7": erts, "table-8": by_kind, "offline": offline, "benign": benign}
    figures = {
        "run-lengths": _run_lengths(fields, calibrated[SCAN, USUAL_ERT]),
        "offline": _offline_figure(offline),
    }
    return Answer(tables, _findings(windows, erts, by_kind, offline, benign), figures, THESIS)


SCAN = DriftSettings().windows


def features_of(bench: Workbench) -> Fields:
    """Measure every field clean and spoilt, as the default network would see it; kept on disk."""
    model = bench.model(bench.variant("default", STAIN), bench.seeds[0])
    engine = Engine(model, quiet=True)
    regions = (*bench.split.train, *bench.split.validation, *bench.split.test)
    view = Bench.of(engine, bench.plate, regions[:: -(-len(regions) // 16)]).view
    levels = [("clean", 0), *((name, level) for name in KINDS for level in _levels(name))]
    features = {}
    for kind, level in levels:
        place = bench.place_for("drift-power", {"kind": kind, "level": level, "names": IMAGE_NAMES})
        if not place.exists():
            bench.tell(f"measure {kind} {level}")
            change = Change.of(kind, level) if level else UNCHANGED
            keep(place, json.dumps(_measured(bench, engine, change, view)))
        features[kind, level] = np.array(json.loads(place.read_text(encoding="utf-8")))
    return Fields(np.array([name.well for name in bench.plate.fields]), features)


def _measured(bench: Workbench, engine: Engine, change: Change, view: View) -> list[list[float]]:
    """Measure all fields of a plate, corrupted in one way."""
    rng, size_um = np.random.default_rng(0), bench.plate.pixel_size_um
    found = []
    for name in bench.plate.fields:
        plane, _ = corrupted(bench.plate.read(name, bench.input), change, view, rng)
        seen = engine.seen(plane, size_um)
        found.append(image_features(engine.card, plane, seen.plane, seen.turns, seen.light))
    return found


def _levels(kind: str) -> tuple[int, ...]:
    return (1, 2, 3, 4, 5) if kind not in ("contrast", "brightness") else (-4, -2, 2, 4)


def _calibrations(fields: Fields) -> dict[tuple[tuple[int, ...], int], list[tuple[Draw, Calibration]]]:
    """Calibrate every detector on the reference of every draw."""
    asked = [*(((width,), USUAL_ERT) for width in WINDOWS), *((SCAN, ert) for ert in ERTS)]
    found: dict[tuple[tuple[int, ...], int], list[tuple[Draw, Calibration]]] = {each: [] for each in asked}
    for number in range(DRAWS):
        draw = Draw.drawn(fields, np.random.default_rng(number))
        for windows, ert in asked:
            settings = DriftSettings(ert=ert, windows=windows)
            rng = np.random.default_rng([number, ert])
            detector = calibrate_drift(draw.reference.own_unusual, draw.reference.wells, settings, rng)
            found[windows, ert].append((draw, detector.calibration))
    return found


def _online(fields: Fields, calibrated: Sequence[tuple[Draw, Calibration]], change: tuple[str, int]) -> Row:
    """Watch clean and spoilt streams; figures are means over draws.

    The achieved run time is that of all draws together: fields watched ÷ alarms.
    """
    areas, delays, late, watched, alarms = [], [], [], [], []
    for number, (draw, calibration) in enumerate(calibrated):
        rng = np.random.default_rng([7, number])
        rows = [draw.stream(LENGTH, rng) for _ in range(STREAMS)]
        clean = _first_alarms(calibration, draw.reference.unusual(fields.clean), rows)
        spoilt = _first_alarms(calibration, draw.reference.unusual(fields.features[change]), rows)
        areas.append(auc_of_run_lengths(clean, spoilt))
        delays.append(float(np.median(spoilt)))
        late.append(_after_burn_in(calibration, draw, fields, change, rng))
        watched.append(float(np.minimum(clean, LENGTH).sum()))
        alarms.append(int(np.sum(clean <= LENGTH)))
    promised = calibrated[0][1].ert
    each = np.array(watched) / np.maximum(alarms, 1) / promised
    low, high = np.percentile(each, (5, 95))
    return {
        "delay": round(float(np.mean(delays)), 2),
        "delay_after_burn_in": round(float(np.nanmean(late)), 2),
        "auc": round(float(np.mean(areas)), 4),
        "auc_spread": round(float(np.std(areas)), 4),
        "ert_over_promised": round(sum(watched) / max(sum(alarms), 1) / promised, 3),
        "ert_of_draws_5": round(float(low), 3),
        "ert_of_draws_95": round(float(high), 3),
    }


def _first_alarms(
    calibration: Calibration, points: Vector, streams: Sequence[NDArray[np.intp]]
) -> NDArray[np.float64]:
    """Give each stream's run length (fields up to the first alarm, that one included); none: one beyond."""
    found = []
    for rows in streams:
        alarms = calibration.replay(points[rows])
        found.append(float(alarms[0] + 1) if len(alarms) else float(len(rows) + 1))
    return np.array(found)


def _after_burn_in(
    calibration: Calibration, draw: Draw, fields: Fields, change: tuple[str, int], rng: np.random.Generator
) -> float:
    """Give the median delay of drift that begins after clean fields that raised no alarm."""
    clean, spoilt = draw.reference.unusual(fields.clean), draw.reference.unusual(fields.features[change])
    delays = []
    for _ in range(STREAMS // 4):
        rows = draw.stream(LENGTH, rng)
        points = np.concatenate([clean[rows[:BURN_IN]], spoilt[rows[BURN_IN:]]])
        alarms = calibration.replay(points)
        if len(alarms) and alarms[0] < BURN_IN:
            continue
        delays.append(float(alarms[0] - BURN_IN + 1) if len(alarms) else float(LENGTH - BURN_IN + 1))
    return float(np.median(delays)) if delays else float("nan")


def auc_of_run_lengths(clean: Vector, spoilt: Vector) -> float:
    """Give how often a spoilt stream runs shorter than a clean one; equal lengths count half."""
    shorter = spoilt[:, None] < clean[None]
    equal = spoilt[:, None] == clean[None]
    return float(np.mean(shorter + 0.5 * equal))


def offline_rows(fields: Fields) -> list[Row]:
    """Test so many spoilt fields against the reference, whole wells permuted; how often nothing is seen.

    The row `clean` holds the false alarms instead. Numbers that a draw's held-out wells don't have are None.
    """
    draws = [Draw.drawn(fields, np.random.default_rng(draw)) for draw in range(TESTS)]
    most = min(sum(map(len, draw.others)) for draw in draws)
    rows: list[Row] = []
    for (kind, level), features in fields.features.items():
        row: Row = {"corruption": kind, "severity": level}
        for number in FIELDS:
            missed = [
                _test(draw, features, number, [index, number]) > ALPHA
                for index, draw in enumerate(draws)
                if number <= most
            ]
            row[f"missed_of_{number}"] = round(float(np.mean(missed)), 3) if missed else None
        rows.append(row)
    return rows


def _test(draw: Draw, features: Vector, number: int, seed: Sequence[int]) -> float:
    rng = np.random.default_rng(seed)
    chosen = [draw.others[index] for index in rng.permutation(len(draw.others))]
    rows = np.concatenate(chosen)[:number]
    well_of = np.concatenate([np.full(len(each), f"w{index}") for index, each in enumerate(chosen)])[:number]
    ours = np.array([f"reference {well}" for well in draw.reference.wells])
    points = draw.reference.unusual(features[rows])
    return permutation_test(draw.reference.own_unusual, points, ours, well_of, rng, PERMUTATIONS).p_value


def benign_rows(fields: Fields, calibrated: Sequence[tuple[Draw, Calibration]]) -> list[Row]:
    """Watch clean wells of one kind only, the most and the least textured thirds: they should be no alarm."""
    textured = fields.clean[:, IMAGE_NAMES.index("percentile_95")]
    rows: list[Row] = []
    for name, low, high in (("few cells", 0.0, 1 / 3), ("many cells", 2 / 3, 1.0)):
        ends = np.quantile(textured, (low, high))
        inside = (textured >= ends[0]) & (textured <= ends[1])
        rates = []
        for number, (draw, calibration) in enumerate(calibrated):
            kept = tuple(well[inside[well]] for well in draw.others)
            part = Draw(draw.reference, tuple(each for each in kept if len(each)))
            if not part.others:
                continue
            rng = np.random.default_rng([11, number])
            streams = [part.stream(LENGTH, rng) for _ in range(STREAMS // 4)]
            runs = _first_alarms(calibration, draw.reference.unusual(fields.clean), streams)
            alarms = int(np.sum(runs <= LENGTH))
            rates.append(alarms * calibration.ert / float(np.minimum(runs, LENGTH).sum()))
        mean, spread = (round(float(of(rates)), 2) if rates else None for of in (np.mean, np.std))
        rows.append({"fields": name, "alarms_over_nominal": mean, "spread": spread})
    return rows


def _findings(
    windows: Sequence[Row],
    erts: Sequence[Row],
    kinds: Sequence[Row],
    offline: Sequence[Row],
    benign: Sequence[Row],
) -> list[str]:
    scan = windows[-1]
    best = max(windows[:-1], key=lambda row: float(row["auc"]))
    shares = ", ".join(f"{row['auc'] / row['ceiling']:.1%} at {row['ert']}" for row in erts)
    levels = {row["severity"]: row["auc"] for row in kinds if row["corruption"] == "defocus"}
    clean = next(row for row in offline if row["corruption"] == "clean")
    missed, rates = clean["missed_of_20"], {row["fields"]: row["alarms_over_nominal"] for row in benign}
    alarms = "–" if missed is None else f"{1 - missed:.1%}"
    return [
        f"scan at level {USUAL_LEVEL}: delay {scan['delay']:g} fields, AUC {scan['auc']:.3f}"
        f" (goal ≤ 2, ≥ .985); best single window {best['window']}: {best['delay']:g}, {best['auc']:.3f}.",
        f"share of the ceiling by ERT: {shares} (goal ≥ 98 %).",
        f"physical defocus, AUC at levels 2, 3, 4: {levels[2]:.3f}, {levels[3]:.3f}, {levels[4]:.3f}"
        " (goal .95, .98, .985).",
        f"achieved over promised run time, all draws together {scan['ert_over_promised']:.2f}; of one draw"
        f" {scan['ert_of_draws_5']:.2f} to {scan['ert_of_draws_95']:.2f} (5–95 %; goal .85–1.15).",
        f"offline test of 20 clean fields: false alarms {alarms} (nominal 5 %).",
        "benign shifts, alarms over nominal: "
        + ", ".join(f"{name} {'–' if rate is None else f'{rate:g}'}" for name, rate in rates.items())
        + " (goal ≤ 2).",
    ]


def _run_lengths(fields: Fields, calibrated: Sequence[tuple[Draw, Calibration]]) -> Figure:
    """Draw how many streams still run, clean and spoilt, beside the geometric law (Fig. 54)."""
    figure = Figure(figsize=(6, 3.2), layout="constrained")
    axes, at = figure.add_subplot(), np.arange(LENGTH + 1)
    changes = {"clean": ("clean", 0), **{f"defocus {level}": ("defocus", level) for level in (1, 2, 3)}}
    for (name, change), colour in zip(changes.items(), COLOURS, strict=False):
        runs = []
        for number, (draw, calibration) in enumerate(calibrated):
            rng = np.random.default_rng([13, number])
            streams = [draw.stream(LENGTH, rng) for _ in range(STREAMS // 4)]
            runs.append(_first_alarms(calibration, draw.reference.unusual(fields.features[change]), streams))
        all_runs = np.concatenate(runs)
        axes.step(at, [np.mean(all_runs > field) for field in at], where="post", label=name, color=colour)
    law = (1 - 1 / calibrated[0][1].ert) ** at
    axes.plot(at, law, ":", color="0.3", label="geometric law")
    axes.set(xlabel="fields watched", ylabel="streams without an alarm", ylim=(0, 1.02))
    axes.legend(fontsize=8)
    return figure


def _offline_figure(rows: Sequence[Row]) -> Figure:
    known = [number for number in FIELDS if rows[0][f"missed_of_{number}"] is not None]
    lines = {
        f"{row['corruption']} {row['severity']}": (known, [float(row[f"missed_of_{n}"]) for n in known])
        for row in rows if row["corruption"] != "clean" and abs(int(row["severity"])) <= 3
    }  # fmt: skip
    return curves(lines, "fields tested", "false negatives", log="x")
