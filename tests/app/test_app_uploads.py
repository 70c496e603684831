"""What a user drops is kept under its content, and refused with one line before a pixel is decoded."""

import struct
import zlib

import numpy as np
import pytest
import tifffile

from unstained.app import uploads
from unstained.app.uploads import Choice, find, keep, read_plane, scenes_of
from unstained.errors import BadInput


def test_the_same_bytes_are_kept_once_and_under_a_harmless_name(tmp_path):
    first = keep("../../etc/cells 1.tif", b"abc", tmp_path)
    assert first == keep("../../etc/cells 1.tif", b"abc", tmp_path)
    assert tmp_path in first.parents
    assert first.name == "cells 1.tif"
    assert first.read_bytes() == b"abc"
    assert keep("cells 1.tif", b"abd", tmp_path) != first


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("notes.txt", b"abc", "no image of a known kind"),
        ("cells.tif", b"", "is empty"),
        ("..", b"abc", "no image"),
    ],
)
def test_what_is_no_image_is_refused_in_one_line(tmp_path, name, content, said):
    with pytest.raises(BadInput, match=said) as found:
        keep(name, content, tmp_path)
    assert "\n" not in str(found.value)
    assert list(tmp_path.iterdir()) == []


def test_a_place_outside_of_the_users_folder_is_not_found(tmp_path):
    home = tmp_path / "me"
    kept = keep("a.tif", b"abc", home / uploads.FOLDER)
    place = kept.relative_to(home / uploads.FOLDER).as_posix()
    assert find(place, home) == kept
    (tmp_path / "secret.tif").write_bytes(b"x")
    with pytest.raises(BadInput, match="drop it again"):
        find("../../secret.tif", home)
    assert find(uploads.EXAMPLE_IMAGE, home).name == "A01_f2_TL.tif"


def png_that_claims(width: int, height: int) -> bytes:
    """Write the first bytes of a PNG of any size."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def test_a_png_bomb_is_refused_by_its_header(tmp_path, monkeypatch):
    monkeypatch.setattr("imagecodecs.imread", lambda *_: pytest.fail("pixels were decoded"))
    for sides in ((60_000, 60_000), (12_000, 12_000)):  # Pillow refuses the first, and warns of the second
        path = tmp_path / "bomb.png"
        path.write_bytes(png_that_claims(*sides))
        with pytest.raises(BadInput, match="million pixels"):
            scenes_of(path)


def test_a_tiff_bomb_is_refused_by_its_header(tmp_path):
    path = tmp_path / "bomb.tif"
    tifffile.imwrite(path, np.zeros((64, 64), np.uint8), compression="zlib")
    with tifffile.TiffFile(path, mode="r+b") as tif:
        tif.pages[0].tags["ImageLength"].overwrite(60_000)
        tif.pages[0].tags["ImageWidth"].overwrite(60_000)
    with pytest.raises(BadInput, match="3,600 million pixels"):
        scenes_of(path)


@pytest.mark.parametrize("name", ["odd.tif", "odd.png", "odd.nd2"])
def test_an_odd_file_is_one_line(tmp_path, name):
    if name.endswith("nd2"):
        pytest.importorskip("bioio_nd2", reason="the extra [vendor] isn't installed")
    path = tmp_path / name
    path.write_bytes(b"this is no image at all")
    with pytest.raises(BadInput) as found:
        scenes_of(path)
    assert "\n" not in str(found.value)


def test_the_chosen_plane_of_a_stack_is_read(tmp_path):
    planes = np.arange(2 * 3 * 8 * 8, dtype=np.uint16).reshape(3, 2, 8, 8)  # z, channel
    path = tmp_path / "stack.ome.tif"
    size = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
    tifffile.imwrite(path, planes, ome=True, metadata={"axes": "ZCYX", **size})
    plane, size_um = read_plane(scenes_of(path), Choice(channel=1, z=2))
    np.testing.assert_array_equal(plane, planes[2, 1])
    assert size_um == 0.5
