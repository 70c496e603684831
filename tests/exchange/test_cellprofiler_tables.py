"""Tables in CellProfiler's columns: its names, its units, and the same numbers as in our own."""

import numpy as np
import pandas as pd
import pytest

from unstained.exchange.tables import cellprofiler_tables, measure_name, write_cellprofiler


@pytest.fixture(scope="module")
def tables(measured):
    plate, own = measured
    return cellprofiler_tables(own, conditions=("clone", "day"), pixel_size_um=plate.pixel_size_um)


@pytest.mark.parametrize(
    ("column", "of", "name"),
    [
        ("area_um2", "nuclei", "Nuclei_AreaShape_Area"),
        ("area_px", "nuclei", "Nuclei_AreaShape_Area"),
        ("y_um", "golgi", "Golgi_Location_Center_Y"),
        ("eccentricity", "er", "Er_AreaShape_Eccentricity"),
        ("intensity_total", "er", "Er_Intensity_IntegratedIntensity_Er"),
        ("granularity", "er", "Er_Unstained_Granularity"),
        ("touches_border", "er", "Er_Unstained_TouchesBorder"),
        ("er_mean", "cells", "Cells_Intensity_MeanIntensity_Er"),
        ("golgi_count", "cells", "Cells_Children_Golgi_Count"),
        ("golgi_area_um2", "cells", "Cells_Unstained_GolgiArea"),
        ("er_positive", "cells", "Cells_Unstained_ErPositive"),
    ],
)
def test_measurements_have_cellprofiler_s_names(column, of, name):
    assert measure_name(column, of) == name


def test_there_is_a_table_for_images_each_kind_of_object_and_profiles(tables):
    assert list(tables) == ["Image", "Nuclei", "Er", "Cells", "profiles"]
    first = ["ImageNumber", "Metadata_Plate", "Metadata_Well", "Metadata_Row", "Metadata_Column"]
    assert list(tables["Image"])[:5] == first
    assert {"Metadata_Site", "Metadata_clone", "Metadata_day"} <= set(tables["Nuclei"])
    for name in ("Nuclei", "Er", "Cells"):
        rest = [column for column in tables[name] if not column.startswith("Metadata_")]
        assert rest[:2] == ["ImageNumber", "ObjectNumber"]
        assert all(column.startswith(f"{name}_") for column in rest[2:])


def test_lengths_are_in_px_and_light_in_camera_units(measured, tables):
    own = measured[1]["objects"].query("stain == 'nuclei'").reset_index()
    nuclei = tables["Nuclei"]
    np.testing.assert_allclose(nuclei["Nuclei_AreaShape_Area"], own["area_um2"] / 0.25)
    np.testing.assert_allclose(nuclei["Nuclei_AreaShape_Perimeter"], own["perimeter_um"] / 0.5)
    np.testing.assert_allclose(nuclei["Nuclei_Location_Center_X"], own["x_um"] / 0.5)
    np.testing.assert_allclose(nuclei["Nuclei_Intensity_MaxIntensity_Nuclei"], own["intensity_max"])
    assert nuclei["Nuclei_AreaShape_Area"].median() == pytest.approx(np.pi * 4.5**2, rel=0.25)


def test_images_count_what_lies_in_them(tables):
    images = tables["Image"]
    assert list(images["ImageNumber"]) == [1, 2, 3]
    assert list(images["Image_Count_Nuclei"]) == [12, 12, 12]
    assert list(images["Metadata_Verdict"]) == ["trust", "caution", "trust"]
    occupied = tables["Er"].groupby("ImageNumber")["Er_AreaShape_Area"].sum()
    np.testing.assert_allclose(images["Image_AreaOccupied_AreaOccupied_Er"], occupied)
    assert list(tables["Nuclei"].groupby("ImageNumber").size()) == [12, 12, 12]


def test_profiles_are_medians_of_wells(tables):
    profiles, nuclei = tables["profiles"].set_index("Metadata_Well"), tables["Nuclei"]
    assert list(profiles.index) == ["A01", "B03"]
    assert list(profiles["Metadata_Nuclei_Count"]) == [24, 12]
    of_well = nuclei[nuclei["Metadata_Well"] == "A01"]["Nuclei_AreaShape_Area"]
    assert profiles.loc["A01", "Nuclei_AreaShape_Area"] == of_well.median()
    assert not [name for name in profiles if "Location" in name or "Parent" in name]
    assert list(profiles["Metadata_clone"]) == ["C1", "C2"]


def test_cells_belong_to_their_nuclei(tables):
    cells = tables["Cells"].merge(
        tables["Nuclei"],
        left_on=["ImageNumber", "Cells_Parent_Nuclei"],
        right_on=["ImageNumber", "ObjectNumber"],
    )
    assert len(cells) == 36
    apart = np.hypot(
        cells["Cells_Location_Center_Y"] - cells["Nuclei_Location_Center_Y"],
        cells["Cells_Location_Center_X"] - cells["Nuclei_Location_Center_X"],
    )
    assert apart.max() < 2


def test_a_stain_without_objects_has_a_table_of_no_rows(measured):
    own = measured[1]
    nothing = {**own, "objects": own["objects"].query("stain != 'er'")}
    tables = cellprofiler_tables(nothing, conditions=("clone", "day"), pixel_size_um=0.5)
    assert len(tables["Er"]) == 0
    assert list(tables["profiles"]["Metadata_Er_Count"]) == [0, 0]
    assert "Er_AreaShape_Area" in tables["Er"]


def test_what_is_written_is_read_again(measured, tables, tmp_path):
    plate, own = measured
    write_cellprofiler(tmp_path, own, conditions=("clone", "day"), pixel_size_um=plate.pixel_size_um)
    for name, table in tables.items():
        pd.testing.assert_frame_equal(
            pd.read_parquet(tmp_path / "cellprofiler" / f"{name}.parquet"), table, check_dtype=False
        )
        assert list(pd.read_csv(tmp_path / "cellprofiler" / f"{name}.csv")) == list(table)
