"""Find nuclei in a plane of stained or predicted DNA: Algorithm 2 of the thesis, its sizes tied to the nuclei's own."""

from typing import NamedTuple

import numpy as np
from pydantic import Field
from scipy.ndimage import gaussian_filter, label, maximum_filter
from skimage.segmentation import expand_labels, watershed

from unstained.arrays import Labels, Mask, Plane
from unstained.segmentation.background import enlarge, local_mean, estimate_background, robust_spread, shrink
from unstained.segmentation.regions import (
    drop_small,
    fill_holes,
    inner_distance,
    join_convex,
    keep_labels,
    largest_pieces,
    quantile_by_label,
    smooth_outline,
    split_touching,
)
from unstained.segmentation.thresholds import global_threshold, local_threshold, normalise
from unstained.settings import Settings

WORKING_DIAMETER_PX = 21
"""Nuclei are found on a grid on which their diameter is at least this, and outlined on the full one."""

FAINTEST_SPREADS = 5.0
"""A nucleus stands out of the background's own unevenness by at least so many standard deviations."""

TRIM = 0.4
"""Outline of one nucleus between its background (0) and its upper quartile (1): takes off the glow of bright ones."""

ELONGATION = 1.05
"""Diameter of the disk of equal area ÷ width of a nucleus, whose length is about 1.4 widths."""

GLOBAL, REACH, OPEN, TEXSIG, EDTSIG, SPACING, JOINAREA, CORE, SMOOTH, ALIKE = 1,.4,.076,.095,1/42,.095,.9,.8,1/42,1.6
MOST_ROUNDS = 5

SMALLEST_DIAMETER_PX = 5.0
"""Smaller structures are noise, not nuclei."""


class NucleiSettings(Settings):
    """How nuclei are found; sizes in µm, or in px where the pixel size is unknown."""

    diameter_um: float | None = Field(None, gt=0, description="typical nucleus; none = estimated from the plane")
    smallest: float = Field(0.23, ge=0, lt=1, description="smallest diameter kept, as a share of the typical one")
    level: float = Field(0.4, gt=0, lt=1, description="outline between background (0) and nucleus (1)")
    split: float = Field(0.076, ge=0, description="depth of a notch that parts two nuclei, in radii")
    join: float = Field(0.94, gt=0, le=1, description="join parts that fill an ellipse at least so well")
    texture: float = Field(0.4, ge=0, description="weight of brightness beside shape where nuclei touch")
    contrast: float = Field(0.15, ge=0, lt=1, description="faintest nucleus, as a share of the typical contrast")
    least_contrast: float = Field(0.0, ge=0, description="faintest nucleus over its background, camera units")


def segment_nuclei(
    plane: Plane, *, pixel_size_um: float | None = None, settings: NucleiSettings = NucleiSettings()
) -> Labels:
    """Label the nuclei of a plane (Y X) of any gain and offset; 0 is background, nuclei run 1..N.

    Normalise → even out the background → global threshold → zero outside → local threshold → fill holes → opening
    and blur → drop small regions → split nuclei that touch → outline each at its own level. A plane without
    nuclei, or a constant one, gives no objects. Where `pixel_size_um` is None, sizes in µm are taken in px.
    """
    diameter_px = _diameter_px(plane, pixel_size_um, settings)
    if diameter_px is None:
        return np.zeros(plane.shape, np.int32)
    even = evened(plane, diameter_px)
    step = max(1, int(diameter_px / WORKING_DIAMETER_PX))
    found = find_nuclei(shrink(even, step), diameter_px / step, settings)
    labels = outline_nuclei(even, found, step, diameter_px, settings)
    return _without_faint(labels, plane, settings.least_contrast, diameter_px)


def _diameter_px(plane: Plane, pixel_size_um: float | None, settings: NucleiSettings) -> float | None:
    if settings.diameter_um is None:
        return estimate_diameter(plane)
    return max(settings.diameter_um / (pixel_size_um or 1.0), SMALLEST_DIAMETER_PX)


def evened(plane: Plane, diameter_px: float) -> Plane:
    """Normalise a plane (Y X) and take away the light behind objects of about `diameter_px`."""
    scaled = normalise(plane)
    return scaled - estimate_background(scaled, diameter_px)


class Found(NamedTuple):
    """Nuclei on the working grid."""

    labels: Labels
    threshold: Plane
    """The surface that parts them from their surroundings, (Y X)."""


def find_nuclei(even: Plane, diameter_px: float, settings: NucleiSettings) -> Found:
    """Find and part the nuclei of an evened plane (Y X) on the grid where they are `diameter_px` wide."""
    smooth = gaussian_filter(even, SMOOTH * diameter_px, mode="nearest")
    core, _ = foreground(smooth, diameter_px, CORE)
    whole, threshold = foreground(smooth, diameter_px, settings.level)
    labels = part_nuclei(core, smooth, diameter_px, settings)
    labels = extend(labels, smooth, whole | core)
    labels = keep_labels(labels, np.bincount(labels.ravel()) >= settings.smallest**2 * np.pi / 4 * diameter_px**2)
    return Found(drop_faint(labels, smooth, diameter_px, settings), threshold)


def foreground(smooth: Plane, diameter_px: float, level: float) -> tuple[Mask, Plane]:
    """Part a smoothed plane (Y X) into nuclei and background; gives the mask and the threshold surface."""
    floor = GLOBAL * global_threshold(smooth)
    first = smooth > floor
    if not first.any():
        return first, np.full_like(smooth, np.inf)
    capped = np.minimum(smooth, 2 * np.median(smooth[first]))      # mitotic nuclei don't hide their neighbours
    threshold = local_threshold(np.where(first, capped, smooth), first, REACH * diameter_px, level)
    area = np.pi / 4 * diameter_px**2
    inside = fill_holes(first & (capped > threshold), area / 4)
    return smooth_outline(inside, OPEN * diameter_px), threshold


def part_nuclei(inside: Mask, smooth: Plane, diameter_px: float, settings: NucleiSettings) -> Labels:
    """Split a mask (Y X) into nuclei by shape and brightness, and join what is one ellipse."""
    radius = diameter_px / 2
    bright = gaussian_filter(smooth, TEXSIG * diameter_px, mode="nearest")
    local = np.maximum(local_mean(smooth, inside, diameter_px), np.finfo(np.float32).tiny)
    height = gaussian_filter(inner_distance(inside), EDTSIG * diameter_px) / radius + settings.texture * bright / local
    labels = split_touching(inside, height.astype(np.float32), SPACING * diameter_px, settings.split)
    return join_convex(labels, smooth, settings.join, JOINAREA * np.pi * radius**2, ALIKE)


def extend(labels: Labels, smooth: Plane, inside: Mask) -> Labels:
    """Grow the cores of nuclei (Y X) over the whole mask; parts of it without a core become objects too."""
    pieces, _ = label(inside & (labels == 0))
    bare, count = label(inside)
    cored = np.unique(bare[labels > 0])
    seeds = np.where(np.isin(bare, cored), labels, np.where(bare > 0, bare + labels.max(), 0))
    return watershed(-smooth, seeds, mask=inside).astype(np.int32)


def drop_faint(labels: Labels, smooth: Plane, diameter_px: float, settings: NucleiSettings) -> Labels:
    """Drop objects (Y X) that are faint beside the others, or beside the unevenness of the background."""
    if not labels.any():
        return labels
    outside = ~(maximum_filter(labels, size=2 * int(diameter_px / 8) + 1) > 0)
    noise = robust_spread(smooth[outside])
    dark = float(np.median(smooth[outside])) if outside.any() else 0.0
    contrast = quantile_by_label(labels, smooth, 0.5) - dark
    enough = max(settings.contrast * float(np.median(contrast[1:])), FAINTEST_SPREADS * noise)
    return keep_labels(labels, contrast >= enough)


def outline_nuclei(even: Plane, found: Found, step: int, diameter_px: float, settings: NucleiSettings) -> Labels:
    """Outline nuclei found on the working grid on the full one (Y X), each at its own brightness."""
    if not found.labels.any():
        return np.zeros(even.shape, np.int32)
    smooth = gaussian_filter(even, diameter_px / 24, mode="nearest")
    rows, columns = even.shape
    around = expand_labels(found.labels, 1) if step > 1 else found.labels
    labels = np.repeat(np.repeat(around, step, axis=0), step, axis=1)[:rows, :columns].astype(np.int32)
    own = TRIM * quantile_by_label(labels, smooth, 0.75)
    threshold = enlarge(found.threshold, step, even.shape) if step > 1 else np.float32(-np.inf)
    inside = smooth > np.maximum(threshold, own[labels])
    inside = fill_holes(inside & (labels > 0), np.pi / 16 * diameter_px**2)
    pieces = largest_pieces(np.where(inside, labels, 0).astype(np.int32))
    large = np.bincount(pieces.ravel(), minlength=1) >= settings.smallest**2 * np.pi / 4 * diameter_px**2
    return keep_labels(pieces, large)


def _without_faint(labels: Labels, plane: Plane, least_contrast: float, diameter_px: float) -> Labels:
    """Drop objects whose median is less than `least_contrast` camera units above the background's."""
    if least_contrast == 0 or not labels.any():
        return labels
    background = estimate_background(plane, diameter_px)
    return keep_labels(labels, quantile_by_label(labels, plane - background, 0.5) >= least_contrast)


def estimate_diameter(plane: Plane) -> float | None:
    """Estimate."""
    if not REFINE: return ridge_diameter(plane)
    rough = ridge_diameter(plane)
    if rough is None:
        return None
    for _ in range(REFINE):
        even = evened(plane, rough)
        step = max(1, int(rough / WORKING_DIAMETER_PX))
        found = find_nuclei(shrink(even, step), rough / step, NucleiSettings())
        areas = np.sort(np.bincount(found.labels.ravel())[1:])
        if not len(areas): return None
        total = np.cumsum(areas)
        rough = step * float(np.sqrt(4 / np.pi * areas[np.searchsorted(total, total[-1] / 2)]))
    return rough

REFINE = 1
def ridge_diameter(plane: Plane) -> float | None:
    """Estimate the typical diameter, px, of the nuclei of a plane (Y X); None where it shows none.

    The ridges of the distance transform of a first mask give the objects' inner radii, also where they touch;
    their median, by area, is refined on a grid and with a blur that fit it.
    """
    scaled = normalise(plane)
    if not scaled.any():
        return None
    even = scaled - estimate_background(scaled, min(plane.shape) / 8)
    diameter, blur_px, step = 0.0, 1.5, 1
    for _ in range(MOST_ROUNDS):
        found = step * _inner_diameter(gaussian_filter(shrink(even, step), blur_px / step, mode="nearest"))
        settled = abs(found - diameter) <= 0.1 * diameter
        diameter = found
        if diameter < SMALLEST_DIAMETER_PX:
            return None
        if settled:
            break
        blur_px, step = max(1.0, diameter / 21), max(1, int(diameter / WORKING_DIAMETER_PX))
    return diameter


def _inner_diameter(smooth: Plane) -> float:
    """Typical diameter, px, of bright objects of a smoothed plane (Y X): the median by area; 0 without any."""
    inside = smooth > global_threshold(smooth)
    distance = gaussian_filter(inner_distance(inside), 1.0)
    ridge = inside & (distance == maximum_filter(distance, size=3))
    radii = np.sort(distance[ridge])
    if not radii.size:
        return 0.0
    weight = np.cumsum(radii**2)
    return float(ELONGATION * 2 * radii[np.searchsorted(weight, weight[-1] / 2)])
