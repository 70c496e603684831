"""Stains together: what is put into every cell is found in it again."""

import numpy as np
import pandas as pd
import pytest

from unstained.measurement.composites import cell_table, cells_by_well, find_cells, owners
from unstained.measurement.known import KnownStain
from unstained.stains.catalogue import STAINS

KNOWN = {name: KnownStain(stain, {}, background=100.0) for name, stain in STAINS.items()}


def disk(shape, y, x, radius):
    rows, columns = np.indices(shape)
    return (rows - y) ** 2 + (columns - x) ** 2 <= radius**2


@pytest.fixture
def field():
    """Two cells of radius 20 that touch, nuclei of radius 8; Golgi in the first, GFP in the second."""
    shape, middles = (80, 120), ((40, 40), (40, 81))
    cells = [disk(shape, *middle, 20) for middle in middles]
    labels = {name: np.zeros(shape, np.int32) for name in ("nuclei", "er", "golgi", "gfp")}
    planes = {name: np.full(shape, 100, np.float32) for name in labels}
    rows, columns = np.indices(shape)
    for number, (middle, cell) in enumerate(zip(middles, cells, strict=True), start=1):
        labels["nuclei"][disk(shape, *middle, 8)] = number
        far = np.hypot(rows - middle[0], columns - middle[1])
        planes["er"][cell] += (60 - far[cell]) * number
        labels["er"][cell] = 1
    labels["golgi"][30:34, 30:34] = 1
    labels["golgi"][44:46, 46:48] = 2
    planes["golgi"][labels["golgi"] > 0] += 50
    labels["gfp"][cells[1]] = 1
    planes["gfp"][cells[1]] += 500
    return labels, planes


def test_touching_cells_are_parted_between_their_nuclei(field):
    labels, planes = field
    cells = find_cells(labels["nuclei"], planes["er"], labels["er"], pixel_size_um=0.5)
    assert set(np.unique(cells)) == {0, 1, 2}
    areas = np.bincount(cells.ravel())[1:]
    np.testing.assert_allclose(areas, np.pi * 20**2, rtol=0.03)
    assert cells[40, 30] == 1
    assert cells[40, 91] == 2


def test_without_a_stain_of_the_body_cells_reach_half_a_diameter(field):
    nuclei = field[0]["nuclei"]
    cells = find_cells(nuclei, None, None, pixel_size_um=None)
    np.testing.assert_allclose(np.bincount(cells.ravel())[1:], np.pi * 16**2, rtol=0.1)
    assert not find_cells(np.zeros((9, 9), np.int32), None, None, pixel_size_um=None).any()


def test_every_cell_holds_what_was_put_into_it(field):
    labels, planes = field
    cells = find_cells(labels["nuclei"], planes["er"], labels["er"], pixel_size_um=0.5)
    table = cell_table(cells, labels, planes, KNOWN, pixel_size_um=0.5).set_index("label")
    assert list(table["golgi_count"]) == [2, 0]
    assert list(table["golgi_area_um2"]) == [20 * 0.25, 0]
    assert list(table["golgi_total"]) == [20 * 50, 0]
    assert list(table["gfp_positive"]) == [False, True]
    assert table.loc[2, "gfp_mean"] == pytest.approx(500, rel=0.02)
    assert table.loc[2, "er_total"] == pytest.approx(2 * table.loc[1, "er_total"], rel=0.05)
    assert table.loc[1, "x_um"] == pytest.approx(40 * 0.5, abs=0.5)
    assert table.loc[1, "nucleus_area_um2"] == pytest.approx(np.pi * 8**2 / 4, rel=0.03)


def test_an_object_belongs_to_the_cell_that_holds_most_of_it():
    cells = np.array([[1, 1, 2, 2, 2, 0]], np.int32)
    objects = np.array([[0, 1, 1, 1, 2, 3]], np.int32)
    assert list(owners(objects, cells)) == [0, 2, 2, 0]


def test_wells_hold_means_over_cells_and_shares_of_positive_ones():
    cells = pd.DataFrame(
        {
            "well": ["A01", "A01", "A02"], "field": [0, 1, 0], "label": [1, 1, 1],
            "y_um": 0.0, "area_um2": [10.0, 20.0, 30.0], "er_total": [1.0, 3.0, 5.0],
            "gfp_positive": [True, False, True], "golgi_area_um2": [2.0, 4.0, 0.0],
        }
    )  # fmt: skip
    table = cells_by_well(cells, ("A01", "A02", "B01"), ("er", "gfp", "golgi")).set_index("well")
    assert list(table["cells"]) == [2, 1, 0]
    assert table.loc["A01", "gfp_positive"] == 0.5
    assert table.loc["A01", "er_total"] == 2.0
    assert table.loc["A01", "golgi_area_um2"] == 3.0
    assert np.isnan(table.loc["B01", "er_total"])
    assert "y_um" not in table
