"""Segment and measure a predicted plate, a field at a time: labels and objects go into it, sums come out."""

from collections.abc import Callable, Mapping

import pandas as pd

from unstained.errors import OutputExists
from unstained.measurement.composites import BODY, NUCLEI, cell_table, cells_by_well, find_cells
from unstained.measurement.known import KnownStain, known_stain
from unstained.measurement.objects import measure_objects
from unstained.measurement.wells import field_table, well_table, with_row_and_column
from unstained.plates.plate import FieldName, Plate
from unstained.segmentation.recipes import Recipe, segment

MEASURED = "measured"
"""Key of a plate's info: with which settings each stain was segmented; there when all fields are done."""

CELLS = "cells"
"""Name of the labels and the table of cells, where several stains were predicted."""

Tables = dict[str, pd.DataFrame]


def measure_plate(
    predicted: Plate, *, overwrite: bool = False, progress: Callable[[int, int], None] | None = None
) -> Tables:
    """Label and measure the objects of every stain; gives the tables `objects`, `fields` and `wells`.

    With nuclei and another stain there are `cells` and `cells_by_well`, too: what each cell holds of every
    stain. Labels and the tables of objects and cells are stored with each field. `progress` is called with
    the number of fields that are done, and of all.

    Raises
    ------
    OutputExists
        The plate is measured already.
    """
    if MEASURED in predicted.info and not overwrite:
        raise OutputExists(f"a measurement of {predicted.path}")
    known = {stain: known_stain(predicted, stain) for stain in predicted.channels}
    settings = {
        stain: each.recipe(predicted.pixel_size_um, predicted=True) for stain, each in known.items()
    }
    kinds = _kinds(predicted)
    found: dict[str, list[pd.DataFrame]] = {kind: [] for kind in kinds}
    for index, name in enumerate(predicted.fields, start=1):
        for stain in settings:
            found[stain].append(_measure_field(predicted, name, known[stain], settings[stain]))
        if CELLS in kinds:
            found[CELLS].append(_measure_cells(predicted, name, known))
        if progress is not None:
            progress(index, len(predicted.fields))
    done = {stain: each.model_dump(mode="json") for stain, each in settings.items()}
    predicted.update_info(**{MEASURED: done, CELLS: CELLS in kinds})
    return _tables(predicted, found)


def stored_tables(predicted: Plate) -> Tables | None:
    """Give the tables of a plate that is measured already; None where it isn't."""
    if MEASURED not in predicted.info:
        return None
    kinds = [kind for kind in _kinds(predicted) if kind != CELLS or predicted.info.get(CELLS)]
    return _tables(
        predicted,
        {kind: [predicted.read_table(name, kind) for name in predicted.fields] for kind in kinds},
    )


def _measure_field(predicted: Plate, name: FieldName, known: KnownStain, recipe: Recipe) -> pd.DataFrame:
    stain = known.stain
    plane, size_um = predicted.read(name, stain.name), predicted.pixel_size_um
    labels = segment(plane, recipe, pixel_size_um=size_um)
    objects = measure_objects(
        labels, plane, pixel_size_um=size_um, features=stain.features, background=known.background
    )
    predicted.write_labels(name, stain.name, labels)
    predicted.write_table(name, stain.name, objects)
    return objects


def _kinds(predicted: Plate) -> tuple[str, ...]:
    """Name what a field has a table of: each stain, and cells where there are nuclei and another stain."""
    several = NUCLEI in predicted.channels and len(predicted.channels) > 1
    return (*predicted.channels, CELLS) if several else predicted.channels


def _measure_cells(predicted: Plate, name: FieldName, known: Mapping[str, KnownStain]) -> pd.DataFrame:
    size_um = predicted.pixel_size_um
    planes = {stain: predicted.read(name, stain) for stain in predicted.channels}
    labels = {stain: predicted.read_labels(name, stain) for stain in planes}
    cells = find_cells(labels[NUCLEI], planes.get(BODY), labels.get(BODY), pixel_size_um=size_um)
    table = cell_table(cells, labels, planes, known, pixel_size_um=size_um)
    predicted.write_labels(name, CELLS, cells)
    predicted.write_table(name, CELLS, table)
    return table


def _tables(predicted: Plate, found: dict[str, list[pd.DataFrame]]) -> Tables:
    """Sum up objects (one table per field, in order) by field and well, a block of rows per stain."""
    further = {} if CELLS not in found else _cell_tables(predicted, found.pop(CELLS))
    blocks: dict[str, list[pd.DataFrame]] = {"objects": [], "fields": [], "wells": []}
    for stain, tables in found.items():
        objects = _with_places(predicted, tables)
        fields = field_table(objects, predicted.fields)
        for level, table in (
            ("objects", with_row_and_column(objects)),
            ("fields", fields),
            ("wells", well_table(fields)),
        ):
            blocks[level].append(_described(table.assign(stain=stain), predicted))
    return {level: pd.concat(tables, ignore_index=True) for level, tables in blocks.items()} | further


def _cell_tables(predicted: Plate, found: list[pd.DataFrame]) -> Tables:
    cells = _with_places(predicted, found)
    wells = with_row_and_column(cells_by_well(cells, predicted.wells))
    return {
        CELLS: _described(with_row_and_column(cells), predicted),
        f"{CELLS}_by_well": _described(wells, predicted),
    }


def _with_places(predicted: Plate, found: list[pd.DataFrame]) -> pd.DataFrame:
    """Join the tables of all fields, in order, and say where each row comes from."""
    placed = [
        table.assign(well=name.well, field=name.field)
        for name, table in zip(predicted.fields, found, strict=True)
    ]
    return pd.concat(placed, ignore_index=True)


def _described(table: pd.DataFrame, predicted: Plate) -> pd.DataFrame:
    """Put plate and the plate map's columns beside each row."""
    known = predicted.conditions
    added = known[["well", *(name for name in known.columns if name not in table.columns)]]
    return table.assign(plate=predicted.name).merge(
        added, on="well", how="left", validate="many_to_one"
    )
