"""Studies that train variants on the same fields and hold them side by side on the same test fields."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from unstained.measurement.downstream import MEASURES, MeasureAgreement, pearson
from unstained.measurement.evaluation_record import Evaluation, FieldScores
from unstained.segmentation.recipes import segment
from unstained.stains.catalogue import Stain
from unstained.stains.targets import Target, make_target, target_steps
from unstained.studies.figures import curves, dots, pictures
from unstained.studies.study import SHORT, Answer, Row, mean_of, mean_rows
from unstained.studies.workbench import Variant, Workbench
from unstained.training.recipes import DEFAULT_LOSS

NUMBERS = tuple(SHORT.values())
SHOWN_PX = 256
"""Side of the part of a field that pictures show."""

THESIS_NUCLEI = tuple(
    {"stain": "nuclei", "measure": measure, "pearson": pearson, "spearman": spearman}
    for measure, pearson, spearman in (
        ("number", 0.995, 0.994), ("area", 0.992, 0.990), ("total", 0.902, 0.911), ("mean", 0.907, 0.904),
    )
)  # fmt: skip
"""Its Table 4."""

THESIS_GFP = (
    {"target": "binary", "number": 0.67, "area": 0.82, "number_spearman": 0.64, "area_spearman": 0.75},
    {"target": "continuous", "number": 0.57, "area": 0.26, "number_spearman": 0.55, "area_spearman": 0.64},
)
"""Its Table 3."""


def downstream(bench: Workbench) -> Answer:
    """Hold what is measured in every predicted stain against the real one, over fields and over wells.

    `cells_alone` is the floor: how the number of predicted nuclei follows the real measurement of a field.
    """
    rows: list[Row] = []
    for stain in bench.targets:
        evaluations = [bench.score(bench.variant("default", stain), seed).evaluation for seed in bench.seeds]
        levels = ("downstream", "downstream_wells")
        for level in (each for each in levels if getattr(evaluations[0], each)):  # one well has no second
            for measure in MEASURES:
                found = [getattr(each, level)[measure] for each in evaluations]
                row = {"stain": stain, "measure": SHORT[measure], **_agreement(found)}
                if level == "downstream":
                    rows.append({**row, "over": "fields", "cells_alone": _cells_alone(bench, stain, measure)})
                else:
                    rows.append({**row, "over": "wells", "cells_alone": None})
    by_field = [row for row in rows if row["over"] == "fields" and row["cells_alone"] is not None]
    better = [
        f"{row['stain']} {row['measure']} {row['pearson']:.3f} ({row['cells_alone']:.3f})"
        for row in by_field
        if row["pearson"] is not None and row["pearson"] > row["cells_alone"]
    ]
    named = [{**row, "variant": f"{row['stain']} {row['measure']}, {row['over']}"} for row in rows]
    return Answer(
        tables={"table-4": rows},
        findings=[f"better than the number of cells alone, over fields: {', '.join(better) or 'none'}."],
        figures={"table-4": dots(named, ("pearson", "spearman", "cells_alone"))},
        thesis=THESIS_NUCLEI,
    )


def _cells_alone(bench: Workbench, stain: str, measure: str) -> float | None:
    """Correlate the number of predicted nuclei with a real measurement of another stain, by field."""
    if "nuclei" not in bench.targets or (stain, measure) == ("nuclei", "count"):
        return None
    seed = bench.seeds[0]
    nuclei = bench.score(bench.variant("default", "nuclei"), seed).evaluation
    numbers = {(row.well, row.field): row.count_predicted for row in nuclei.fields}
    real = _real_values(bench.score(bench.variant("default", stain), seed).evaluation, measure)
    pairs = [(float(numbers[name] or 0), value) for name, value in real.items() if value is not None]
    x, y = np.array(pairs, dtype=np.float64).reshape(-1, 2).T
    found = pearson(x, y)
    return None if found is None else round(found, 4)


def _real_values(evaluation: Evaluation, measure: str) -> dict[tuple[str, int], float | None]:
    return {(row.well, row.field): _values(row, measure)[0] for row in evaluation.fields}


def _values(row: FieldScores, measure: str) -> tuple[float | None, float | None]:
    return (row.count_true, row.count_predicted) if measure == "count" else row.measured[measure]


def _with_reference(
    bench: Workbench, rows: list[Row], variants: Sequence[Variant], reference: Variant
) -> None:
    """Add how each variant's measurements follow the real ones as the reference's target shows them.

    Each variant's own correlations are with its own target, and a simpler one is easier to follow.
    """
    for row, variant in zip(rows, variants, strict=True):
        for measure in MEASURES[:3]:
            found = []
            for seed in bench.seeds:
                real = _real_values(bench.score(reference, seed).evaluation, measure)
                scored = bench.score(variant, seed).evaluation.fields
                pairs = [(real[each.well, each.field], _values(each, measure)[1]) for each in scored]
                known = np.array([pair for pair in pairs if None not in pair], dtype=np.float64)
                found.append(pearson(*known.reshape(-1, 2).T))
            row[f"{SHORT[measure]}_reference"] = mean_of(found)


def gfp(bench: Workbench) -> Answer:
    """Compare a binary target (BCE) with a continuous one (Pearson, and the default recipe's losses)."""
    variants = [
        bench.variant("binary target, BCE", "gfp", loss="bce"),
        bench.variant("continuous target, Pearson", "gfp", loss="pearson"),
        bench.variant("default", "gfp"),
    ]
    rows = mean_rows(bench, variants)
    for row, variant in zip(rows, variants, strict=True):
        evaluations = [bench.score(variant, seed).evaluation for seed in bench.seeds]
        for measure in ("count", "area_um2"):
            found = _agreement([each.downstream[measure] for each in evaluations])
            row[f"{SHORT[measure]}_spearman"] = found["spearman"]
    _with_reference(bench, rows, variants, variants[-1])
    binary, continuous = rows[0], rows[1]
    said = [
        f"{name}, against one and the same real value (the default's): binary"
        f" {_said(binary[f'{name}_reference'])}, continuous {_said(continuous[f'{name}_reference'])}"
        for name in ("number", "area")
    ]
    return Answer({"table-3": rows}, said, {"table-3": dots(rows, ("number", "area"))}, THESIS_GFP)


def losses(bench: Workbench) -> Answer:
    """Compare losses by image metrics, sharpness and measurements: nuclei, and Golgi where it is shown."""
    named = {
        "nuclei": ("mse", "bce", "pearson", "pooled_pearson", "mse+gradient", "mse+pooled_pearson"),
        "golgi": ("mse", "pearson", "asymmetric2", "asymmetric5", "asymmetric10",
                  "asymmetric5+pooled_pearson+0.5*gradient"),
    }  # fmt: skip
    tables: dict[str, Sequence[Row]] = {}
    figures: dict[str, Figure] = {}
    findings = []
    for stain in (name for name in named if name in bench.targets):
        own = bench.stain(stain).loss or DEFAULT_LOSS
        variants = [bench.variant(loss, stain, loss=None if loss == own else loss) for loss in named[stain]]
        rows = mean_rows(bench, variants)
        tables[stain] = rows
        figures[stain] = dots(rows, ("pcc", "ssim", *NUMBERS))
        figures[f"{stain}-spectrum"] = _spectra(bench, variants)
        figures[f"{stain}-pictures"] = _predicted(bench, variants)
        sharp = min(rows, key=lambda row: float(row["finest_px"]))
        findings.append(
            f"{stain}: best PCC {_best(rows, 'pcc')}; finest detail half kept"
            f" {_said(sharp['finest_px'])} px ({sharp['variant']})."
        )
    return Answer(tables, findings, figures)


def background(bench: Workbench) -> Answer:
    """Compare what Golgi is learnt from: background and noise taken away in several ways."""
    freed = bench.stain("golgi")
    usual = Stain(**{**freed.model_dump(), "target": Target(), "loss": None})
    radius_um = freed.target.radius_um
    kinds = {
        "as recorded": Target(),
        "top-hat": Target(background="top_hat", radius_um=radius_um),
        "rolling ball": Target(background="rolling_ball", radius_um=radius_um),
        "top-hat, clipped": Target(background="top_hat", radius_um=radius_um, clip=1.0),
        "Gaussian, top-hat, clipped": freed.target,
        "median, top-hat, clipped": freed.target.updated(smooth_um=0.0, noise="median"),
        "wavelet, top-hat, clipped": freed.target.updated(smooth_um=0.0, noise="wavelet"),
        "non-local means, top-hat, clipped": freed.target.updated(smooth_um=0.0, noise="non_local_means"),
    }
    variants = [
        bench.variant(name, freed.updated(target=target.model_dump())) for name, target in kinds.items()
    ]
    reference = next(each for each in variants if each.stain == freed)
    variants.insert(1, bench.variant("as recorded, usual loss", usual))
    rows = mean_rows(bench, variants)
    _with_reference(bench, rows, variants, reference)
    for row, variant in zip(rows, variants, strict=True):
        row["objects"] = _objects(bench, variant.stain)
    name = bench.test_fields[0]
    plane = bench.plate.read(name, bench.targets["golgi"])
    size_um = bench.plate.pixel_size_um
    steps = {
        kind: {step: image[:SHOWN_PX, :SHOWN_PX]
               for step, image in target_steps(plane, target, pixel_size_um=size_um).items()}
        for kind, target in kinds.items()
    }  # fmt: skip
    findings = [
        f"against one and the same real value ({reference.label}): best number"
        f" {_best(rows, 'number_reference')}, area {_best(rows, 'area_reference')}, total"
        f" {_best(rows, 'total_reference')}; best PCC with the stain as recorded {_best(rows, 'pcc')}.",
        "objects: mean number in a test field's real stain, as each target shows it.",
    ]
    shown = ("pcc", *(f"{name}_reference" for name in NUMBERS[:3]))
    figures = {"measurements": dots(rows, shown), "steps": pictures(steps),
               "predicted": _predicted(bench, variants)}  # fmt: skip
    return Answer({"golgi": rows}, findings, figures)


def _objects(bench: Workbench, stain: Stain) -> float:
    """Count the objects of the real stain, mean over test fields."""
    size_um, channel = bench.plate.pixel_size_um, bench.targets[stain.name]
    found = [
        segment(make_target(bench.plate.read(name, channel), stain.target, pixel_size_um=size_um),
                stain.objects, pixel_size_um=size_um).max()
        for name in bench.test_fields
    ]  # fmt: skip
    return float(np.mean(found))


def _agreement(found: Sequence[MeasureAgreement]) -> Row:
    """Average agreements over seeds; the interval is the widest."""
    row: Row = {}
    for name in ("pearson", "spearman", "bias"):
        values = [getattr(each, name) for each in found if getattr(each, name) is not None]
        row[name] = round(float(np.mean(values)), 4) if values else None
    intervals = [each.interval for each in found if each.interval is not None]
    row["low"] = round(min(low for low, _ in intervals), 4) if intervals else None
    row["high"] = round(max(high for _, high in intervals), 4) if intervals else None
    return row


def _spectra(bench: Workbench, variants: Sequence[Variant]) -> Figure:
    lines: dict[str, tuple[Sequence[float], Sequence[float]]] = {}
    for variant in variants:
        sharp = bench.score(variant, bench.seeds[0]).sharpness
        lines.setdefault("real", (sharp.frequency, sharp.real))
        lines[variant.label] = (sharp.frequency, sharp.predicted)
    return curves(lines, "cycles per px", "power", log="y")


def _predicted(bench: Workbench, variants: Sequence[Variant]) -> Figure:
    name, seed = bench.test_fields[0], bench.seeds[0]
    stain = variants[-1].stain
    real = make_target(bench.plate.read(name, bench.targets[stain.name]), stain.target,
                       pixel_size_um=bench.plate.pixel_size_um)  # fmt: skip
    planes = {"real": real, **{each.label: bench.predict(each, seed, name)[0] for each in variants}}
    cut = {title: plane[:SHOWN_PX, :SHOWN_PX] for title, plane in planes.items()}
    return pictures({f"{stain.name}, {name}": cut})


def _best(rows: Sequence[Row], measure: str) -> str:
    known = [row for row in rows if row.get(measure) is not None]
    if not known:
        return "–"
    best = max(known, key=lambda row: float(row[measure]))
    return f"{best[measure]:.3f} ({best['variant']})"


def _said(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
