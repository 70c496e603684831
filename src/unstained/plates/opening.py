"""An open plate: its fields, channels, conditions, and what is stored with each field."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ngio import open_ome_zarr_container, open_ome_zarr_plate

from unstained.arrays import Labels, RawPlane
from unstained.errors import BadInput, MissingChannel, UnknownField
from unstained.plates import storage
from unstained.plates.fields import FieldName, fingerprint, split_well, well_name
from unstained.plates.listing import listed_fields
from unstained.plates.storage import OURS, StoredImage

_CONDITIONS = "conditions"


class Plate:
    """An open plate; pixels, labels and tables are read when asked for.

    Attributes
    ----------
    path
        As given: a local path or a URL.
    info
        The plate's own attributes, any JSON: where it came from, stains, verdicts.
    """

    def __init__(
        self, path: Path | str, name: str, paths: Mapping[FieldName, str], info: dict[str, Any]
    ) -> None:
        self.path, self.name, self.info = path, name, info
        self._paths = dict(sorted(paths.items()))
        self._images: dict[FieldName, StoredImage] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "path": storage.wherever(self.path), "_images": {}}  # nothing open travels

    @property
    def fields(self) -> tuple[FieldName, ...]:
        """Name the fields, sorted by row, column and number."""
        return tuple(self._paths)

    @cached_property
    def wells(self) -> tuple[str, ...]:
        """Name the wells, sorted by row and column."""
        return tuple(dict.fromkeys(field.well for field in self.fields))

    @cached_property
    def channels(self) -> tuple[str, ...]:
        """Name the channels, in stored order."""
        return tuple(self.info.get("channels") or self.stored(self.fields[0]).channels)

    @cached_property
    def pixel_size_um(self) -> float | None:
        """Give the side of a pixel in µm; None where it isn't known."""
        if "pixel_size_um" in self.info:
            return None if self.info["pixel_size_um"] is None else float(self.info["pixel_size_um"])
        return self.stored(self.fields[0]).pixel_size_um

    @cached_property
    def conditions(self) -> pd.DataFrame:
        """Give one row per well: `well` and the plate map's columns."""
        wells = pd.DataFrame({"well": list(self.wells)})
        with storage.reading(f"the conditions of {self.path}"):
            plate = open_ome_zarr_plate(str(self.path), mode="r")
            if _CONDITIONS not in plate.list_tables():
                return wells
            stored = storage.plain_table(plate.get_table(_CONDITIONS))
        return wells.merge(stored, on="well", how="left") if "well" in stored else wells

    def shape(self, field: FieldName) -> tuple[int, int]:
        """Give Y and X of a field, px."""
        return self.stored(field).shape

    def dtype(self, field: FieldName) -> np.dtype[Any]:
        """Give the type in which a field's pixels are stored."""
        dtype: np.dtype[Any] = np.dtype(self.stored(field).array.dtype)
        return dtype

    def place(self, field: FieldName) -> str:
        """Name the place a field shows; fields of equal place show the same cells at other times."""
        return str(self.stored(field).info.get("place", field))

    def fingerprint(self, field: FieldName, channel: str) -> str:
        """Give the fingerprint of one channel's pixels: as recorded, else that of what is there."""
        recorded = self.stored(field).info.get("fingerprints", {}).get(channel)
        return str(recorded or fingerprint(self.read(field, channel)))

    def field_info(self, field: FieldName) -> dict[str, Any]:
        """Give a field's commit record."""
        return dict(self.stored(field).info)

    def read(self, field: FieldName, channel: str) -> RawPlane:
        """Read one channel (Y X) in the type it was recorded in.

        Raises
        ------
        UnknownField, MissingChannel
            The plate doesn't have it.
        BadInput
            It is damaged, or has several z or t planes.
        """
        image = self.stored(field)
        if channel not in image.channels:
            raise MissingChannel(channel, f"{self.path}, field {field}", image.channels)
        if image.length("z") * image.length("t") > 1:
            raise BadInput(
                f"{self.path}, field {field} has several z or t planes;"
                " make a plate of one plane per channel of it: unstained import"
            )
        with storage.reading(f"{self.path}, field {field}, channel {channel}"):
            plane = image.plane(c=image.channels.index(channel))
        expected = image.info.get("fingerprints", {}).get(channel)
        if expected is not None and fingerprint(plane) != expected:
            raise BadInput(
                f"{self.path}, field {field}, channel {channel} is damaged:"
                " its pixels aren't those that were written; import or predict it again"
            )
        return plane

    def labels_of(self, field: FieldName) -> tuple[str, ...]:
        """Name the stains whose labels are stored for a field."""
        return storage.list_labels(self._path(field))

    def read_labels(self, field: FieldName, stain: str) -> Labels:
        """Read the labels (Y X) of one stain."""
        if stain not in (known := self.labels_of(field)):
            raise MissingChannel(stain, f"the labels of {self.path}, field {field}", known)
        return storage.read_labels(self._path(field), stain)

    def write_labels(self, field: FieldName, stain: str, labels: Labels) -> None:
        """Store labels (Y X) of one stain; earlier ones are replaced.

        Raises
        ------
        OutputFailed
            The plate can't be written.
        """
        if labels.shape != self.shape(field):
            raise BadInput(f"labels of {labels.shape} px don't fit field {field} of {self.shape(field)} px")
        storage.write_labels(self._path(field), stain, labels)

    def read_table(self, field: FieldName, name: str) -> pd.DataFrame:
        """Read a table stored with a field."""
        with storage.reading(f"the tables of {self.path}, field {field}"):
            container = open_ome_zarr_container(self._path(field), mode="r")
            known = container.list_tables()
            if name in known:
                return storage.plain_table(container.get_table(name))
        raise BadInput(
            f"no table {name!r} in {self.path}, field {field}; it holds: {', '.join(known) or 'nothing'}"
        )

    def write_table(self, field: FieldName, name: str, table: pd.DataFrame) -> None:
        """Store a table with a field, as Parquet; an earlier one of this name is replaced."""
        storage.write_table(self._path(field), name, table)

    def update_info(self, **values: Any) -> None:
        """Add to the plate's own attributes, here and in storage."""
        storage.update_attributes(self.path, **{OURS: {**self.info, **values}})
        self.info.update(values)

    def select(self, names: Sequence[str]) -> tuple[FieldName, ...]:
        """Find fields by name: `A03` means all its fields, `A01/2` one; sorted, each once.

        Raises
        ------
        UnknownField
            A name isn't in the plate.
        """
        chosen: set[FieldName] = set()
        for name in names:
            well, _, number = name.partition("/")
            well = well_name(well) if split_well(well) else well
            found = {
                field for field in self.fields if field.well == well and number in ("", str(field.field))
            }
            if not found:
                raise UnknownField(name, str(self.path), self.fields if number else self.wells)
            chosen |= found
        return tuple(sorted(chosen))

    def _path(self, field: FieldName) -> str:
        if field not in self._paths:
            raise UnknownField(str(field), str(self.path), self.fields)
        return storage.join(self.path, self._paths[field])

    def stored(self, field: FieldName) -> StoredImage:
        """Give a field's image as it lies in storage, with all its axes."""
        if field not in self._images:
            self._images[field] = storage.open_image(self._path(field))
        return self._images[field]


def open_plate(path: Path | str) -> Plate:
    """Open a finished plate, also one that another program wrote (OME-Zarr 0.4 or 0.5).

    Raises
    ------
    BadInput
        There is nothing, or no plate, or one whose writing was interrupted.
    """
    path = storage.located(path)
    found = storage.attributes(path)
    if found is None:
        what = (
            "is no OME-Zarr plate; make one of it: unstained import"
            if storage.exists(path)
            else "doesn't exist"
        )
        raise BadInput(f"{path} {what}")
    metadata = found.get("ome", found).get("plate")
    if metadata is None:
        raise BadInput(f"{path} is Zarr, but no plate (it has no 'plate' metadata)")
    info = dict(found.get(OURS, {}))
    if info.get("complete") is False:
        raise BadInput(
            f"{path} isn't finished; run the command that writes it again, and it goes on where it stopped"
        )
    fields = listed_fields(path)
    if not fields:
        raise BadInput(f"{path} is a plate without fields")
    return Plate(path, str(metadata.get("name") or Path(str(path)).stem), fields, info)


def write_conditions(path: Path | str, conditions: pd.DataFrame) -> None:
    """Store what is in each well (`well` and one column per condition); earlier conditions are replaced."""
    storage.refuse_lost_tables(path)
    with storage.writing(path):
        plate = open_ome_zarr_plate(str(path), mode="r+")
        plate.add_table(_CONDITIONS, storage.condition_table(conditions), backend="parquet", overwrite=True)
