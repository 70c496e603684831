"""Import: image files, vendor files or an OME-Zarr plate become a plate; the source is only read."""

import shutil
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field

from unstained.arrays import RawPlane
from unstained.errors import BadInput, UnstainedWarning, listed, refuse_existing
from unstained.plates import storage
from unstained.plates.foreign import copy_plate, from_plate, is_ours
from unstained.plates.images import read_image as read_image
from unstained.plates.opening import Plate, open_plate, write_conditions
from unstained.plates.plate import PlateWriter, create_plate
from unstained.plates.plate_map import read_plate_map as read_plate_map
from unstained.plates.projection import FieldSource, arrange, check_projection, described, project_stack
from unstained.plates.sources import MANIFEST, PlaneSource, from_file, from_folder, from_manifest
from unstained.settings import Settings

Progress = Callable[[int, int], None]
"""Called with the number of fields written and of all fields."""

_PIXEL_SIZE_TOLERANCE = 0.01


class ImportSettings(Settings):
    """How the files of a source are understood."""

    manifest: Path | None = Field(
        default=None, description="csv with columns path,well,field,channel[,z][,t][,pixel_size_um]"
    )
    preset: str | None = Field(default=None, description="naming scheme: imagexpress, opera or cellvoyager")
    pattern: str | None = Field(
        default=None, description="regular expression with groups well, field, channel, z, t"
    )
    project: str = Field(default="channels", description="what becomes of z: channels, best, max or z=N")
    pixel_size_um: float | None = Field(
        default=None, gt=0, description="side of a pixel; goes before what files say"
    )


_AS_FOUND = ImportSettings()


def import_plate(
    source: Path,
    out: Path,
    settings: ImportSettings = _AS_FOUND,
    *,
    plate_map: Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Plate:
    """Make a plate of recorded images; it appears at `out` when it is whole.

    Parameters
    ----------
    source
        A manifest, a folder of images (a manifest.csv in it is used), an image or vendor file, or a plate.
    plate_map
        What is in each well: csv or xlsx, see `read_plate_map`.

    Raises
    ------
    BadInput, BadSettings, MissingExtra
        The source or the plate map can't be used as it is; nothing is written.
    OutputExists, OutputFailed
        `out` is there and may not be replaced, or can't be written.
    """
    check_projection(settings.project)
    _refuse_place(source, out)
    refuse_existing(out, overwrite)
    if is_ours(source) and settings == _AS_FOUND:
        return _write_whole(out, lambda unfinished: _copied(source, unfinished, plate_map))
    planes = _list_planes(source, settings)
    fields = arrange(planes, settings.project)
    wells = tuple(dict.fromkeys(field.name.well for field in fields))
    header: dict[str, Any] = {
        "name": out.stem,
        "channels": list(fields[0].stacks),
        "pixel_size_um": settings.pixel_size_um or _agreed_pixel_size(planes),
        "conditions": _conditions(plate_map, source, wells),
        "info": _record(source, settings, plate_map),
    }

    def write(unfinished: Path) -> None:
        writer = create_plate(unfinished, **header)
        _write_fields(writer, fields, settings.project, progress)
        writer.finish()

    return _write_whole(out, write)


def _record(source: Path, settings: ImportSettings, plate_map: Path | None) -> dict[str, Any]:
    """Say where a plate came from, for its info."""
    return {
        "kind": "recorded",
        "source": str(source),
        "import": settings.model_dump(mode="json"),
        "plate_map": None if plate_map is None else str(plate_map),
    }


def _list_planes(source: Path, settings: ImportSettings) -> list[PlaneSource]:
    if settings.manifest is not None:
        return from_manifest(settings.manifest)
    if not source.exists():
        raise BadInput(f"no file or folder at {source}")
    if source.is_file():
        return from_manifest(source) if source.suffix.lower() == ".csv" else from_file(source)
    if storage.attributes(source) is not None:
        return from_plate(source)
    named = settings.preset is not None or settings.pattern is not None
    if not named and (source / MANIFEST).is_file():
        return from_manifest(source / MANIFEST)
    return from_folder(source, settings.preset, settings.pattern)


def _refuse_place(source: Path, out: Path) -> None:
    """Keep the source untouched: the plate may be neither in it nor around it."""
    inner, outer = out.resolve(), source.resolve()
    if inner == outer or outer in inner.parents or inner in outer.parents:
        raise BadInput(
            f"the plate {out} would lie in or around its own source {source}; choose another place for it"
        )


def _agreed_pixel_size(planes: Sequence[PlaneSource]) -> float | None:
    """Give the pixel size on which all files agree that say one; None where none does."""
    known = [(plane.pixel_size_um, plane.path) for plane in planes if plane.pixel_size_um is not None]
    if not known:
        return None
    (low, low_path), (high, high_path) = min(known, key=lambda k: k[0]), max(known, key=lambda k: k[0])
    if high > low * (1 + _PIXEL_SIZE_TOLERANCE):
        raise BadInput(
            f"pixel sizes contradict each other: {low:.4g} µm in {low_path}, {high:.4g} µm in {high_path};"
            " say which is right with --pixel-size-um"
        )
    return float(known[0][0])


def _conditions(plate_map: Path | None, source: Path, wells: Sequence[str]) -> pd.DataFrame | None:
    """Read the plate map and keep what it says of the plate's wells."""
    if plate_map is None:
        return open_plate(source).conditions if is_ours(source) else None
    table = read_plate_map(plate_map)
    known = table["well"].isin(list(wells))
    if not known.any():
        raise BadInput(
            f"the plate map {plate_map} has none of the plate's wells; it has: {listed(table['well'])};"
            f" the plate: {listed(wells)}"
        )
    absent, undescribed = list(table["well"][~known]), sorted(set(wells) - set(table["well"]))
    if absent:
        _warn(f"the plate map {plate_map} describes {len(absent)} wells without images: {listed(absent)}")
    if undescribed:
        _warn(f"the plate map {plate_map} says nothing of {len(undescribed)} wells: {listed(undescribed)}")
    return table[known].reset_index(drop=True)


def _write_fields(
    writer: PlateWriter, fields: Sequence[FieldSource], project: str, progress: Progress | None
) -> None:
    first: dict[str, tuple[RawPlane, str]] = {}
    for count, field in enumerate(fields, start=1):
        planes, chosen_z = _read_field(field, project)
        for channel, plane in planes.items():
            example, where = first.setdefault(channel, (plane[:0, :0], str(field.stacks[channel][0].path)))
            if plane.dtype != example.dtype:
                raise BadInput(
                    f"channel {channel} is {plane.dtype} in {field.stacks[channel][0].path},"
                    f" but {example.dtype} in {where}; a channel needs one bit depth: import them apart"
                )
        info: dict[str, Any] = {
            "files": {
                channel: [str(source.path) for source in stack] for channel, stack in field.stacks.items()
            },
            "dtypes": {channel: str(plane.dtype) for channel, plane in planes.items()},
            **({"z": chosen_z} if chosen_z else {}),
            **({} if field.t is None else {"t": field.t}),
        }
        dtype = np.result_type(*(plane.dtype for plane in planes.values()))
        stack = np.stack([plane.astype(dtype, copy=False) for plane in planes.values()])
        writer.write_field(field.name, stack, place=field.place, info=info)
        if progress is not None:
            progress(count, len(fields))


def _read_field(field: FieldSource, project: str) -> tuple[dict[str, RawPlane], dict[str, int]]:
    """Read a field's channels (Y X), all of one size; and the z of those that were chosen from a stack."""
    planes: dict[str, RawPlane] = {}
    chosen_z: dict[str, int] = {}
    for channel, stack in field.stacks.items():
        planes[channel], z = project_stack(stack, project)
        if z is not None:
            chosen_z[channel] = z
        first = next(iter(planes))
        if planes[channel].shape != planes[first].shape:
            raise BadInput(
                f"field {field.name}: {stack[0].path} is {described(planes[channel])},"
                f" but {field.stacks[first][0].path} is {described(planes[first])};"
                " the channels of a field need one size"
            )
    return planes, chosen_z


def _copied(source: Path, unfinished: Path, plate_map: Path | None) -> None:
    plate = copy_plate(source, unfinished)
    if plate_map is not None:
        conditions = _conditions(plate_map, source, plate.wells)
        assert conditions is not None, "a plate map gives conditions"
        write_conditions(unfinished, conditions)
    plate.update_info(copied_from=str(source))


def _write_whole(out: Path, write: Callable[[Path], None]) -> Plate:
    """Write under another name beside `out`, and put it in its place when it is whole."""
    unfinished = out.with_name(f".{out.name}.unfinished")
    if out.exists():
        storage.refuse_replacing(out)
    try:
        with storage.writing(out):
            out.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(unfinished, ignore_errors=True)
        write(unfinished)
        if out.exists():
            storage.remove(out)
        with storage.writing(out):
            unfinished.rename(out)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return open_plate(out)


def _warn(text: str) -> None:
    warnings.warn(text, UnstainedWarning, stacklevel=3)
