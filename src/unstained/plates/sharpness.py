"""What one plane says about itself: noise, structure above it, detail, and how wide its edges are."""

import numpy as np
from numpy.polynomial.legendre import legvander2d
from scipy.ndimage import gaussian_filter, laplace, maximum_filter, minimum_filter

from unstained.arrays import Plane, RawPlane

BLOCK_PX = 8
LIGHT_DEGREE = 4
TAIL = 0.0005
NORMAL_TAILS = 6.58  # between the two tails of 0.05 % of a normal distribution, in standard deviations
EDGE_REACH_PX = 10
EDGE_SMOOTHING_PX = 1.0
STEEPEST_SHARE = 0.001


def noise_level(plane: RawPlane) -> float:
    """Give the standard deviation of pixel noise of a plane (Y X), in its own units.

    From the differences of 2×2 pixels across both axes (after Immerkaer 1996), by their median, so that cells
    hardly count; never below what rounding to whole numbers makes.
    """
    rows, columns = (size // 2 * 2 for size in plane.shape)
    even = np.asarray(plane[:rows, :columns], dtype=np.float32)
    across = even[::2, ::2] - even[1::2, ::2] - even[::2, 1::2] + even[1::2, 1::2]
    rounding = 12**-0.5 if np.issubdtype(plane.dtype, np.integer) else 1e-6 * float(np.ptp(even))
    return max(float(1.4826 * np.median(np.abs(across)) / 2), rounding)


def structure_above_noise(plane: RawPlane) -> float:
    """Say how many times more the blocks of a plane (Y X) differ than noise makes them; about 1 if empty.

    Blocks are 8×8 px, the lamp's smooth light is taken off, and the spread is taken between the 0.05 % tails:
    two cells in a large field are enough, one hot pixel isn't.
    """
    rows, columns = (size // BLOCK_PX for size in plane.shape)
    cut = np.asarray(plane[: rows * BLOCK_PX, : columns * BLOCK_PX], dtype=np.float32)
    blocks = cut.reshape(rows, BLOCK_PX, columns, BLOCK_PX).mean(axis=(1, 3))
    low, high = np.quantile(blocks - _smooth_light(blocks), (TAIL, 1 - TAIL))
    expected = NORMAL_TAILS * noise_level(plane) / BLOCK_PX
    return float(high - low) / max(expected, float(np.finfo(np.float32).tiny))


def _smooth_light(blocks: Plane) -> Plane:
    """Fit a polynomial surface of degree 4 to blocks (Y X), as lamps and lenses shade a field."""
    y, x = np.meshgrid(*(np.linspace(-1, 1, size) for size in blocks.shape), indexing="ij")
    terms = legvander2d(y.ravel(), x.ravel(), [LIGHT_DEGREE, LIGHT_DEGREE])
    weights = np.linalg.lstsq(terms, blocks.ravel(), rcond=None)[0]
    light: Plane = (terms @ weights).reshape(blocks.shape).astype(np.float32)
    return light


def edge_width_px(plane: Plane) -> float:
    """Give the width of a plane's sharpest edges as the sigma of a Gaussian blur, px.

    An edge of height h blurred by sigma has its steepest slope h / (sigma·√2π). Height and slope are taken at
    the steepest 0.1 % of pixels, the median of their sigmas counts, and the smoothing against noise (1 px) is
    taken off again. Widths beyond about 8 px can't be told apart.
    """
    smooth = gaussian_filter(np.asarray(plane, dtype=np.float32), EDGE_SMOOTHING_PX)
    slope = np.hypot(*np.gradient(smooth)).ravel()
    side = 2 * EDGE_REACH_PX + 1
    height = (maximum_filter(smooth, side) - minimum_filter(smooth, side)).ravel()
    number = min(slope.size, max(20, int(STEEPEST_SHARE * slope.size)))
    steepest = np.argpartition(slope, -number)[-number:]
    tiny = np.finfo(np.float32).tiny
    sigma = float(np.median(height[steepest] / np.maximum(slope[steepest], tiny))) / np.sqrt(2 * np.pi)
    return float(np.sqrt(max(sigma**2 - EDGE_SMOOTHING_PX**2, 0.0)))


def detail(plane: RawPlane) -> float:
    """Say how much detail a plane (Y X) shows: variance of its smoothed Laplacian over its squared mean.

    Dividing by the mean makes planes of unequal brightness comparable (LAPV of Pertuz et al. 2013); the
    smoothing, of 1 px, keeps camera noise from counting as detail.
    """
    smooth = gaussian_filter(plane.astype(np.float32), 1.0)
    mean = float(smooth.mean())
    return float(laplace(smooth).var()) / (mean * mean) if mean else 0.0
