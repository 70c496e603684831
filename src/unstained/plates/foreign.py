"""OME-Zarr plates as a source: those of other programs read plane by plane, our own copied as they are."""

import shutil
import warnings
from pathlib import Path

from unstained.arrays import RawPlane
from unstained.errors import OutputFailed, UnstainedWarning
from unstained.plates import storage
from unstained.plates.opening import Plate, open_plate
from unstained.plates.sources import PlaneSource
from unstained.plates.storage import StoredImage


def is_ours(source: Path) -> bool:
    """Say whether a folder is a plate that this package wrote."""
    found = storage.attributes(source) or {}
    return "complete" in found.get(storage.OURS, {})


def from_plate(source: Path) -> list[PlaneSource]:
    """List every plane of a plate, all channels, z and t; its labels and tables stay behind, with a warning.

    Raises
    ------
    BadInput
        It is no plate, or damaged.
    """
    plate = open_plate(source)
    planes = []
    left_behind = 0
    for field in plate.fields:
        image = plate.stored(field)
        left_behind += len(plate.labels_of(field))
        planes += [
            PlaneSource(
                well=field.well,
                field=field.field,
                channel=channel,
                z=z if image.length("z") > 1 else None,
                t=t if image.length("t") > 1 else None,
                path=f"{source}, field {field}",
                pixel_size_um=plate.pixel_size_um if is_ours(source) else image.pixel_size_um,
                read=lambda image=image, c=c, z=z, t=t: _read(image, c, z, t, f"{source}"),  # type: ignore[misc]
                place=plate.place(field) if image.length("t") == 1 else None,
            )
            for t in range(image.length("t"))
            for c, channel in enumerate(image.channels)
            for z in range(image.length("z"))
        ]
    if left_behind:
        warnings.warn(
            f"labels in {source} are not taken over ({left_behind} of them)", UnstainedWarning, stacklevel=2
        )
    return planes


def copy_plate(source: Path, out: Path) -> Plate:
    """Copy one of our own plates to `out`, everything in it.

    Raises
    ------
    BadInput
        The plate isn't finished.
    OutputFailed
        No permission or no space.
    """
    open_plate(source)
    try:
        shutil.copytree(source, out)
    except (OSError, shutil.Error) as error:
        raise OutputFailed(out, error) from error
    return open_plate(out)


def _read(image: StoredImage, c: int, z: int, t: int, where: str) -> RawPlane:
    with storage.reading(where):
        return image.plane(c=c, z=z, t=t)
