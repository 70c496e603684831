"""Stains together: several in one picture, and what each cell holds of them, by well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from unstained.arrays import RawPlane
from unstained.measurement.composites import BODY, NUCLEI
from unstained.measurement.fields import CELLS
from unstained.measurement.known import known_stain
from unstained.plates.plate import FieldName, Plate
from unstained.report.charts import PlateMap, compact
from unstained.report.drawings import maps_of
from unstained.report.figures import Panel, ScaleBar, composite_panels, scale_bar

MOST_SHOWN = 3
COMPOSITES = ((NUCLEI, BODY), (NUCLEI, BODY, "gfp"), (NUCLEI, "golgi"))
"""Which stains are shown in one picture, where they were predicted."""

SUFFIXES = {
    "_total": "light over background per cell",
    "_mean": "mean light over background in cells",
    "_positive": "share of positive cells",
    "_count": "objects per cell",
    "_area_um2": "area per cell, µm²",
    "_area_px": "area per cell, px",
}


@dataclass(frozen=True)
class CompositeRow:
    """The composites of one field."""

    title: str
    panels: list[Panel]
    scale: ScaleBar | None


@dataclass(frozen=True)
class Together:
    """All about stains together."""

    pictures: list[CompositeRow]
    maps: list[PlateMap]
    well_rows: list[dict[str, str]]


def together(
    predicted: Plate, truth: Plate | None, tables: Mapping[str, pd.DataFrame] | None
) -> Together | None:
    """Collect what is shown of several stains; None where there are none to be shown together."""
    if NUCLEI not in predicted.channels or len(predicted.channels) == 1:
        return None
    chosen = [names for names in COMPOSITES if set(names) <= set(predicted.channels)]
    chosen = chosen or [(NUCLEI, name) for name in predicted.channels if name != NUCLEI]
    fields = predicted.fields[:: -(-len(predicted.fields) // MOST_SHOWN)]
    wells = (tables or {}).get(f"{CELLS}_by_well")
    return Together(
        pictures=[_pictures(predicted, truth, name, chosen) for name in fields],
        maps=[] if wells is None else maps_of(_by_label(wells), predicted.conditions),
        well_rows=[] if wells is None else _well_rows(wells),
    )


def _pictures(
    predicted: Plate, truth: Plate | None, name: FieldName, chosen: Sequence[tuple[str, ...]]
) -> CompositeRow:
    names = tuple(dict.fromkeys(stain for names in chosen for stain in names))
    known = {stain: known_stain(predicted, stain) for stain in names}
    colours = {stain: known[stain].stain.colour for stain in names}
    ours = {stain: predicted.read(name, stain) for stain in names}
    theirs: dict[str, RawPlane] = {}
    for stain in names:
        target = known[stain].target
        if truth is not None and name in truth.fields and target in truth.channels:
            theirs[stain] = known[stain].learnt(truth.read(name, str(target)), truth.pixel_size_um)
    cells = predicted.read_labels(name, CELLS) if CELLS in predicted.labels_of(name) else None
    return CompositeRow(
        title=str(name),
        panels=composite_panels(chosen, ours, theirs, colours, cells),
        scale=scale_bar(next(iter(ours.values())).shape[1], predicted.pixel_size_um),
    )


def _by_label(wells: pd.DataFrame) -> dict[str, pd.Series[Any]]:
    by_well = wells.set_index("well")
    return {
        f"{column.removesuffix(suffix).upper()}: {told}": by_well[column]
        for column in wells.columns
        for suffix, told in SUFFIXES.items()
        if column.endswith(suffix) and not column.startswith("nucleus")
    }


def _well_rows(wells: pd.DataFrame) -> list[dict[str, str]]:
    shown = ("cells", "area_um2", "area_px")
    measured = [name for name in wells.columns if name.endswith(tuple(SUFFIXES)) or name in shown]
    return [
        {"well": str(row["well"]), **{name: _shown(row[name]) for name in measured}}
        for row in wells.to_dict("records")
    ]


def _shown(value: Any) -> str:
    return "–" if pd.isna(value) else compact(float(value))
