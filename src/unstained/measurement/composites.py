"""Stains together: cells around nuclei, and what each holds of every other stain (thesis, Figs. 19–23)."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from skimage.segmentation import expand_labels

from unstained.arrays import Labels, Plane
from unstained.measurement.known import KnownStain
from unstained.segmentation.background import gaussian
from unstained.segmentation.regions import flood
from unstained.segmentation.spots import SpotSettings

NUCLEI, BODY = "nuclei", "er"
"""The stains that say where a cell's middle is, and how far it reaches."""

REACH = 0.5
"""Without a stain of the cell's body, cells reach so far beyond their nuclei, in diameters of these."""

POSITIVE = 0.5
"""A cell is positive in a stain if objects of that stain cover this share of its nucleus."""

HELD = ("total", "mean", "positive", "count", "area_um2", "area_px")
"""What a cell holds of a stain, of bodies or of spots; columns are `STAIN_…`."""

SMOOTH_UM = 0.7
"""Blur of the body's stain before cells that touch are parted."""


def find_cells(
    nuclei: Labels, body: Plane | None, inside: Labels | None, *, pixel_size_um: float | None
) -> Labels:
    """Give every nucleus (Y X) its cell: the label is the nucleus's, 0 is outside.

    With a stain of the `body` (Y X) and its objects (`inside`), touching cells are parted where it is dimmest
    between their nuclei, by watershed; what holds no nucleus belongs to no cell. Without, a cell reaches half
    a diameter beyond its nucleus.
    """
    if body is None or inside is None:
        areas = np.bincount(nuclei.ravel())[1:]
        reach = REACH * 2 * np.sqrt(np.median(areas[areas > 0]) / np.pi) if areas.any() else 0.0
        wide: Labels = expand_labels(nuclei, reach)
        return wide
    smooth = gaussian(body, SMOOTH_UM / (pixel_size_um or 1.0))
    return flood(smooth, nuclei, (inside > 0) | (nuclei > 0))


def cell_table(
    cells: Labels,
    labels: Mapping[str, Labels],
    planes: Mapping[str, Plane],
    known: Mapping[str, KnownStain],
    *,
    pixel_size_um: float | None,
) -> pd.DataFrame:
    """Measure what every cell holds: one row each, by the label of its nucleus.

    Columns are `label`, `y_um`, `x_um`, `area_um2`, `nucleus_area_um2` (px where µm aren't known); for a
    stain of bodies `NAME_total` (its mass: light over the background, summed over the cell), `NAME_mean` and
    `NAME_positive`; for one of spots `NAME_total`, `NAME_count` and `NAME_area_um2` of the objects assigned
    to the cell, each to the one that holds most of it.
    """
    size = pixel_size_um or 1.0
    length, square = ("um", "um2") if pixel_size_um else ("px", "px")
    count = int(labels[NUCLEI].max()) + 1
    present = np.arange(1, count)
    inside = np.flatnonzero(cells)
    cell = cells.ravel()[inside]
    pixels = np.bincount(cell, minlength=count)[1:]
    nuclei = np.flatnonzero(labels[NUCLEI])
    nucleus = labels[NUCLEI].ravel()[nuclei]
    nucleus_pixels = np.bincount(nucleus, minlength=count)[1:]
    table = pd.DataFrame({"label": present})
    for name, along in zip(("y", "x"), np.divmod(inside, cells.shape[1]), strict=True):
        table[f"{name}_{length}"] = np.bincount(cell, along, count)[1:] / pixels * size
    table[f"area_{square}"] = pixels * size**2
    table[f"nucleus_area_{square}"] = nucleus_pixels * size**2
    for stain in (name for name in planes if name != NUCLEI):
        background = known[stain].background
        if background is None:
            background = float(np.percentile(planes[stain], 1))
        objects, light = labels[stain].ravel(), planes[stain].ravel()
        if isinstance(known[stain].stain.objects, SpotSettings):
            owner = owners(labels[stain], cells)
            spots = np.flatnonzero(objects)
            held = owner[objects[spots]]
            over = light[spots].astype(np.float64) - background
            table[f"{stain}_total"] = np.bincount(held, over, count)[1:]
            table[f"{stain}_count"] = np.bincount(owner[1:], minlength=count)[1:]
            table[f"{stain}_area_{square}"] = np.bincount(held, minlength=count)[1:] * size**2
        else:
            total = np.bincount(cell, light[inside].astype(np.float64) - background, count)[1:]
            covered = np.bincount(nucleus, objects[nuclei] > 0, count)[1:]
            table[f"{stain}_total"] = total
            table[f"{stain}_mean"] = total / pixels
            table[f"{stain}_positive"] = covered >= POSITIVE * nucleus_pixels
    return table


def owners(objects: Labels, cells: Labels) -> np.ndarray:
    """Say which cell holds most of each object (0..N); 0 where most of it lies outside all cells."""
    columns = int(cells.max()) + 1
    inside = np.flatnonzero(objects)
    shared = np.bincount(
        objects.ravel()[inside].astype(np.int64) * columns + cells.ravel()[inside],
        minlength=(int(objects.max()) + 1) * columns,
    )
    owner: np.ndarray = shared.reshape(-1, columns).argmax(axis=1)
    owner[0] = 0
    return owner


def cells_by_well(cells: pd.DataFrame, wells: tuple[str, ...], stains: Iterable[str]) -> pd.DataFrame:
    """Average cells by well, also wells without any: `well`, `cells` (their number), then each column's mean.

    The mean of `NAME_positive` is the share of positive cells.
    """
    averaged = measures_of(cells, stains)
    grouped = cells.astype(dict.fromkeys(averaged, float)).groupby("well")
    table = grouped[averaged].mean().reindex(wells)
    table.insert(0, "cells", grouped.size().reindex(wells, fill_value=0))
    return table.rename_axis("well").reset_index()


def measures_of(cells: pd.DataFrame, stains: Iterable[str]) -> list[str]:
    """Name the columns of a table of cells that hold what was measured, none of a plate map's."""
    areas = [f"{whose}area_{square}" for whose in ("", "nucleus_") for square in ("um2", "px")]
    known = {*areas, *(f"{stain}_{measure}" for stain in stains for measure in HELD)}
    return [name for name in cells.columns if name in known]
