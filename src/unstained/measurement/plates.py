"""Segment and measure a predicted plate, a field at a time: labels and objects go into it, sums come out."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import compress

import numpy as np
import pandas as pd

from unstained.errors import BadInput, BadSettings, MissingChannel, OutputExists, listed
from unstained.measurement.composites import NUCLEI, cells_by_well
from unstained.measurement.fields import CELLS, kinds_of, measure_field
from unstained.measurement.known import MEASURED, is_measured, known_stain, other_segmenter
from unstained.measurement.pooling import pooled
from unstained.measurement.unseen import common_fields
from unstained.measurement.wells import field_table, well_table, with_row_and_column
from unstained.plates.plate import FieldName, Plate
from unstained.prediction.plates import STRICT
from unstained.prediction.verdicts import REFUSE, word_of, worse
from unstained.segmentation.others import OtherSettings, find_function
from unstained.segmentation.recipes import Recipe

SECONDS_PER_PX = 3e-7
"""What measuring takes on a core, roughly, per pixel and stain."""

Tables = dict[str, pd.DataFrame]


def measure_plate(
    predicted: Plate,
    *,
    segmenter: str | None = None,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Tables:
    """Label and measure the objects of every stain; gives the tables `objects`, `fields` and `wells`.

    With nuclei and another stain there are `cells` and `cells_by_well`, too: what each cell holds of every
    stain. Labels and the tables of objects and cells are stored with each field. `segmenter` names a function
    that finds nuclei in place of the one built in (`segmentation.others`); the plate remembers it. `progress`
    is called with the number of fields that are done, and of all.

    Raises
    ------
    OutputExists
        The plate is measured already.
    BadSettings, BadInput
        There is no such segmenter, or nothing for it to find; or it gave no labels.
    """
    if is_measured(predicted) and not overwrite:
        raise OutputExists(f"a measurement of {predicted.path}")
    known = {stain: known_stain(predicted, stain) for stain in predicted.channels}
    recipes = {stain: each.recipe(predicted.pixel_size_um, predicted=True) for stain, each in known.items()}
    settings = _with_segmenter(recipes, segmenter)
    kinds = kinds_of(predicted.channels)
    if is_measured(predicted):  # stopped halfway, fields of two measurements would be taken for one
        predicted.update_info(**{MEASURED: None})
    found: dict[str, list[pd.DataFrame]] = {kind: [] for kind in kinds}
    planes = (
        {stain: predicted.read(name, stain) for stain in predicted.channels} for name in predicted.fields
    )
    measured = partial(measure_field, known=known, recipes=settings, pixel_size_um=predicted.pixel_size_um)
    fields = pooled(measured, planes, len(predicted.fields), _seconds(predicted))
    for index, (name, field) in enumerate(zip(predicted.fields, fields, strict=True), start=1):
        for kind in kinds:
            predicted.write_labels(name, kind, field.labels[kind])
            predicted.write_table(name, kind, field.tables[kind])
            found[kind].append(field.tables[kind])
        if progress is not None:
            progress(index, len(predicted.fields))
    done = {stain: each.model_dump(mode="json") for stain, each in settings.items()}
    predicted.update_info(**{MEASURED: done, CELLS: CELLS in kinds})
    return _tables(predicted, predicted.fields, found)


def measure_real(
    truth: Plate, predicted: Plate, *, progress: Callable[[int, int], None] | None = None
) -> Tables:
    """Measure the real stains of a plate as those of `predicted` are measured; gives the same tables.

    A real stain is taken as the model learnt it (`KnownStain.learnt`), and its objects are found as its
    recipe says for the real stain. Only fields of both plates are measured; nothing is stored.

    Raises
    ------
    MissingChannel
        A predicted stain has no real one in `truth`.
    BadInput
        The plates have no field in common.
    """
    known = {stain: known_stain(predicted, stain) for stain in predicted.channels}
    for each in known.values():
        if each.target not in truth.channels:
            raise MissingChannel(str(each.target), str(truth.path), truth.channels)
    fields = common_fields(predicted, truth)
    size_um = predicted.pixel_size_um
    recipes = {stain: each.recipe(size_um, predicted=False) for stain, each in known.items()}
    recipes |= {stain: other for stain in recipes if (other := other_segmenter(predicted, stain))}
    found: dict[str, list[pd.DataFrame]] = {kind: [] for kind in kinds_of(predicted.channels)}
    planes = (
        {
            stain: np.asarray(each.learnt(truth.read(name, str(each.target)), size_um), dtype=np.float32)
            for stain, each in known.items()
        }
        for name in fields
    )
    measured = partial(measure_field, known=known, recipes=recipes, pixel_size_um=size_um)
    for index, field in enumerate(pooled(measured, planes, len(fields), _seconds(predicted)), start=1):
        for kind, table in field.tables.items():
            found[kind].append(table)
        if progress is not None:
            progress(index, len(fields))
    return _tables(predicted, fields, found)


def _with_segmenter(recipes: dict[str, Recipe], segmenter: str | None) -> dict[str, Recipe]:
    """Have nuclei found by a function that somebody else wrote, where one is named."""
    if segmenter is None:
        return recipes
    if NUCLEI not in recipes:
        raise BadSettings("segmenter", f"it finds nuclei; the plate holds {listed(tuple(recipes))}")
    find_function(segmenter)  # refuses before anything is done
    return {**recipes, NUCLEI: OtherSettings(function=segmenter)}


def _seconds(predicted: Plate) -> float:
    """Guess what measuring a field of a plate takes, from its first plane."""
    plane = predicted.read(predicted.fields[0], predicted.channels[0])
    return SECONDS_PER_PX * plane.size * len(predicted.channels)


def stored_tables(predicted: Plate) -> Tables | None:
    """Give the tables of a plate that is measured already; None where it isn't."""
    if not is_measured(predicted):
        return None
    kinds = [kind for kind in kinds_of(predicted.channels) if kind != CELLS or predicted.info.get(CELLS)]
    return _tables(
        predicted,
        predicted.fields,
        {kind: [predicted.read_table(name, kind) for name in predicted.fields] for kind in kinds},
    )


def _tables(predicted: Plate, names: Sequence[FieldName], found: dict[str, list[pd.DataFrame]]) -> Tables:
    """Sum up objects (one table per field, in order) by field and well, a block of rows per stain.

    A plate that was predicted strictly lends no refused field to a table.
    """
    verdicts = {name: word_of(predicted.field_info(name).get("verdict")) for name in names}
    if predicted.info.get(STRICT):
        verdicts, found = _without_refused(predicted, verdicts, found)
        names = tuple(verdicts)
    further = {} if CELLS not in found else _cell_tables(predicted, names, found.pop(CELLS), tuple(found))
    blocks: dict[str, list[pd.DataFrame]] = {"objects": [], "fields": [], "wells": []}
    for stain, tables in found.items():
        objects = _with_places(names, tables)
        fields = field_table(objects, names)
        for level, table in (
            ("objects", with_row_and_column(objects)),
            ("fields", _judged(fields, verdicts)),
            ("wells", _judged(well_table(fields), verdicts)),
        ):
            blocks[level].append(_described(table.assign(stain=stain), predicted))
    return {level: pd.concat(tables, ignore_index=True) for level, tables in blocks.items()} | further


def _without_refused(
    predicted: Plate, verdicts: Mapping[FieldName, str | None], found: dict[str, list[pd.DataFrame]]
) -> tuple[dict[FieldName, str | None], dict[str, list[pd.DataFrame]]]:
    judged = {name: verdict for name, verdict in verdicts.items() if verdict != REFUSE}
    if not judged:
        raise BadInput(
            f"{predicted.path}: every field is refused; predicted without --strict they are measured"
        )
    kept = [verdict != REFUSE for verdict in verdicts.values()]
    return judged, {kind: list(compress(tables, kept)) for kind, tables in found.items()}


def _judged(table: pd.DataFrame, verdicts: Mapping[FieldName, str | None]) -> pd.DataFrame:
    """Add the verdict of each field, or the worst of each well's; nothing where nobody judged."""
    if all(verdict is None for verdict in verdicts.values()):
        return table
    found: dict[tuple[object, ...], str] = {}
    by_field = "field" in table.columns
    for name, verdict in verdicts.items():
        key = (name.well, name.field) if by_field else (name.well,)
        if verdict is not None:
            found[key] = worse(found.get(key, verdict), verdict)
    keys = table[["well", "field"] if by_field else ["well"]].itertuples(index=False, name=None)
    words = pd.Series([found.get(key) for key in keys], index=table.index, dtype=object)
    return table.assign(verdict=words)


def _cell_tables(
    predicted: Plate, names: Sequence[FieldName], found: list[pd.DataFrame], stains: Sequence[str]
) -> Tables:
    cells = _with_places(names, found)
    wells = cells_by_well(cells, tuple(dict.fromkeys(name.well for name in names)), stains)
    return {
        CELLS: _described(with_row_and_column(cells), predicted),
        f"{CELLS}_by_well": _described(with_row_and_column(wells), predicted),
    }


def _with_places(names: Sequence[FieldName], found: list[pd.DataFrame]) -> pd.DataFrame:
    """Join the tables of all fields, in order, and say where each row comes from."""
    placed = [
        table.assign(well=name.well, field=name.field) for name, table in zip(names, found, strict=True)
    ]
    return pd.concat(placed, ignore_index=True)


def _described(table: pd.DataFrame, predicted: Plate) -> pd.DataFrame:
    """Put plate and the plate map's columns beside each row."""
    known, named = predicted.conditions, table.assign(plate=predicted.name)
    added = known[["well", *(name for name in known.columns if name not in named.columns)]]
    return named.merge(added, on="well", how="left", validate="many_to_one")
