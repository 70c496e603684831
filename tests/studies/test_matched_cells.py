"""Predicted and real cells are paired where each is the other's nearest, and near."""

import pandas as pd

from unstained.studies.composites import NEAR_UM, matched_cells


def table(*cells: tuple[str, int, float, float]) -> pd.DataFrame:
    return pd.DataFrame(cells, columns=["well", "field", "y_um", "x_um"])


def test_cells_of_one_place_are_paired_and_others_left_out():
    real = table(("A01", 0, 10, 10), ("A01", 0, 30, 30), ("A01", 1, 10, 10), ("B01", 0, 5, 5))
    ours = table(
        ("A01", 0, 31, 30),  # the second's
        ("A01", 0, 10, 10 + NEAR_UM + 0.1),  # too far from the first
        ("A01", 1, 12, 10), ("A01", 1, 11, 10),  # two for one: the nearer
        ("B02", 0, 5, 5),  # another well
    )  # fmt: skip
    found = matched_cells(real, ours)
    assert found["real"].values.tolist() == [["A01", 0, 30, 30], ["A01", 1, 10, 10]]
    assert found["predicted"].values.tolist() == [["A01", 0, 31, 30], ["A01", 1, 11, 10]]


def test_no_cells_make_no_pairs():
    found = matched_cells(table(("A01", 0, 1, 1)), table(("A02", 0, 1, 1)))
    assert len(found["real"]) == len(found["predicted"]) == 0
