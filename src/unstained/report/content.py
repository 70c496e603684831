"""What a report says of one stain: headline, figures, tables and charts, made of an evaluation and tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from unstained.plates.plate import FieldName, Plate
from unstained.plates.regions import Region
from unstained.report.wording import MEASURES, Values, between, counted, number, percent, things

MOST_SHOWN = 5
LOUD = ("not an honest test", "split:", "tested on other", "the model was trained on simulated")
METRICS = {
    "pcc": ("PCC", "correlation of all pixels; 1 = the same picture up to brightness and contrast"),
    "pcc_registered": ("PCC in register", "after moving the real stain onto the label-free image"),
    "pcc_target": ("PCC with the target", "with what the model learnt of the stain, background removed"),
    "ssim": ("SSIM", "structural similarity; 1 = the same"),
    "nrmse": ("NRMSE", "error over the real stain's standard deviation; 0 = none"),
    "mae": ("MAE", "mean absolute error, camera units"),
    "psnr": ("PSNR", "range of the real stain over the error, dB; more is better"),
}
OBJECTS = {
    "f1_iou50": ("F1", "of precision and recall, at an overlap (IoU) of at least 0.5"),
    "precision_iou50": ("Precision", "share of predicted objects that are real"),
    "recall_iou50": ("Recall", "share of real objects that were predicted"),
    "average_precision": ("Average precision", "mean over IoU 0.5 to 0.95"),
}


@dataclass(frozen=True)
class Shown:
    """A field whose pictures are shown, and why it is one of them."""

    name: FieldName
    remark: str
    region: Region | None = None


@dataclass(frozen=True)
class Tile:
    """One figure, large."""

    value: str
    label: str
    detail: str


def choose_fields(predicted: Plate, evaluation: Values | None) -> list[Shown]:
    """Choose at most five fields: best, quarters, median and worst by PCC; without scores evenly spread."""
    rows = [] if evaluation is None else [row for row in evaluation["fields"] if row["pcc"] is not None]
    ordered = sorted(rows, key=lambda row: -row["pcc"])
    if not ordered:
        return [Shown(name, "") for name in _evenly(predicted.fields)]
    last = len(ordered) - 1
    ranks = {0: "best", last // 2: "median", last: "worst"} if last > 1 else {}
    return [_shown(ordered[place], ranks.get(place), len(ordered)) for place in _evenly(range(len(ordered)))]


def _shown(row: Values, rank: str | None, of: int) -> Shown:
    region = Region.parse(row["region"]) if row.get("region") else None
    parts = [
        f"{rank} of {of}" if rank else "",
        f"PCC {row['pcc']:.3f}",
        f"the part that was scored: {region}" if region else "",
    ]
    return Shown(FieldName(row["well"], row["field"]), ", ".join(filter(None, parts)), region)


def headline(stain: str, predicted: Plate, evaluation: Values | None, objects: int | None) -> list[str]:
    """Say in plain words how good the prediction is, or that nobody knows."""
    many = counted(len(predicted.fields), "field")
    if evaluation is None:
        found = "" if objects is None else f" and {objects} {things(stain)} measured"
        return [
            f"{many} predicted{found}.",
            "No real stain was compared, so nothing on this page says how right the prediction is.",
        ]
    return [_on_images(stain, evaluation), *_on_objects(stain, evaluation)]


def _on_images(stain: str, evaluation: Values) -> str:
    fields, pcc = evaluation["fields"], evaluation["mean"]["pcc"]
    wells = len({row["well"] for row in fields})
    where = f"{counted(len(fields), 'field')} of {counted(wells, 'well')}"
    parts = "parts of " if any(row.get("region") for row in fields) else ""
    how = "that the model never saw" if evaluation.get("scored", "test") == "test" else "of the plate"
    if pcc is None:
        return f"On {parts}{where} {how}, predicted and real {stain} can't be correlated; the notes say why."
    floor = max(
        (known for name in ("blurred_input", "linear_filter") if (known := _floor(evaluation, name))),
        default=None,
    )
    beaten = "" if floor is None else f"; without a model, filters of the label-free image reach {floor:.2f}"
    interval = between(evaluation.get("intervals", {}).get("pcc"))
    sure = f" (95\u00a0% interval {interval})" if interval else ""
    return f"On {parts}{where} {how}, predicted and real {stain} agree with a PCC of {pcc:.3f}{sure}{beaten}."


def _on_objects(stain: str, evaluation: Values) -> list[str]:
    objects, count = evaluation["objects"], evaluation["downstream"]["count"]
    if objects["f1_iou50"] is None:
        return [f"There are no {things(stain)} to compare."]
    by = (
        "marked by hand or given with the plate"
        if objects["reference"] == "annotated"
        else "seen in the real stain"
    )
    text = f"Of {objects.get('real', 0)} {things(stain)} {by}, {objects.get('matched', 0)} were found"
    text += f" (F1 {objects['f1_iou50']:.2f})"
    if count["bias"] is not None:
        text += f"; the number per field differs by {percent(count['bias'])} on average"
    return [text + "."]


def tiles(stain: str, evaluation: Values | None) -> list[Tile]:
    """Pick the four figures to see first."""
    if evaluation is None:
        return []
    objects, count, mean = evaluation["objects"], evaluation["downstream"]["count"], evaluation["mean"]
    interval = between(evaluation.get("intervals", {}).get("pcc"))
    return [
        Tile(
            number(mean["pcc"]), "PCC", f"95\u00a0% {interval}" if interval else "no interval: see the notes"
        ),
        Tile(number(mean["ssim"]), "SSIM", "structural similarity"),
        Tile(
            number(objects["f1_iou50"]),
            f"F1 of {things(stain)}",
            f"{objects.get('matched', 0)} of {objects.get('real', 0)} found",
        ),
        Tile(
            percent(count["bias"]),
            f"{things(stain).capitalize()} per field",
            "predicted against real, on average",
        ),
    ]


def image_rows(evaluation: Values) -> list[dict[str, str]]:
    """Make the table of image metrics: mean, interval, and the floors to beat."""
    rows = []
    floors = ("constant", "blurred_input", "linear_filter")
    for key, (name, meaning) in METRICS.items():
        mean = evaluation["mean"].get(key)
        if mean is None and key in ("pcc_registered", "pcc_target"):
            continue
        cells = {floor: number(evaluation["floor"].get(floor, {}).get(key)) for floor in floors}
        interval = between(evaluation.get("intervals", {}).get(key))
        rows.append(
            {"name": name, "meaning": meaning, "mean": number(mean), "interval": interval or "–", **cells}
        )
    pooled = {"name": "PCC, pooled", "meaning": "over the pixels of all fields together", "interval": "–"}
    rows.insert(1, {**pooled, "mean": number(evaluation["pooled"]["pcc"]), **dict.fromkeys(floors, "–")})
    return rows


def object_rows(evaluation: Values) -> list[dict[str, str]]:
    """Make the table of object scores."""
    found = evaluation["objects"]
    return [
        {"name": name, "meaning": meaning, "value": number(found[key])}
        for key, (name, meaning) in OBJECTS.items()
        if key in found
    ]


def measure_rows(agreement: Values) -> list[dict[str, str]]:
    """Make a table of how measurements agree; `agreement` is by measure."""
    return [
        {
            "name": name,
            "pearson": number(found["pearson"]),
            "interval": between(found.get("interval")) or "–",
            "spearman": number(found["spearman"]),
            "bias": percent(found["bias"]),
            "n": str(found["n"]),
        }
        for key, name in MEASURES.items()
        if (found := agreement.get(key))
    ]


def parted_notes(notes: Iterable[str]) -> tuple[list[str], list[str]]:
    """Part notes into warnings, which question the figures, and remarks, which explain them."""
    known = list(dict.fromkeys(notes))
    return [note for note in known if note.startswith(LOUD)], [
        note for note in known if not note.startswith(LOUD)
    ]


def _floor(evaluation: Values, name: str) -> float | None:
    return (evaluation["floor"].get(name) or {}).get("pcc")


def _evenly(items: Iterable[Any]) -> list[Any]:
    known = list(items)
    places = np.unique(np.linspace(0, len(known) - 1, min(MOST_SHOWN, len(known))).astype(int))
    return [known[place] for place in places]
