"""How well the expected quality of a field tells its true one, also of corruptions never seen."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import spearmanr

from unstained.errors import BadInput
from unstained.prediction.engine import Engine
from unstained.studies.figures import COLOURS
from unstained.studies.study import Answer, Row
from unstained.studies.workbench import Workbench
from unstained.trust.examples import CLEAN, UNCHANGED, Bench, Example, all_changes, make_examples
from unstained.trust.expected_quality import CERTAINTY, DRIFT_BINS, FEWEST_WELLS, cross_fitted
from unstained.trust.features import Vector, feature_names
from unstained.trust.forest import Forest
from unstained.trust.reference import Reference

STAIN = "nuclei"
POOR = 0.8
"""A field with a lower PCC is called spoilt."""

CHANGES = 10
"""So many corruptions, drawn at random, every field goes through."""

SPLITS = 200


def harm(bench: Workbench) -> Answer:
    """Predict fields that the network never saw, clean and corrupted at random, and guess how good that is.

    The forest that guesses has never seen the field's well, nor, in the table `left-out`, its corruption.
    """
    regions = (*bench.split.validation, *bench.split.test)
    if len({region.field.well for region in regions}) < 2:
        raise BadInput(f"{bench.plate.path}: validation and test lie in one well; harm needs two (--test)")
    model = bench.model(bench.variant("default", STAIN), bench.seeds[0])
    trial = Bench.of(Engine(model, quiet=True), bench.plate, regions)
    rng = np.random.default_rng(0)
    changes = all_changes()
    plan = [
        (region, change)
        for region in regions
        for change in (UNCHANGED, *(changes[index] for index in rng.integers(len(changes), size=CHANGES)))
    ]
    bench.tell(f"predict {len(plan)} clean and corrupted fields")
    return answered(list(make_examples(trial, plan, rng)))


def answered(examples: Sequence[Example]) -> Answer:
    """Make tables and figures of examples of one stain whose quality is known."""
    clean = [each for each in examples if each.kind == CLEAN]
    plain = np.stack([each.features.plain for each in examples])
    fields = [str(each.region.field) for each in clean]
    reference = Reference.of(feature_names((STAIN,)), fields, [each.features for each in clean], plain)
    points, drift = reference.compressed(plain), reference.drift(plain)
    true = np.array([each.pcc[0] or 0.0 for each in examples])
    wells = np.array([each.well for each in examples])
    kinds = np.array([each.kind for each in examples])
    expected = cross_fitted(points, true[:, None], list(wells))[:, 0]
    unseen_kind = _family_left_out(points, true, wells, kinds)
    corrupted = kinds != CLEAN
    whole = {"corruptions": "all", "fields": len(true), **_agreement(expected, true)}
    left_out = [
        {"corruptions": kind, "fields": int((kinds == kind).sum()),
         **_agreement(unseen_kind[kinds == kind], true[kinds == kind])}
        for kind in dict.fromkeys(kinds[corrupted].tolist())
    ]  # fmt: skip
    together = {"corruptions": "all, each left out", "fields": int(corrupted.sum())}
    left_out.append({**together, **_agreement(unseen_kind[corrupted], true[corrupted])})
    bounds = coverage(expected - true, wells, drift)
    figures = {"expected-and-true": _scatter(expected, true, corrupted)}
    return Answer(
        {"agreement": [whole], "left-out": left_out, "bound": bounds},
        _findings(whole, left_out[-1], bounds),
        figures,
    )


def _family_left_out(
    points: Vector, true: Vector, wells: NDArray[np.str_], kinds: NDArray[np.str_]
) -> Vector:
    """Guess each corruption's fields by a forest that has seen neither it nor their wells."""
    guessed = np.full(len(true), np.nan)
    halves = np.isin(wells, np.unique(wells)[::2])
    for kind in np.unique(kinds[kinds != CLEAN]):
        for half in (halves, ~halves):
            own, rest = (kinds == kind) & half, (kinds != kind) & ~half
            if own.any():
                guessed[own] = Forest.fitted(points[rest], true[rest, None]).predict(points[own])[:, 0]
    return guessed


def _agreement(expected: Vector, true: Vector) -> Row:
    poor = true < POOR
    return {
        "spearman": round(float(spearmanr(expected, true)[0]), 3),
        "auc_poor": _auc(expected, poor),
        "mean_error": round(float(np.abs(expected - true).mean()), 4),
        "poor": round(float(poor.mean()), 3),
    }


def _auc(expected: Vector, poor: NDArray[np.bool_]) -> float | None:
    """Give how often a spoilt field is expected to be worse than a good one."""
    from sklearn.metrics import roc_auc_score

    if poor.all() or not poor.any():
        return None
    return round(float(roc_auc_score(poor, -expected)), 3)


def coverage(
    shortfall: Vector, wells: NDArray[np.str_], drift: Vector, splits: int = SPLITS, seed: int = 0
) -> list[Row]:
    """Calibrate the bound on half of the wells and count how often it holds on the others, by bin of drift.

    One field of each well and bin is drawn for every split.
    """
    rng = np.random.default_rng(seed)
    which = np.searchsorted(np.quantile(drift, np.linspace(0, 1, DRIFT_BINS + 1)[1:-1]), drift)
    rows: list[Row] = []
    for each in range(DRIFT_BINS):
        known = [np.flatnonzero((which == each) & (wells == well)) for well in np.unique(wells)]
        known = [rows_of for rows_of in known if len(rows_of)]
        half = len(known) // 2
        if half < FEWEST_WELLS:
            rows.append({"bin": each + 1, "wells": len(known), "held": None, "spread": None})
            continue
        rank = int(np.ceil((half + 1) * CERTAINTY - 1e-9))
        held = []
        for _ in range(splits):
            drawn = shortfall[[rng.choice(rows_of) for rows_of in rng.permutation(np.array(known, object))]]
            bound = np.sort(drawn[:half])[rank - 1]
            held.append(float(np.mean(drawn[half:] <= bound)))
        rows.append(
            {"bin": each + 1, "wells": len(known), "held": round(float(np.mean(held)), 3),
             "spread": round(float(np.std(held)), 3)}
        )  # fmt: skip
    return rows


def _findings(whole: Row, left_out: Row, bounds: Sequence[Row]) -> list[str]:
    held = ", ".join("–" if row["held"] is None else f"{row['held']:.1%}" for row in bounds)
    return [
        f"Spearman of expected and true PCC {_said(whole['spearman'])} (goal .85); AUC for PCC below {POOR}"
        f" {_said(whole['auc_poor'])} (goal .95).",
        f"of corruptions that the forest has never seen: Spearman {_said(left_out['spearman'])},"
        f" AUC {_said(left_out['auc_poor'])}.",
        f"the 90 % bound held in {held} of fields near, off and far from clean ones (goal 88–92 %).",
    ]


def _said(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _scatter(expected: Vector, true: Vector, corrupted: NDArray[np.bool_]) -> Figure:
    figure = Figure(figsize=(4.5, 4.2), layout="constrained")
    axes = figure.add_subplot()
    for name, chosen, colour in (("corrupted", corrupted, COLOURS[1]), ("clean", ~corrupted, COLOURS[0])):
        axes.plot(expected[chosen], true[chosen], ".", color=colour, label=name, markersize=4, alpha=0.7)
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=0.8)
    axes.set(xlabel="expected PCC", ylabel="true PCC")
    axes.legend(fontsize=8)
    return figure
