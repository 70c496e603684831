"""Floors on real annotated nuclei: lower figures mean that the segmentation has become worse."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from unstained.measurement.matching import match_objects
from unstained.segmentation.nuclei import estimate_diameter, segment_nuclei

# Wells on which the defaults were chosen; F1 at IoU .5 was .98, .96, .84 and .98 when the floors were set.
FLOORS = {"A03": 0.95, "C05": 0.92, "B03": 0.80, "D09": 0.96}


def annotated(folder: Path, well: str) -> tuple[np.ndarray, np.ndarray]:
    plane = tifffile.imread(folder / "nuclei-masks" / "images" / f"{well}_f0_DNA.tif").astype(np.float32)
    labels = tifffile.imread(folder / "nuclei-masks" / "labels" / f"{well}_f0_NUCLEI.tif")
    return plane, labels.astype(np.int32)


@pytest.mark.parametrize("well", FLOORS)
def test_annotated_nuclei_are_found(shared_data, well):
    plane, real = annotated(shared_data, well)
    assert match_objects(real, segment_nuclei(plane)).f1 >= FLOORS[well]


@pytest.mark.parametrize("well", FLOORS)
def test_the_typical_diameter_is_that_of_the_annotated_nuclei(shared_data, well):
    plane, real = annotated(shared_data, well)
    areas = np.bincount(real.ravel())[1:]
    assert estimate_diameter(plane) == pytest.approx(2 * np.sqrt(np.median(areas) / np.pi), rel=0.2)


def test_cells_in_suspension_are_counted(shared_data):
    """The montage has 30 × 30 cells; a quarter of it is 15 × 15."""
    plane = tifffile.imread(shared_data / "flow-cytometry" / "images" / "A01_f0_DNA.tif")[:600, :600]
    assert segment_nuclei(plane.astype(np.float32)).max() == pytest.approx(225, abs=4)
