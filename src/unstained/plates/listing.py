"""Which fields a plate has: written after their commit, read back also from plates of other programs."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ngio import open_ome_zarr_plate

from unstained.plates import storage
from unstained.plates.fields import FieldName, split_well, well_order

_NGFF = "0.5"


def field_path(field: FieldName) -> str:
    """Say where a field lies within its plate: row, column of two digits, number."""
    return f"{_well_path(field.well)}/{field.field}"


def committed_fields(path: Path | str) -> set[FieldName]:
    """Find the fields whose commit record is written, listed or not."""
    with storage.reading(path):
        return {
            FieldName.parse(f"{row}{column}/{image}")
            for row in storage.folders(path)
            if row.isalpha()
            for column in storage.folders(path, row)
            if column.isdigit()
            for image in storage.folders(path, row, column)
            if _is_committed(storage.join(path, row, column, image))
        }


def list_fields(path: Path | str, name: str, fields: Iterable[FieldName]) -> None:
    """Write the metadata of the plate and its wells (NGFF 0.5), so that they hold `fields`."""
    by_well: dict[str, list[FieldName]] = {}
    for field in sorted(fields):
        by_well.setdefault(field.well, []).append(field)
    for well, members in by_well.items():
        images = [{"path": str(field.field)} for field in members]
        storage.update_attributes(storage.join(path, _well_path(well).split("/")[0]))
        storage.update_attributes(
            storage.join(path, _well_path(well)), ome={"version": _NGFF, "well": {"images": images}}
        )
    plate = _plate_metadata(name, list(by_well), max((len(group) for group in by_well.values()), default=0))
    storage.update_attributes(path, ome={"version": _NGFF, "plate": plate})


def listed_fields(path: Path | str) -> dict[FieldName, str]:
    """Give the fields that a plate lists, and where each lies within it.

    Numbers are kept where all fields of a well have one (`A/1/0`); other names are numbered in their order.

    Raises
    ------
    BadInput
        The plate's or a well's metadata can't be read.
    """
    found = {}
    with storage.reading(path):
        plate = open_ome_zarr_plate(str(path), cache=True, mode="r")
        for well_path, well in plate.get_wells(max_workers=1).items():
            images = well.paths()
            numbered = all(image.isdigit() for image in images)
            for count, image in enumerate(images):
                number = int(image) if numbered else count
                found[FieldName(_well_of(well_path), number)] = f"{well_path}/{image}"
    return found


def _plate_metadata(name: str, wells: list[str], field_count: int) -> dict[str, Any]:
    parts = {well: tuple(_well_path(well).split("/")) for well in wells}
    rows = sorted({row for row, _ in parts.values()}, key=lambda row: (len(row), row))
    columns = sorted({column for _, column in parts.values()}, key=lambda column: (len(column), column))
    places = [
        {"path": f"{row}/{column}", "rowIndex": rows.index(row), "columnIndex": columns.index(column)}
        for row, column in (parts[well] for well in sorted(wells, key=well_order))
    ]
    return {
        "name": name,
        "version": _NGFF,
        "rows": [{"name": row} for row in rows],
        "columns": [{"name": column} for column in columns],
        "wells": places,
        **({"field_count": field_count} if field_count else {}),
    }


def _well_path(well: str) -> str:
    parts = split_well(well)
    assert parts is not None, f"wells are checked before they are written: {well!r}"
    return f"{parts[0]}/{parts[1]:02d}"


def _well_of(well_path: str) -> str:
    row, _, column = well_path.partition("/")
    parts = split_well(row + column)
    return f"{parts[0]}{parts[1]:02d}" if parts else row + column


def _is_committed(path: str) -> bool:
    return bool((storage.attributes(path) or {}).get(storage.OURS, {}).get("committed"))
