"""What a plane shows where no object is: its slow light, its noise; and coarse grids to estimate them on."""

from functools import reduce

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, grey_opening

from unstained.arrays import Mask, Plane
from unstained.segmentation.distances import within_disks

FINEST_SIGMA_PX = 3.0
"""A Gaussian of this width, px of a coarse grid, is sampled well enough."""

LONGER_PX = 16
"""See `gaussian`."""

GAUSSIAN_MAD = 1.4826
"""Standard deviation ÷ median absolute deviation of Gaussian noise."""

MOST_SAMPLED = 250_000
"""Pixels that a whole plane's statistics are taken from; more change nothing."""

BALL_ERROR = 0.005
"""Farthest from the true ball's, as a share of a plane's range; half of it makes a ball twice as slow."""


def shrink(plane: NDArray[np.floating], step: int) -> Plane:
    """Average blocks of `step` × `step` px of a plane (Y X); the edge fills cut blocks."""
    plane = plane.astype(np.float32, copy=False)
    if step == 1:
        return plane
    if any(size % step for size in plane.shape):
        plane = np.pad(plane, [(0, -size % step) for size in plane.shape], mode="edge")
    tall = reduce(np.add, (plane[start::step] for start in range(step)))
    small: Plane = reduce(np.add, (tall[:, start::step] for start in range(step))) / np.float32(step**2)
    return small


def enlarge(small: Plane, step: int, shape: tuple[int, int]) -> Plane:
    """Interpolate a plane made by `shrink` linearly to `shape` (Y X); constant beyond the outer centres."""
    if step == 1:
        return small
    for axis, size in enumerate(shape):
        where = np.clip((np.arange(size) + 0.5) / step - 0.5, 0, small.shape[axis] - 1)
        below = np.minimum(where.astype(int), max(small.shape[axis] - 2, 0))
        large = np.diff(small, axis=axis, append=small.take([-1], axis)).take(below, axis, mode="clip")
        large *= np.expand_dims((where - below).astype(np.float32), 1 - axis)
        large += small.take(below, axis, mode="clip")
        small = large
    return small


def gaussian(plane: Plane, sigma_px: float, *, mode: str = "nearest", truncate: float = 4.0) -> Plane:
    """Blur a plane (Y X) as `scipy.ndimage.gaussian_filter` does.

    On rows that are a little longer: where their length is a power of two, as most cameras have it, a column
    competes with itself for the cache, which takes twice the time.
    """
    rows, columns = plane.shape
    roomy = np.empty((rows, columns + LONGER_PX), np.float32)[:, :columns]
    roomy[...] = plane
    gaussian_filter(roomy, sigma_px, mode=mode, truncate=truncate, output=roomy)
    return np.ascontiguousarray(roomy)


def blur(plane: Plane, sigma_px: float) -> Plane:
    """Blur a plane (Y X), constant beyond its edges, with a Gaussian; wide ones on a coarse, cheap grid."""
    step = max(1, int(sigma_px / FINEST_SIGMA_PX))
    coarse = gaussian(shrink(plane, step), sigma_px / step, truncate=3.0)
    return enlarge(coarse, step, plane.shape)


def local_mean(plane: Plane, inside: Mask, sigma_px: float) -> Plane:
    """Gaussian-weighted mean (Y X) of the pixels `inside` alone, seen from every pixel.

    Where none is near, it tends to the mean over all of them; 0 where none is inside at all. This is
    normalised convolution (Knutsson & Westin 1993) with a weak pull towards the overall mean.
    """
    if not inside.any():
        return np.zeros_like(plane)
    overall = np.float32(plane[inside].mean())
    pull = np.float32(1e-3)
    weight = blur(inside.astype(np.float32), sigma_px) + pull
    mean: Plane = (blur(np.where(inside, plane, 0), sigma_px) + pull * overall) / weight
    return mean


def estimate_background(plane: Plane, diameter_px: float) -> Plane:
    """Estimate the light (Y X) under and between bright objects of about `diameter_px`.

    A grey-value opening with a square of three diameters takes away whatever is smaller and brighter (the
    "rolling ball" of Sternberg 1983 in its morphological form), on a grid where a diameter is about four px;
    a Gaussian of the same width smooths what remains.
    """
    step = max(1, round(diameter_px / 4))
    coarse = gaussian(shrink(plane, step), 1.0)
    side = max(3, round(3 * diameter_px / step)) | 1
    # A slope of light would be cut off at the edges, so it is taken out first.
    slope = _slope(grey_opening(coarse, size=(side, side), mode="nearest"))
    opened = grey_opening(coarse - slope, size=(side, side), mode="nearest")
    return enlarge(gaussian(opened, side / 3) + slope, step, plane.shape)


def rolling_ball(
    plane: NDArray[np.floating], radius_px: int, *, height: float | None = None, error: float = BALL_ERROR
) -> Plane:
    """Give the background (Y X) that a ball sees that rolls under a plane (Y X): Sternberg 1983.

    As `skimage.restoration.rolling_ball` does it: the lowest of the pixels within `radius_px`, each raised by
    as much as the ball falls off until there. It is half an ellipsoid, `height` high in the plane's units
    (`radius_px`, at least 1, where it isn't given). In place of the ball rolls a stack of disks that is
    nowhere farther from it than `error` times the plane's range (1st to 99.8th percentile), and so is the
    background. A ball that is flat beside the plane's range needs few disks, and is fast.
    """
    low, high = np.percentile(plane, (1.0, 99.8)) if plane.size else (0.0, 0.0)
    whole = float(np.ptp(plane)) if plane.size else 0.0
    if not whole > 0:
        return plane.astype(np.float32)
    disks = _stack_of_disks(radius_px, height or radius_px, 2 * error * float(high - low or whole), whole)
    background = np.empty(plane.shape, np.float32)
    for tile, lowest in within_disks(plane.astype(np.float32), list(disks), np.minimum):
        raised = (low + np.float32(rise) for low, rise in zip(lowest, disks.values(), strict=True))
        background[tile] = reduce(np.minimum, raised)
    return background


def _stack_of_disks(radius_px: int, height: float, step: float, highest: float) -> dict[float, float]:
    """Cut a ball into disks, `step` thick: radius, px, and how far the ball has fallen off there.

    What has fallen by `highest` or more counts for nothing. The centre is exact, so no background is above
    its plane.
    """
    squares = np.unique(np.add.outer(np.arange(radius_px + 1) ** 2, np.arange(radius_px + 1) ** 2))
    fallen = height * (1 - np.sqrt(1 - squares[squares <= radius_px**2] / radius_px**2))
    steps = np.round(fallen[fallen < max(highest, step)] / step)
    last = np.flatnonzero(np.diff(steps, append=np.inf))
    return {float(np.sqrt(squares[index])): float(steps[index] * step) for index in last}


def _slope(plane: Plane) -> Plane:
    """Fit a tilted plane to a plane (Y X) by least squares; on a full grid its axes are independent."""
    tilt = np.zeros(plane.shape)
    for axis, size in enumerate(plane.shape):
        along = np.expand_dims(np.arange(size) - (size - 1) / 2, 1 - axis)
        tilt = tilt + along * (plane * along).sum() / max((along**2).sum() * plane.size / size, 1)
    fitted: Plane = (tilt + plane.mean()).astype(np.float32)
    return fitted


def middle_and_spread(values: NDArray[np.floating]) -> tuple[float, float]:
    """Give median and standard deviation that outliers hardly move: 1.4826 × the median distance from it.

    Of more than `MOST_SAMPLED` values, evenly spread ones are taken.
    """
    if not values.size:
        return 0.0, 0.0
    values = values.ravel()[:: max(1, values.size // MOST_SAMPLED)]
    middle = _median(values)
    return float(middle), float(GAUSSIAN_MAD * _median(np.abs(values - middle)))


def _median(values: NDArray[np.floating]) -> np.floating:
    """Give the median of finite values, in half the time of `numpy.median`, which looks for NaN."""
    half = values.size // 2
    parted = np.partition(values, half, axis=None)
    upper: np.floating = parted[half]
    return upper if values.size % 2 else (parted[:half].max() + upper) / 2


def robust_spread(values: NDArray[np.floating]) -> float:
    """Give a standard deviation that outliers hardly move (`middle_and_spread`)."""
    return middle_and_spread(values)[1]


def noise_spread(plane: Plane) -> float:
    """Estimate the standard deviation of the noise of single pixels in a plane (Y X), its structure aside.

    The difference of two Laplacians, with a standard deviation of 6 for unit noise, sees little else
    (Immerkær 1996); the median makes edges count for nothing. Of large planes, evenly spread rows are taken.
    """
    if min(plane.shape) < 3:
        return 0.0
    every = max(1, plane.size // MOST_SAMPLED)
    above, row, below = (rows[::every] for rows in (plane[:-2], plane[1:-1], plane[2:]))
    twice = above - 2 * row + below
    return robust_spread(twice[:, :-2] - 2 * twice[:, 1:-1] + twice[:, 2:]) / 6
