"""Image files of any kind, one plane at a time: what they hold, and their pixels as they were recorded."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from unstained.arrays import RawPlane
from unstained.errors import BadInput, listed
from unstained.plates import tiff, vendor

TIFF_SUFFIXES = (".tif", ".tiff")
RASTER_SUFFIXES = (".png", ".jp2", ".bmp", ".jpg", ".jpeg")
IMAGE_SUFFIXES = TIFF_SUFFIXES + RASTER_SUFFIXES


@dataclass(frozen=True)
class Scene:
    """Planes of one size that a file holds: channels × z × t of one place."""

    path: Path
    channels: tuple[str | None, ...]  # None where the file doesn't name them
    z_count: int
    t_count: int
    pixel_size_um: float | None
    read_plane: Callable[[int, int, int], NDArray[Any]]  # (c, z, t) to (Y X) or (Y X sample)

    def read(self, c: int = 0, z: int = 0, t: int = 0) -> RawPlane:
        """Read one plane (Y X).

        Raises
        ------
        BadInput
            It is damaged, a colour image, or of a type that no camera gives.
        """
        with tiff.reading_file(self.path):
            pixels = self.read_plane(c, z, t)
        return _as_recorded(self.path, _grey(self.path, pixels))


def scan_image(path: Path) -> tuple[Scene, ...]:
    """Say what an image file holds; several scenes only where it names several places (OME-TIFF, nd2, lif).

    Raises
    ------
    BadInput
        It isn't there, isn't an image, or is damaged.
    MissingExtra
        A vendor's file, and its reader isn't installed.
    """
    suffix = path.suffix.lower()
    if not path.is_file():
        raise BadInput(f"no image file at {path}")
    if path.stat().st_size == 0:
        raise BadInput(f"{path} is empty (0 bytes)")
    if suffix in TIFF_SUFFIXES:
        return tuple(Scene(path, *found) for found in tiff.scan(path))
    if suffix in vendor.READERS:
        return tuple(Scene(path, *found) for found in vendor.scan(path))
    if suffix in RASTER_SUFFIXES:
        return (Scene(path, (None,), 1, 1, None, lambda _c, _z, _t: imagecodecs.imread(str(path))),)
    raise BadInput(f"{path} is no image of a known kind; known: {listed((*IMAGE_SUFFIXES, *vendor.READERS))}")


def read_image(path: Path) -> tuple[RawPlane, float | None]:
    """Read an image file of one plane: its pixels (Y X), and the side of a pixel in µm where it says so.

    Raises
    ------
    BadInput
        It isn't there, is damaged, holds several planes or colours.
    """
    scenes = scan_image(path)
    first = scenes[0]
    counts = {
        "places": len(scenes),
        "channels": len(first.channels),
        "z planes": first.z_count,
        "times": first.t_count,
    }
    several = [f"{count} {what}" for what, count in counts.items() if count > 1]
    if several:
        raise BadInput(
            f"{path} holds {', '.join(several)}, not one plane; make a plate of it: unstained import"
        )
    return first.read(), first.pixel_size_um


def _grey(path: Path, pixels: NDArray[Any]) -> RawPlane:
    """Take the plane of an image (Y X) or (Y X sample) whose colours are all equal; alpha doesn't count."""
    if pixels.ndim == 2:
        return pixels
    if pixels.ndim != 3 or pixels.shape[-1] > 4:
        raise BadInput(f"{path} is not a plane: its pixels have shape {pixels.shape}")
    colours = pixels[..., : 3 if pixels.shape[-1] >= 3 else 1]
    if (colours != colours[..., :1]).any():
        raise BadInput(
            f"{path} is a colour image, not one channel; export each channel as a grey image of its own"
        )
    return np.ascontiguousarray(colours[..., 0])


def _as_recorded(path: Path, plane: RawPlane) -> RawPlane:
    if plane.dtype.kind == "b":
        return plane.astype(np.uint8)
    if plane.dtype.kind not in "uif" or not plane.size:
        raise BadInput(f"{path} can't be used: its pixels are {plane.dtype}, {plane.shape}")
    return plane.astype(plane.dtype.newbyteorder("="), copy=False)
