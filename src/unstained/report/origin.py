"""Where a report's figures come from: plates, models, runs, versions and hashes, as rows to show."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from unstained.measurement.known import input_of
from unstained.plates.plate import FieldName, Plate
from unstained.version import __version__

Rows = list[tuple[str, str]]


@dataclass(frozen=True)
class Group:
    """Rows of one kind; `detail` is long and folded away."""

    title: str
    rows: Rows
    detail: str = ""


def origin_of(
    predicted: Plate,
    truth: Plate | None,
    run: Mapping[str, Any] | None,
    shown: Iterable[FieldName],
    evaluations: Iterable[Mapping[str, Any]],
) -> list[Group]:
    """Collect where everything on the page comes from."""
    groups = [_plates(predicted, truth), *(_model(card) for card in predicted.info.get("models", ()))]
    for evaluation in evaluations:
        groups.append(_evaluation(evaluation))
    groups.append(_inputs(predicted, shown))
    if run:
        groups.append(_run(run))
    made = datetime.now(UTC).isoformat(timespec="seconds")
    groups.append(Group("This page", [("unstained", __version__), ("made", made)]))
    return [group for group in groups if group.rows]


def _plates(predicted: Plate, truth: Plate | None) -> Group:
    size = predicted.pixel_size_um
    read = dict.fromkeys(_text(input_of(predicted, stain)) for stain in predicted.channels)
    rows = [
        ("predicted plate", str(predicted.path)),
        ("predicted from", _text(predicted.info.get("source"))),
        ("channel", ", ".join(read)),
        ("real stain from", "" if truth is None else str(truth.path)),
        ("pixel size", "not known" if size is None else f"{size:g} µm"),
        ("fields", f"{len(predicted.fields)} in {len(predicted.wells)} wells"),
        ("device", _text(predicted.info.get("device"))),
    ]
    return Group("Plates", _known(rows))


def _model(card: Mapping[str, Any]) -> Group:
    prints, split = card.get("fingerprints", {}), card.get("split", {})
    rows = [
        ("name", _text(card.get("name"))),
        ("predicts", ", ".join(card.get("stains", ()))),
        ("from channel", _text(card.get("input"))),
        ("trained on", ", ".join(prints.get("train", ()))),
        ("validated on", ", ".join(prints.get("validation", ()))),
        ("held out", ", ".join(prints.get("test", ()))),
        ("split by", _text(split.get("level"))),
        ("units", _text(card.get("units"))),
        ("licence", " · ".join(filter(None, (card.get("licence"), card.get("attribution"))))),
        ("made by unstained", _text(card.get("version"))),
        ("weights, SHA-256", _text(card.get("weights_sha256"))),
    ]
    return Group("Model", _known(rows))


def _evaluation(evaluation: Mapping[str, Any]) -> Group:
    diameter = evaluation.get("object_diameter_px")
    rows = [
        ("stain", f"{evaluation['stain']}, real in channel {evaluation['target']}"),
        ("fields", "those the model never saw" if evaluation.get("scored", "test") == "test" else "all"),
        ("objects compared with", f"{evaluation['objects']['reference']} ones"),
        ("object diameter", "" if diameter is None else f"{diameter:.1f} px, the same for both stains"),
        ("schema", evaluation["schema"]),
    ]
    return Group("Evaluation", _known(rows))


def _inputs(predicted: Plate, shown: Iterable[FieldName]) -> Group:
    rows = [
        (f"{name} {channel}", f"{print_}")
        for name in shown
        for channel, print_ in predicted.field_info(name).get("input_fingerprints", {}).items()
    ]
    return Group("Pixels of the fields shown, SHA-256", rows)


def _run(run: Mapping[str, Any]) -> Group:
    packages = ", ".join(f"{name} {found}" for name, found in run.get("packages", {}).items() if found)
    rows = [
        ("command", _text(run.get("command"))),
        ("date", _text(run.get("date"))),
        ("unstained", _text(run.get("version"))),
        ("Python", _text(run.get("python"))),
        ("system", _text(run.get("system"))),
        ("packages", packages),
    ]
    return Group("Run", _known(rows), json.dumps(run, indent=1, ensure_ascii=False, default=str))


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {part}" for key, part in value.items())
    return "" if value is None else str(value)


def _known(rows: Rows) -> Rows:
    return [(name, value) for name, value in rows if value]
