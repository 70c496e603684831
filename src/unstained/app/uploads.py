"""Images that a user drops: kept under their content's hash, and looked at before they are decoded."""

import hashlib
import math
import re
import warnings
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import tifffile

from unstained.arrays import RawPlane
from unstained.errors import BadInput, OutputFailed, listed, one_line
from unstained.plates.images import IMAGE_SUFFIXES, RASTER_SUFFIXES, TIFF_SUFFIXES, Scene, scan_image
from unstained.plates.tiff import reading_file
from unstained.plates.vendor import READERS

MOST_PX = 120_000_000
"""Of one plane: a file of a few kB can claim to hold more than any memory does."""

TYPES = tuple(suffix.lstrip(".") for suffix in (*IMAGE_SUFFIXES, *READERS))
FOLDER, EXAMPLE_IMAGE = "images", "example"
_ODD = re.compile(r"[^\w.\- ]")


class Choice(NamedTuple):
    """Which plane of a file is meant, each counted from 0."""

    place: int = 0
    channel: int = 0
    z: int = 0
    t: int = 0


def keep(name: str, content: bytes, folder: Path) -> Path:
    """Write what was dropped into a folder of its content's hash; the same bytes get the same path.

    Raises
    ------
    BadInput
        It is empty, or no image of a known kind.
    OutputFailed
        No permission or no space.
    """
    safe = _ODD.sub("_", Path(name.replace("\\", "/")).name)[-80:].lstrip(".")
    if Path(safe).suffix.lower().lstrip(".") not in TYPES:
        raise BadInput(f"{safe or 'this file'} is no image of a known kind; known: {listed(TYPES)}")
    if not content:
        raise BadInput(f"{safe} is empty (0 bytes)")
    kept = folder / hashlib.sha256(content).hexdigest()[:16] / safe
    try:
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            unfinished = kept.with_name(f".unfinished-{safe}")
            unfinished.write_bytes(content)
            unfinished.replace(kept)
    except OSError as error:
        raise OutputFailed(kept, error.strerror or error) from error
    return kept


def scenes_of(path: Path) -> tuple[Scene, ...]:
    """Say what a file holds, without decoding a pixel.

    Raises
    ------
    BadInput
        It is damaged, or claims to hold a plane of more than `MOST_PX`.
    MissingExtra
        It is a vendor's file, and its reader isn't installed.
    """
    pixels = claimed_pixels(path)
    if pixels is not None and pixels > MOST_PX:
        raise BadInput(
            f"{path.name} claims {pixels / 1e6:,.0f} million pixels, more than the"
            f" {MOST_PX / 1e6:.0f} million that the app takes; use the command: unstained predict"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return scan_image(path)


def claimed_pixels(path: Path) -> int | None:
    """Read from the header how many pixels would be decoded at once; None where no header tells."""
    suffix = path.suffix.lower()
    if not path.is_file() or path.stat().st_size == 0:
        raise BadInput(f"{path.name} is empty, or isn't there any more; drop it again")
    if suffix in TIFF_SUFFIXES:
        with reading_file(path), tifffile.TiffFile(path) as tif:
            return max((_decoded_at_once(series) for series in tif.series), default=0)
    return _raster_pixels(path) if suffix in RASTER_SUFFIXES else None


def _decoded_at_once(series: tifffile.TiffPageSeries) -> int:
    """Count a plane's pixels, or the whole series' where it isn't stored plane by plane."""
    sides = [int(length) for axis, length in zip(series.axes, series.shape, strict=True) if axis in "YXS"]
    outer = [int(length) for axis, length in zip(series.axes, series.shape, strict=True) if axis not in "YXS"]
    by_planes = len(series.pages) == math.prod(outer)
    return math.prod(sides) if by_planes else math.prod(sides) * math.prod(outer)


def _raster_pixels(path: Path) -> int:
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                return image.size[0] * image.size[1]
    except Image.DecompressionBombError:
        return 2 * MOST_PX
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise BadInput(f"can't read {path.name}: {one_line(error)}; the file is damaged") from error


def read_plane(scenes: tuple[Scene, ...], choice: Choice) -> tuple[RawPlane, float | None]:
    """Read the chosen plane (Y X), and the side of a pixel in µm where the file says so."""
    scene = scenes[min(choice.place, len(scenes) - 1)]
    plane = scene.read(
        min(choice.channel, len(scene.channels) - 1),
        min(choice.z, scene.z_count - 1),
        min(choice.t, scene.t_count - 1),
    )
    if plane.size > MOST_PX:
        raise BadInput(f"{scene.path.name} has {plane.size / 1e6:,.0f} million pixels, too many for the app")
    return plane, scene.pixel_size_um


def find(place: str, home: Path) -> Path:
    """Give the path of a kept image by its place, as an address has it, or of the example.

    Raises
    ------
    BadInput
        There is none of that name: the address is wrong, or the folder was cleared.
    """
    if place == EXAMPLE_IMAGE:
        return Path(str(files("unstained"))) / "samples" / "hela-rpe1-crop" / "images" / "A01_f2_TL.tif"
    path = (home / FOLDER / place).resolve()
    if (home / FOLDER).resolve() not in path.parents or not path.is_file():
        raise BadInput("the image isn't there any more; drop it again")
    return path
