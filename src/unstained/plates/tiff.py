"""TIFF in its dialects: the planes a file holds, their pixels, and whether to believe its pixel size."""

import logging
import math
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import tifffile
from numpy.typing import NDArray

from unstained.errors import BadInput, one_line

# Its remarks on odd files would stand beside our one line.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

ReadPlane = Callable[[int, int, int], NDArray[Any]]
Found = tuple[tuple[str | None, ...], int, int, float | None, ReadPlane]
"""Channel names, number of z and t, pixel size in µm, and the function that reads plane (c, z, t)."""

_UM_PER_UNIT = {"µm": 1.0, "μm": 1.0, "um": 1.0, "micron": 1.0, "microns": 1.0, "micrometer": 1.0, "nm": 1e-3,
                "mm": 1e3, "cm": 1e4, "m": 1e6, "å": 1e-4}  # fmt: skip
_PLAUSIBLE_UM = (0.01, 20.0)
_CENTIMETRE = 3


@contextmanager
def reading_file(path: Path) -> Iterator[None]:
    """Turn whatever a damaged file raises into one line.

    Raises
    ------
    BadInput
        In place of the reader's own error.
    """
    try:
        yield
    except (
        OSError,
        ValueError,
        RuntimeError,
        KeyError,
        IndexError,
        TypeError,
        struct.error,
        MemoryError,
    ) as error:
        raise BadInput(f"can't read {path}: {one_line(error)}; the file is damaged or cut short") from error


def scan(path: Path) -> list[Found]:
    """Say what a TIFF file holds, one entry per place; only OME-TIFF has several."""
    with reading_file(path), tifffile.TiffFile(path) as tif:
        count = len(tif.series) if tif.is_ome else 1
        return [_scan_series(path, tif, number) for number in range(count)]


def _scan_series(path: Path, tif: tifffile.TiffFile, number: int) -> Found:
    series = tif.series[number]
    lengths = _lengths(path, series)
    names = _ome_channels(tif, number) or [None] * lengths["C"]
    if len(names) != lengths["C"]:
        names = [None] * lengths["C"]

    def read_plane(c: int, z: int, t: int) -> NDArray[Any]:
        return _read_plane(path, number, {"C": c, "Z": z, "T": t})

    return tuple(names), lengths["Z"], lengths["T"], _pixel_size_um(tif, number), read_plane


def _lengths(path: Path, series: Any) -> dict[str, int]:
    """Count planes along C, Z and T; an axis without a name is taken for z."""
    lengths = {"C": 1, "Z": 1, "T": 1}
    for axis, length in zip(series.axes, series.shape, strict=True):
        if axis in "YXS" or length == 1:
            continue
        known = axis if axis in lengths else "Z"
        if lengths[known] > 1:
            raise BadInput(f"{path} has axes {series.axes} of {series.shape}; which of them is z isn't clear")
        lengths[known] = int(length)
    return lengths


def _read_plane(path: Path, number: int, at: dict[str, int]) -> NDArray[Any]:
    with tifffile.TiffFile(path) as tif:
        series = tif.series[number]
        axes = list(zip(series.axes, series.shape, strict=True))
        outer = [(axis, length) for axis, length in axes if axis not in "YXS"]
        index = tuple(0 if length == 1 else at.get(axis, at["Z"]) for axis, length in outer)
        lengths = tuple(length for _, length in outer)
        flat = int(np.ravel_multi_index(index, lengths)) if outer else 0
        if len(series.pages) == math.prod(lengths):
            _refuse_cut(path, tif, series.pages[flat])
            pixels = np.asarray(tif.asarray(key=flat, series=number))
        else:
            _refuse_cut(path, tif, series.pages[0])
            pixels = np.asarray(series.asarray())[index]
    inner = [(axis, length) for axis, length in axes if axis in "YXS"]
    pixels = pixels.reshape([length for _, length in inner])
    names = [axis for axis, _ in inner]
    return np.moveaxis(pixels, names.index("S"), -1) if "S" in names else pixels


def _refuse_cut(path: Path, tif: tifffile.TiffFile, page: Any) -> None:
    """Refuse a plane whose bytes aren't all there; tifffile would fill it with zeros."""
    if page is None:
        raise BadInput(
            f"{path} lacks some of its planes: it is cut short, or one of a set of files that belong together"
        )
    ends = [offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True)]
    if not ends or 0 in page.databytecounts or max(ends) > tif.filehandle.size:
        raise BadInput(
            f"{path} is cut short: it has {tif.filehandle.size} bytes and should have {max(ends, default=0)}"
        )


def _pixel_size_um(tif: tifffile.TiffFile, number: int) -> float | None:
    """Give the side of a pixel in µm from metadata that means it; a printer's 72 dpi doesn't."""
    for source in (_ome_size, _imagej_size, _metaseries_size, _tag_size):
        sides = source(tif, number)
        if sides is not None and all(math.isfinite(side) and side > 0 for side in sides):
            return sides[0] if math.isclose(*sides, rel_tol=0.01) else None
    return None


def _ome_image(tif: tifffile.TiffFile, number: int) -> ElementTree.Element | None:
    if not tif.is_ome or not tif.ome_metadata:
        return None
    images = ElementTree.fromstring(tif.ome_metadata).findall("{*}Image/{*}Pixels")
    return images[number] if number < len(images) else None


def _ome_channels(tif: tifffile.TiffFile, number: int) -> list[str | None] | None:
    image = _ome_image(tif, number)
    return None if image is None else [channel.get("Name") or None for channel in image.findall("{*}Channel")]


def _ome_size(tif: tifffile.TiffFile, number: int) -> tuple[float, float] | None:
    image = _ome_image(tif, number)
    if image is None or image.get("PhysicalSizeX") is None:
        return None
    units = [_UM_PER_UNIT.get(image.get(f"PhysicalSize{axis}Unit", "µm").lower(), math.nan) for axis in "XY"]
    x_size = float(image.get("PhysicalSizeX", math.nan))
    return x_size * units[0], float(image.get("PhysicalSizeY", x_size)) * units[1]


def _imagej_size(tif: tifffile.TiffFile, _number: int) -> tuple[float, float] | None:
    unit = str((tif.imagej_metadata or {}).get("unit", "")).replace("\\u00B5", "µ").lower()
    per_unit = _resolution(tif)
    if unit not in _UM_PER_UNIT or per_unit is None:
        return None
    return _UM_PER_UNIT[unit] / per_unit[0], _UM_PER_UNIT[unit] / per_unit[1]


def _metaseries_size(tif: tifffile.TiffFile, _number: int) -> tuple[float, float] | None:
    plane = (tif.metaseries_metadata or {}).get("PlaneInfo", {}) if tif.is_metaseries else {}
    if (
        not plane.get("spatial-calibration-state")
        or plane.get("spatial-calibration-units") not in _UM_PER_UNIT
    ):
        return None
    unit = _UM_PER_UNIT[plane["spatial-calibration-units"]]
    return unit * float(plane["spatial-calibration-x"]), unit * float(plane["spatial-calibration-y"])


def _tag_size(tif: tifffile.TiffFile, _number: int) -> tuple[float, float] | None:
    unit, per_cm = tif.pages[0].tags.get("ResolutionUnit"), _resolution(tif)
    if unit is None or unit.value != _CENTIMETRE or per_cm is None:
        return None
    sides = 1e4 / per_cm[0], 1e4 / per_cm[1]
    return sides if all(_PLAUSIBLE_UM[0] <= side <= _PLAUSIBLE_UM[1] for side in sides) else None


def _resolution(tif: tifffile.TiffFile) -> tuple[float, float] | None:
    """Give pixels per unit along x and y."""
    tags = [tif.pages[0].tags.get(name) for name in ("XResolution", "YResolution")]
    if any(tag is None or not tag.value[0] or not tag.value[1] for tag in tags):
        return None
    return tags[0].value[0] / tags[0].value[1], tags[1].value[0] / tags[1].value[1]
