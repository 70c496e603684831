"""Plates: OME-Zarr HCS with channel names, well conditions, and a commit record for each field.

This module writes them and names all that other stages need; an open plate is in `opening`.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from ngio import create_empty_plate
from numpy.typing import NDArray

from unstained.arrays import Labels
from unstained.errors import BadInput, OutputExists, OutputFailed, listed
from unstained.plates import storage
from unstained.plates.fields import FieldName as FieldName
from unstained.plates.fields import fingerprint as fingerprint
from unstained.plates.listing import committed_fields, field_path, list_fields
from unstained.plates.opening import Plate as Plate
from unstained.plates.opening import open_plate as open_plate
from unstained.plates.opening import write_conditions
from unstained.plates.storage import OURS
from unstained.version import __version__


class PlateWriter:
    """A plate that is being written, as its driver sees it; without open files, so workers can have it."""

    def __init__(self, path: Path | str, info: dict[str, Any]) -> None:
        self.path, self.info = path, info
        self.channels = tuple(info["channels"])
        self._done = committed_fields(path)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "path": storage.wherever(self.path)}

    @property
    def done(self) -> frozenset[FieldName]:
        """Name the fields whose commit record is written."""
        return frozenset(self._done)

    def write_field(
        self,
        field: FieldName,
        planes: NDArray[Any],
        *,
        place: str | None = None,
        info: Mapping[str, Any] | None = None,
    ) -> None:
        """Write a field's planes (C Y X), then its commit record.

        Raises
        ------
        BadInput
            The planes don't fit the plate's channels.
        OutputFailed
            No permission or no space.
        """
        if planes.ndim != 3 or planes.shape[0] != len(self.channels):
            raise BadInput(
                f"field {field}: planes {planes.shape} don't fit channels {', '.join(self.channels)}"
            )
        path, size = storage.join(self.path, field_path(field)), self.info["pixel_size_um"]
        storage.write_image(path, planes, self.channels, size)
        prints = {name: fingerprint(plane) for name, plane in zip(self.channels, planes, strict=True)}
        record = {"place": place or str(field), "fingerprints": prints, "pixel_size_um": size, **(info or {})}
        storage.commit(path, record, size)
        self._done.add(field)

    def reopen(self, info: Mapping[str, Any]) -> None:
        """Count a finished plate as unfinished again, before fields are added or replaced.

        It keeps what `create_plate` was told of it and this `info`; what was made of its fields since, and
        written into its info, holds no longer.
        """
        if self.info.get("complete"):
            own = {name: self.info[name] for name in ("name", "version", "channels", "pixel_size_um")}
            self.info = {**info, **own, "complete": False}
            storage.update_attributes(self.path, **{OURS: self.info})

    def write_labels(self, field: FieldName, name: str, labels: Labels) -> None:
        """Store labels (Y X) with a field that is written."""
        storage.write_labels(storage.join(self.path, field_path(field)), name, labels)

    def write_table(self, field: FieldName, name: str, table: pd.DataFrame) -> None:
        """Store a table, one row an object of the labels of that name, with a field that is written."""
        storage.write_table(storage.join(self.path, field_path(field)), name, table)

    def finish(self, needed: Iterable[FieldName] = ()) -> Plate:
        """List the committed fields in the plate's and wells' metadata, and open the plate.

        Raises
        ------
        OutputFailed
            A field that is needed has no commit record; the plate stays unfinished.
        """
        self._done = committed_fields(self.path)
        if missing := sorted(set(needed) - self._done):
            raise OutputFailed(
                self.path,
                f"{len(missing)} fields were written, but aren't there: {listed(missing)};"
                " all workers must see the same disk or bucket",
            )
        list_fields(self.path, str(self.info["name"]), self._done)
        self.info["complete"] = True
        storage.update_attributes(self.path, **{OURS: self.info})
        return open_plate(self.path)


def create_plate(  # noqa: PLR0913 (all that a plate is, each by its name)
    path: Path | str,
    *,
    name: str,
    channels: Sequence[str],
    pixel_size_um: float | None,
    conditions: pd.DataFrame | None = None,
    info: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    resume: bool = False,
) -> PlateWriter:  # fmt: skip
    """Begin a plate, or go on with one (`resume`); it counts as finished after `PlateWriter.finish`.

    `conditions` has one row per well: `well` and the plate map's columns. A plate that is gone on with
    keeps its own conditions and info; its channels and pixel size must be those that are asked for.

    Raises
    ------
    OutputExists
        `path` is there, and neither `overwrite` nor `resume` was asked for.
    OutputFailed
        No permission, no space; or what is there isn't a plate.
    BadInput
        The plate to go on with has other channels or another pixel size.
    """
    path = storage.located(path)
    values = {**(info or {}), "channels": list(channels), "pixel_size_um": pixel_size_um}
    if storage.exists(path) and not overwrite:
        if not resume:
            raise OutputExists(path)
        return _resumed(path, values)
    if storage.exists(path):
        storage.remove(path)
    values |= {"name": name, "version": __version__, "complete": False}
    with storage.writing(path):
        create_empty_plate(str(path), name, ngff_version="0.5")
        storage.update_attributes(path, **{OURS: values})
    if conditions is not None and len(conditions):
        write_conditions(path, conditions)
    return PlateWriter(path, values)


def _resumed(path: Path | str, asked: Mapping[str, Any]) -> PlateWriter:
    found = (storage.attributes(path) or {}).get(OURS, {})
    for key in ("channels", "pixel_size_um"):
        if key not in found or found[key] != asked[key]:
            raise BadInput(
                f"{path} can't be gone on with: its {key} is {found.get(key)}, asked for is {asked[key]};"
                " choose another name or add --overwrite"
            )
    return PlateWriter(path, found)
