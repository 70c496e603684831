"""From camera values to what a network sees, and back to camera values."""

from collections.abc import Iterable
from typing import NamedTuple, Self

import numpy as np
from pydantic import Field
from scipy.ndimage import gaussian_filter, zoom

from unstained.arrays import Plane, Planes, RawPlane
from unstained.settings import Settings


class Contrasts(NamedTuple):
    """Spread of a field between two percentiles, as a share of its median: over the training fields."""

    least: float
    typical: float
    most: float


class Normalisation(Settings):
    """How a label-free plane is brought to one scale, each field by itself.

    The field's own median becomes 0 and the spread between two percentiles becomes 1, so lamp and camera
    gain and offset cancel (up to saturation). Light that varies slowly over the field is taken away first.

    A field full of cells has a wider spread than one with few, though each cell is as bright. Where the
    training fields' `contrasts` are known, a field whose contrast lies among theirs is therefore scaled by
    its median alone, so that the typical one's spread becomes 1; one of less or more contrast than any of
    them (another microscope, another light) is first brought to the nearest. Gain still cancels; the camera's
    offset does as long as it is that of training, or the contrast is brought to the nearest.
    """

    lower: float = Field(1.0, ge=0, lt=50, description="percentile that marks the dark end")
    upper: float = Field(99.0, gt=50, le=100, description="percentile that marks the bright end")
    flatten: float = Field(
        0.125, ge=0, le=1, description="blur of the light's shape, in field sides; 0 = off"
    )
    contrasts: Contrasts | None = Field(None, description="of the training fields; null = not used")

    def apply(self, plane: RawPlane) -> Plane:
        """Normalise one field (Y X), any number type; a constant plane becomes 0."""
        flat, middle, spread = self._measured(plane)
        scale = max(spread, float(np.finfo(np.float32).tiny))
        if self.contrasts is not None:
            least, typical, most = self.contrasts
            scale *= typical / min(max(_contrast(plane, spread), least), most)
        scaled: Plane = ((flat - middle) / scale).astype(np.float32)
        return scaled

    def contrast(self, plane: RawPlane) -> float:
        """Give a field's (Y X) spread as a share of its median."""
        return _contrast(plane, self._measured(plane)[2])

    def knowing(self, fields: Iterable[RawPlane]) -> Self:
        """Give this normalisation with the contrasts of training fields (Y X); of dark ones, none."""
        found = [self.contrast(plane) for plane in fields]
        if not found or not np.isfinite(found).all() or min(found) <= 0:
            return self.model_copy(update={"contrasts": None})
        known = Contrasts(min(found), float(np.median(found)), max(found))
        return self.model_copy(update={"contrasts": known})

    def _measured(self, plane: RawPlane) -> tuple[Plane, float, float]:
        """Flatten a field; give it with its median and its spread."""
        flat = np.asarray(plane, dtype=np.float32)
        if self.flatten:
            flat = flat - slow_light(flat, self.flatten * min(flat.shape))
        low, middle, high = np.percentile(flat, (self.lower, 50.0, self.upper))
        return flat, float(middle), float(high - low)


class StainScale(Settings):
    """Camera units of a stain = offset + gain · network units; fixed for all training fields together."""

    offset: float = 0.0
    gain: float = Field(1.0, gt=0)

    def apply(self, plane: RawPlane) -> Plane:
        """Bring a stained plane to network units."""
        scaled: Plane = ((np.asarray(plane, dtype=np.float32) - self.offset) / self.gain).astype(np.float32)
        return scaled

    def undo(self, plane: Plane) -> Plane:
        """Bring network units back to camera units."""
        scaled: Plane = (plane * np.float32(self.gain) + np.float32(self.offset)).astype(np.float32)
        return scaled


def _contrast(plane: RawPlane, spread: float) -> float:
    light = float(np.median(plane))
    return spread / light if light > 0 else np.inf


def slow_light(plane: Plane, sigma_px: float) -> Plane:
    """Find the slow part of a plane (Y X): a Gaussian blur, on a coarse grid as nothing in it is finer."""
    step = max(1, int(sigma_px // 8))
    rows, columns = plane.shape
    whole = np.pad(plane, ((0, -rows % step), (0, -columns % step)), mode="edge")
    coarse = whole.reshape(whole.shape[0] // step, step, whole.shape[1] // step, step).mean(axis=(1, 3))
    blurred = gaussian_filter(coarse, sigma_px / step, mode="nearest")
    slow: Plane = zoom(blurred, step, order=1, mode="nearest", grid_mode=True).astype(np.float32)
    return slow[:rows, :columns]


def undo_all(planes: Planes, scales: tuple[StainScale, ...]) -> Planes:
    """Bring every stain (C Y X) back to its camera units."""
    return np.stack([scale.undo(plane) for scale, plane in zip(scales, planes, strict=True)])
