"""Objects are measured in µm and camera units, whatever their numbers."""

import numpy as np
import pandas as pd
import pytest

from unstained.errors import BadInput
from unstained.measurement.objects import measure_objects


def disk(shape, centre, radius):
    y, x = np.indices(shape)
    return (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2


SHAPE = (120, 160)
LABELS = np.zeros(SHAPE, np.int32)
LABELS[disk(SHAPE, (40, 50), 20)] = 1
LABELS[disk(SHAPE, (80, 120), 10)] = 2
LABELS[0:6, 100:110] = 3
PLANE = (np.random.default_rng(0).random(SHAPE) * 100).astype(np.float32) + np.where(LABELS == 2, 1000, 50)
PLANE = PLANE.astype(np.float32)


def test_a_disk_has_its_area_diameter_and_place_in_um():
    table = measure_objects(LABELS, PLANE, pixel_size_um=0.5).set_index("label")
    assert table.loc[1, "area_um2"] == pytest.approx(np.pi * 10**2, rel=0.01)
    assert table.loc[1, "diameter_um"] == pytest.approx(20, rel=0.01)
    assert table.loc[1, "perimeter_um"] == pytest.approx(2 * np.pi * 10, rel=0.06)
    assert tuple(table.loc[1, ["y_um", "x_um"]]) == pytest.approx((20, 25))
    assert table.loc[1, "eccentricity"] == pytest.approx(0, abs=0.05)
    assert table.loc[1, "solidity"] == pytest.approx(1, abs=0.04)


def test_without_a_pixel_size_lengths_are_px_and_say_so():
    px = measure_objects(LABELS, PLANE, pixel_size_um=None)
    um = measure_objects(LABELS, PLANE, pixel_size_um=0.5)
    assert px["area_px"].tolist() == np.bincount(LABELS.ravel())[1:].tolist()
    np.testing.assert_allclose(um["area_um2"], px["area_px"] * 0.25)
    np.testing.assert_allclose(um["diameter_um"], px["diameter_px"] * 0.5)
    np.testing.assert_allclose(um["perimeter_um"], px["perimeter_px"] * 0.5)
    assert not [name for name in px.columns if "um" in name]


def test_intensities_are_sums_and_means_of_camera_units():
    table = measure_objects(LABELS, PLANE, pixel_size_um=0.5).set_index("label")
    for number in (1, 2, 3):
        values = PLANE[np.equal(LABELS, number)].astype(np.float64)
        assert table.loc[number, "intensity_total"] == pytest.approx(values.sum(), rel=1e-9)
        assert table.loc[number, "intensity_mean"] == pytest.approx(values.mean(), rel=1e-9)
        assert table.loc[number, "intensity_max"] == values.max()


def test_only_objects_at_the_edge_touch_the_border():
    table = measure_objects(LABELS, PLANE, pixel_size_um=None)
    assert table["touches_border"].tolist() == [False, False, True]


def test_renumbered_objects_give_the_same_table():
    numbers = np.array([0, 30, 7, 12], np.int32)
    table = measure_objects(LABELS, PLANE, pixel_size_um=0.5)
    other = measure_objects(numbers[LABELS], PLANE, pixel_size_um=0.5)
    assert sorted(other["label"]) == [7, 12, 30]
    back = other.replace({"label": {30: 1, 7: 2, 12: 3}}).sort_values("label", ignore_index=True)
    pd.testing.assert_frame_equal(back, table)


def test_no_objects_give_the_same_columns_without_rows():
    empty = measure_objects(np.zeros(SHAPE, np.int32), PLANE, pixel_size_um=0.5)
    full = measure_objects(LABELS, PLANE, pixel_size_um=0.5)
    assert len(empty) == 0
    assert empty.dtypes.to_dict() == full.dtypes.to_dict()


def test_objects_of_a_few_pixels_in_line_are_measured():
    labels = np.zeros((9, 9), np.int32)
    labels[2, 2] = 1
    labels[5, 1:4] = 2
    table = measure_objects(labels, np.ones((9, 9), np.float32), pixel_size_um=None)
    assert table["area_px"].tolist() == [1, 3]
    assert table["intensity_total"].tolist() == [1, 3]


def test_labels_of_another_size_are_refused():
    with pytest.raises(BadInput, match=r"labels \(120, 160\) and plane \(120, 100\) differ"):
        measure_objects(LABELS, PLANE[:, :100], pixel_size_um=None)


def test_granularity_is_the_share_of_fine_light_and_knows_no_brightness():
    """A checkerboard of ± a on m over background b has granularity a / (m − b), smooth light none."""
    rows, columns = np.indices((60, 120))
    labels = np.zeros((60, 120), np.int32)
    labels[10:50, 10:50], labels[10:50, 70:110] = 1, 2
    grains = 20.0 * (-1.0) ** (rows + columns)
    plane = (100 + 200 * (labels > 0) + grains * (labels == 1)).astype(np.float32)
    first = measure_objects(labels, plane, pixel_size_um=0.25, features=["granularity"])["granularity"]
    assert first[0] == pytest.approx(20 / 200, rel=0.1)
    assert first[1] < 0.02 * first[0]
    brighter = (3 * (plane - 100) + 500).astype(np.float32)
    again = measure_objects(labels, brighter, pixel_size_um=0.25, features=["granularity"])["granularity"]
    np.testing.assert_allclose(again, first, rtol=1e-3, atol=1e-4)


def test_a_field_without_objects_has_the_columns_of_its_features():
    empty = measure_objects(
        np.zeros((8, 8), np.int32), np.zeros((8, 8), np.float32), pixel_size_um=None, features=["granularity"]
    )
    assert list(empty.columns)[-1] == "granularity"
    assert len(empty) == 0
