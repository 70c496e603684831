"""Find and measure the objects of one field, of all its stains.

Nothing is read or written here, and little is imported: processes that do it start fast.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from unstained.arrays import Labels, Plane
from unstained.measurement.composites import BODY, NUCLEI, cell_table, find_cells
from unstained.measurement.known import KnownStain
from unstained.segmentation.recipes import Recipe

CELLS = "cells"
"""Name of the labels and the table of cells, where several stains were predicted."""


@dataclass(frozen=True)
class FieldObjects:
    """What is found in one field: labels and tables by stain, and of cells where there are any."""

    labels: dict[str, Labels]
    tables: dict[str, pd.DataFrame]


def measure_field(
    planes: Mapping[str, Plane],
    known: Mapping[str, KnownStain],
    recipes: Mapping[str, Recipe],
    pixel_size_um: float | None,
) -> FieldObjects:
    """Find and measure the objects of every stain's plane (Y X), and the cells where there are nuclei."""
    labels, tables = {}, {}
    for stain, plane in planes.items():
        labels[stain], tables[stain] = known[stain].objects_in(plane, recipes[stain], pixel_size_um)
    if CELLS in kinds_of(tuple(planes)):
        cells = find_cells(labels[NUCLEI], planes.get(BODY), labels.get(BODY), pixel_size_um=pixel_size_um)
        tables[CELLS] = cell_table(cells, labels, planes, known, pixel_size_um=pixel_size_um)
        labels[CELLS] = cells
    return FieldObjects(labels, tables)


def kinds_of(stains: tuple[str, ...]) -> tuple[str, ...]:
    """Name what a field has a table of: each stain, and cells where there are nuclei and another stain."""
    several = NUCLEI in stains and len(stains) > 1
    return (*stains, CELLS) if several else stains
