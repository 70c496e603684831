"""What cells hold of every stain, by well: from predicted stains against real ones (all simulated).

Usage: python benchmarks/composites.py --out work/four (after four_stains.py)
Both sides find nuclei, cells and objects by themselves. Writes results/twin-cells-<measure>.json.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from four_stains import CHANNELS, SAME, plate_of
from record import write_result
from unstained.arrays import Plane
from unstained.measurement.composites import BODY, NUCLEI, cell_table, cells_by_well, find_cells
from unstained.measurement.downstream import agreement
from unstained.measurement.known import KnownStain, known_stain
from unstained.plates.plate import FieldName, Plate, open_plate
from unstained.segmentation.recipes import segment

MEASURES = {
    "er_total": "ER mass per cell",
    "golgi_area_um2": "Golgi area per cell",
    "gfp_positive": "share of GFP-positive cells",
    "gfp_mean": "mean GFP of a cell",
    "area_um2": "area of a cell",
}


def cells_of(
    planes: Mapping[str, Plane], known: Mapping[str, KnownStain], size_um: float | None, *, predicted: bool
) -> pd.DataFrame:
    """Find and measure the cells of one field."""
    labels = {
        stain: segment(plane, known[stain].recipe(size_um, predicted=predicted), pixel_size_um=size_um)
        for stain, plane in planes.items()
    }
    cells = find_cells(labels[NUCLEI], planes[BODY], labels[BODY], pixel_size_um=size_um)
    return cell_table(cells, labels, planes, known, pixel_size_um=size_um)


def both_sides(
    truth: Plate, predicted: Plate, known: Mapping[str, KnownStain], name: FieldName
) -> list[pd.DataFrame]:
    """Give the cells of a field from the real and from the predicted stains."""
    size_um = truth.pixel_size_um
    real = {
        stain: np.asarray(known[stain].learnt(truth.read(name, channel), size_um), dtype=np.float32)
        for stain, channel in CHANNELS.items()
    }
    ours = {stain: predicted.read(name, stain) for stain in CHANNELS}
    return [
        cells_of(planes, known, size_um, predicted=planes is ours).assign(well=name.well)
        for planes in (real, ours)
    ]


def main() -> None:
    """Measure both sides of every test field, and compare wells."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of four_stains.py")
    chosen = parser.parse_args()
    truth = plate_of(chosen.out, "test")
    predicted = open_plate(chosen.out / "scored-shared-0.zarr")
    known = {stain: known_stain(predicted, stain) for stain in CHANNELS}
    sides = zip(*(both_sides(truth, predicted, known, name) for name in truth.fields), strict=True)
    real, ours = (
        cells_by_well(pd.concat(tables, ignore_index=True), truth.wells, CHANNELS) for tables in sides
    )
    for measure, title in MEASURES.items():
        found = agreement(
            real[measure].to_numpy(float),
            ours[measure].to_numpy(float),
            list(truth.wells),
            np.random.default_rng(0),
        )
        print(measure, found, flush=True)
        write_result(
            f"twin-cells-{measure.replace('_', '-')}",
            title=f"{title}, by well: Pearson of predicted with real (simulated)",
            value=found.pearson or 0.0,
            goal=None,
            comparison=None,
            interval=found.interval,
            against={},
            notes=f"Spearman {found.spearman:.3f}, bias {found.bias:+.3f}, {found.n} wells",
            **{**SAME, "command": "python benchmarks/composites.py --out work/four"},
        )


if __name__ == "__main__":
    main()
