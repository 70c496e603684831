"""Which part of a recipe is worth what: initial weights, regularisation, augmentation, optimiser, data."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from unstained.networks.bundle import Model
from unstained.studies.figures import curves, dots
from unstained.studies.study import Answer, Row, mean_row, mean_rows
from unstained.studies.workbench import Variant, Workbench, some_of

STAIN = "nuclei"
AMOUNTS = (1, 2, 4, 8, 16, 32)
"""Training fields; what a plate has fewer of is left out."""

PLAIN_CROPS = {"rotate_deg": 0.0, "scale": 1.0, "flip": False}

GROUPS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "initial weights": {
        "he_normal (default)": {},
        "glorot_uniform": {"network": {"initial": "glorot_uniform"}},
        "small normal": {"network": {"initial": "small_normal"}},
    },
    "regularisation": {
        "batch norm, weight decay .01 (default)": {},
        "no weight decay": {"weight_decay": 0.0},
        "weight decay .1": {"weight_decay": 0.1},
        "dropout instead": {"network": {"batch_norm": False, "dropout": True}},
        "neither": {"network": {"batch_norm": False}},
    },
    "augmentation": {
        "turned, zoomed, mirrored (default)": {},
        "none": {"crops": PLAIN_CROPS},
        "mirrored": {"crops": {**PLAIN_CROPS, "flip": True}},
        "and gain, bias, noise, blur": {"crops": {"gain": 0.2, "bias": 0.2, "noise": 0.1, "blur_px": 1.0}},
    },
    "optimiser": {
        "muon (default)": {},
        "adamw": {"optimiser": "adamw"},
        "sgd": {"optimiser": "sgd"},
        "adadelta": {"optimiser": "adadelta"},
    },
}


def recipes(bench: Workbench) -> Answer:
    """Change one part of the default recipe at a time; then learn from fewer fields."""
    tables: dict[str, Sequence[Row]] = {}
    figures: dict[str, Figure] = {}
    findings = []
    for group, changes in GROUPS.items():
        variants = [bench.variant(label, STAIN, **change) for label, change in changes.items()]
        name = group.replace(" ", "-")
        rows = mean_rows(bench, variants)
        tables[name] = rows
        figures[name] = _learning(bench, variants)
        gains = [f"{row['variant']} {row['pcc'] - rows[0]['pcc']:+.3f}" for row in rows[1:]]
        findings.append(f"{group}: PCC {rows[0]['pcc']:.3f} by default; {', '.join(gains)}.")
    tables["data"], figures["data"] = _amounts(bench)
    amounts = ", ".join(f"{row['pcc']:.3f} from {row['fields']}" for row in tables["data"])
    findings.append(f"data: PCC {amounts} fields.")
    figures["all"] = dots([row for rows in tables.values() for row in rows], ("pcc", "number", "total"))
    return Answer(tables, findings, figures)


def _amounts(bench: Workbench) -> tuple[list[Row], Figure]:
    """Learn from fewer fields, drawn anew by each seed, all of them without validation."""
    most = len(bench.training_fields)
    counts = [*(each for each in AMOUNTS if each < most), most]
    rows = []
    for count in counts:
        scored = []
        for seed in bench.seeds:
            fields = some_of(bench.training_fields, count, seed)
            scored.append(bench.score(replace(bench.variant(f"{count} fields", STAIN), fields=fields), seed))
        rows.append({**mean_row(f"{count} fields", scored), "fields": count})
    lines = {
        measure: (counts, [_number(row[measure]) for row in rows])
        for measure in ("pcc", "number", "area", "total")
    }
    return rows, curves(lines, "training fields", "PCC, Pearson over test fields", log="x")


def _learning(bench: Workbench, variants: Sequence[Variant]) -> Figure:
    """Draw PCC on validation fields by step, means over seeds."""
    lines = {}
    for variant in variants:
        courses = [validation_course(bench.model(variant, seed)) for seed in bench.seeds]
        courses = [each for each in courses if each[0]]  # without validation fields there is none
        if not courses:
            continue
        steps = courses[0][0]
        lines[variant.label] = (steps, np.mean([np.interp(steps, *course) for course in courses], axis=0))
    return curves(lines, "step", "PCC, validation fields")


def _number(value: float | None) -> float:
    return np.nan if value is None else value


def validation_course(model: Model) -> tuple[list[float], list[float]]:
    """Give the steps at which a training was validated, and the PCC there."""
    rows = list(csv.DictReader(io.StringIO(model.extras["curves.csv"].decode())))
    known = [row for row in rows if row["pcc"]]
    return [float(row["step"]) for row in known], [float(row["pcc"]) for row in known]
