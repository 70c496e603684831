"""How far the label-free and the stained plane of a field lie apart, found from these two alone."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import gaussian_filter

from unstained.arrays import Plane, RawPlane
from unstained.plates.fields import fingerprint

FEATURE_SCALES_PX = (1.0, 2.0, 4.0, 8.0)
EDGE_SCALE_PX = 2.0
SLOW_LIGHT_PX = 24.0
TAPER_PX = 32
CUTOFF_PER_PX = 0.05
MOST_PX = 1100
DISTINCT = 3.0
TRUSTED_ERROR_PX = 1.0
CERTAIN_ERRORS = 2.0
SMALLEST_SIDE = 10  # in units of the largest shift
MOST_KEPT = 4096

_found: dict[tuple[str, str, int], "ChannelShift"] = {}
"""What was asked before: studies train and score on the same fields again and again."""


@dataclass(frozen=True)
class ChannelShift:
    """Where a stained plane lies on the label-free plane of its field.

    Moving the stained plane by (−dy, −dx) px lays it on the label-free one. Where the estimate can't be
    trusted, `reliable` is false and dy = dx = 0, so that nobody corrects by chance.

    Attributes
    ----------
    confidence
        0 (don't believe it) to 1: exp(−error_px), 0 where the best shift doesn't stand out.
    error_px
        Standard error of the shift: each quarter of the field left out in turn (jackknife).
    distinctness
        Score of the best shift over the 97.5 % quantile of scores at shifts too large to be true.
    """

    dy: float
    dx: float
    confidence: float
    reliable: bool
    error_px: float
    distinctness: float

    @property
    def certain(self) -> bool:
        """Whether the channels lie apart by more than chance: over `CERTAIN_ERRORS` standard errors.

        Less isn't worth correcting: fields moved by their errors teach a network blurred edges.
        """
        return self.reliable and float(np.hypot(self.dy, self.dx)) > CERTAIN_ERRORS * self.error_px


def channel_shift(label_free: RawPlane, stained: RawPlane, max_px: int = 12) -> ChannelShift:
    """Estimate the shift between a label-free and a stained plane (Y X) of one field, up to ±`max_px`.

    The edges of the stain (logarithm of its gradient) are explained by a linear mixture of unsigned
    label-free structure at several scales: |difference of Gaussians|, so that a nucleus that is bright on one
    side and dark on the other counts alike on both, and relief doesn't pull the shift. Both are whitened over
    spatial frequency; the shift is where the multiple correlation R² is largest, refined by a parabola. This
    is generalised cross-correlation (Knapp & Carter 1976) with one input for every scale.
    """
    planes = [np.asarray(plane, dtype=np.float32) for plane in (label_free, stained)]
    asked = (fingerprint(planes[0]), fingerprint(planes[1]), max_px)
    found = _found.get(asked)
    if found is None:
        if len(_found) >= MOST_KEPT:
            _found.clear()
        found = _found[asked] = _find_shift(planes[0], planes[1], max_px)
    return found


def _find_shift(label_free: Plane, stained: Plane, max_px: int) -> ChannelShift:
    step = max(1, -(-max(label_free.shape) // MOST_PX))
    reach = -(-max_px // step)
    if min(label_free.shape) < SMALLEST_SIDE * reach * step or not (
        np.ptp(label_free) > 0 and np.ptp(stained) > 0
    ):
        return ChannelShift(0.0, 0.0, 0.0, False, float("inf"), 0.0)
    structure, edges = _structure(_binned(label_free, step)), _edges(_binned(stained, step))
    scores = shift_scores(structure, edges)
    (y, x), best = _peak(scores, reach)
    error_px = step * _jackknife_error(structure, edges, reach)
    distinctness = best / max(_chance_score(scores, reach), float(np.finfo(np.float32).tiny))
    distinct = distinctness > DISTINCT and max(abs(y), abs(x)) < reach
    reliable = distinct and error_px <= TRUSTED_ERROR_PX
    dy, dx = (y * step, x * step) if reliable else (0.0, 0.0)
    return ChannelShift(dy, dx, float(np.exp(-error_px)) * distinct, reliable, error_px, distinctness)


def shift_scores(structure: NDArray[np.float32], edges: Plane) -> Plane:
    """R² (Y X) of predicting `edges` (Y X), moved by every shift, from all planes of `structure` (C Y X).

    Entry (dy, dx), negative ones counted from the end, is for edges that lie dy below and dx right.
    """
    shape, taper = edges.shape, _taper(edges.shape)
    spectra = np.stack([_white_spectrum(plane, taper) for plane in structure])
    target = _white_spectrum(edges, taper)
    common = np.array([[fft.irfft2(a * b.conj(), shape)[0, 0] for a in spectra] for b in spectra])
    mixing = np.linalg.inv(common + 1e-3 * np.trace(common) / len(common) * np.eye(len(common)))
    cross = np.stack([fft.irfft2(target * spectrum.conj(), shape) for spectrum in spectra])
    power = fft.irfft2(target * target.conj(), shape)[0, 0] * _common_area(taper) ** 2
    scores: Plane = (np.einsum("iyx,ij,jyx->yx", cross, mixing, cross, optimize=True) / power).astype(
        np.float32
    )
    return scores


def _common_area(taper: Plane) -> Plane:
    """Give the share of the tapered plane that it has in common with its copy moved by each shift; ≥ 1/4."""
    spectrum = fft.rfft2(taper)
    area = fft.irfft2(spectrum * spectrum.conj(), taper.shape)
    share: Plane = np.maximum(area / area[0, 0], 0.25).astype(np.float32)
    return share


def _jackknife_error(structure: NDArray[np.float32], edges: Plane, reach: int) -> float:
    """Give the standard error of the shift, px, from estimates that leave out one quarter each."""
    height, width = (size // 2 for size in edges.shape)
    near = []
    for y in (slice(0, height), slice(height, None)):
        for x in (slice(0, width), slice(width, None)):
            near.append(_near(shift_scores(structure[:, y, x], edges[y, x]), reach))
    whole = np.sum(near, axis=0)
    without = np.array([_best(whole - quarter, reach)[0] for quarter in near])
    spread = np.sum((without - without.mean(axis=0)) ** 2)
    return float(np.sqrt(spread * (len(near) - 1) / len(near)))


def _structure(plane: Plane) -> NDArray[np.float32]:
    flat = plane - gaussian_filter(plane, SLOW_LIGHT_PX, mode="nearest")
    scales = []
    for sigma in FEATURE_SCALES_PX:
        band = np.abs(gaussian_filter(flat, sigma) - gaussian_filter(flat, 1.6 * sigma))
        smooth = gaussian_filter(band, sigma)
        scales.append(np.log(smooth + 0.01 * np.median(smooth) + np.finfo(np.float32).tiny))
    return np.stack(scales)


def _edges(plane: Plane) -> Plane:
    """Give the logarithm of the stain's gradient, the stain compressed so that bright cells don't rule."""
    noise = 1.4826 * np.median(np.abs(plane - np.median(plane))) + np.finfo(np.float32).tiny
    stain = np.arcsinh((plane - np.percentile(plane, 1)) / (3 * noise))
    stain = gaussian_filter(np.minimum(stain, np.percentile(stain, 99)), EDGE_SCALE_PX)
    slope = np.hypot(*np.gradient(stain))
    edges: Plane = np.log(slope + 0.3 * np.median(slope) + np.finfo(np.float32).tiny).astype(np.float32)
    return edges


def _binned(plane: RawPlane, step: int) -> Plane:
    rows, columns = (size // step for size in plane.shape)
    cut = np.asarray(plane[: rows * step, : columns * step], dtype=np.float32)
    binned: Plane = cut.reshape(rows, step, columns, step).mean(axis=(1, 3))
    return binned


def _taper(shape: tuple[int, ...]) -> Plane:
    distance = [np.minimum(np.arange(n) + 0.5, n - np.arange(n) - 0.5) / TAPER_PX for n in shape]
    rows, columns = (np.sin(np.pi / 2 * np.clip(part, 0, 1)) ** 2 for part in distance)
    taper: Plane = np.outer(rows, columns).astype(np.float32)
    return taper


def _white_spectrum(plane: Plane, taper: Plane) -> NDArray[np.complex64]:
    """Give the half spectrum with equal power at all frequencies up to a soft cut-off."""
    spectrum = fft.rfft2((plane - plane.mean()) * taper)
    radius = np.hypot(fft.fftfreq(plane.shape[0])[:, None], fft.rfftfreq(plane.shape[1]))
    ring = (256 * radius).astype(np.intp)
    power = np.bincount(ring.ravel(), np.abs(spectrum).ravel() ** 2) / np.maximum(
        1, np.bincount(ring.ravel())
    )
    white = spectrum / np.sqrt(power + np.finfo(np.float32).tiny)[ring]
    soft: NDArray[np.complex64] = (white * np.exp(-0.5 * (radius / CUTOFF_PER_PX) ** 2)).astype(np.complex64)
    return soft


def _peak(scores: Plane, reach: int) -> tuple[tuple[float, float], float]:
    return _best(_near(scores, reach), reach)


def _near(scores: Plane, reach: int) -> Plane:
    """Give the scores of shifts up to one beyond `reach`, zero shift in the middle."""
    return np.roll(scores, (reach + 1, reach + 1), axis=(0, 1))[: 2 * reach + 3, : 2 * reach + 3]


def _best(near: Plane, reach: int) -> tuple[tuple[float, float], float]:
    """Give the best shift within ±`reach` (vertex of a parabola through three scores), and its score."""
    inner = near[1:-1, 1:-1]
    y, x = (int(index) + 1 for index in np.unravel_index(np.argmax(inner), inner.shape))
    dy = y - reach - 1 + _vertex(near[y - 1 : y + 2, x])
    dx = x - reach - 1 + _vertex(near[y, x - 1 : x + 2])
    return (dy, dx), float(near[y, x])


def _vertex(three: Plane) -> float:
    before, at, after = (float(value) for value in three)
    bend = before - 2 * at + after
    return 0.0 if bend >= 0 else float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5))


def _chance_score(scores: Plane, reach: int) -> float:
    """Give the 97.5 % quantile of scores where every shift is larger than it can truly be."""
    far = 3 * reach
    return float(np.quantile(scores[far:-far:3, far:-far:3], 0.975))
