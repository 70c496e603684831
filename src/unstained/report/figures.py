"""Pictures of a report: planes in 8 bit, outlines drawn, each a data URL that needs no other file."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from imagecodecs import webp_encode
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation
from skimage.segmentation import find_boundaries

from unstained.arrays import Labels, Mask, RawPlane

Picture: TypeAlias = NDArray[np.uint8]  # (Y X 3)
Limits: TypeAlias = tuple[float, float]
Colour: TypeAlias = tuple[int, int, int]

LONGEST_SIDE_PX = 1024
QUALITIES = (82, 65, 45, 25)  # of WebP, until a picture is small enough
MOST_BYTES = 80_000  # of a picture: five fields of four stains and their composites make 11 MB at most
GREY: tuple[Colour, ...] = ((0, 0, 0), (255, 255, 255))
STAINED: tuple[Colour, ...] = ((0, 0, 0), (16, 92, 168), (112, 190, 250), (255, 255, 255))
# Okabe & Ito (2008): told apart with any colour vision; where both lie on each other it is white
PREDICTED_OUTLINE: Colour = (230, 159, 0)
REAL_OUTLINE: Colour = (86, 180, 233)
SHARED_OUTLINE: Colour = (255, 255, 255)
OUTLINED_PX = 512  # one more px of outline for so many of the picture
DIMMED = 0.6  # grey of the plane under outlines


@dataclass(frozen=True)
class Panel:
    """One picture of a field, and what it shows."""

    title: str
    url: str
    alt: str


@dataclass(frozen=True)
class ScaleBar:
    """Drawn by the page: its label, and its length as a share of the picture's width."""

    label: str
    percent: float


def limits_of(plane: RawPlane, lower: float = 1.0, upper: float = 99.7) -> Limits:
    """Find the values to show as black and white: percentiles of the finite pixels of a plane (Y X)."""
    finite = np.asarray(plane, dtype=np.float64)
    finite = finite[np.isfinite(finite)]
    if not finite.size:
        return 0.0, 1.0
    low, high = (float(value) for value in np.percentile(finite, (lower, upper)))
    return (low, high) if high > low else (low, low + 1.0)


def shrunk(plane: RawPlane, longest_px: int = LONGEST_SIDE_PX) -> RawPlane:
    """Shrink a plane (Y X) to at most `longest_px` a side, by means over whole pixels."""
    step = -(-max(plane.shape) // longest_px)
    if step == 1:
        return plane
    rows, columns = (max(1, size // step) for size in plane.shape)
    cut = np.asarray(plane, dtype=np.float32)[: rows * step, : columns * step]
    means: RawPlane = cut.reshape(rows, min(step, cut.shape[0]), columns, -1).mean(axis=(1, 3))
    return means


def coloured(plane: RawPlane, limits: Limits, stops: tuple[Colour, ...] = GREY) -> Picture:
    """Show a plane (Y X) in colours from the first stop (black end) to the last (white end)."""
    low, high = limits
    share = np.clip((np.nan_to_num(np.asarray(plane, dtype=np.float32)) - low) / (high - low), 0, 1)
    places = np.linspace(0, 1, len(stops))
    ramps = [np.interp(np.arange(256) / 255, places, [stop[part] for stop in stops]) for part in range(3)]
    picture: Picture = (
        np.stack(ramps, axis=-1).round().astype(np.uint8)[(share * 255).round().astype(np.uint8)]
    )
    return picture


def outlined(picture: Picture, predicted: Labels, real: Labels | None) -> Picture:
    """Draw the outlines of objects on a dimmed picture (Y X 3): predicted, real, and where both agree."""
    drawn = (picture * DIMMED).astype(np.uint8)
    ours = outlines(predicted, drawn.shape[:2])
    theirs = np.zeros_like(ours) if real is None else outlines(real, drawn.shape[:2])
    for mask, colour in (
        (ours, PREDICTED_OUTLINE),
        (theirs, REAL_OUTLINE),
        (ours & theirs, SHARED_OUTLINE),
    ):
        drawn[mask] = colour
    return drawn


def outlines(labels: Labels, shape: tuple[int, ...]) -> Mask:
    """Find the borders of objects (Y X) on a picture of `shape`, wide enough to see when small."""
    rows, columns = (
        np.minimum((np.arange(size) + 0.5) * full / size, full - 1).astype(int)
        for size, full in zip(shape, labels.shape, strict=True)
    )
    mask: Mask = find_boundaries(labels[np.ix_(rows, columns)], mode="inner")
    wider = max(shape) // OUTLINED_PX
    return binary_dilation(mask, iterations=wider) if wider else mask


def data_url(picture: Picture) -> str:
    """Put a picture into a URL that holds it, as WebP; a noisy one at a lower quality, then smaller."""
    for quality in QUALITIES:
        encoded = bytes(webp_encode(np.ascontiguousarray(picture), level=quality, lossless=False))
        if len(encoded) <= MOST_BYTES:
            break
    else:
        half = [shrunk(colour, max(picture.shape) // 2) for colour in np.moveaxis(picture, -1, 0)]
        return data_url(np.stack(half, axis=-1).astype(np.uint8))
    return "data:image/webp;base64," + base64.b64encode(encoded).decode("ascii")


def scale_bar(width_px: int, pixel_size_um: float | None) -> ScaleBar | None:
    """Choose a round length near a fifth of the picture's width; None where the pixel size isn't known."""
    if not pixel_size_um:
        return None
    width_um = width_px * pixel_size_um
    power = 10.0 ** np.floor(np.log10(width_um / 5))
    length = max(step * power for step in (1, 2, 5) if step * power <= width_um / 5)
    return ScaleBar(f"{length:g} µm", float(100 * length / width_um))


def field_panels(
    predicted: RawPlane,
    predicted_labels: Labels,
    *,
    label_free: RawPlane | None = None,
    real: RawPlane | None = None,
    real_labels: Labels | None = None,
) -> list[Panel]:
    """Draw a field: label-free | predicted | real | outlines, those that are known, all (Y X) of one size.

    Predicted and real share their black and white.
    """
    shared = limits_of(predicted if real is None else real)
    panels = []
    if label_free is not None:
        small = shrunk(label_free)
        panels.append(_panel("label-free", coloured(small, limits_of(small, 0.5, 99.5))))
    panels.append(_panel("predicted", coloured(shrunk(predicted), shared, STAINED)))
    if real is not None:
        panels.append(_panel("real", coloured(shrunk(real), shared, STAINED)))
    under = coloured(shrunk(predicted if real is None else real), shared)
    title = "outlines" if real is None else "outlines on the real stain"
    return [*panels, _panel(title, outlined(under, predicted_labels, real_labels))]


def composite(
    planes: Mapping[str, RawPlane], limits: Mapping[str, Limits], colours: Mapping[str, str]
) -> Picture:
    """Show several planes (Y X) in one picture, each in its colour (#rrggbb); light adds up."""
    total = np.zeros((*next(iter(planes.values())).shape, 3), np.float32)
    for name, plane in planes.items():
        total += coloured(plane, limits[name], ((0, 0, 0), rgb(colours[name])))
    picture: Picture = np.clip(total, 0, 255).astype(np.uint8)
    return picture


def rgb(colour: str) -> Colour:
    """Take #rrggbb apart."""
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return red, green, blue


def composite_panels(
    chosen: Sequence[tuple[str, ...]],
    predicted: Mapping[str, RawPlane],
    real: Mapping[str, RawPlane],
    colours: Mapping[str, str],
    cells: Labels | None,
) -> list[Panel]:
    """Draw every chosen set of stains as predicted and, where known, as real; cells outlined on the first."""
    limits = {name: limits_of(real.get(name, plane)) for name, plane in predicted.items()}
    panels = []
    for names in chosen:
        said = " + ".join(names)
        for side, planes in (("predicted", predicted), ("real", real)):
            if set(names) <= set(planes):
                small = {name: shrunk(planes[name]) for name in names}
                panels.append(_panel(f"{said}, {side}", composite(small, limits, colours)))
    if cells is not None:
        first = {name: shrunk(predicted[name]) for name in chosen[0]}
        panels.append(_panel("cells", outlined(composite(first, limits, colours), cells, None)))
    return panels


def _panel(title: str, picture: Picture) -> Panel:
    return Panel(title, data_url(picture), f"{title}, {picture.shape[1]} × {picture.shape[0]} px as shown")
