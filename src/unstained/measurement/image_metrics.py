"""How alike two planes of one field are: the predicted stain and the real one, or any pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cosine
from skimage.metrics import structural_similarity

from unstained.arrays import Mask, RawPlane
from unstained.errors import BadInput

Metrics = dict[str, float | None]
Array = NDArray[Any]

SSIM_SIGMA_PX = 1.5
SSIM_WINDOW_PX = 11  # what scikit-image makes of a Gaussian of 1.5 px, cut at 3.5 σ
LMC_PERCENTILES = (2.0, 99.8)


@dataclass(frozen=True)
class Moments:
    """Means and squared deviations of pixel pairs; adding two gives those of all their pixels together.

    Chan, Golub & LeVeque (1983): exact for any number of fields without holding more than one in memory.
    """

    n: int = 0
    means: tuple[float, float] = (0.0, 0.0)
    squares: tuple[float, float, float] = (0.0, 0.0, 0.0)  # Σdx², Σdy², Σdx·dy

    @classmethod
    def of(cls, predicted: RawPlane, real: RawPlane) -> Moments:
        """Moments of two planes (Y X) of one shape, any number type."""
        x, y = _flat(predicted, real)
        if not x.size:
            return cls()
        means = float(x.mean()), float(y.mean())
        x, y = x - means[0], y - means[1]
        return cls(x.size, means, (float(x @ x), float(y @ y), float(x @ y)))

    def __add__(self, other: Moments) -> Moments:
        n = self.n + other.n
        if not n:
            return self
        dx, dy = (theirs - ours for ours, theirs in zip(self.means, other.means, strict=True))
        weight = self.n * other.n / n
        between = (weight * dx * dx, weight * dy * dy, weight * dx * dy)
        squares = [a + b + c for a, b, c in zip(self.squares, other.squares, between, strict=True)]
        means = self.means[0] + dx * other.n / n, self.means[1] + dy * other.n / n
        return Moments(n, means, (squares[0], squares[1], squares[2]))

    @property
    def pcc(self) -> float | None:
        """Pearson's correlation; None where one side is constant (rounding counted as constant)."""
        floor = [self.n * (mean * 1e-9) ** 2 for mean in self.means]
        if self.n < 2 or any(square <= low for square, low in zip(self.squares[:2], floor, strict=True)):
            return None
        return float(np.clip(self.squares[2] / np.sqrt(self.squares[0]) / np.sqrt(self.squares[1]), -1, 1))


def image_agreement(predicted: RawPlane, real: RawPlane) -> Metrics:
    """Compare a predicted plane (Y X) with the real one, both in the real stain's camera units.

    Returns
    -------
    `pcc`
        Pearson's correlation of all pixels.
    `ssim`
        Structural similarity (Wang et al. 2004), Gaussian weights of σ 1.5 px, population covariances,
        `data_range` = the real plane's maximum − minimum.
    `mae`
        Mean absolute error, camera units.
    `nrmse`
        Root mean square error over the real plane's standard deviation: the mean as a prediction has 1.
    `psnr`
        20 · log10(range of the real plane / root mean square error), dB.

    A figure that isn't defined for these planes is None; `why_undefined` says why.

    Raises
    ------
    BadInput
        The planes differ in shape.
    """
    x, y = _flat(predicted, real)
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return dict.fromkeys(("pcc", "ssim", "mae", "nrmse", "psnr"))
    error = x - y
    rmse, spread, extent = float(np.sqrt(np.mean(error**2))), float(y.std()), float(np.ptp(y))
    return {
        "pcc": Moments.of(predicted, real).pcc,
        "ssim": ssim(predicted, real, extent),
        "mae": float(np.abs(error).mean()),
        "nrmse": rmse / spread if extent > 0 else None,
        "psnr": 20 * float(np.log10(extent / rmse)) if extent > 0 and rmse > 0 else None,
    }


def why_undefined(predicted: RawPlane, real: RawPlane) -> tuple[str, ...]:
    """Say why figures of `image_agreement` are None; empty where all are defined."""
    x, y = _flat(predicted, real)
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return ("a pixel is not a finite number",)
    reasons = (
        (np.ptp(y) == 0, "the real plane is constant: no PCC, SSIM, NRMSE, PSNR"),
        (np.ptp(x) == 0, "the predicted plane is constant: no PCC"),
        (np.array_equal(x, y), "predicted equals real: PSNR is infinite"),
        (min(real.shape) < SSIM_WINDOW_PX, f"fewer than {SSIM_WINDOW_PX} px on a side: no SSIM"),
    )
    return tuple(reason for holds, reason in reasons if holds)


def ssim(predicted: RawPlane, real: RawPlane, data_range: float, within: Mask | None = None) -> float | None:
    """Structural similarity as in `image_agreement`; None for a range of 0 or a side under 11 px."""
    if data_range <= 0 or min(np.shape(real)) < SSIM_WINDOW_PX:
        return None
    # float64: in float32 the variances, differences of large squares, are lost in rounding
    mean, plane = structural_similarity(
        np.asarray(predicted, dtype=np.float64),
        np.asarray(real, dtype=np.float64),
        data_range=data_range,
        gaussian_weights=True,
        sigma=SSIM_SIGMA_PX,
        use_sample_covariance=False,
        full=True,
    )
    return float(mean if within is None else plane[within].mean())


def light_my_cells(predicted: RawPlane, real: RawPlane) -> Metrics:
    """Compare two planes (Y X) by the definitions of the Light My Cells challenge (ISBI 2024).

    Each plane by itself is brought to percentile 2 → 0 and 99.8 → 1, unclipped; then `pcc`, `ssim`
    (`data_range` = the larger of both ranges), `mae`, `euclidean` and `cosine` distance.
    """
    _flat(predicted, real)
    x, y = _by_percentiles(predicted), _by_percentiles(real)
    if x is None or y is None:
        return dict.fromkeys(("pcc", "ssim", "mae", "euclidean", "cosine"))
    return {
        "pcc": Moments.of(x, y).pcc,
        "ssim": ssim(x, y, float(max(np.ptp(x), np.ptp(y)))),
        "mae": float(np.abs(x - y).mean()),
        "euclidean": float(np.linalg.norm(x - y)),
        "cosine": float(cosine(x.ravel(), y.ravel())),
    }


def mean_of(values: list[Metrics]) -> Metrics:
    """Mean of each figure over the fields that have it; None where none has."""
    names = list(dict.fromkeys(name for metrics in values for name in metrics))
    means: Metrics = {}
    for name in names:
        known = [value for metrics in values if (value := metrics.get(name)) is not None]
        means[name] = float(np.mean(known)) if known else None
    return means


def _by_percentiles(plane: RawPlane) -> Array | None:
    flat = np.asarray(plane, dtype=np.float64)
    low, high = np.percentile(flat, LMC_PERCENTILES)
    return (flat - low) / (high - low) if high > low else None  # a NaN makes both NaN: not above


def _flat(predicted: RawPlane, real: RawPlane) -> tuple[Array, Array]:
    if np.shape(predicted) != np.shape(real):
        raise BadInput(
            f"predicted {np.shape(predicted)} and real {np.shape(real)} planes differ in shape; "
            "compare planes of one field"
        )
    return (np.asarray(predicted, dtype=np.float64).ravel(), np.asarray(real, dtype=np.float64).ravel())
