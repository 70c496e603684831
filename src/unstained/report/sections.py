"""All that a page shows of one stain, collected from its plates, tables and scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from unstained.measurement.known import KnownStain, input_of, known_stain
from unstained.plates.plate import FieldName, Plate
from unstained.report import content, drawings
from unstained.report.charts import PlateMap, Scatter, compact
from unstained.report.figures import Panel, ScaleBar, field_panels, scale_bar
from unstained.report.wording import MEASURES, Values, number
from unstained.segmentation.recipes import Recipe, segment, with_likely


@dataclass(frozen=True)
class PictureRow:
    """The pictures of one field."""

    title: str
    remark: str
    verdict: str
    panels: list[Panel]
    scale: ScaleBar | None


@dataclass(frozen=True)
class Section:
    """All about one stain."""

    stain: str
    title: str
    headline: list[str]
    tiles: list[content.Tile]
    warnings: list[str]
    remarks: list[str]
    pictures: list[PictureRow]
    image_rows: list[dict[str, str]]
    object_rows: list[dict[str, str]]
    field_measures: list[dict[str, str]]
    object_measures: list[dict[str, str]]
    field_scatters: list[Scatter]
    object_scatters: list[Scatter]
    maps: list[PlateMap]
    field_rows: list[dict[str, str]]
    evaluated: bool
    reference: str


@dataclass(frozen=True)
class Plates:
    """The plates that a page shows side by side."""

    predicted: Plate
    truth: Plate | None
    source: Plate | None

    def section(
        self, stain: str, scores: Values | None, tables: Mapping[str, pd.DataFrame] | None
    ) -> Section:
        """Collect all about one stain."""
        fields = None if tables is None else tables["fields"].query("stain == @stain")
        objects = None if fields is None else int(fields["count"].sum())
        known = known_stain(self.predicted, stain)
        warned = [f"split: {warning}" for warning in known.card.get("split", {}).get("warnings", ())]
        warnings, remarks = content.parted_notes(scores["notes"] if scores else warned)
        size_um = None
        if scores and scores.get("object_diameter_px"):
            size_um = scores["object_diameter_px"] * (self.predicted.pixel_size_um or 1.0)
        shown = content.choose_fields(self.predicted, scores)
        unit = "µm²" if self.predicted.pixel_size_um else "px"
        return Section(
            stain=stain,
            title=known.stain.title,
            headline=content.headline(stain, self.predicted, scores, objects),
            tiles=content.tiles(stain, scores),
            warnings=warnings,
            remarks=remarks,
            pictures=[self.pictures(each, known, scores, size_um) for each in shown],
            image_rows=content.image_rows(scores) if scores else [],
            object_rows=content.object_rows(scores) if scores else [],
            field_measures=content.measure_rows(scores["downstream"]) if scores else [],
            object_measures=_object_measures(scores),
            field_scatters=drawings.field_scatters(scores, unit) if scores else [],
            object_scatters=drawings.object_scatters(stain, scores, unit) if scores else [],
            maps=drawings.plate_maps(stain, fields, scores, self.predicted.conditions),
            field_rows=self.field_rows(scores, fields),
            evaluated=scores is not None,
            reference=scores["objects"]["reference"] if scores else "",
        )

    def pictures(
        self, shown: content.Shown, known: KnownStain, scores: Values | None, size_um: float | None
    ) -> PictureRow:
        """Draw one field; objects are of the size `size_um`, where given."""
        pixel, stain = self.predicted.pixel_size_um, known.stain
        name, predicted = shown.name, self.predicted.read(shown.name, stain.name)
        real = self._read(self.truth, name, scores["target"] if scores else known.target)
        if real is not None:
            real = known.learnt(real, pixel)
        light = self._read(self.source, name, input_of(self.predicted, stain.name))
        likely, any_real = (
            with_likely(known.recipe(pixel, predicted=predicted), diameter_um=size_um)
            for predicted in (True, False)
        )
        ours = self._labels(name, stain.name, predicted, likely)
        theirs = None if real is None else segment(real, any_real, pixel_size_um=pixel)
        planes = {
            "label_free": light,
            "predicted": predicted,
            "real": real,
            "predicted_labels": ours,
            "real_labels": theirs,
        }
        if shown.region is not None:
            part = slice(*shown.region.rows), slice(*shown.region.columns)
            planes = {kind: None if plane is None else plane[part] for kind, plane in planes.items()}
        return PictureRow(
            title=str(name),
            remark=shown.remark,
            verdict=_verdict(self.predicted.field_info(name).get("verdict")),
            panels=field_panels(**planes),
            scale=scale_bar(planes["predicted"].shape[1], self.predicted.pixel_size_um),
        )

    def field_rows(self, scores: Values | None, fields: pd.DataFrame | None) -> list[dict[str, str]]:
        """Make the table of fields: scores where there are, else what was measured."""
        if scores is not None:
            return [_scored_row(row) for row in scores["fields"]]
        if fields is None:
            return []
        records = fields.rename(columns={"area_px": "area_um2"}).to_dict("records")
        return [
            {
                "field": f"{row['well']}/{row['field']}",
                **{MEASURES[key]: compact(row[key]) for key in MEASURES},
                "verdict": _verdict(self._info(row).get("verdict")),
            }
            for row in records
        ]

    def _info(self, row: Mapping[Any, Any]) -> dict[str, Any]:
        return self.predicted.field_info(FieldName(row["well"], int(row["field"])))

    def _labels(self, name: FieldName, stain: str, plane: Any, recipe: Recipe) -> Any:
        if stain in self.predicted.labels_of(name):
            return self.predicted.read_labels(name, stain)
        return segment(plane, recipe, pixel_size_um=self.predicted.pixel_size_um)

    @staticmethod
    def _read(plate: Plate | None, name: FieldName, channel: str | None) -> Any:
        if plate is None or name not in plate.fields or channel not in plate.channels:
            return None
        return plate.read(name, str(channel))


def _object_measures(scores: Values | None) -> list[dict[str, str]]:
    matched = (scores or {}).get("matched_objects") or {}
    return content.measure_rows(matched.get("agreement", {}))


def _scored_row(row: Values) -> dict[str, str]:
    return {
        "field": row.get("region") or f"{row['well']}/{row['field']}",
        **{key.upper(): number(row[key]) for key in ("pcc", "ssim", "nrmse")},
        "number, real": compact(row["count_true"]),
        "number, predicted": compact(row["count_predicted"]),
        "verdict": _verdict(row["verdict"]),
    }


def _verdict(found: Any) -> str:
    if isinstance(found, Mapping):
        return ": ".join(str(found[key]) for key in ("verdict", "reason") if found.get(key))
    return str(found) if found else "not judged"
