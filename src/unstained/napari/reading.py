"""Predicted plates in napari: one layer a stain, the fields along a slider, with labels if there are any."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from unstained.measurement.known import known_stain
from unstained.napari.layers import LayerData, image_layer, labels_layer, placed, stacked
from unstained.plates import storage
from unstained.plates.plate import FieldName, Plate, open_plate
from unstained.plates.storage import OURS

Reader = Callable[[str | list[str]], list[LayerData]]


def get_reader(path: str | list[str]) -> Reader | None:
    """Give the function that reads a path, or None where it isn't one predicted plate of ours."""
    if not isinstance(path, str):
        return None
    info = (storage.attributes(Path(path)) or {}).get(OURS, {})
    return read_plate if info.get("kind") == "predicted" else None


def read_plate(path: str | list[str]) -> list[LayerData]:
    """Read a predicted plate: stains and labels as (field Y X), pixels when they are looked at.

    Each layer's metadata says under `unstained` which fields there are, in the slider's order, and their
    verdicts.

    Raises
    ------
    BadInput
        The plate isn't finished, or damaged.
    """
    plate = open_plate(Path(str(path)))
    size = placed(plate.pixel_size_um, axes=3)
    told: dict[str, Any] = {"metadata": {"unstained": {
        "fields": [str(name) for name in plate.fields],
        "verdicts": [_verdict(plate, name) for name in plate.fields],
    }}}  # fmt: skip
    first = plate.fields[0]
    layers = [
        image_layer(
            _whole(plate, partial(plate.read, channel=stain)),
            stain,
            known_stain(plate, stain).stain.colour,
            plate.read(first, stain),
            **size,
            **told,
        )
        for stain in plate.channels
    ]
    labelled = [
        name for name in plate.labels_of(first) if all(name in plate.labels_of(each) for each in plate.fields)
    ]
    layers += [
        labels_layer(
            _whole(plate, partial(plate.read_labels, stain=name)),
            f"{name} labels",
            visible=False,
            **size,
            **told,
        )
        for name in labelled
    ]
    return layers


def _whole(plate: Plate, read: Callable[[FieldName], Any]) -> Any:
    """Give a stack (field Y X) of what `read` gives of each field, when it is looked at."""
    import dask
    import dask.array

    shapes = [plate.shape(name) for name in plate.fields]
    kind = read(plate.fields[0]).dtype
    planes = [
        dask.array.from_delayed(dask.delayed(read, pure=True)(name), shape, kind)
        for name, shape in zip(plate.fields, shapes, strict=True)
    ]
    rows, columns = (max(sides) for sides in zip(*shapes, strict=True))
    return stacked(planes, (rows, columns))


def _verdict(plate: Plate, name: FieldName) -> str | None:
    found = plate.field_info(name).get("verdict")
    return found.get("verdict") if isinstance(found, dict) else found
