"""From objects to fields to wells: count, area and intensity, per field and per well; tables as files."""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Protocol

import pandas as pd

from unstained.errors import BadInput, OutputFailed

WHERE = ("plate", "well", "row", "column", "field", "label")
"""Columns that say where a row comes from; they stand first, in this order."""


class Place(Protocol):
    """A field's name: its well, and its number within the well."""

    @property
    def well(self) -> str: ...

    @property
    def field(self) -> int: ...


def field_table(
    objects: pd.DataFrame, fields: Iterable[Place], *, covered: Mapping[Place, float] | None = None
) -> pd.DataFrame:
    """Sum up the objects of every field, also of fields without any: one row per field, in the order given.

    `objects` holds the tables of `measure_objects` with the columns `well` and `field` added. The columns are
    `well`, `row`, `column`, `field`; `count`; `area_um2`, all objects together (`area_px` where the pixel
    size is unknown); `area_mean_um2`, per object; `intensity_total`, all objects together, camera units;
    `intensity_mean`, per pixel of the objects; and, where given, `covered`, the share of the field that
    cells cover. A field without objects has count, area and total 0, and no means (NaN).

    Raises
    ------
    BadInput
        There are objects of a field that isn't among `fields`, or a well has no name like A01.
    """
    places = list(fields)
    names = pd.DataFrame([(str(place.well), int(place.field)) for place in places], columns=["well", "field"])
    unit = "px" if "area_px" in objects.columns else "um2"
    sums = _sums(objects, ["well", "field"], unit)
    _refuse_strangers(sums, names)
    table = names.merge(sums.reset_index(), on=["well", "field"], how="left", sort=False)
    table = with_row_and_column(_with_means(table.fillna(0), unit))
    if covered is not None:
        table["covered"] = [float(covered[place]) for place in places]
    return table


def well_table(fields: pd.DataFrame, conditions: pd.DataFrame | None = None) -> pd.DataFrame:
    """Sum up a field table by well: one row per well, sorted, with the plate map's columns behind the well.

    `fields` is the number of fields; `count`, `area` and `intensity_total` are sums over them, `area_mean` is
    per object and `intensity_mean` per pixel of the objects, of all fields together; `covered` is the mean
    over fields. `conditions` has one row per well: the column `well` and the plate map's own.
    """
    unit = "px" if "area_px" in fields.columns else "um2"
    sums = _sums(fields, ["well"], unit).reset_index()
    sums.insert(1, "fields", fields.groupby("well")["field"].nunique().reindex(sums["well"]).to_numpy())
    table = _with_means(sums, unit)
    if "covered" in fields.columns:
        table["covered"] = fields.groupby("well")["covered"].mean().reindex(table["well"]).to_numpy()
    table = with_row_and_column(table)
    if conditions is None:
        return table
    known = conditions[["well", *(name for name in conditions.columns if name not in table.columns)]]
    merged = table.merge(known, on="well", how="left", validate="one_to_one")
    added = [name for name in known.columns if name != "well"]
    return merged[["well", "row", "column", *added, *table.columns.drop(["well", "row", "column"])]]


def with_row_and_column(table: pd.DataFrame) -> pd.DataFrame:
    """Add the columns `row` ("A") and `column` (1) of the well "A01", in their place at the front.

    Raises
    ------
    BadInput
        A well has no name like A01.
    """
    parts = [_row_and_column(well) for well in table["well"]]
    placed = table.assign(row=[row for row, _ in parts], column=[column for _, column in parts])
    return placed.astype({"row": str, "column": int})[_where_first(placed.columns)]


def write_tables(
    folder: Path,
    tables: Mapping[str, pd.DataFrame],
    *,
    xlsx: bool = False,
    lineage: Callable[[pd.DataFrame], pd.DataFrame] | None = None,
) -> tuple[Path, ...]:
    """Write every table as `NAME.parquet` and `NAME.csv`, also as `NAME.xlsx` if asked; gives the paths.

    `lineage` adds columns to the Parquet files alone, where the same text in every row costs nothing.

    Raises
    ------
    OutputFailed
        A file can't be written.
    """
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, table in tables.items():
            ordered = table[_where_first(table.columns)]
            traced = ordered if lineage is None else lineage(ordered)
            traced.to_parquet(folder / f"{name}.parquet", index=False)
            ordered.to_csv(folder / f"{name}.csv", index=False, encoding="utf-8", lineterminator="\n")
            written += [folder / f"{name}.parquet", folder / f"{name}.csv"]
            if xlsx:
                ordered.to_excel(folder / f"{name}.xlsx", index=False, sheet_name=name[:31])
                written.append(folder / f"{name}.xlsx")
    except OSError as error:
        raise OutputFailed(folder, error.strerror or error) from error
    return tuple(written)


def _sums(table: pd.DataFrame, by: list[str], unit: str) -> pd.DataFrame:
    """Sum a table of objects (one row, one object) or of fields by the columns `by`."""
    area = f"area_{unit}"
    columns = ["count", area, "intensity_total", "weighted"]
    if table.empty:
        nowhere = pd.MultiIndex.from_arrays([[] for _ in by], names=by)
        return pd.DataFrame(index=nowhere if len(by) > 1 else nowhere.levels[0], columns=columns, dtype=float)
    # The mean over all pixels: each object (or field) weighs by its area.
    weighted = (table["intensity_mean"] * table[area]).fillna(0)
    counted = table if "count" in table.columns else table.assign(count=1)
    return counted.assign(weighted=weighted).groupby(by)[columns].sum()


def _with_means(sums: pd.DataFrame, unit: str) -> pd.DataFrame:
    """Put the means beside the sums; NaN where there is no object."""
    area = sums[f"area_{unit}"]
    present = sums["count"] > 0
    table = sums.drop(columns=["weighted", "intensity_total"]).astype({"count": int})
    table[f"area_mean_{unit}"] = area.where(present) / sums["count"]
    table["intensity_total"] = sums["intensity_total"]
    table["intensity_mean"] = sums["weighted"].where(present) / area
    return table


def _refuse_strangers(sums: pd.DataFrame, names: pd.DataFrame) -> None:
    known = set(names.itertuples(index=False, name=None))
    for well, field in sums.index:
        if (well, field) not in known:
            raise BadInput(f"there are objects of field {well}/{field}, which isn't among the fields; add it")


def _row_and_column(well: str) -> tuple[str, int]:
    parts = re.fullmatch(r"([A-Z]+)(\d+)", well)
    if not parts:
        raise BadInput(f"well {well!r} isn't a row and a column such as A01; rename it")
    return parts[1], int(parts[2])


def _where_first(columns: Iterable[str]) -> list[str]:
    names = list(columns)
    return [name for name in WHERE if name in names] + [name for name in names if name not in WHERE]
