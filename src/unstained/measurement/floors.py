"""What a model must beat: agreement with the real stain that takes no learning of structure at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft2, next_fast_len, rfft2
from scipy.linalg import solve
from scipy.ndimage import zoom

from unstained.arrays import Plane, RawPlane
from unstained.errors import BadInput
from unstained.measurement.image_metrics import Metrics, Moments
from unstained.networks.normalisation import slow_light

BLURS_PX = (0, 1, 2, 4, 8, 16, 32)  # 0: the plane as it is
GRIDS = (1, 2, 4, 8)  # a pixel of a coarse grid is the mean of so many squared
REACH_PX = 15  # a kernel has 31 × 31 pixels of its grid
RIDGE = 1e-6  # of the input's variance, so that smooth inputs can be solved

Array = NDArray[Any]


def constant_floor(real: RawPlane) -> Metrics:
    """Score the best constant for a real plane (Y X): NRMSE is 1 by definition, MAE is about the median."""
    plane = np.asarray(real, dtype=np.float64)
    return {
        "nrmse": 1.0 if np.ptp(plane) > 0 else None,
        "mae": float(np.abs(plane - np.median(plane)).mean()),
    }


def blurred_input_floor(label_free: RawPlane, real: RawPlane) -> float | None:
    """Best PCC that blurring reaches: of the label-free plane (Y X), and of its local contrast.

    Local contrast is |plane − blurred plane|, blurred again. Every blur of `BLURS_PX` is tried, either
    sign counts, and the best is chosen on the scored field itself: the floor is as high as it can be made.
    None where a plane is constant.
    """
    found = [Moments.of(plane, real).pcc for plane in _blurred(np.asarray(label_free, dtype=np.float32))]
    return max((abs(pcc) for pcc in found if pcc is not None), default=None)


def _blurred(plane: Plane) -> Iterator[Plane]:
    yield plane
    for sigma in BLURS_PX[1:]:
        smooth = slow_light(plane, sigma)
        yield smooth
        yield slow_light(np.abs(plane - smooth), sigma)


@dataclass(frozen=True)
class LinearFilter:
    """One linear filter per grid, 31 × 31 coarse pixels each; the coarsest reaches 124 px."""

    kernels: dict[int, Array]  # grid → (K K)

    def outputs(self, plane: RawPlane) -> Iterator[Plane]:
        """Filter a plane (Y X) on each grid; its mean is taken away first, so offsets mean nothing."""
        return (_filtered(plane, grid, kernel) for grid, kernel in self.kernels.items())


def fit_linear_filter(pairs: Sequence[tuple[RawPlane, RawPlane]]) -> LinearFilter:
    """Fit the best linear filters from label-free to stained planes (Y X) in least squares.

    On each grid the kernel solves the normal equations of Wiener (1949), whose entries are the planes'
    auto- and cross-correlations.
    """
    if not pairs:
        raise BadInput("a linear filter needs at least one pair of planes; none was given")
    side = min(min(plane.shape) for pair in pairs for plane in pair)
    reach = min(REACH_PX, side // 8)
    grids = [grid for grid in GRIDS if grid == 1 or side // grid >= 8 * reach]
    return LinearFilter({grid: _fit_kernel(pairs, grid, reach) for grid in grids})


def linear_filter_floor(
    label_free: RawPlane, real: RawPlane, fitted: LinearFilter | None = None
) -> float | None:
    """Best PCC with the real plane (Y X) that linear filters of the label-free one reach.

    The best grid is chosen on the scored field itself. Without `fitted` (from other fields) the filters are
    fitted on it too: that is higher than any filter reaches which must be known beforehand. None where a
    plane is constant.
    """
    chosen = fitted or fit_linear_filter([(label_free, real)])
    found = [Moments.of(plane, real).pcc for plane in chosen.outputs(label_free)]
    return max((pcc for pcc in found if pcc is not None), default=None)


def _fit_kernel(pairs: Sequence[tuple[RawPlane, RawPlane]], grid: int, reach: int) -> Array:
    size = 2 * reach + 1
    auto, cross = np.zeros((2 * size - 1, 2 * size - 1)), np.zeros((size, size))
    for label_free, real in pairs:
        x, y = _centred(label_free, grid), _centred(real, grid)
        auto += _correlation(x, x, 2 * reach) / x.size
        cross += _correlation(x, y, reach) / x.size
    if auto[2 * reach, 2 * reach] <= 0:
        return np.zeros((size, size))
    steps = np.subtract.outer(np.arange(size), np.arange(size)) + 2 * reach  # (K K): p − q
    normal = auto[steps[:, None, :, None], steps[None, :, None, :]].reshape(size**2, size**2)
    normal[np.diag_indices(size**2)] += RIDGE * auto[2 * reach, 2 * reach]
    kernel: Array = solve(normal, cross.ravel(), assume_a="pos").reshape(size, size)
    return kernel


def _filtered(plane: RawPlane, grid: int, kernel: Array) -> Plane:
    """Σ kernel(p) · plane(n + p) on a coarse grid, brought back to the full one (Y X)."""
    x, reach = _centred(plane, grid), kernel.shape[0] // 2
    shape = [next_fast_len(size + reach, real=True) for size in x.shape]
    spread = np.zeros(shape)
    spread[: 2 * reach + 1, : 2 * reach + 1] = kernel
    spectrum = rfft2(np.roll(spread, (-reach, -reach), axis=(0, 1)))
    coarse = irfft2(rfft2(x, shape) * spectrum.conj(), shape)[: x.shape[0], : x.shape[1]].astype(np.float32)
    if grid == 1:
        return coarse  # type: ignore[no-any-return]
    factors = [size / small for size, small in zip(plane.shape, coarse.shape, strict=True)]
    full: Plane = zoom(coarse, factors, order=1, mode="nearest", grid_mode=True).astype(np.float32)
    return full


def _correlation(x: Array, y: Array, reach: int) -> Array:
    """Σ y(n) · x(n + p) for |p| ≤ reach on both axes, p = 0 in the middle."""
    shape = [next_fast_len(size + reach, real=True) for size in x.shape]
    found = irfft2(rfft2(x, shape) * rfft2(y, shape).conj(), shape)
    lags = np.arange(-reach, reach + 1)
    chosen: Array = found[np.ix_(lags, lags)]
    return chosen


def _centred(plane: RawPlane, grid: int) -> Array:
    rows, columns = (size // grid for size in plane.shape)
    cut = np.asarray(plane[: rows * grid, : columns * grid], dtype=np.float64)
    coarse = cut.reshape(rows, grid, columns, grid).mean(axis=(1, 3))
    centred: Array = coarse - coarse.mean()
    return centred
