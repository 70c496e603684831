"""Predicted plates open in the field's own tools: fields, channels, pixel sizes, labels and tables."""

import numpy as np
import pytest
from ngio import open_ome_zarr_container, open_ome_zarr_plate

from unstained.plates.plate import FieldName

FIELD = FieldName("A01", 1)
SCALE = [0.5, 0.5]


def test_ngio_opens_fields_labels_and_tables(measured):
    """And with it Fractal, whose tasks work on what ngio opens."""
    plate, tables = measured
    opened = open_ome_zarr_plate(str(plate.path), mode="r")
    assert opened.wells_paths() == ["A/01", "B/03"]
    field = opened.get_image("A", "01", "1")
    assert field.channel_labels == ["nuclei", "er"]
    assert (field.get_image().pixel_size.y, field.get_image().pixel_size.x) == (0.5, 0.5)
    np.testing.assert_array_equal(field.get_image().get_as_numpy()[1], plate.read(FIELD, "er"))
    assert set(field.list_labels()) == {"nuclei", "er", "cells"}
    labels = np.squeeze(field.get_label("nuclei").get_as_numpy())
    np.testing.assert_array_equal(labels, plate.read_labels(FIELD, "nuclei"))
    objects = tables["objects"].query("well == 'A01' and field == 1 and stain == 'nuclei'")
    stored = open_ome_zarr_container(f"{plate.path}/A/01/1", mode="r").get_table("nuclei").dataframe
    np.testing.assert_allclose(stored["area_um2"], objects["area_um2"])
    assert list(stored.index) == list(objects["label"])


def test_bioio_opens_a_field(measured):
    bioio, reader = pytest.importorskip("bioio"), pytest.importorskip("bioio_ome_zarr")
    plate, _ = measured
    image = bioio.BioImage(f"{plate.path}/A/01/1", reader=reader.Reader)
    assert list(image.channel_names) == ["nuclei", "er"]
    assert (image.physical_pixel_sizes.Y, image.physical_pixel_sizes.X) == (0.5, 0.5)
    np.testing.assert_array_equal(image.get_image_data("YX", C=0), plate.read(FIELD, "nuclei"))


def test_napari_ome_zarr_opens_a_field_with_its_labels(measured):
    reader = pytest.importorskip("napari_ome_zarr")
    plate, _ = measured
    path = f"{plate.path}/A/01/1"
    layers = reader.napari_get_reader(path)(path)
    (stains, shown, kind), *labels = layers
    assert kind == "image"
    assert shown["name"] == ["nuclei", "er"]
    assert list(shown["scale"])[-2:] == SCALE
    np.testing.assert_array_equal(np.asarray(stains[0])[1], plate.read(FIELD, "er"))
    assert [kind for *_, kind in labels] == ["labels"] * 3
    by_name = {shown["name"].rpartition("/")[2]: np.asarray(pixels[0]) for pixels, shown, _ in labels}
    np.testing.assert_array_equal(np.squeeze(by_name["nuclei"]), plate.read_labels(FIELD, "nuclei"))


def test_napari_ome_zarr_opens_a_whole_plate(measured):
    """Wells side by side, as on the plate; those that aren't there are dark."""
    reader = pytest.importorskip("napari_ome_zarr")
    plate, _ = measured
    (stains, shown, kind), *_ = reader.napari_get_reader(str(plate.path))(str(plate.path))
    assert kind == "image"
    assert shown["name"] == ["nuclei", "er"]
    assert np.asarray(stains[0]).max() > 1000
