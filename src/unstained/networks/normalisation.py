"""From camera values to what a network sees, and back to camera values."""

import numpy as np
from pydantic import Field
from scipy.ndimage import gaussian_filter, zoom

from unstained.arrays import Plane, Planes, RawPlane
from unstained.settings import Settings


class Normalisation(Settings):
    """How a label-free plane is brought to one scale, each field by itself.

    The field's own median becomes 0 and the spread between two percentiles becomes 1, so lamp and camera
    gain and offset cancel (up to saturation). Light that varies slowly over the field is divided out first.
    """

    lower: float = Field(1.0, ge=0, lt=50, description="percentile that marks the dark end")
    upper: float = Field(99.0, gt=50, le=100, description="percentile that marks the bright end")
    flatten: float = Field(
        0.125, ge=0, le=1, description="blur of the light's shape, in field sides; 0 = off"
    )

    def apply(self, plane: RawPlane) -> Plane:
        """Normalise one field (Y X), any number type; a constant plane becomes 0."""
        flat = np.asarray(plane, dtype=np.float32)
        if self.flatten:
            flat = flat - slow_light(flat, self.flatten * min(flat.shape))
        low, middle, high = np.percentile(flat, (self.lower, 50.0, self.upper))
        spread = max(float(high - low), np.finfo(np.float32).tiny)
        scaled: Plane = ((flat - middle) / spread).astype(np.float32)
        return scaled


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
