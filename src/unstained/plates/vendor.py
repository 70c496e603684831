"""Files of microscope vendors, through `bioio`, an optional package (extras `vendor` and `czi`)."""

from functools import lru_cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unstained.errors import MissingExtra
from unstained.plates.tiff import Found, reading_file

READERS = {".nd2": ("bioio_nd2", "vendor"), ".lif": ("bioio_lif", "vendor"), ".czi": ("bioio_czi", "czi")}
"""Suffix to the package that reads it and the extra that brings that package."""


def scan(path: Path) -> list[Found]:
    """Say what a vendor's file holds, one entry per place.

    Raises
    ------
    MissingExtra
        Its reader isn't installed.
    BadInput
        The file is damaged.
    """
    reader_class(path)
    refused = import_module("bioio_base.exceptions").UnsupportedFileFormatError
    with reading_file(path):
        try:
            return [_scan_scene(path, number) for number in range(len(_reader(path).scenes))]
        except refused as error:  # the name says what the content isn't
            raise ValueError(str(error)) from error


def reader_class(path: Path) -> Any:
    """Import the reader for a file, or say which extra brings it."""
    module, extra = READERS[path.suffix.lower()]
    try:
        return import_module(module).Reader
    except ModuleNotFoundError as error:
        if error.name not in (module, "bioio", "bioio_base"):
            raise
        raise MissingExtra(module, extra) from error


@lru_cache(maxsize=1)
def _reader(path: Path) -> Any:
    return reader_class(path)(str(path))


def _scan_scene(path: Path, number: int) -> Found:
    reader = _reader(path)
    reader.set_scene(number)
    sizes = {axis: int(getattr(reader.dims, axis, 1)) for axis in "CZT"}
    named = [str(name) for name in reader.channel_names or ()]
    channels = tuple(named) if len(named) == sizes["C"] else (None,) * sizes["C"]
    x_size, y_size = reader.physical_pixel_sizes.X, reader.physical_pixel_sizes.Y
    square = bool(x_size) and bool(y_size) and abs(x_size - y_size) <= 0.01 * x_size
    return (
        channels,
        sizes["Z"],
        sizes["T"],
        float(x_size) if square else None,
        partial(_read_plane, path, number),
    )


def _read_plane(path: Path, number: int, c: int, z: int, t: int) -> NDArray[Any]:
    reader = _reader(path)
    reader.set_scene(number)
    at = {axis: value for axis, value in zip("CZT", (c, z, t), strict=True) if hasattr(reader.dims, axis)}
    axes = "YXS" if hasattr(reader.dims, "S") else "YX"
    return np.asarray(reader.get_image_dask_data(axes, **at).compute())
