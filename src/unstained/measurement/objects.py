"""Measure the objects of one field: one row per object, columns from general to particular, with units."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from unstained.arrays import Labels, Plane
from unstained.errors import BadInput
from unstained.measurement.shapes import Properties, object_properties
from unstained.segmentation.background import local_mean
from unstained.segmentation.regions import at_edge


def _y(found: Properties, size: float) -> np.ndarray:
    return found["centroid-0"] * size


def _x(found: Properties, size: float) -> np.ndarray:
    return found["centroid-1"] * size


def _area(found: Properties, size: float) -> np.ndarray:
    return found["area"] * size**2


def _diameter(found: Properties, size: float) -> np.ndarray:
    return found["equivalent_diameter_area"] * size


def _perimeter(found: Properties, size: float) -> np.ndarray:
    return found["perimeter"] * size


MEASURES: dict[str, Callable[[Properties, float], np.ndarray]] = {
    "y_{unit}": _y,
    "x_{unit}": _x,
    "area_{unit2}": _area,
    "diameter_{unit}": _diameter,
    "perimeter_{unit}": _perimeter,
    "eccentricity": lambda found, _: found["eccentricity"],
    "solidity": lambda found, _: found["solidity"],
    "intensity_total": lambda found, _: found["area"] * found["intensity_mean"],
    "intensity_mean": lambda found, _: found["intensity_mean"],
    "intensity_max": lambda found, _: found["intensity_max"],
}
"""Column name → function of the properties (px, camera units) and pixel size; a new column is one line."""


def measure_objects(
    labels: Labels,
    plane: Plane,
    *,
    pixel_size_um: float | None,
    features: Sequence[str] = (),
    background: float | None = None,
) -> pd.DataFrame:
    """Measure every object of `labels` (Y X) in `plane` (Y X): one row per object, sorted by label.

    Lengths are in µm and areas in µm² (`y_um`, `area_um2`), or in px (`y_px`, `area_px`) where the pixel
    size is unknown. Intensities are in the plane's own camera units with the background left in:
    `intensity_total` is the sum over the object's pixels, so `intensity_mean` times their number.
    `diameter` is that of the disk of equal area, `perimeter` and `solidity` (area ÷ area of the convex
    hull) are scikit-image's; `touches_border` says that the object lies at the edge of the field, so that
    part of it may be missing. `features` names further columns, of `FEATURES`;
    `background` is what those take for dark (else the plane's 1st percentile).

    Raises
    ------
    BadInput
        `labels` and `plane` differ in size.
    """
    if labels.shape != plane.shape:
        raise BadInput(f"labels {labels.shape} and plane {plane.shape} differ; take both from one field")
    if not labels.any():
        return empty_table(pixel_size_um).assign(**{name: np.empty(0) for name in features})
    found = object_properties(labels, plane)
    names = object_columns(pixel_size_um)
    size = 1.0 if pixel_size_um is None else pixel_size_um
    columns = {name: measure(found, size) for name, measure in zip(names, MEASURES.values(), strict=True)}
    at_border = np.isin(found["label"], at_edge(labels))
    dark = float(np.percentile(plane, 1)) if background is None else background
    further = {name: FEATURES[name](labels, plane, size, dark)[found["label"]] for name in features}
    return pd.DataFrame(
        {"label": found["label"].astype(np.int64), **columns, "touches_border": at_border, **further}
    )


def granularity(labels: Labels, plane: Plane, pixel_size_um: float, background: float) -> np.ndarray:
    """Measure the inner complexity of every object (0..N): how coarse its light is, whatever its brightness.

    The standard deviation, within the object, of what is finer than `GRAIN_UM` (the plane less the mean of
    the objects' pixels near by, so that outlines don't count), divided by the mean of the object's light over
    the background.
    """
    flat = plane.astype(np.float32)
    fine = flat - local_mean(flat, labels > 0, GRAIN_UM / pixel_size_um)
    counts = np.bincount(labels.ravel())

    def means(values: np.ndarray) -> np.ndarray:
        return np.bincount(labels.ravel(), values.ravel()) / np.maximum(counts, 1)

    light = means(flat) - background
    spread = np.sqrt(np.maximum(means(fine.astype(np.float64) ** 2) - means(fine) ** 2, 0))
    grains: np.ndarray = spread / np.where(light > 0, light, np.nan)
    return grains


GRAIN_UM = 1.0
"""Structures smaller than about twice this are grains."""

FEATURES: dict[str, Callable[[Labels, Plane, float, float], np.ndarray]] = {"granularity": granularity}
"""Features that a stain can ask for: function of labels, plane, pixel size (1 where unknown), background."""


def object_columns(pixel_size_um: float | None) -> tuple[str, ...]:
    """Name the measured columns: in µm, or in px where the pixel size is unknown."""
    unit, square = ("px", "px") if pixel_size_um is None else ("um", "um2")
    return tuple(name.format(unit=unit, unit2=square) for name in MEASURES)


def empty_table(pixel_size_um: float | None) -> pd.DataFrame:
    """Give the table of a field without objects: no rows, the same columns and types."""
    columns = {name: np.empty(0) for name in object_columns(pixel_size_um)}
    return pd.DataFrame({"label": np.empty(0, np.int64), **columns, "touches_border": np.empty(0, bool)})
