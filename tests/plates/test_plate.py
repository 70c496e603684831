"""A plate gives back what was written into it, and shows nothing that wasn't finished."""

import hashlib
from pathlib import Path

import ngio
import numpy as np
import pandas as pd
import pytest
import zarr

from unstained.errors import BadInput, MissingChannel, OutputExists, OutputFailed, UnknownField
from unstained.plates.plate import FieldName, Plate, PlateWriter, create_plate, fingerprint, open_plate

A01, AA03 = FieldName("A01", 0), FieldName("AA03", 2)


def pixels(seed: int = 0, shape: tuple[int, ...] = (2, 37, 53), dtype: str = "uint16") -> np.ndarray:
    return (np.random.default_rng(seed).random(shape) * 4000).astype(dtype)


def begin(path: Path | str, **changes: object) -> PlateWriter:
    asked = {"name": "trial", "channels": ["BF", "DNA"], "pixel_size_um": 0.65, **changes}
    return create_plate(path, **asked)  # type: ignore[arg-type]


@pytest.fixture
def plate(tmp_path: Path) -> Plate:
    conditions = pd.DataFrame({"well": ["A01", "AA03"], "clone": ["K1", "K2"], "titre": [1.5, np.nan]})
    writer = begin(tmp_path / "Ärger mit Leerzeichen.zarr", conditions=conditions, info={"kind": "recorded"})
    writer.write_field(A01, pixels(1), place="A01/spot", info={"t": 4})
    writer.write_field(AA03, pixels(2, (2, 64, 31)))
    return writer.finish()


def test_fields_are_written_read_and_sorted_as_on_the_plate() -> None:
    names = [FieldName.parse(text) for text in ("AA01/0", "B01/0", "a10/2", "A2/10", "A02/9")]
    assert [str(name) for name in sorted(names)] == ["A02/9", "A02/10", "A10/2", "B01/0", "AA01/0"]
    with pytest.raises(BadInput, match="A01/2"):
        FieldName.parse("A01")
    with pytest.raises(BadInput, match="row and column"):
        FieldName.parse("17/2")


def test_fingerprint_is_the_hash_of_type_shape_and_low_byte_first_pixels() -> None:
    plane = np.array([[1, 2, 3], [256, 0, 65535]], np.uint16)
    written_out = b"<u2 2 3\n" + bytes([1, 0, 2, 0, 3, 0, 0, 1, 0, 0, 255, 255])
    assert fingerprint(plane) == hashlib.sha256(written_out).hexdigest()
    assert fingerprint(plane.astype(">u2")) == fingerprint(plane)
    assert fingerprint(np.asfortranarray(plane)) == fingerprint(plane)
    assert fingerprint(plane.reshape(3, 2)) != fingerprint(plane)
    assert fingerprint(plane.astype(np.int16)) != fingerprint(plane)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
def test_pixels_come_back_unchanged(tmp_path: Path, dtype: str) -> None:
    written = pixels(3, (2, 45, 33), dtype)
    writer = begin(tmp_path / "p.zarr")
    writer.write_field(A01, written)
    plate = writer.finish()
    for number, channel in enumerate(("BF", "DNA")):
        read = plate.read(A01, channel)
        np.testing.assert_array_equal(read, written[number])
        assert read.dtype == written.dtype == plate.dtype(A01)


def test_a_field_larger_than_a_chunk_has_a_pyramid_and_comes_back_unchanged(tmp_path: Path) -> None:
    written = pixels(4, (2, 1100, 1030))
    writer = begin(tmp_path / "p.zarr")
    writer.write_field(A01, written)
    plate = writer.finish()
    np.testing.assert_array_equal(plate.read(A01, "DNA"), written[1])
    image = ngio.open_ome_zarr_plate(str(plate.path), mode="r").get_image("A", 1, "0")
    assert [image.get_image(path=path).shape for path in image.level_paths] == [
        (2, 1100, 1030),
        (2, 550, 515),
    ]


def test_a_plate_says_what_it_holds(plate: Plate) -> None:
    assert plate.fields == (A01, AA03)
    assert plate.wells == ("A01", "AA03")
    assert plate.channels == ("BF", "DNA")
    assert (plate.name, plate.pixel_size_um) == ("trial", 0.65)
    assert (plate.shape(A01), plate.shape(AA03)) == ((37, 53), (64, 31))
    assert (plate.place(A01), plate.place(AA03)) == ("A01/spot", "AA03/2")
    assert plate.info["kind"] == "recorded"
    assert plate.info["complete"] is True
    assert plate.field_info(A01)["t"] == 4
    assert plate.field_info(A01)["fingerprints"]["DNA"] == fingerprint(pixels(1)[1])
    assert plate.conditions["clone"].tolist() == ["K1", "K2"]
    np.testing.assert_array_equal(plate.conditions["titre"], [1.5, np.nan])


def test_other_programs_see_the_same_plate(plate: Plate) -> None:
    foreign = ngio.open_ome_zarr_plate(str(plate.path), mode="r")
    assert foreign.images_paths(max_workers=1) == ["A/01/0", "AA/03/2"]
    assert foreign.meta.plate.version == "0.5"
    image = foreign.get_image("AA", 3, "2")
    assert image.channel_labels == ["BF", "DNA"]
    assert (image.get_image().pixel_size.x, image.space_unit) == (0.65, "micrometer")
    np.testing.assert_array_equal(image.get_image().get_as_numpy(), pixels(2, (2, 64, 31)))


def test_an_unknown_pixel_size_stays_unknown_and_claims_no_unit(tmp_path: Path) -> None:
    writer = begin(tmp_path / "p.zarr", pixel_size_um=None)
    writer.write_field(A01, pixels())
    plate = writer.finish()
    assert plate.pixel_size_um is None
    assert plate.info["pixel_size_um"] is None
    ome = zarr.open_group(str(plate.path), mode="r", path="A/01/0").attrs["ome"]
    assert ome["multiscales"][0]["datasets"][0]["coordinateTransformations"][0]["scale"] == [1, 1, 1]  # type: ignore[index,call-overload]
    assert not any("unit" in axis for axis in ome["multiscales"][0]["axes"])  # type: ignore[index,call-overload]


def test_only_committed_fields_are_listed_and_writing_goes_on_where_it_stopped(tmp_path: Path) -> None:
    path = tmp_path / "p.zarr"
    first = begin(path)
    first.write_field(A01, pixels(1))
    first.write_field(FieldName("A02", 0), pixels(2))
    # As if the power had failed between the arrays of A02/0 and its commit record:
    interrupted = zarr.open_group(str(path), mode="r+", path="A/02/0")
    del interrupted.attrs["unstained"]
    with pytest.raises(BadInput, match="isn't finished"):
        open_plate(path)

    second = begin(path, resume=True)
    assert second.done == {A01}
    second.write_field(AA03, pixels(3))
    assert second.done == {A01, AA03}
    assert second.finish().fields == (A01, AA03)
    listed = ngio.open_ome_zarr_plate(str(path), mode="r").images_paths(max_workers=1)
    assert listed == ["A/01/0", "AA/03/2"]


def test_writing_goes_on_only_with_the_same_channels_and_pixel_size(tmp_path: Path) -> None:
    begin(tmp_path / "p.zarr")
    with pytest.raises(BadInput, match="channels"):
        begin(tmp_path / "p.zarr", resume=True, channels=["BF"])
    with pytest.raises(BadInput, match="pixel_size_um"):
        begin(tmp_path / "p.zarr", resume=True, pixel_size_um=None)


def test_an_existing_plate_is_replaced_only_on_request_and_nothing_else_ever(tmp_path: Path) -> None:
    path = tmp_path / "p.zarr"
    begin(path).write_field(A01, pixels())
    with pytest.raises(OutputExists, match="--overwrite"):
        begin(path)
    assert begin(path, overwrite=True).done == frozenset()
    precious = tmp_path / "photos"
    precious.mkdir()
    (precious / "only copy.tif").write_bytes(b"x")
    with pytest.raises(OutputFailed, match="not a plate"):
        begin(precious, overwrite=True)
    assert (precious / "only copy.tif").exists()


def test_labels_come_back_and_are_replaced(plate: Plate) -> None:
    labels = (pixels(5, (37, 53)) // 500).astype(np.int32)
    assert plate.labels_of(A01) == ()
    plate.write_labels(A01, "nuclei", labels + 1)
    plate.write_labels(A01, "nuclei", labels)
    assert plate.labels_of(A01) == ("nuclei",)
    assert plate.labels_of(AA03) == ()
    read = open_plate(plate.path).read_labels(A01, "nuclei")
    np.testing.assert_array_equal(read, labels)
    assert read.dtype == np.int32
    with pytest.raises(MissingChannel, match="nuclei"):
        plate.read_labels(A01, "golgi")
    with pytest.raises(BadInput, match="don't fit"):
        plate.write_labels(AA03, "nuclei", labels)


def test_tables_come_back_to_the_last_digit(plate: Plate) -> None:
    table = pd.DataFrame(
        {
            "label": [1, 5, 7],
            "y_um": [0.1 + 0.2, np.nan, 1e-300],
            "count": [3, 2**40, -1],
            "phase": ["G1", "Ümlaut, comma", None],
        }
    )
    plate.write_table(A01, "nuclei", table[:1])
    plate.write_table(A01, "nuclei", table)
    read = open_plate(plate.path).read_table(A01, "nuclei")
    pd.testing.assert_frame_equal(read, table, check_exact=True)
    plate.write_table(A01, "empty", table[:0])
    pd.testing.assert_frame_equal(plate.read_table(A01, "empty"), table[:0])
    plate.write_table(A01, "fields", table.drop(columns="label"))
    pd.testing.assert_frame_equal(plate.read_table(A01, "fields"), table.drop(columns="label"))
    with pytest.raises(BadInput, match="it holds: nuclei, empty, fields"):
        plate.read_table(A01, "golgi")


def test_conditions_have_a_row_for_every_well_even_without_a_plate_map(tmp_path: Path) -> None:
    writer = begin(tmp_path / "p.zarr")
    writer.write_field(AA03, pixels())
    writer.write_field(A01, pixels())
    pd.testing.assert_frame_equal(writer.finish().conditions, pd.DataFrame({"well": ["A01", "AA03"]}))


def test_info_can_be_added_to(plate: Plate) -> None:
    plate.update_info(verdicts={"A01/0": "trust"})
    again = open_plate(plate.path)
    assert again.info["verdicts"] == {"A01/0": "trust"}
    assert (again.info["kind"], again.fields) == ("recorded", plate.fields)


def test_names_select_wells_and_fields(plate: Plate) -> None:
    assert plate.select(["AA03", "a1/0", "A01"]) == (A01, AA03)
    for unknown in ("B01", "A01/7", "nonsense"):
        with pytest.raises(UnknownField, match=unknown):
            plate.select([unknown])


def test_what_is_not_there_is_named_with_what_is(plate: Plate) -> None:
    with pytest.raises(MissingChannel, match=r"'PH'.*BF, DNA"):
        plate.read(A01, "PH")
    with pytest.raises(UnknownField, match=r"A01/0, AA03/2"):
        plate.read(FieldName("H12", 0), "BF")


def test_damaged_pixels_are_refused(plate: Plate) -> None:
    chunk = Path(str(plate.path), "A", "01", "0", "0", "c", "1", "0", "0")
    intact = chunk.read_bytes()
    chunk.write_bytes(intact[: len(intact) // 2])
    with pytest.raises(BadInput, match="channel DNA"):
        plate.read(A01, "DNA")
    chunk.unlink()  # Zarr takes a missing chunk for zeros
    with pytest.raises(BadInput, match="damaged"):
        plate.read(A01, "DNA")
    plate.read(A01, "BF")


def test_what_is_no_plate_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    zarr.create_group(str(tmp_path / "other.zarr"))
    for name, reason in (
        ("absent", "doesn't exist"),
        ("folder", "no OME-Zarr plate"),
        ("other.zarr", "no plate"),
    ):
        with pytest.raises(BadInput, match=reason) as caught:
            open_plate(tmp_path / name)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_plates_of_other_programs_are_read(tmp_path: Path, version: str) -> None:
    """Columns without a zero, t and z axes of length one, images with other names, nanometres."""
    path = tmp_path / "foreign.zarr"
    images = [ngio.ImageInWellPath(row="B", column=3, path=name) for name in ("x", "y")]
    ngio.create_empty_plate(str(path), "theirs", images=images, ngff_version=version)  # type: ignore[arg-type]
    written = pixels(6, (1, 2, 1, 20, 30))
    for name in ("x", "y"):
        image = ngio.create_empty_ome_zarr(
            str(path / "B" / "03" / name),
            shape=written.shape,
            pixelsize=650.0,
            space_unit="nanometer",
            axes_names=("t", "c", "z", "y", "x"),
            channels_meta=["light", "dark"],
            levels=1,
            ngff_version=version,  # type: ignore[arg-type]
        )
        image.get_image().set_array(written)
    plate = open_plate(path)
    assert plate.fields == (FieldName("B03", 0), FieldName("B03", 1))
    assert (plate.channels, plate.name) == (("light", "dark"), "theirs")
    assert plate.pixel_size_um == pytest.approx(0.65)
    np.testing.assert_array_equal(plate.read(FieldName("B03", 1), "dark"), written[0, 1, 0])


def test_a_plate_can_lie_behind_a_url() -> None:
    url = "memory://bucket/p.zarr"
    writer = begin(url, overwrite=True)
    writer.write_field(A01, pixels(7))
    plate = writer.finish()
    assert (plate.path, plate.fields) == (url, (A01,))
    plate.write_labels(A01, "nuclei", np.ones((37, 53), np.int32))
    again = open_plate(url)
    np.testing.assert_array_equal(again.read(A01, "BF"), pixels(7)[0])
    assert again.read_labels(A01, "nuclei").sum() == 1961
    with pytest.raises(OutputExists):
        begin(url)
    assert begin(url, overwrite=True).done == frozenset()


def test_a_file_url_is_a_local_path(tmp_path: Path) -> None:
    writer = begin(f"file://{tmp_path.as_posix()}/p.zarr")
    writer.write_field(A01, pixels(7))
    writer.finish()
    np.testing.assert_array_equal(open_plate(str(tmp_path / "p.zarr")).read(A01, "BF"), pixels(7)[0])


def test_a_refused_disk_becomes_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(OutputFailed, match="can't write") as caught:
        begin(tmp_path / "file" / "p.zarr")
    assert "\n" not in str(caught.value)
