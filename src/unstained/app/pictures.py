"""Planes as pictures on the page: contrast on all bits, shrunk to what is shown, each encoded once."""

import base64
from typing import NamedTuple

import numpy as np
from imagecodecs import jpeg8_encode

from unstained.arrays import Labels, RawPlane
from unstained.report.figures import (
    PREDICTED_OUTLINE,
    Limits,
    Picture,
    coloured,
    limits_of,
    outlines,
    rgb,
    shrunk,
)

SHOWN_PX = 1280
"""Longest side of a picture; a panel is about a third of that wide, so one may zoom in."""

QUALITY = 88  # of JPEG
TINT = 0.85  # how much of the light-free image a bright stain covers


class Contrast(NamedTuple):
    """What is black and white: percentiles, or grey values set by hand."""

    low: float
    high: float
    by_hand: bool = False

    def limits(self, plane: RawPlane) -> Limits:
        """Give the grey values of a plane (Y X) that are black and white."""
        if not self.by_hand:
            return limits_of(plane, self.low, self.high)
        return (self.low, self.high) if self.high > self.low else (self.low, self.low + 1.0)


LABEL_FREE, STAINED = Contrast(0.5, 99.5), Contrast(1.0, 99.7)


def span_of(plane: RawPlane) -> tuple[float, float]:
    """Give the ends between which contrast can be set by hand: all bits of the camera, or what there is."""
    if plane.dtype.kind == "u":
        return 0.0, float(np.iinfo(plane.dtype).max if plane.dtype.itemsize <= 2 else max(plane.max(), 1))
    finite = plane[np.isfinite(plane)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    return (low, high) if high > low else (low, low + 1.0)


def grey(plane: RawPlane, contrast: Contrast) -> Picture:
    """Show a plane (Y X) in grey."""
    small = shrunk(plane, SHOWN_PX)
    return coloured(small, contrast.limits(small))


def stained(plane: RawPlane, contrast: Contrast, colour: str) -> Picture:
    """Show a stain (Y X) from black through its colour (#rrggbb) to white."""
    small = shrunk(plane, SHOWN_PX)
    return coloured(small, contrast.limits(small), ((0, 0, 0), rgb(colour), (255, 255, 255)))


def overlaid(under: Picture, plane: RawPlane, contrast: Contrast, colour: str) -> Picture:
    """Lay a stain (Y X) in its colour over a picture (Y X 3): the brighter, the less shines through."""
    small = shrunk(plane, SHOWN_PX)
    low, high = contrast.limits(small)
    share = np.clip((np.asarray(small, np.float32) - low) / (high - low), 0, 1)[..., None] * np.float32(TINT)
    mixed: Picture = (under * (1 - share) + np.array(rgb(colour), np.float32) * share).astype(np.uint8)
    return mixed


def with_outlines(picture: Picture, labels: Labels) -> Picture:
    """Draw the borders of objects on a picture (Y X 3)."""
    drawn = picture.copy()
    drawn[outlines(labels, picture.shape[:2])] = PREDICTED_OUTLINE
    return drawn


def data_url(picture: Picture) -> str:
    """Put a picture (Y X 3) into a URL that holds it, as JPEG."""
    encoded = bytes(jpeg8_encode(np.ascontiguousarray(picture), level=QUALITY))
    return "data:image/jpeg;base64," + base64.b64encode(encoded).decode("ascii")
