"""Plate maps: what is in each well, from csv or xlsx, a list of wells or a drawn plate (8×12, 16×24)."""

import csv
import io
import re
import zipfile
from pathlib import Path

import pandas as pd

from unstained.errors import BadInput, one_line
from unstained.plates.fields import split_well, well_name, well_order

_UNNAMED_SHEET = re.compile(r"(sheet|tabelle|feuil|hoja|foglio)\s*[0-9]*", re.IGNORECASE)
_DEFAULT_CONDITION = "clone"


def read_plate_map(path: Path) -> pd.DataFrame:
    """Read a plate map: one row per well, columns `well` and the conditions.

    A list has a column `well` and one per condition. A drawn plate has row letters down the side and column
    numbers on top; its condition is what the corner cell says, in xlsx else the sheet's name, else `clone`.

    Raises
    ------
    BadInput
        It can't be read, names a well twice, or is of neither form.
    """
    if not path.is_file():
        raise BadInput(f"no plate map at {path}")
    try:
        sheets = _read_workbook(path) if path.suffix.lower() in (".xlsx", ".xlsm") else {"": _read_csv(path)}
    except (OSError, ValueError, KeyError, csv.Error, zipfile.BadZipFile) as error:
        raise BadInput(
            f"can't read the plate map {path}: {one_line(error)}; it must be csv or xlsx"
        ) from error
    tables = [_conditions(path, name, cells) for name, cells in sheets.items() if not cells.empty]
    if not tables:
        raise BadInput(f"the plate map {path} is empty")
    merged = tables[0]
    for table in tables[1:]:
        shared = set(merged.columns) & set(table.columns) - {"well"}
        if shared:
            raise BadInput(
                f"the plate map {path} gives {sorted(shared)[0]!r} twice; name each sheet or corner cell"
            )
        merged = merged.merge(table, on="well", how="outer")
    order = merged["well"].map(well_order).sort_values().index
    merged = merged.loc[order].reset_index(drop=True)
    for name in merged.select_dtypes(object):
        merged[name] = merged[name].where(merged[name].notna(), None)
    return merged


def _read_csv(path: Path) -> pd.DataFrame:
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("cp1252")  # what Excel writes on Windows
    rows = list(csv.reader(io.StringIO(text), delimiter=_delimiter(text)))
    width = max((len(row) for row in rows), default=0)
    return _trimmed(pd.DataFrame([row + [""] * (width - len(row)) for row in rows], dtype=str))


def _delimiter(text: str) -> str:
    head = next((line for line in text.splitlines() if line.strip()), "")
    return max(",;\t", key=head.count)


def _read_workbook(path: Path) -> dict[str, pd.DataFrame]:
    sheets = pd.read_excel(path, sheet_name=None, header=None, dtype=str, keep_default_na=False)
    return {str(name): _trimmed(cells) for name, cells in sheets.items()}


def _trimmed(cells: pd.DataFrame) -> pd.DataFrame:
    """Strip the cells and drop empty rows and columns."""
    cells = cells.fillna("").astype(str).map(str.strip)
    return cells.loc[(cells != "").any(axis=1), (cells != "").any(axis=0)].reset_index(drop=True)


def _conditions(path: Path, sheet: str, cells: pd.DataFrame) -> pd.DataFrame:
    head, side = [str(cell) for cell in cells.iloc[0]], [str(cell) for cell in cells.iloc[1:, 0]]
    names = ["well" if name.lower() == "well" else name for name in head]
    if "well" in names:
        if again := [name for name in names if name and names.count(name) > 1]:
            raise BadInput(f"the plate map {path} has two columns {again[0]!r}")
        table = _from_list(names, cells.iloc[1:])
    elif (
        head[1:]
        and side
        and all(_is_number(cell) for cell in head[1:])
        and all(_is_row(cell) for cell in side)
    ):
        corner = "" if _is_number(head[0]) else head[0]
        named = "" if _UNNAMED_SHEET.fullmatch(sheet) else sheet
        table = _from_drawing(cells, corner or named or _DEFAULT_CONDITION)
    else:
        raise BadInput(
            f"the plate map {path} has neither a column 'well' nor rows A, B, … under columns 1, 2, …;"
            f" its first row is: {', '.join(head[:8])}"
        )
    try:
        table["well"] = [well_name(well) for well in table["well"]]
    except BadInput as error:
        raise BadInput(f"the plate map {path}: {error}") from error
    twice = table["well"][table["well"].duplicated()]
    if len(twice):
        raise BadInput(f"the plate map {path} names well {twice.iloc[0]} twice")
    return pd.DataFrame(
        {name: column if name == "well" else _typed(column) for name, column in table.items()}
    )


def _from_list(names: list[str], rows: pd.DataFrame) -> pd.DataFrame:
    table = rows.set_axis(names, axis=1)
    return table.loc[table["well"] != "", [name for name in names if name]].reset_index(drop=True)


def _from_drawing(cells: pd.DataFrame, condition: str) -> pd.DataFrame:
    columns = [int(float(str(cell))) for cell in cells.iloc[0, 1:]]
    filled = [
        {"well": f"{row.iloc[0]}{column}", condition: value}
        for _, row in cells.iloc[1:].iterrows()
        for column, value in zip(columns, row.iloc[1:], strict=True)
        if value != ""
    ]
    return pd.DataFrame(filled, columns=["well", condition])


def _typed(column: pd.Series) -> pd.Series:
    """Make numbers of a column that holds nothing else; names such as `007` stay as they are."""
    given = column[column != ""]
    if given.str.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?").all() and len(given):
        return pd.to_numeric(column.where(column != ""))
    return column.where(column != "", None)


def _is_number(cell: str) -> bool:
    return bool(re.fullmatch(r"0*[0-9]{1,2}(\.0)?", cell))


def _is_row(cell: str) -> bool:
    return split_well(f"{cell}1") is not None and cell.isalpha()
