"""Files of every kind become plates of the pixels that were recorded; what can't be used says why."""

import shutil
import warnings
from pathlib import Path

import ngio
import numpy as np
import pandas as pd
import pytest
import tifffile

from unstained.errors import (
    BadInput,
    BadSettings,
    MissingExtra,
    OutputExists,
    OutputFailed,
    UnstainedError,
    UnstainedWarning,
)
from unstained.plates import vendor
from unstained.plates.importing import ImportSettings, import_plate
from unstained.plates.plate import FieldName, Plate, create_plate

A01 = FieldName("A01", 0)


def pixels(seed: int = 0, shape: tuple[int, ...] = (21, 34), dtype: str = "uint16") -> np.ndarray:
    return (np.random.default_rng(seed).random(shape) * 250).astype(dtype)


def folder_of(folder: Path, *names: str) -> dict[str, np.ndarray]:
    """Write a small TIFF under each name; each has other pixels."""
    images = {name: pixels(seed) for seed, name in enumerate(names)}
    for name, image in images.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(folder / name, image)
    return images


def manifest_of(folder: Path, *rows: str, head: str = "path,well,field,channel") -> Path:
    path = folder / "manifest.csv"
    path.write_text("\n".join((head, *rows)) + "\n", encoding="utf-8")
    return path


def refused(source: Path, tmp_path: Path, reason: str, **settings: object) -> str:
    """Import what can't be: one line, nothing written, nothing left."""
    out = tmp_path / "out" / "p.zarr"
    with pytest.raises(UnstainedError, match=reason) as caught:
        import_plate(source, out, ImportSettings.checked(settings))
    assert "\n" not in str(caught.value)
    assert not out.parent.exists() or not list(out.parent.iterdir())
    return str(caught.value)


@pytest.fixture
def two_wells(tmp_path: Path) -> Path:
    """Two wells of one field, two channels."""
    source = tmp_path / "source"
    folder_of(source, "a1.tif", "a1 dna.tif", "b12.tif", "b12 dna.tif")
    manifest_of(source, "a1.tif,A1,0,BF", "a1 dna.tif,A01,0,DNA", "b12.tif,b12,0,BF", "b12 dna.tif,B12,0,DNA")
    return source


def test_a_manifest_says_what_is_what(two_wells: Path, tmp_path: Path) -> None:
    before = {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in two_wells.rglob("*")}
    seen: list[tuple[int, int]] = []
    plate = import_plate(two_wells, tmp_path / "p.zarr", progress=lambda *count: seen.append(count))
    assert plate.fields == (A01, FieldName("B12", 0))
    assert plate.channels == ("BF", "DNA")
    np.testing.assert_array_equal(
        plate.read(FieldName("B12", 0), "DNA"), tifffile.imread(two_wells / "b12 dna.tif")
    )
    np.testing.assert_array_equal(plate.read(A01, "BF"), tifffile.imread(two_wells / "a1.tif"))
    assert plate.pixel_size_um is None
    assert plate.info["kind"] == "recorded"
    assert plate.info["source"] == str(two_wells)
    assert plate.path == tmp_path / "p.zarr"
    assert seen == [(1, 2), (2, 2)]
    assert {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in two_wells.rglob("*")} == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["p.zarr", "source"]


def test_umlauts_and_spaces_in_paths_are_nothing_special(two_wells: Path, tmp_path: Path) -> None:
    source = tmp_path / "Über Größe" / "Bilder 1 [α]"
    shutil.copytree(two_wells, source)
    (source / "a1.tif").rename(source / "Zellen ä 50%.tif")
    manifest_of(source, "Zellen ä 50%.tif,A1,0,BF")
    plate = import_plate(source, tmp_path / "Über Größe" / "Pläte #1.zarr")
    np.testing.assert_array_equal(plate.read(A01, "BF"), tifffile.imread(source / "Zellen ä 50%.tif"))


def test_fields_may_differ_in_size_but_not_their_channels(tmp_path: Path) -> None:
    for name, shape in (("a", (1, 1)), ("b", (7, 301)), ("c", (8, 301))):
        tifffile.imwrite(tmp_path / f"{name}.tif", pixels(1, shape))
    plate = import_plate(manifest_of(tmp_path, "a.tif,A1,0,BF", "b.tif,A1,1,BF"), tmp_path / "p.zarr")
    assert [plate.shape(field) for field in plate.fields] == [(1, 1), (7, 301)]
    np.testing.assert_array_equal(plate.read(FieldName("A01", 1), "BF"), pixels(1, (7, 301)))
    source = manifest_of(tmp_path, "b.tif,A1,0,BF", "c.tif,A1,0,DNA")
    refused(source, tmp_path, r"c\.tif is 301×8 px uint16, but .*b\.tif is 301×7 px uint16")


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
def test_every_camera_type_is_kept(tmp_path: Path, dtype: str) -> None:
    tifffile.imwrite(tmp_path / "a.tif", pixels(1, dtype=dtype))
    plate = import_plate(tmp_path / "a.tif", tmp_path / "out" / "p.zarr")
    read = plate.read(A01, "C1")
    np.testing.assert_array_equal(read, pixels(1, dtype=dtype))
    assert read.dtype == dtype


def test_channels_of_two_types_keep_their_values(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", pixels(1, dtype="uint8"))
    tifffile.imwrite(tmp_path / "b.tif", pixels(2) * 200)
    tifffile.imwrite(tmp_path / "c.tif", pixels(3) > 100)
    source = manifest_of(tmp_path, "a.tif,A1,0,BF", "b.tif,A1,0,DNA", "c.tif,A1,0,MASK")
    plate = import_plate(source, tmp_path / "out" / "p.zarr")
    np.testing.assert_array_equal(plate.read(A01, "BF"), pixels(1, dtype="uint8"))
    np.testing.assert_array_equal(plate.read(A01, "DNA"), pixels(2) * 200)
    np.testing.assert_array_equal(plate.read(A01, "MASK"), pixels(3) > 100)
    assert plate.field_info(A01)["dtypes"] == {"BF": "uint8", "DNA": "uint16", "MASK": "uint8"}


PRESET_NAMES = {
    "imagexpress": (
        [
            "TimePoint_1/exp 1_B03_s2_w1.tif",
            "TimePoint_1/exp 1_B03_s2_w2.tif",
            "TimePoint_1/exp 1_B03_s2_thumb_w1.tif",
        ],
        FieldName("B03", 2),
        {"w1": 0, "w2": 1},
    ),
    "imagexpress, unique ids": (
        [
            "p_AF48_s1_w1C5E9E0A6-8D5B-4F5E-9C0B-0123456789AB.tif",
            "p_AF48_s1_w1_thumbC5E9E0A6-8D5B-4F5E-9C0B-0123456789AC.tif",
        ],
        FieldName("AF48", 1),
        {"w1": 0},
    ),
    "imagexpress, one wavelength": (["A01_s3.tif"], FieldName("A01", 3), {"C1": 0}),
    "opera": (
        ["Images/r02c11f04p01-ch1sk1fk1fl1.tiff", "Images/r02c11f04p01-ch2sk1fk1fl1.tiff"],
        FieldName("B11", 4),
        {"ch1": 0, "ch2": 1},
    ),
    "cellvoyager": (
        ["AssayPlate_B03_T0001F002L01A01Z01C01.tif", "AssayPlate_B03_T0001F002L01A02Z01C02.tif"],
        FieldName("B03", 2),
        {"C01": 0, "C02": 1},
    ),
}


@pytest.mark.parametrize("case", PRESET_NAMES)
def test_presets_are_recognised_by_their_names(tmp_path: Path, case: str) -> None:
    names, field, channels = PRESET_NAMES[case]
    images = list(folder_of(tmp_path / "source", *names).values())
    plate = import_plate(tmp_path / "source", tmp_path / "p.zarr")
    assert (plate.fields, plate.channels) == ((field,), tuple(channels))
    for channel, number in channels.items():
        np.testing.assert_array_equal(plate.read(field, channel), images[number])


INDEX_5 = """<EvaluationInputData xmlns="http://www.perkinelmer.com/PEHH/HarmonyV5"><Images>
<Image><URL>r01c01f01p01-ch1sk1fk1fl1.tiff</URL><ChannelID>1</ChannelID><ChannelName>Brightfield</ChannelName>
<ImageResolutionX Unit="m">2.98e-07</ImageResolutionX></Image>
<Image><URL>r01c01f01p01-ch2sk1fk1fl1.tiff</URL><ChannelID>2</ChannelID>
<ChannelName>HOECHST 33342</ChannelName><ImageResolutionX Unit="m">2.98e-07</ImageResolutionX></Image>
</Images></EvaluationInputData>"""
INDEX_6 = """<EvaluationInputData xmlns="http://www.perkinelmer.com/PEHH/HarmonyV6"><Maps>
<Map><Entry ChannelID="1"><ChannelName>Brightfield</ChannelName></Entry>
<Entry ChannelID="2"><ChannelName>HOECHST 33342</ChannelName></Entry></Map>
<Map><Entry ChannelID="1"><ImageResolutionX Unit="m">2.98e-07</ImageResolutionX></Entry></Map></Maps><Images>
<Image><URL>r01c01f01p01-ch1sk1fk1fl1.tiff</URL><ChannelID>1</ChannelID></Image>
<Image><URL>r01c01f01p01-ch2sk1fk1fl1.tiff</URL><ChannelID>2</ChannelID></Image></Images></EvaluationInputData>"""


@pytest.mark.parametrize(("name", "index"), [("Index.idx.xml", INDEX_5), ("Index.xml", INDEX_6)])
def test_operas_index_names_channels_and_pixel_size(tmp_path: Path, name: str, index: str) -> None:
    source = tmp_path / "source"
    images = folder_of(source, "r01c01f01p01-ch1sk1fk1fl1.tiff", "r01c01f01p01-ch2sk1fk1fl1.tiff")
    (source / name).write_text(index, encoding="utf-8")
    plate = import_plate(source, tmp_path / "p.zarr")
    assert plate.channels == ("Brightfield", "HOECHST 33342")
    assert plate.pixel_size_um == pytest.approx(0.298)
    np.testing.assert_array_equal(
        plate.read(FieldName("A01", 1), "HOECHST 33342"), images["r01c01f01p01-ch2sk1fk1fl1.tiff"]
    )
    (source / name).write_text(index[:90], encoding="utf-8")
    refused(source, tmp_path, name)


def test_a_regular_expression_reads_any_names(tmp_path: Path) -> None:
    source = tmp_path / "source"
    images = folder_of(source, "day 1/C7-red-3.tif", "day 1/C7-blue-3.tif", "notes.tif")
    pattern = r"(?P<well>[A-Z]\d+)-(?P<channel>\w+)-(?P<field>\d)"
    with pytest.warns(UnstainedWarning, match=r"1 images .* notes\.tif"):
        plate = import_plate(source, tmp_path / "p.zarr", ImportSettings(pattern=pattern))
    field = FieldName("C07", 3)
    assert (plate.fields, plate.channels) == ((field,), ("blue", "red"))
    np.testing.assert_array_equal(plate.read(field, "red"), images["day 1/C7-red-3.tif"])
    refused(source, tmp_path, "fits the pattern", pattern=r"(?P<well>X\d+)")
    refused(source, tmp_path, "unknown group 'site'", pattern=r"(?P<site>\d+)")
    refused(source, tmp_path, "no regular expression", pattern=r"(?P<well>")
    refused(source, tmp_path, "no named group", pattern=r".*tif")


def test_unknown_names_are_refused_with_the_schemes_and_an_example(tmp_path: Path) -> None:
    folder_of(tmp_path / "source", "IMG_0001.tif")
    message = refused(tmp_path / "source", tmp_path, "fit no known scheme")
    assert all(
        word in message
        for word in ("imagexpress", "opera", "cellvoyager", "manifest.csv", "--pattern '(?P<well>")
    )
    refused(tmp_path / "source", tmp_path, "no preset 'incucyte'", preset="incucyte")
    refused(tmp_path / "source", tmp_path, "fits opera", preset="opera")
    folder_of(tmp_path / "source", "p_A01_s1_w1.tif", "r01c01f01p01-ch1sk1fk1fl1.tiff")
    refused(tmp_path / "source", tmp_path, "several schemes .*imagexpress, opera")


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """One field: three z of PH, of which z 5 is sharp, and one DNA."""
    source = tmp_path / "stack"
    source.mkdir()
    sharp = np.kron(pixels(1, (12, 12)), np.ones((4, 4), np.uint16)) + 100
    blurred = ((sharp + np.roll(sharp, 2, 0) + np.roll(sharp, 2, 1) + np.roll(sharp, 4, 0)) // 4).astype(
        np.uint16
    )
    for name, image in {
        "z4": blurred,
        "z5": sharp,
        "z6": (blurred * 2).astype(np.uint16),
        "dna": pixels(2, (48, 48)),
    }.items():
        tifffile.imwrite(source / f"{name}.tif", image)
    rows = ("z5.tif,A1,0,PH,5", "z4.tif,A1,0,PH,4", "z6.tif,A1,0,PH,6", "dna.tif,A1,0,DNA,")
    manifest_of(source, *rows, head="path,well,field,channel,z")
    return source


@pytest.mark.parametrize(("project", "file"), [("best", "z5"), ("z=6", "z6")])
def test_one_plane_is_taken_of_a_stack(stack: Path, tmp_path: Path, project: str, file: str) -> None:
    """The sharpest, though another is brighter; or the one that is named."""
    plate = import_plate(stack, tmp_path / "p.zarr", ImportSettings(project=project))
    assert plate.channels == ("PH", "DNA")
    np.testing.assert_array_equal(plate.read(A01, "PH"), tifffile.imread(stack / f"{file}.tif"))
    assert plate.field_info(A01)["z"] == {"PH": int(file[1])}


def test_a_stack_becomes_channels_or_its_maximum(stack: Path, tmp_path: Path) -> None:
    as_channels = import_plate(stack, tmp_path / "c.zarr")
    assert as_channels.channels == ("PH_z04", "PH_z05", "PH_z06", "DNA")
    np.testing.assert_array_equal(as_channels.read(A01, "PH_z06"), tifffile.imread(stack / "z6.tif"))
    highest = import_plate(stack, tmp_path / "m.zarr", ImportSettings(project="max"))
    expected = np.max([tifffile.imread(stack / f"z{z}.tif") for z in (4, 5, 6)], axis=0)
    np.testing.assert_array_equal(highest.read(A01, "PH"), expected)
    np.testing.assert_array_equal(highest.read(A01, "DNA"), tifffile.imread(stack / "dna.tif"))


def test_a_z_that_is_not_there_is_refused(stack: Path, tmp_path: Path) -> None:
    refused(stack, tmp_path, r"A01/0 channel PH has no plane z=9; it holds z 4, 5, 6", project="z=9")
    refused(stack, tmp_path, "'deepest' is not known", project="deepest")


def test_times_become_fields_of_one_place(tmp_path: Path) -> None:
    source = tmp_path / "source"
    images = folder_of(source, *(f"B2_f{field}_t{t}.tif" for field in (3, 7) for t in (1, 2, 10)))
    settings = ImportSettings(pattern=r"(?P<well>B2)_f(?P<field>\d)_t(?P<t>\d+)\.tif")
    plate = import_plate(source, tmp_path / "p.zarr", settings)
    assert plate.fields == tuple(FieldName("B02", number) for number in range(6))
    assert [plate.place(field) for field in plate.fields] == ["B02/3"] * 3 + ["B02/7"] * 3
    assert [plate.field_info(field)["t"] for field in plate.fields] == [1, 2, 10, 1, 2, 10]
    np.testing.assert_array_equal(plate.read(FieldName("B02", 2), "C1"), images["B2_f3_t10.tif"])
    np.testing.assert_array_equal(plate.read(FieldName("B02", 3), "C1"), images["B2_f7_t1.tif"])


def test_an_ome_tiff_tells_its_channels_times_and_pixel_size(tmp_path: Path) -> None:
    stored = pixels(1, (2, 3, 2, 16, 18))  # T C Z Y X
    tifffile.imwrite(
        tmp_path / "a.ome.tif",
        stored,
        ome=True,
        metadata={
            "axes": "TCZYX",
            "Channel": {"Name": ["PH", "DNA", "Größe"]},
            "PhysicalSizeX": 325.0,
            "PhysicalSizeXUnit": "nm",
            "PhysicalSizeY": 0.325,
        },
    )
    plate = import_plate(tmp_path / "a.ome.tif", tmp_path / "p.zarr", ImportSettings(project="z=1"))
    assert plate.fields == (A01, FieldName("A01", 1))
    assert plate.channels == ("PH", "DNA", "Größe")
    assert {plate.place(field) for field in plate.fields} == {"A01/0"}
    assert plate.pixel_size_um == pytest.approx(0.325)
    np.testing.assert_array_equal(plate.read(FieldName("A01", 1), "Größe"), stored[1, 2, 1])


def test_places_of_an_ome_tiff_become_fields(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as tif:
        for seed in (1, 2):
            tif.write(pixels(seed), metadata={"axes": "YX"})
    plate = import_plate(tmp_path / "a.ome.tif", tmp_path / "p.zarr")
    assert plate.fields == (A01, FieldName("A01", 1))
    np.testing.assert_array_equal(plate.read(FieldName("A01", 1), "C1"), pixels(2))


def test_pages_without_a_name_are_z_planes_and_a_single_page_is_a_plane(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "stack.tif", pixels(1, (3, 9, 8)), photometric="minisblack")
    assert import_plate(tmp_path / "stack.tif", tmp_path / "a.zarr").channels == (
        "C1_z00",
        "C1_z01",
        "C1_z02",
    )
    tifffile.imwrite(tmp_path / "one.tif", pixels(1, (1, 9, 8)))
    plate = import_plate(manifest_of(tmp_path, "one.tif,A1,0,TL"), tmp_path / "b.zarr")
    np.testing.assert_array_equal(plate.read(A01, "TL"), pixels(1, (1, 9, 8))[0])
    source = manifest_of(tmp_path, "stack.tif,A1,0,TL,2", head="path,well,field,channel,z")
    refused(source, tmp_path, r"stack\.tif holds 3 z planes, but it is named as 2 alone")


def test_pixel_sizes_that_contradict_each_other_need_a_word_from_the_user(
    two_wells: Path, tmp_path: Path
) -> None:
    rows = (
        "a1.tif,A1,0,BF,0.325",
        "a1 dna.tif,A1,0,DNA,0.327",
        "b12.tif,B12,0,BF,",
        "b12 dna.tif,B12,0,DNA,0.325",
    )
    source = manifest_of(two_wells, *rows, head="path,well,field,channel,pixel_size_um")
    assert import_plate(two_wells, tmp_path / "a.zarr").pixel_size_um == pytest.approx(0.325)
    manifest_of(
        two_wells, *rows[:3], rows[3].replace("0.325", "0.65"), head="path,well,field,channel,pixel_size_um"
    )
    message = refused(source, tmp_path, r"0\.325 µm in .*a1\.tif, 0\.65 µm in .*b12 dna\.tif")
    assert "--pixel-size-um" in message
    settled = import_plate(two_wells, tmp_path / "b.zarr", ImportSettings(pixel_size_um=0.5))
    assert settled.pixel_size_um == 0.5
    manifest_of(two_wells, "a1.tif,A1,0,BF,0", head="path,well,field,channel,pixel_size_um")
    refused(source, tmp_path, "line 2: pixel_size_um is '0'")


def test_the_plate_map_joins_by_well(two_wells: Path, tmp_path: Path) -> None:
    wells = tmp_path / "wells.csv"
    wells.write_text("Well,clone,day\nA1,K7,3\nb12,K9,3\n", encoding="utf-8")
    plate = import_plate(two_wells, tmp_path / "p.zarr", plate_map=wells)
    expected = pd.DataFrame({"well": ["A01", "B12"], "clone": ["K7", "K9"], "day": [3, 3]})
    pd.testing.assert_frame_equal(plate.conditions, expected)
    wells.write_text("well,clone\nA1,K7\nC1,K8\n", encoding="utf-8")
    with pytest.warns(UnstainedWarning) as caught:
        plate = import_plate(two_wells, tmp_path / "q.zarr", plate_map=wells)
    texts = [str(warning.message) for warning in caught if warning.category is UnstainedWarning]
    assert [("C01" in text, "B12" in text) for text in texts] == [(True, False), (False, True)]
    assert plate.conditions["well"].tolist() == ["A01", "B12"]
    wells.write_text("well,clone\nH1,K7\n", encoding="utf-8")
    with pytest.raises(BadInput, match="none of the plate's wells"):
        import_plate(two_wells, tmp_path / "r.zarr", plate_map=wells)
    assert not (tmp_path / "r.zarr").exists()


BAD_MANIFESTS = {
    "two images are both A01/0, channel BF": ("a1.tif,A1,0,BF", "b12.tif,A01,0,BF"),
    "field B12/0 has no channel DNA .*but field A01/0 has": (
        "a1.tif,A1,0,BF",
        "a1 dna.tif,A1,0,DNA",
        "b12.tif,B12,0,BF",
    ),
    "no image file at .*gone": ("gone.tif,A1,0,BF",),
    "line 2: field is 'two'": ("a1.tif,A1,two,BF",),
    "line 2: '17' is no well": ("a1.tif,17,0,BF",),
    "no image of a known kind": ("manifest.csv,A1,0,BF",),
}


@pytest.mark.parametrize("reason", BAD_MANIFESTS)
def test_a_bad_manifest_is_refused_in_one_line(two_wells: Path, tmp_path: Path, reason: str) -> None:
    refused(manifest_of(two_wells, *BAD_MANIFESTS[reason]), tmp_path, reason)


def test_a_manifest_without_its_columns_is_refused(two_wells: Path, tmp_path: Path) -> None:
    refused(
        manifest_of(two_wells, "a1.tif,A1", head="path,well"),
        tmp_path,
        "lacks field, channel; it has: path, well",
    )
    refused(manifest_of(two_wells), tmp_path, "no rows")
    short = manifest_of(two_wells, "A1,0,BF", head="well,field,channel,path")
    refused(short, tmp_path, "line 2: no path")
    refused(two_wells, tmp_path, r"no manifest at .*other\.csv", manifest=two_wells / "other.csv")


def test_mixed_bit_depths_of_a_channel_are_refused(two_wells: Path, tmp_path: Path) -> None:
    tifffile.imwrite(two_wells / "b12.tif", pixels(1, dtype="uint8"))
    refused(two_wells, tmp_path, r"channel BF is uint8 in .*b12\.tif, but uint16 in .*a1\.tif")


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("kept", [0, 40, 0.5, 0.99])
def test_a_file_that_is_cut_short_is_refused(
    two_wells: Path, tmp_path: Path, compression: str | None, kept: float
) -> None:
    """Cut anywhere: tifffile fills what is missing with zeros, or stumbles in many ways."""
    file = two_wells / "b12 dna.tif"
    tifffile.imwrite(file, pixels(1, (64, 64)), compression=compression, rowsperstrip=16)
    whole = file.read_bytes()
    file.write_bytes(whole[: int(kept * len(whole) if kept < 1 else kept)])
    refused(two_wells, tmp_path, r"b12 dna\.tif")


def test_a_strip_that_was_never_written_is_refused(two_wells: Path, tmp_path: Path) -> None:
    """As after an interrupted acquisition: tifffile would read it as zeros."""
    file = two_wells / "b12 dna.tif"
    tifffile.imwrite(file, pixels(1, (64, 64)) + 1, compression="zlib", rowsperstrip=16)
    with tifffile.TiffFile(file) as tif:
        tag = tif.pages[0].tags["StripByteCounts"]
        width = {3: 2, 4: 4}[int(tag.dtype)]  # SHORT or LONG
        place = tag.valueoffset + 2 * width  # of the third strip
    content = bytearray(file.read_bytes())
    content[place : place + width] = bytes(width)
    file.write_bytes(bytes(content))
    assert (tifffile.imread(file) == 0).any()
    refused(two_wells, tmp_path, r"b12 dna\.tif is cut short")


def test_a_damaged_file_is_refused(two_wells: Path, tmp_path: Path) -> None:
    file = two_wells / "b12 dna.tif"
    tifffile.imwrite(file, pixels(1, (64, 64)), compression="zlib")
    whole = bytearray(file.read_bytes())
    middle = len(whole) - 2000
    whole[middle : middle + 60] = bytes(60)
    file.write_bytes(bytes(whole))
    refused(two_wells, tmp_path, r"can't read .*b12 dna\.tif")
    file.write_bytes(b"this is no image at all")
    refused(two_wells, tmp_path, r"can't read .*b12 dna\.tif")


def test_empty_and_missing_sources_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", tmp_path, "no images in .*empty")
    refused(tmp_path / "absent", tmp_path, "no file or folder at .*absent")


def test_the_plate_lies_neither_in_its_source_nor_around_it(two_wells: Path) -> None:
    for out in (two_wells, two_wells / "p.zarr", two_wells.parent):
        with pytest.raises(BadInput, match="in or around its own source"):
            import_plate(two_wells, out, overwrite=True)
    assert len(list(two_wells.iterdir())) == 5


def test_an_existing_output_is_replaced_only_on_request_and_only_when_the_new_one_is_whole(
    two_wells: Path, tmp_path: Path
) -> None:
    out = tmp_path / "p.zarr"
    first = import_plate(two_wells, out)
    with pytest.raises(OutputExists, match="--overwrite"):
        import_plate(two_wells, out)
    (two_wells / "b12.tif").write_bytes(b"II*\0")
    with pytest.raises(BadInput):
        import_plate(two_wells, out, overwrite=True)
    assert first.read(A01, "BF").any()
    manifest_of(two_wells, "a1 dna.tif,A1,0,BF")
    again = import_plate(two_wells, out, overwrite=True)
    assert again.fields == (A01,)
    np.testing.assert_array_equal(again.read(A01, "BF"), tifffile.imread(two_wells / "a1 dna.tif"))
    photos = tmp_path / "photos"
    photos.mkdir()
    with pytest.raises(OutputFailed, match="not a plate"):
        import_plate(two_wells, photos, overwrite=True)
    with pytest.raises(OutputFailed, match="can't write"):
        import_plate(two_wells, two_wells.parent / "source" / ".." / "p.zarr" / "zarr.json" / "x.zarr")


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """Write a plate as another program would: one well, two times, three z."""
    path = tmp_path / "theirs.zarr"
    ngio.create_empty_plate(str(path), "theirs", images=[ngio.ImageInWellPath(row="B", column=3, path="0")])
    image = ngio.create_empty_ome_zarr(
        str(path / "B" / "03" / "0"),
        shape=(2, 2, 3, 20, 30),
        pixelsize=0.5,
        axes_names=("t", "c", "z", "y", "x"),
        channels_meta=["BF", "DNA"],
        levels=1,
    )
    image.get_image().set_array(pixels(3, (2, 2, 3, 20, 30)))
    return path


def test_a_foreign_plate_is_projected_like_files(foreign: Path, tmp_path: Path) -> None:
    plate = import_plate(foreign, tmp_path / "p.zarr", ImportSettings(project="z=2"))
    assert (plate.channels, plate.pixel_size_um) == (("BF", "DNA"), 0.5)
    assert [plate.place(field) for field in plate.fields] == ["B03/0", "B03/0"]
    np.testing.assert_array_equal(
        plate.read(FieldName("B03", 1), "DNA"), pixels(3, (2, 2, 3, 20, 30))[1, 1, 2]
    )


def our_plate(path: Path) -> Plate:
    writer = create_plate(path, name="ours", channels=["BF"], pixel_size_um=None)
    writer.write_field(A01, pixels(1)[None], place="A01/spot")
    plate = writer.finish()
    plate.write_labels(A01, "nuclei", np.ones((21, 34), np.int32))
    return plate


def test_our_own_plate_is_copied_with_all_that_is_in_it(tmp_path: Path) -> None:
    our_plate(tmp_path / "ours.zarr")
    (tmp_path / "wells.csv").write_text("well,clone\nA1,K7\n", encoding="utf-8")
    copy = import_plate(tmp_path / "ours.zarr", tmp_path / "p.zarr", plate_map=tmp_path / "wells.csv")
    assert (copy.name, copy.place(A01), copy.labels_of(A01)) == ("ours", "A01/spot", ("nuclei",))
    assert copy.conditions["clone"].tolist() == ["K7"]
    np.testing.assert_array_equal(copy.read(A01, "BF"), pixels(1))


def test_our_own_plate_can_be_given_a_pixel_size(tmp_path: Path) -> None:
    our_plate(tmp_path / "ours.zarr")
    with pytest.warns(UnstainedWarning, match="labels"):
        copy = import_plate(tmp_path / "ours.zarr", tmp_path / "p.zarr", ImportSettings(pixel_size_um=0.3))
    assert (copy.pixel_size_um, copy.place(A01)) == (0.3, "A01/spot")
    np.testing.assert_array_equal(copy.read(A01, "BF"), pixels(1))


@pytest.mark.parametrize(
    ("name", "channels", "pixel_size_um"),
    [
        ("cerevisiae", ("DIC", "FITC BP"), 0.108),
        ("multichannel", ("Mono", "DAPI", "FITC BP", "TRITC BP"), 0.323),
        ("pbmc", ("Mono", "DAPI", "FITC BP", "TRITC BP"), 0.647),
    ],
)
def test_nikon_files_tell_channels_and_pixel_size(
    shared_data: Path, tmp_path: Path, name: str, channels: tuple[str, ...], pixel_size_um: float
) -> None:
    """Pixel sizes as the data's README states them."""
    pytest.importorskip("bioio_nd2")
    nd2 = pytest.importorskip("nd2")
    source = shared_data / "vendor-files" / f"example-{name}.nd2"
    plate = import_plate(source, tmp_path / "p.zarr")
    assert plate.channels == channels
    assert plate.pixel_size_um == pytest.approx(pixel_size_um, abs=0.0005)
    stored = nd2.imread(source)
    for number, channel in enumerate(channels):
        np.testing.assert_array_equal(plate.read(A01, channel), stored[number])


def test_a_folder_of_vendor_files_gets_a_well_for_each(shared_data: Path, tmp_path: Path) -> None:
    pytest.importorskip("bioio_nd2")
    source = tmp_path / "source"
    source.mkdir()
    for name in ("multichannel", "pbmc"):
        shutil.copy(shared_data / "vendor-files" / f"example-{name}.nd2", source)
    refused(source, tmp_path, r"0\.3234 µm in .*multichannel\.nd2, 0\.6468 µm in .*pbmc\.nd2")
    plate = import_plate(source, tmp_path / "p.zarr", ImportSettings(pixel_size_um=0.5))
    assert plate.fields == (A01, FieldName("A02", 0))
    assert plate.field_info(FieldName("A02", 0))["files"]["DAPI"][0].endswith("example-pbmc.nd2")


def test_a_vendor_file_without_its_reader_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(vendor.READERS, ".nd2", ("bioio_of_tomorrow", "vendor"))
    (tmp_path / "a.nd2").write_bytes(b"x")
    with pytest.raises(MissingExtra, match=r"pip install 'unstained\[vendor\]'"):
        import_plate(tmp_path / "a.nd2", tmp_path / "p.zarr")


def test_a_damaged_vendor_file_is_refused(shared_data: Path, tmp_path: Path) -> None:
    pytest.importorskip("bioio_nd2")
    whole = (shared_data / "vendor-files" / "example-cerevisiae.nd2").read_bytes()
    (tmp_path / "a.nd2").write_bytes(whole[: len(whole) // 2])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        refused(tmp_path / "a.nd2", tmp_path, r"can't read .*a\.nd2")


def test_the_real_scratch_assay_tells_its_channels_times_and_pixel_size(
    shared_data: Path, tmp_path: Path
) -> None:
    source = shared_data / "scratch-assay" / "scratch-assay-labeled-10T-2Ch.tiff"
    plate = import_plate(source, tmp_path / "p.zarr")
    assert plate.channels == ("H3342", "oblique", "nuclei", "cyto")
    assert len(plate.fields) == 10
    assert {plate.place(field) for field in plate.fields} == {"A01/0"}
    assert plate.pixel_size_um == pytest.approx(0.619)
    np.testing.assert_array_equal(plate.read(FieldName("A01", 7), "oblique"), tifffile.imread(source)[1, 7])


def test_real_wells_with_other_channels_are_refused(shared_data: Path, tmp_path: Path) -> None:
    refused(shared_data / "golgi-nuclei", tmp_path, "A01/0 has no channel TUBULIN, ACTIN .*import them apart")


def test_settings_say_what_is_wrong_with_them() -> None:
    with pytest.raises(BadSettings, match="pixel_size_um"):
        ImportSettings.checked({"pixel_size_um": -1})
