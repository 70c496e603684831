"""Thresholds between background and objects: one for a whole plane, or one for every place."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from skimage.filters import threshold_otsu

from unstained.arrays import Mask, Plane
from unstained.segmentation.background import MOST_SAMPLED, local_mean, middle_and_spread

Values = NDArray[np.float32]
"""Pixels of a plane, in any arrangement."""

CLIPPINGS = 4
"""Rounds in which the background's spread settles."""


def sampled(plane: Plane) -> Values:
    """Give evenly spread pixels of a plane (Y X), at most about `MOST_SAMPLED`."""
    step = max(1, int(np.sqrt(plane.size / MOST_SAMPLED)))
    return plane[::step, ::step].ravel()


def normalise(plane: Plane) -> Plane:
    """Bring the 1st percentile to 0 and the 99.8th to 1; a constant plane becomes 0.

    All later steps are made of differences of such values, so the camera's gain and offset cancel.
    """
    low, high = np.percentile(sampled(plane), (1.0, 99.8))
    if not high > low:
        low, high = float(plane.min()), float(plane.max())
    if not high > low:
        return np.zeros(plane.shape, np.float32)
    scaled: Plane = ((plane.astype(np.float64) - low) / (high - low)).astype(np.float32)
    return scaled


def compress(plane: Values) -> Values:
    """Square root, with the sign kept: a few very bright objects then don't hide the others."""
    rooted: Values = np.sign(plane) * np.sqrt(np.abs(plane))
    return rooted


def global_threshold(plane: Plane) -> float:
    """Find the value between background and objects of a plane (Y X) with a flat background near 0.

    The larger of Otsu's threshold of the compressed values, and three standard deviations of the background
    below it: Otsu's alone cuts the noise in two where objects are few, so the background is then looked at
    again below the new threshold.
    """
    values = sampled(plane)
    rooted = compress(values)
    if not rooted.min() < rooted.max():
        return float(values.max())
    otsu = float(threshold_otsu(rooted))
    threshold = otsu * abs(otsu)
    for _ in range(CLIPPINGS):
        middle, spread = middle_and_spread(values[values <= threshold])
        threshold = max(threshold, middle + 3 * spread)
    return threshold


class Levels(NamedTuple):
    """What background and objects look like near every pixel, (Y X) each."""

    dark: Plane
    bright: Plane

    def at(self, level: float) -> Plane:
        """Threshold (Y X) that lies `level` of the way from background (0) to objects (1)."""
        threshold: Plane = self.dark + np.float32(level) * (self.bright - self.dark)
        return threshold


def local_levels(plane: Plane, inside: Mask, sigma_px: float) -> Levels:
    """Average background and objects near every pixel (Y X); `inside` is a first guess of the objects.

    A threshold half-way between them is one step of the intermeans method (Ridler & Calvard 1978), with
    Gaussian-weighted means of width `sigma_px` in place of those of the whole plane.
    """
    return Levels(local_mean(plane, ~inside, sigma_px), local_mean(plane, inside, sigma_px))
