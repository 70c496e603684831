"""Segment and measure a predicted plate, a field at a time: labels and objects go into it, sums come out."""

from collections.abc import Callable

import pandas as pd

from unstained.errors import OutputExists
from unstained.measurement.known import known_stain
from unstained.measurement.objects import measure_objects
from unstained.measurement.wells import field_table, well_table, with_row_and_column
from unstained.plates.plate import FieldName, Plate
from unstained.segmentation.recipes import Recipe, segment
from unstained.stains.catalogue import Stain

MEASURED = "measured"
"""Key of a plate's info: with which settings each stain was segmented; there when all fields are done."""

Tables = dict[str, pd.DataFrame]


def measure_plate(
    predicted: Plate, *, overwrite: bool = False, progress: Callable[[int, int], None] | None = None
) -> Tables:
    """Label and measure the objects of every stain; gives the tables `objects`, `fields` and `wells`.

    Labels and object tables are stored with each field. `progress` is called with the number of fields that
    are done, and of all.

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
    found: dict[str, list[pd.DataFrame]] = {stain: [] for stain in settings}
    for index, name in enumerate(predicted.fields, start=1):
        for stain in settings:
            found[stain].append(_measure_field(predicted, name, known[stain].stain, settings[stain]))
        if progress is not None:
            progress(index, len(predicted.fields))
    predicted.update_info(
        **{MEASURED: {stain: each.model_dump(mode="json") for stain, each in settings.items()}}
    )
    return _tables(predicted, found)


def stored_tables(predicted: Plate) -> Tables | None:
    """Give the tables of a plate that is measured already; None where it isn't."""
    if MEASURED not in predicted.info:
        return None
    return _tables(
        predicted,
        {
            stain: [predicted.read_table(name, stain) for name in predicted.fields]
            for stain in predicted.channels
        },
    )


def _measure_field(predicted: Plate, name: FieldName, stain: Stain, recipe: Recipe) -> pd.DataFrame:
    plane, size_um = predicted.read(name, stain.name), predicted.pixel_size_um
    labels = segment(plane, recipe, pixel_size_um=size_um)
    objects = measure_objects(labels, plane, pixel_size_um=size_um, features=stain.features)
    predicted.write_labels(name, stain.name, labels)
    predicted.write_table(name, stain.name, objects)
    return objects


def _tables(predicted: Plate, found: dict[str, list[pd.DataFrame]]) -> Tables:
    """Sum up objects (one table per field, in order) by field and well, a block of rows per stain."""
    blocks: dict[str, list[pd.DataFrame]] = {"objects": [], "fields": [], "wells": []}
    for stain, tables in found.items():
        objects = pd.concat(
            [
                table.assign(well=name.well, field=name.field)
                for name, table in zip(predicted.fields, tables, strict=True)
            ],
            ignore_index=True,
        )
        fields = field_table(objects, predicted.fields)
        for level, table in (
            ("objects", with_row_and_column(objects)),
            ("fields", fields),
            ("wells", well_table(fields)),
        ):
            blocks[level].append(_described(table, predicted, stain))
    return {level: pd.concat(tables, ignore_index=True) for level, tables in blocks.items()}


def _described(table: pd.DataFrame, predicted: Plate, stain: str) -> pd.DataFrame:
    """Put plate, stain and the plate map's columns beside each row."""
    known = predicted.conditions
    added = known[["well", *(name for name in known.columns if name not in table.columns)]]
    return table.assign(plate=predicted.name, stain=stain).merge(
        added, on="well", how="left", validate="many_to_one"
    )
