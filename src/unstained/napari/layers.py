"""Planes, labels and tables as napari takes them: tuples of data, settings and kind of a layer."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from unstained.arrays import Labels, RawPlane

LayerData: TypeAlias = tuple[Any, dict[str, Any], str]

SHOWN = (1.0, 99.8)
"""Percentiles of a plane that are shown as dark and bright."""


def placed(pixel_size_um: float | None, axes: int = 2) -> dict[str, Any]:
    """Say how large a layer's pixels are, where that is known; axes before Y and X count single steps."""
    if pixel_size_um is None:
        return {}
    outer = axes - 2
    return {
        "scale": [*[1.0] * outer, pixel_size_um, pixel_size_um],
        "units": [*["pixel"] * outer, "um", "um"],
    }


def image_layer(planes: Any, name: str, colour: str | None, shown: RawPlane, **more: Any) -> LayerData:
    """Show planes (… Y X) in a colour (`#rrggbb`, else grey), as dark and bright as the plane `shown` is."""
    low, high = (float(value) for value in np.percentile(shown, SHOWN))
    limits = [low, high if high > low else low + 1.0]
    look: dict[str, Any] = {}
    if colour is not None:
        look = {"colormap": {"name": colour, "colors": ["#000000", colour]}, "blending": "additive"}
    return planes, {"name": name, "contrast_limits": limits, **look, **more}, "image"


def labels_layer(labels: Any, name: str, table: pd.DataFrame | None = None, **more: Any) -> LayerData:
    """Show labels (… Y X); a table of one row an object becomes the layer's features."""
    features = {} if table is None else {"features": table.rename(columns={"label": "index"})}
    return labels, {"name": name, "opacity": 0.4, **features, **more}, "labels"


def stacked(planes: Sequence[Any], shape: tuple[int, int]) -> Any:
    """Stack lazy planes (Y X) of any size to (field Y X); smaller ones are dark beyond their edges."""
    import dask.array

    filled = [
        dask.array.pad(plane, [(0, whole - side) for whole, side in zip(shape, plane.shape, strict=True)])
        for plane in planes
    ]
    return dask.array.stack(filled)


def as_labels(labels: Labels) -> Labels:
    """Give labels in a type that napari shows."""
    return labels.astype(np.int32)
