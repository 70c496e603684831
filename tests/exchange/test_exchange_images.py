"""Stains and labels as TIFF: the same pixels, and OME-XML that says what OMERO wants to know."""

import shutil

import numpy as np
import pytest
import tifffile

from unstained.errors import OutputFailed
from unstained.exchange.images import write_label_tiffs, write_ome_tiffs
from unstained.plates.importing import ImportSettings, import_plate
from unstained.plates.plate import FieldName, create_plate

ome_types = pytest.importorskip("ome_types")


@pytest.fixture(scope="module")
def written(measured, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    return write_ome_tiffs(folder, measured[0]), write_label_tiffs(folder, measured[0])


def test_files_are_named_by_well_and_field(written):
    stains, labels = written
    assert [path.name for path in stains] == ["A01_f0.ome.tif", "A01_f1.ome.tif", "B03_f0.ome.tif"]
    assert [path.name for path in labels[:3]] == [
        "A01_f0_nuclei_labels.tif", "A01_f0_er_labels.tif", "A01_f0_cells_labels.tif",
    ]  # fmt: skip
    assert {path.parent.name for path in stains + labels} == {"images"}


def test_pixels_are_those_of_the_plate(measured, written):
    plate, (stains, labels) = measured[0], written
    for name, path in zip(plate.fields, stains, strict=True):
        planes = tifffile.imread(path)
        assert planes.dtype == np.float32
        np.testing.assert_array_equal(planes, [plate.read(name, stain) for stain in plate.channels])
    found = tifffile.imread(labels[0])
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, plate.read_labels(FieldName("A01", 0), "nuclei"))


def test_ome_xml_says_what_omero_wants_to_know(written):
    described = ome_types.from_tiff(written[0][1])  # checked against the schema
    (image,) = described.images
    pixels = image.pixels
    assert image.name == "P7 A01/1"
    assert [channel.name for channel in pixels.channels] == ["nuclei", "er"]
    assert [channel.color.as_hex() for channel in pixels.channels] == ["#3c8cff", "#3cd28c"]
    assert (pixels.physical_size_x, pixels.physical_size_y) == (0.5, 0.5)
    assert pixels.physical_size_x_unit.value == "µm"
    (plate,) = described.plates
    (well,) = plate.wells
    assert (plate.name, well.row, well.column) == ("P7", 0, 0)
    assert well.well_samples[0].index == 1
    assert well.well_samples[0].image_ref.id == image.id
    (pairs,) = described.structured_annotations.map_annotations
    told = {each.k: each.value for each in pairs.value.ms}
    assert told == {
        "verdict": "caution", "reason": "reason 1", "models": "small", "clone": "C1", "day": "0.0",
    }  # fmt: skip
    assert image.annotation_refs[0].id == pairs.id


def test_well_b03_is_row_1_and_column_2(written):
    (well,) = ome_types.from_tiff(written[0][2]).plates[0].wells
    assert (well.row, well.column) == (1, 2)


def test_labels_know_their_pixel_size(written):
    described = ome_types.from_tiff(written[1][0])
    assert described.images[0].pixels.physical_size_x == 0.5
    assert described.images[0].pixels.channels[0].name == "nuclei"


def test_more_objects_than_uint16_holds_are_written_as_uint32(tmp_path):
    writer = create_plate(tmp_path / "p.zarr", name="p", channels=("nuclei",), pixel_size_um=None)
    writer.write_field(FieldName("A01", 0), np.zeros((1, 300, 300), np.float32))
    labels = np.arange(90_000, dtype=np.int32).reshape(300, 300)
    writer.write_labels(FieldName("A01", 0), "nuclei", labels)
    (path,) = write_label_tiffs(tmp_path, writer.finish())
    found = tifffile.imread(path)
    assert found.dtype == np.uint32
    np.testing.assert_array_equal(found, labels)
    assert ome_types.from_tiff(path).images[0].pixels.physical_size_x is None


def test_ome_tiffs_can_be_imported_again(written, tmp_path):
    """Channels and pixel size come back, so nothing is lost on the way through another program."""
    (tmp_path / "stains").mkdir()
    for path in written[0]:
        shutil.copy(path, tmp_path / "stains")
    settings = ImportSettings(pattern=r"(?P<well>[A-P]\d\d)_f(?P<field>\d)\.ome\.tif")
    again = import_plate(tmp_path / "stains", tmp_path / "again.zarr", settings)
    assert set(again.channels) >= {"nuclei", "er"}
    assert again.pixel_size_um == 0.5
    np.testing.assert_array_equal(
        again.read(FieldName("A01", 0), "nuclei"), tifffile.imread(written[0][0])[0]
    )


def test_a_folder_that_cannot_be_written_is_one_line(measured, tmp_path):
    (tmp_path / "images").touch()
    with pytest.raises(OutputFailed, match="can't write"):
        write_ome_tiffs(tmp_path, measured[0])
