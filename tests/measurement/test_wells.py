"""Fields and wells add up, also those without objects; tables come back from their files as they were."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from unstained.errors import BadInput, OutputFailed
from unstained.measurement.objects import empty_table, measure_objects
from unstained.measurement.wells import field_table, well_table, write_tables


class Name(NamedTuple):
    well: str
    field: int


FIELDS = (Name("B02", 0), Name("A01", 0), Name("A01", 1), Name("A10", 0))


def objects_of(well, field, areas, means):
    return pd.DataFrame({"well": well, "field": field, "label": range(1, len(areas) + 1), "area_um2": areas,
                         "intensity_total": np.multiply(areas, means) * 4.0, "intensity_mean": means})


OBJECTS = pd.concat([
    objects_of("A01", 0, [10.0, 30.0], [100.0, 200.0]),
    objects_of("B02", 0, [50.0], [40.0]),
    objects_of("A01", 1, [20.0], [400.0]),
], ignore_index=True)


def test_every_field_has_a_row_in_the_order_given_also_without_objects():
    table = field_table(OBJECTS, FIELDS)
    assert list(table.columns[:4]) == ["well", "row", "column", "field"]
    assert list(zip(table["well"], table["row"], table["column"], table["field"], strict=True)) == [
        ("B02", "B", 2, 0), ("A01", "A", 1, 0), ("A01", "A", 1, 1), ("A10", "A", 10, 0)]
    assert table["count"].tolist() == [1, 2, 1, 0]
    assert table["area_um2"].tolist() == [50, 40, 20, 0]
    assert table["intensity_total"].tolist() == [8000, 28000, 32000, 0]


def test_means_are_per_object_and_per_pixel_and_missing_without_objects():
    table = field_table(OBJECTS, FIELDS)
    assert table["area_mean_um2"].tolist()[:3] == [50, 20, 20]
    assert table["intensity_mean"].tolist()[:3] == [40, 175, 400]           # (10·100 + 30·200) / 40
    assert table.loc[3, ["area_mean_um2", "intensity_mean"]].isna().all()


def test_a_well_sums_its_fields_and_carries_its_conditions():
    conditions = pd.DataFrame({"well": ["A01", "B02", "C03"], "clone": ["k7", "k9", "k1"]})
    table = well_table(field_table(OBJECTS, FIELDS), conditions)
    assert list(table.columns[:5]) == ["well", "row", "column", "clone", "fields"]
    assert table["well"].tolist() == ["A01", "A10", "B02"]
    first = table.iloc[0]
    assert (first["fields"], first["count"], first["area_um2"], first["intensity_total"]) == (2, 3, 60, 60000)
    assert first["area_mean_um2"] == 20
    assert first["intensity_mean"] == pytest.approx(250)                    # (40·175 + 20·400) / 60
    assert table.iloc[1][["fields", "count"]].tolist() == [1, 0]
    assert np.isnan(table.iloc[1]["intensity_mean"])
    assert table["clone"].tolist()[0::2] == ["k7", "k9"]


def test_the_well_is_the_same_whichever_way_its_fields_are_cut():
    whole = objects_of("A01", 0, [10.0, 30.0, 20.0], [100.0, 200.0, 400.0])
    one = well_table(field_table(whole, [Name("A01", 0)])).iloc[0]
    two = well_table(field_table(OBJECTS, FIELDS)).iloc[0]
    for figure in ("count", "area_um2", "area_mean_um2", "intensity_total", "intensity_mean"):
        assert one[figure] == pytest.approx(two[figure])


def test_a_plate_without_objects_or_pixel_size_has_its_rows():
    nothing = empty_table(None).assign(well=pd.Series(dtype=str), field=pd.Series(dtype=int))
    table = field_table(nothing, FIELDS)
    assert table["count"].tolist() == [0, 0, 0, 0]
    assert table["area_px"].tolist() == [0, 0, 0, 0]
    assert well_table(table)["count"].tolist() == [0, 0, 0]
    assert field_table(pd.DataFrame(), FIELDS)["count"].tolist() == [0, 0, 0, 0]


def test_covered_is_given_per_field_and_averaged_per_well():
    covered = dict(zip(FIELDS, (0.1, 0.2, 0.4, 0.0), strict=True))
    table = field_table(OBJECTS, FIELDS, covered=covered)
    assert table["covered"].tolist() == [0.1, 0.2, 0.4, 0.0]
    assert well_table(table)["covered"].tolist() == pytest.approx([0.3, 0.0, 0.1])


def test_measured_objects_add_up_to_the_light_of_the_field():
    labels = np.zeros((40, 40), np.int32)
    labels[2:10, 3:9], labels[20:33, 20:25] = 1, 2
    plane = np.random.default_rng(0).random((40, 40)).astype(np.float32)
    measured = measure_objects(labels, plane, pixel_size_um=0.7).assign(well="A01", field=0)
    row = field_table(measured, [Name("A01", 0)]).iloc[0]
    light = plane[labels > 0].astype(float)
    assert row["intensity_total"] == pytest.approx(light.sum())
    assert row["intensity_mean"] == pytest.approx(light.mean())
    assert row["area_um2"] == pytest.approx((labels > 0).sum() * 0.49)


def test_objects_of_an_unknown_field_are_refused():
    with pytest.raises(BadInput, match="B02/0"):
        field_table(OBJECTS, FIELDS[1:])


def test_a_well_without_row_and_column_is_refused():
    with pytest.raises(BadInput, match="'plate one'"):
        field_table(pd.DataFrame(), [Name("plate one", 0)])


def test_tables_come_back_from_their_files(tmp_path):
    table = field_table(OBJECTS, FIELDS).assign(plate="p")
    paths = write_tables(tmp_path / "out", {"fields": table}, xlsx=True)
    assert [path.name for path in paths] == ["fields.parquet", "fields.csv", "fields.xlsx"]
    ordered = ["plate", "well", "row", "column", "field"]
    for read, path in zip((pd.read_parquet, pd.read_csv, pd.read_excel), paths, strict=True):
        back = read(path)
        assert list(back.columns[:5]) == ordered
        pd.testing.assert_frame_equal(back[table.columns], table, check_dtype=False)


def test_a_folder_that_cant_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(OutputFailed, match="can't write"):
        write_tables(tmp_path / "file", {"fields": field_table(OBJECTS, FIELDS)})
