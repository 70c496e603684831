"""Single image files: their pixels as recorded, and a pixel size only where one is really meant."""

from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile

from unstained.errors import BadInput
from unstained.plates.images import read_image


def pixels(seed: int = 0, shape: tuple[int, ...] = (21, 34), dtype: str = "uint16") -> np.ndarray:
    return (np.random.default_rng(seed).random(shape) * 250).astype(dtype)


SIZED = {
    "micrometres per ImageJ": ({"imagej": True, "resolution": (4, 4), "metadata": {"unit": "um"}}, 0.25),
    "microns per ImageJ": ({"imagej": True, "resolution": (2, 2), "metadata": {"unit": "micron"}}, 0.5),
    "pixels per ImageJ": ({"imagej": True, "resolution": (2, 2), "metadata": {"unit": "pixel"}}, None),
    "ImageJ without a unit": ({"imagej": True, "resolution": (2, 2)}, None),
    "pixels per centimetre": ({"resolution": (1e4 / 0.65, 1e4 / 0.65), "resolutionunit": "CENTIMETER"}, 0.65),
    "72 per centimetre": ({"resolution": (72, 72), "resolutionunit": "CENTIMETER"}, None),
    "72 dpi": ({"resolution": (72, 72), "resolutionunit": "INCH"}, None),
    "pixels per inch, however many": ({"resolution": (39077, 39077), "resolutionunit": "INCH"}, None),
    "no unit": ({"resolution": (15385, 15385), "resolutionunit": "NONE"}, None),
    "not square": ({"resolution": (15385, 10000), "resolutionunit": "CENTIMETER"}, None),
    "OME": ({"ome": True, "metadata": {"axes": "YX", "PhysicalSizeX": 0.33, "PhysicalSizeY": 0.33}}, 0.33),
    "OME, pixels": (
        {"ome": True, "metadata": {"axes": "YX", "PhysicalSizeX": 1, "PhysicalSizeXUnit": "pixel"}},
        None,
    ),
    "nothing said": ({}, None),
}


@pytest.mark.parametrize("case", SIZED)
def test_a_pixel_size_is_believed_only_where_it_is_meant(tmp_path: Path, case: str) -> None:
    options, expected = SIZED[case]
    tifffile.imwrite(tmp_path / "a.tif", pixels(), **options)  # type: ignore[arg-type]
    plane, found = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(plane, pixels())
    assert found == (None if expected is None else pytest.approx(expected, rel=1e-4))


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("cellpainting-u2os/images/A01_f0_DNA.tif", 0.645),
        ("scratch-assay/images/A01_f0_DNA.tif", 0.619),
        ("golgi-nuclei/images/A02_f0_DNA.tif", 0.1325),
        ("hela-rpe1/images/A01_f0_TL.tif", None),
        ("flow-cytometry/images/A01_f0_BF.tif", None),
        ("cho-dic/images/A01_f0_DIC.png", None),
    ],
)
def test_real_files_give_the_sizes_that_their_sources_state(
    shared_data: Path, path: str, expected: float | None
) -> None:
    found = read_image(shared_data / path)[1]
    assert found == (None if expected is None else pytest.approx(expected, abs=1e-4))


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_png_gives_its_pixels(tmp_path: Path, dtype: str) -> None:
    image = pixels(1, dtype=dtype) * (1 if dtype == "uint8" else 200)
    (tmp_path / "ä b.png").write_bytes(imagecodecs.png_encode(image))
    plane, found = read_image(tmp_path / "ä b.png")
    np.testing.assert_array_equal(plane, image)
    assert (plane.dtype, found) == (dtype, None)


@pytest.mark.parametrize("samples", [3, 4])
@pytest.mark.parametrize("kind", ["png", "tif", "planar.tif"])
def test_grey_saved_as_colour_is_grey_and_colour_is_refused(tmp_path: Path, kind: str, samples: int) -> None:
    grey = pixels(1, dtype="uint8")
    colour = np.stack([grey] * 3 + [np.full_like(grey, 255)] * (samples - 3), axis=-1)
    path = tmp_path / f"a.{kind}"

    def save(image: np.ndarray) -> None:
        extra = ["unassalpha"] if samples == 4 else None
        if kind == "png":
            path.write_bytes(imagecodecs.png_encode(image))
        elif kind == "tif":
            tifffile.imwrite(path, image, photometric="rgb", extrasamples=extra)
        else:
            planar = np.ascontiguousarray(np.moveaxis(image, -1, 0))
            tifffile.imwrite(path, planar, photometric="rgb", planarconfig="separate", extrasamples=extra)

    save(colour)
    np.testing.assert_array_equal(read_image(path)[0], grey)
    colour[3, 4, 1] += 1
    save(colour)
    with pytest.raises(BadInput, match="colour image"):
        read_image(path)


def test_a_mask_of_one_bit_becomes_zeros_and_ones(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", pixels() > 100)
    plane, _ = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(plane, (pixels() > 100).astype(np.uint8))
    assert plane.dtype == np.uint8


def test_big_endian_files_give_native_pixels(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", pixels(), byteorder=">")
    plane, _ = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(plane, pixels())
    assert plane.dtype.isnative


@pytest.mark.parametrize(
    ("shape", "options", "reason"),
    [
        ((3, 9, 8), {"photometric": "minisblack"}, "holds 3 z planes, not one plane"),
        ((2, 3, 9, 8), {"ome": True, "metadata": {"axes": "TCYX"}}, "holds 3 channels, 2 times"),
        ((9, 8), {"dtype": "complex64"}, "its pixels are complex64"),
    ],
)
def test_what_is_not_one_plane_is_refused(
    tmp_path: Path, shape: tuple[int, ...], options: dict, reason: str
) -> None:
    dtype = options.pop("dtype", "uint16")
    tifffile.imwrite(tmp_path / "a.tif", pixels(0, shape, dtype), **options)
    with pytest.raises(BadInput, match=reason) as caught:
        read_image(tmp_path / "a.tif")
    assert "\n" not in str(caught.value)


def test_broken_and_missing_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(pixels(dtype="uint8"))[:200])
    (tmp_path / "b.tif").write_bytes(b"")
    (tmp_path / "c.gif").write_bytes(b"GIF89a")
    reasons = {
        "a.png": "damaged",
        "b.tif": "0 bytes",
        "c.gif": "no image of a known kind",
        "d.tif": "no image file",
    }
    for name, reason in reasons.items():
        with pytest.raises(BadInput, match=reason):
            read_image(tmp_path / name)
