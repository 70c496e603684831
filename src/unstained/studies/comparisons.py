"""Studies that train variants on the same fields and hold them side by side on the same test fields."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from unstained.measurement.downstream import MEASURES, MeasureAgreement
from unstained.segmentation.recipes import segment
from unstained.stains.catalogue import Stain
from unstained.stains.targets import Target, make_target, target_steps
from unstained.studies.figures import curves, dots, pictures
from unstained.studies.study import SHORT, Answer, Row, mean_rows
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
    """Hold what is measured in every predicted stain against the real one, over fields and over wells."""
    rows: list[Row] = []
    for stain in bench.targets:
        variant = bench.variant("default", stain)
        evaluations = [bench.score(variant, seed).evaluation for seed in bench.seeds]
        for level in ("downstream", "downstream_wells"):
            for measure in MEASURES:
                found = [getattr(each, level)[measure] for each in evaluations]
                over = "fields" if level == "downstream" else "wells"
                rows.append({"stain": stain, "measure": SHORT[measure], "over": over, **_agreement(found)})
    best = [f"{row['stain']} {row['measure']} {row['pearson']:.3f}" for row in rows if row["over"] == "fields"
            and row["pearson"] is not None and row["pearson"] >= 0.95]  # fmt: skip
    return Answer(
        tables={"table-4": rows},
        findings=[f"Pearson of .95 and more over fields: {', '.join(best) or 'none'}."],
        figures={"table-4": dots(
            [{**row, "variant": f"{row['stain']} {row['measure']}, {row['over']}"} for row in rows],
            ("pearson", "spearman"),
        )},
        thesis=THESIS_NUCLEI,
    )  # fmt: skip


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
    binary, continuous = rows[0], rows[1]
    said = [
        f"{name}: binary {_said(binary[name])}, continuous {_said(continuous[name])} (Pearson over fields)"
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
        sharp = min(rows, key=lambda row: row["finest_px"] or np.inf)
        findings.append(
            f"{stain}: best PCC {_best(rows, 'pcc')}; finest detail half kept"
            f" {_said(sharp['finest_px'])} px ({sharp['variant']})."
        )
    return Answer(tables, findings, figures)


def background(bench: Workbench) -> Answer:
    """Compare what Golgi is learnt from: background and noise taken away in several ways."""
    recorded = Stain(**{**bench.stain("golgi").model_dump(), "target": Target(), "loss": None})
    freed = bench.stain("golgi")
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
        bench.variant(name, (recorded if target.is_recorded else freed).updated(target=target.model_dump()))
        for name, target in kinds.items()
    ]
    rows = mean_rows(bench, variants)
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
        f"best PCC with the stain as recorded {_best(rows, 'pcc')}, with the target"
        f" {_best(rows, 'pcc_target')}; number {_best(rows, 'number')}, total {_best(rows, 'total')}.",
        "objects: mean number in a test field's real stain, as each target shows it.",
    ]
    figures = {"measurements": dots(rows, ("pcc", "pcc_target", *NUMBERS)), "steps": pictures(steps),
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


