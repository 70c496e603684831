"""Tables of measurements in the columns of CellProfiler, as pycytominer takes them."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from unstained.measurement.fields import CELLS
from unstained.measurement.plates import Tables
from unstained.measurement.wells import write_tables

FOLDER = "cellprofiler"
"""Where these tables go, in a folder of tables."""

METADATA = {
    "plate": "Metadata_Plate", "well": "Metadata_Well", "row": "Metadata_Row", "column": "Metadata_Column",
    "field": "Metadata_Site", "verdict": "Metadata_Verdict",
}  # fmt: skip

MEASURES = {
    "y": "Location_Center_Y", "x": "Location_Center_X", "area": "AreaShape_Area",
    "diameter": "AreaShape_EquivalentDiameter", "perimeter": "AreaShape_Perimeter",
    "eccentricity": "AreaShape_Eccentricity", "solidity": "AreaShape_Solidity",
}  # fmt: skip

LIGHT = {
    "total": "Intensity_IntegratedIntensity", "mean": "Intensity_MeanIntensity",
    "max": "Intensity_MaxIntensity",
}  # fmt: skip

OWN = "Unstained"
"""Category of what CellProfiler has no name for."""

_UNIT = re.compile(r"_(um2|um|px)$")


def write_cellprofiler(
    folder: Path, tables: Tables, *, conditions: Sequence[str], pixel_size_um: float | None
) -> tuple[Path, ...]:
    """Write `cellprofiler_tables` into a folder's `cellprofiler`, as CSV and Parquet; gives the paths."""
    made = cellprofiler_tables(tables, conditions=conditions, pixel_size_um=pixel_size_um)
    return write_tables(folder / FOLDER, made)


def cellprofiler_tables(tables: Tables, *, conditions: Sequence[str], pixel_size_um: float | None) -> Tables:
    """Give tables of measurements in CellProfiler's columns.

    `Image` has one row a field (`Image_Count_Nuclei`); `Nuclei`, and one table for each other stain and for
    cells, one row an object (`Nuclei_AreaShape_Area`); `profiles` one row a well: the medians of all objects,
    as pycytominer aggregates. Wells, plates and the plate map's `conditions` are `Metadata_…`.

    As in CellProfiler, lengths are in px and areas in px². Intensities stay in camera units, where
    CellProfiler divides by what the camera could record. What it doesn't measure is called `…_Unstained_…`.
    """
    images = _images(tables["fields"], conditions, pixel_size_um)
    numbers = images[["Metadata_Well", "Metadata_Site", "ImageNumber"]]
    found: Tables = {}
    objects = tables["objects"]
    for stain in map(str, tables["fields"]["stain"].unique()):
        own = objects[objects["stain"] == stain].drop(columns="stain")
        own = own.dropna(axis=1, how="all") if len(own) else own  # other stains' own features
        found[named(stain)] = _objects(own, stain, conditions, pixel_size_um)
    if CELLS in tables:
        cells = _objects(tables[CELLS], CELLS, conditions, pixel_size_um)
        cells["Cells_Parent_Nuclei"] = cells["ObjectNumber"]  # a cell has the number of its nucleus
        found["Cells"] = cells
    keys = ["Metadata_Well", "Metadata_Site"]
    numbered = {name: _metadata_first(numbers.merge(table, on=keys)) for name, table in found.items()}
    return {"Image": images, **numbered, "profiles": _profiles(images, numbered)}


def named(stain: str) -> str:
    """Name a stain's objects: `Nuclei`."""
    return stain[:1].upper() + stain[1:]


def measure_name(column: str, of: str) -> str:
    """Name a measurement of some objects (a stain's, or `cells`) as CellProfiler would."""
    bare = _UNIT.sub("", column)
    if bare in MEASURES:
        return f"{named(of)}_{MEASURES[bare]}"
    stain, _, last = bare.rpartition("_")
    if last in LIGHT:
        return f"{named(of)}_{LIGHT[last]}_{named(of if stain == 'intensity' else stain)}"
    if last == "count":
        return f"{named(of)}_Children_{named(stain)}_Count"
    return f"{named(of)}_{OWN}_{''.join(map(named, bare.split('_')))}"


def in_pixels(values: "pd.Series[Any]", column: str, pixel_size_um: float | None) -> "pd.Series[Any]":
    """Bring µm to px and µm² to px²; all else stays."""
    unit = _UNIT.search(column)
    power = {"um": 1, "um2": 2}.get(unit[1], 0) if unit else 0
    return values / (pixel_size_um or 1.0) ** power if power else values


def _metadata(table: pd.DataFrame, conditions: Sequence[str]) -> dict[str, str]:
    """Name the columns that say where a row comes from: own name → CellProfiler's."""
    names = {**METADATA, **{name: f"Metadata_{name}" for name in conditions if name not in METADATA}}
    return {name: new for name, new in names.items() if name in table}


def _objects(
    table: pd.DataFrame, of: str, conditions: Sequence[str], pixel_size_um: float | None
) -> pd.DataFrame:
    known = _metadata(table, conditions)
    columns = {new: table[name] for name, new in known.items()} | {"ObjectNumber": table["label"]}
    for name in table.columns.drop([*known, "label"]):
        values = table[name].astype(int) if table[name].dtype == bool else table[name]
        columns[measure_name(name, of)] = in_pixels(values, name, pixel_size_um)
    return pd.DataFrame(columns)


def _images(fields: pd.DataFrame, conditions: Sequence[str], pixel_size_um: float | None) -> pd.DataFrame:
    known = _metadata(fields, conditions)
    images = fields[list(known)].drop_duplicates(["well", "field"]).rename(columns=known)
    area = next(name for name in fields.columns if name in ("area_um2", "area_px"))
    for stain, table in fields.groupby("stain", sort=False):
        keys = table.set_index(["well", "field"])
        at = pd.MultiIndex.from_frame(images[["Metadata_Well", "Metadata_Site"]])
        images[f"Image_Count_{named(str(stain))}"] = keys["count"].reindex(at).to_numpy()
        occupied = in_pixels(keys[area], area, pixel_size_um).reindex(at).to_numpy()
        images[f"Image_AreaOccupied_AreaOccupied_{named(str(stain))}"] = occupied
    images.insert(0, "ImageNumber", range(1, len(images) + 1))
    return images.reset_index(drop=True)


def _profiles(images: pd.DataFrame, objects: Tables) -> pd.DataFrame:
    """Give every well's medians, of all stains side by side; a well without objects has none (NaN)."""
    metadata = [name for name in images.columns if name.startswith("Metadata_")]
    told = [name for name in metadata if name not in ("Metadata_Site", "Metadata_Verdict")]
    profiles = images[told].drop_duplicates("Metadata_Well").set_index("Metadata_Well")
    for name, table in objects.items():
        grouped = table.groupby("Metadata_Well")
        profiles[f"Metadata_{name}_Count"] = grouped.size().reindex(profiles.index, fill_value=0)
        profiles = profiles.join(grouped[_features(table, name)].median())
    return _metadata_first(profiles.reset_index())


def _features(table: pd.DataFrame, of: str) -> list[str]:
    """Name what is measured of objects, but for where they lie and whose they are."""
    names = [str(name) for name in table.columns if str(name).startswith(f"{of}_")]
    return [name for name in names if "_Location_" not in name and "_Parent_" not in name]


def _metadata_first(table: pd.DataFrame) -> pd.DataFrame:
    """Order columns as CellProfiler does: image, metadata, object, measurements."""
    first = [name for name in table.columns if str(name).startswith("Metadata_")]
    numbers = [name for name in ("ImageNumber", "ObjectNumber") if name in table]
    rest = [name for name in table.columns if name not in (*first, *numbers)]
    return table[[*numbers[:1], *first, *numbers[1:], *rest]]
