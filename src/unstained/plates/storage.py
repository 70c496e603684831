"""Images, labels and tables in OME-Zarr, one level below the plate; the only module that knows its layout.

Written is NGFF 0.5, read is 0.4 and 0.5. Paths are local or any URL that fsspec knows (`s3://…`).
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import zarr
from ngio import (
    Channel,
    ConditionTable,
    FeatureTable,
    GenericTable,
    create_empty_ome_zarr,
    open_ome_zarr_container,
)
from numpy.typing import NDArray

from unstained.arrays import Labels
from unstained.errors import BadInput, OutputFailed, one_line
from unstained.plates.locations import exists as exists
from unstained.plates.locations import failures, files_of
from unstained.plates.locations import folders as folders
from unstained.plates.locations import join as join
from unstained.plates.locations import located as located
from unstained.plates.locations import reading as reading
from unstained.plates.locations import wherever as wherever
from unstained.plates.locations import writing as writing

OURS = "unstained"
"""Key of this package's own attributes in a plate's and a field's metadata."""

CHUNK_PX = 1024
_SMALLEST_LEVEL_PX = 512
_SHOWN_PERCENTILES = (0.1, 99.9)
_COLOURS = ("FFFFFF", "00FFFF", "FF00FF", "FFFF00", "00FF00", "FF0000", "0000FF")
_UM_PER_UNIT = {"angstrom": 1e-4, "nanometer": 1e-3, "micrometer": 1.0, "millimeter": 1e3, "meter": 1e6}


@dataclass(frozen=True)
class StoredImage:
    """What is known of one stored field before its pixels are read."""

    axes: tuple[str, ...]  # of `array`, for example ("c", "y", "x")
    channels: tuple[str, ...]
    pixel_size_um: float | None
    info: dict[str, Any]  # its commit record; empty in plates of others
    array: Any  # zarr.Array, full resolution

    @property
    def shape(self) -> tuple[int, int]:
        """Give Y and X, px."""
        return self.length("y"), self.length("x")

    def length(self, axis: str) -> int:
        """Give the number of planes or pixels along `axis`; 1 where there is no such axis."""
        return int(self.array.shape[self.axes.index(axis)]) if axis in self.axes else 1

    def plane(self, **at: int) -> NDArray[Any]:
        """Read one plane (Y X), at c, z, t = 0 unless told."""
        index = tuple(slice(None) if axis in "yx" else at.get(axis, 0) for axis in self.axes)
        plane = np.asarray(self.array[index])
        return plane if self.axes.index("y") < self.axes.index("x") else plane.T


def refuse_replacing(path: Path | str) -> None:
    """Refuse to delete what isn't a plate.

    Raises
    ------
    OutputFailed
        Something else is at `path`.
    """
    if attributes(path) is None:
        raise OutputFailed(path, "what is there is not a plate, so it isn't replaced; choose another name")


def remove(path: Path | str) -> None:
    """Delete a plate; nothing that isn't one is ever deleted.

    Raises
    ------
    OutputFailed
        `path` holds something else, or can't be deleted.
    """
    refuse_replacing(path)
    with writing(path):
        if isinstance(path, Path):
            shutil.rmtree(path)
        else:
            files, inner = files_of(path)
            files.rm(inner, recursive=True)


def attributes(path: Path | str) -> dict[str, Any] | None:
    """Read the attributes of a Zarr group; None where there is no group."""
    try:
        return dict(zarr.open_group(str(path), mode="r").attrs.asdict())
    except (FileNotFoundError, NotADirectoryError, KeyError, ValueError):
        return None
    except failures() as error:
        raise BadInput(f"can't read {path}: {one_line(error)}") from error


def update_attributes(path: Path | str, **values: Any) -> None:
    """Set attributes of a Zarr group, which is made where it is missing; others stay."""
    with writing(path):
        zarr.open_group(str(path), mode="a", zarr_format=3).attrs.update(values)


def open_image(path: str) -> StoredImage:
    """Open a field's image without reading pixels.

    Raises
    ------
    BadInput
        It isn't there or isn't an OME-Zarr image.
    """
    with reading(path):
        image = open_ome_zarr_container(path, mode="r").get_image()
        axes = tuple(image.meta.axes_handler.axes_names)
        info = (attributes(path) or {}).get(OURS, {})
        size = image.pixel_size
        unit = next((axis.unit for axis in image.meta.axes_handler.axes if axis.name == "y"), None)
    known = size.y * _UM_PER_UNIT.get(str(unit), 0.0) or None
    return StoredImage(axes, tuple(image.channel_labels), known, info, image.zarr_array)


def write_image(
    path: str, planes: NDArray[Any], channels: Sequence[str], pixel_size_um: float | None
) -> None:
    """Write planes (C Y X) with a pyramid, in place of what was at `path`; the commit record comes later."""
    shown = [
        _shown_channel(name, plane, number)
        for number, (name, plane) in enumerate(zip(channels, planes, strict=True))
    ]
    with writing(path):
        create_empty_ome_zarr(
            path,
            shape=planes.shape,
            pixelsize=pixel_size_um or 1.0,
            levels=_levels(planes.shape),
            axes_names=("c", "y", "x"),
            channels_meta=shown,
            dtype=str(planes.dtype),
            chunks=(1, CHUNK_PX, CHUNK_PX),
            ngff_version="0.5",
            overwrite=True,
        )
        _fill(open_ome_zarr_container(path, mode="r+", cache=True).get_image(), planes)


def commit(path: str, record: dict[str, Any], pixel_size_um: float | None) -> None:
    """Write a field's commit record, the last thing that is written of it."""
    with writing(path):
        group = zarr.open_group(path, mode="r+")
        known: dict[str, Any] = dict(group.attrs.asdict())
        values: dict[str, Any] = {OURS: {**record, "committed": True}}
        if pixel_size_um is None:
            values["ome"] = _without_units(known["ome"])
        group.attrs.update(values)


def write_labels(path: str, name: str, labels: Labels) -> None:
    """Write labels (Y X) beside a field's planes; labels of the same name are replaced."""
    with writing(path):
        container = open_ome_zarr_container(path, mode="r+")
        _fill(container.derive_label(name, dtype="uint32", overwrite=True), labels.astype(np.uint32))


def read_labels(path: str, name: str) -> Labels:
    """Read labels (Y X)."""
    with reading(f"labels {name!r} of {path}"):
        stored = open_ome_zarr_container(path, mode="r").get_label(name)
        return np.asarray(stored.zarr_array[...]).reshape(stored.zarr_array.shape[-2:]).astype(np.int32)


def list_labels(path: str) -> tuple[str, ...]:
    """Name the labels stored with a field."""
    with reading(path):
        return tuple(open_ome_zarr_container(path, mode="r").list_labels())


def write_table(path: str, name: str, table: pd.DataFrame) -> None:
    """Write a table beside a field's planes, as Parquet; one of the same name is replaced.

    Raises
    ------
    OutputFailed
        The URL is of a kind where tables would be lost, or it can't be written.
    """
    refuse_lost_tables(path)
    with writing(path):
        container = open_ome_zarr_container(path, mode="r+")
        container.add_table(name, object_table(table, name), backend="parquet", overwrite=True)


def refuse_lost_tables(path: Path | str) -> None:
    """Refuse to keep tables where ngio would write them to nowhere: behind URLs that fsspec serves in turn.

    Raises
    ------
    OutputFailed
    """
    if "://" in str(path) and not files_of(str(path))[0].async_impl:
        raise OutputFailed(path, "tables can be kept on disks and in s3://, gs:// and abfs:// stores only")


def object_table(table: pd.DataFrame, stain: str) -> FeatureTable | GenericTable:
    """Wrap an object table for storing: a feature table of `stain`'s labels where it has a column `label`."""
    if "label" not in table:
        return GenericTable(table.reset_index(drop=True))
    return FeatureTable(table.set_index("label", drop=True), reference_label=stain)


def condition_table(table: pd.DataFrame) -> ConditionTable:
    """Wrap the conditions of a plate's wells for storing."""
    return ConditionTable(table.reset_index(drop=True))


def plain_table(stored: Any) -> pd.DataFrame:
    """Give a stored table as it was: `label`, where it has one, as its first column."""
    table = pd.DataFrame(stored.dataframe)
    return table.reset_index() if table.index.name else table.reset_index(drop=True)


def _levels(shape: tuple[int, ...]) -> int:
    shorter = min(shape[-2:])
    return 1 + max(0, int(np.log2(max(shorter, 1) / _SMALLEST_LEVEL_PX)))


def _fill(stored: Any, pixels: NDArray[Any]) -> None:
    """Write the pixels of an image or labels, and its pyramid."""
    stored.set_array(pixels)
    if _levels(pixels.shape) > 1:
        stored.consolidate(mode="auto")


def _shown_channel(name: str, plane: NDArray[Any], number: int) -> Channel:
    """Say how viewers show a channel at first; the pixels themselves stay as they are."""
    low, high = np.nanpercentile(plane[::8, ::8].astype(np.float64), _SHOWN_PERCENTILES)
    return Channel.default_init(
        name,
        color=_COLOURS[number % len(_COLOURS)],
        start=float(low),
        end=float(max(high, low + 1e-6)),
        data_type=plane.dtype,
    )


def _without_units(ome: dict[str, Any]) -> dict[str, Any]:
    for image in ome["multiscales"]:
        for axis in image["axes"]:
            axis.pop("unit", None)
    return ome
