"""Thresholds between background and objects: one for a whole plane, or one for every place."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from skimage.filters import threshold_otsu

from unstained.arrays import Mask, Plane
from unstained.segmentation.background import local_mean, robust_spread

Values = NDArray[np.float32]
"""Pixels of a plane, in any arrangement."""

MOST_SAMPLED = 250_000
"""Pixels that a whole plane's statistics are taken from; more change nothing."""


SHARPER = 2.0
"""Edges at the higher of two thresholds must be so much sharper for the lower one to be of a haze."""

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

    Otsu's threshold of the compressed values; or of the values as they are, where objects have edges at that
    level alone: the lower one then follows a haze.
    """
    values = sampled(plane)
    low, high = otsu_above_noise(values, compress), otsu_above_noise(values, np.asarray)
    if high <= low or not low > 0:
        return low
    return high if sharpness(plane, high) > SHARPER * sharpness(plane, low) else low


def otsu_above_noise(values: Values, scale: Callable[[Values], Values]) -> float:
    """Find Otsu's threshold of the scaled values, but at least three standard deviations above the background.

    Otsu's alone cuts the noise in two where objects are few, so the background is looked at again below the
    threshold.
    """
    scaled = scale(values)
    if not scaled.min() < scaled.max():
        return float(values.max())
    threshold = float(values[scaled <= threshold_otsu(scaled)].max())
    for _ in range(CLIPPINGS):
        below = values[values <= threshold]
        threshold = max(threshold, float(np.median(below)) + 3 * robust_spread(below))
    return threshold


def sharpness(plane: Plane, threshold: float) -> float:
    """Give the median slope of a plane (Y X) along the contour at `threshold`, as a share of it per px."""
    inside = plane > threshold
    within = inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:]
    y, x = np.nonzero(inside[1:-1, 1:-1] & ~within)
    if not len(y):
        return 0.0
    slope = np.hypot(plane[y + 2, x + 1] - plane[y, x + 1], plane[y + 1, x + 2] - plane[y + 1, x]) / 2
    return float(np.median(slope)) / threshold


def local_threshold(plane: Plane, inside: Mask, sigma_px: float, level: float = 0.5) -> Plane:
    """Threshold for every pixel (Y X): `level` of the way from the nearby background to the nearby objects.

    `inside` is a first guess of the objects. One step of the intermeans method (Ridler & Calvard 1978), with
    Gaussian-weighted means of width `sigma_px` in place of those of the whole plane.
    """
    dark = local_mean(plane, ~inside, sigma_px)
    bright = local_mean(plane, inside, sigma_px)
    between: Plane = dark + np.float32(level) * (bright - dark)
    return between
