"""Find nuclei or cells in a stained or predicted plane: Algorithm 2 of the thesis, tied to their size."""

from typing import Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from skimage.segmentation import expand_labels

from unstained.arrays import Labels, Mask, Plane
from unstained.segmentation.background import (
    enlarge,
    estimate_background,
    gaussian,
    local_mean,
    middle_and_spread,
    noise_spread,
    shrink,
)
from unstained.segmentation.distances import highest_in_squares, inner_distance
from unstained.segmentation.regions import (
    drop_small_objects,
    extend,
    fill_holes,
    join_convex,
    keep_labels,
    largest_pieces,
    quantile_by_label,
    smooth_outline,
    split_touching,
)
from unstained.segmentation.thresholds import global_threshold, local_levels, normalise
from unstained.settings import Settings

# Lengths below are shares of the typical diameter. They, and the defaults of the settings, were chosen on
# every second image of the annotated set; benchmarks/nuclei_segmentation.py scores the others.
WORKING_DIAMETER_PX = 21
"""Nuclei are found on a grid on which their diameter is this to twice this, and outlined on the full one."""

BLUR, MOST_BLUR = 1 / 42, 1 / 12
"""Blur before thresholding: where the plane is clean, and at most where it is noisy."""

NOISE_LEFT = 0.03
"""Noise that the blur may leave, as a share of the plane's range."""

REACH = 0.4
"""Width of the Gaussian that sees what is "nearby" in the local threshold."""

OPENING = 0.076
"""Radius of the disk that takes thin spurs off."""

TEXTURE_BLUR = 0.095
"""Blur of the brightness where it helps to part nuclei: wider than chromatin, narrower than a nucleus."""

TEXTURE_REACH = 1.0
"""Width of the Gaussian over which brightness is compared with the nearby objects."""

PEAK_SPACING = 0.095
"""Peaks nearer than this are one."""

LARGEST_JOINED = 0.9
"""Area up to which parts may be joined, as a share of the typical one: an intact nucleus is seldom cut."""

CORE = 0.8
"""Level, like `NucleiSettings.level`, at which nuclei are told apart; they are outlined further down."""

TRIM = 0.4
"""Outline of one nucleus between background (0) and its upper quartile (1): takes glow off bright ones."""

FAINTEST_SPREADS = 5.0
"""A nucleus stands out of the background's unevenness by at least so many standard deviations."""

LARGE_PLANE_PX = 2_000_000
"""Planes of so many pixels are first looked at on a grid of 2 px."""

SMALLEST_DIAMETER_PX = 5.0
"""Smaller structures are noise, not nuclei."""

ELONGATION = 1.05
"""Diameter of the disk of equal area ÷ twice the typical inner radius of the first, generous mask."""

MOST_ROUNDS = 4
"""Rounds in which the estimate of the diameter settles."""


class NucleiSettings(Settings):
    """How nuclei or cells are found; sizes in µm, or in px where the pixel size is unknown."""

    method: Literal["bodies"] = "bodies"
    diameter_um: float | None = Field(default=None, gt=0, description="typical nucleus; none = estimated")
    smallest: float = Field(default=0.3, ge=0, lt=1, description="smallest diameter kept, as a share")
    level: float = Field(default=0.4, gt=0, lt=1, description="outline, from background (0) to nucleus (1)")
    split: float = Field(default=0.076, ge=0, description="depth of a notch that parts two nuclei, in radii")
    join: float = Field(default=0.94, gt=0, le=1, description="join parts that fill an ellipse so well")
    texture: float = Field(default=0.4, ge=0, description="weight of brightness beside shape, to part nuclei")
    contrast: float = Field(default=0.25, ge=0, lt=1, description="faintest nucleus, as a share")
    least_contrast: float = Field(default=0.0, ge=0, description="faintest nucleus over background, camera")
    fixed: bool = Field(default=False, description="a model's fields share background and first threshold")
    background: float | None = Field(default=None, description="of all fields, camera; none = of each field")
    threshold: float | None = Field(default=None, gt=0, description="over it, camera; none = of each field")

    @model_validator(mode="after")
    def _threshold_stands_on_a_background(self) -> Self:
        if (self.background is None) != (self.threshold is None):
            raise ValueError("background and threshold go together: name both or neither")
        return self


DEFAULT = NucleiSettings()


def segment_nuclei(
    plane: Plane, *, pixel_size_um: float | None = None, settings: NucleiSettings = DEFAULT
) -> Labels:
    """Label the nuclei of a plane (Y X) of any gain and offset; 0 is background, nuclei run 1..N.

    Normalise → even out the background → global threshold → zero outside → local threshold → fill holes →
    opening and blur → drop small regions → split nuclei that touch → outline each at its own level. A plane
    without nuclei, or a constant one, gives no objects. Where `pixel_size_um` is None, sizes in µm are px.
    """
    if settings.diameter_um is None:
        diameter_px = estimate_diameter(plane)
    else:
        diameter_px = max(settings.diameter_um / (pixel_size_um or 1.0), SMALLEST_DIAMETER_PX)
    if diameter_px is None:
        return np.zeros(plane.shape, np.int32)
    if settings.background is None or settings.threshold is None:
        even = evened(plane, diameter_px)
    else:  # in units of the threshold
        even = ((plane - settings.background) / settings.threshold).astype(np.float32)
    found = find_nuclei(even, diameter_px, settings)
    return _without_faint(outline_nuclei(even, found, diameter_px, settings), plane, diameter_px, settings)


def evened(plane: Plane, diameter_px: float) -> Plane:
    """Normalise a plane (Y X) and take away the light behind objects of about `diameter_px`."""
    scaled = normalise(plane)
    even: Plane = scaled - estimate_background(scaled, diameter_px)
    return even


class Found(NamedTuple):
    """Nuclei on a working grid of `step` px, with its smoothed plane and local threshold (y x each)."""

    labels: Labels
    smooth: Plane
    threshold: Plane
    step: int


def find_nuclei(even: Plane, diameter_px: float, settings: NucleiSettings) -> Found:
    """Find and part the nuclei of an evened plane (Y X) on a working grid (y x)."""
    step = working_step(diameter_px)
    small, size = shrink(even, step), diameter_px / step
    smooth = gaussian(small, _blur(small, size))
    first = smooth > (global_threshold(smooth) if settings.threshold is None else 1.0)
    if not first.any():
        return Found(np.zeros(small.shape, np.int32), smooth, smooth, step)
    capped = np.minimum(smooth, 2 * np.median(smooth[first]))  # mitotic nuclei don't hide their neighbours
    levels = local_levels(capped, first, REACH * size)
    core = clean_mask(first & (capped > levels.at(CORE)), size)
    threshold = levels.at(settings.level)
    whole = clean_mask(first & (capped > threshold), size)
    labels = extend(part_nuclei(core, smooth, size, settings), smooth, whole | core)
    labels = drop_faint(drop_small_objects(labels, settings.smallest * size), smooth, size, settings)
    return Found(labels, smooth, threshold, step)


def working_step(diameter_px: float) -> int:
    """Give the step, px, of the grid on which nuclei are found."""
    return max(1, int(diameter_px / WORKING_DIAMETER_PX))


def _blur(even: Plane, diameter_px: float) -> float:
    """Choose the blur, px, that leaves little of the pixels' noise: averaging divides it by 2 √π sigma."""
    wanted = noise_spread(even) / NOISE_LEFT / (2 * np.sqrt(np.pi))
    return float(np.clip(wanted, BLUR * diameter_px, MOST_BLUR * diameter_px))


def clean_mask(inside: Mask, diameter_px: float) -> Mask:
    """Fill the holes of a mask (Y X) and take off what is thin."""
    return smooth_outline(fill_holes(inside, _disk(diameter_px) / 4), OPENING * diameter_px)


def part_nuclei(inside: Mask, smooth: Plane, diameter_px: float, settings: NucleiSettings) -> Labels:
    """Split a mask (Y X) into nuclei by shape and brightness, and join what is one ellipse."""
    shape = gaussian(inner_distance(inside), diameter_px / 42, mode="reflect") / (diameter_px / 2)
    bright = gaussian(smooth, TEXTURE_BLUR * diameter_px)
    typical = np.maximum(local_mean(smooth, inside, TEXTURE_REACH * diameter_px), np.finfo(np.float32).tiny)
    height = (shape + settings.texture * bright / typical).astype(np.float32)
    labels = split_touching(inside, height, PEAK_SPACING * diameter_px, settings.split)
    return join_convex(labels, settings.join, LARGEST_JOINED * _disk(diameter_px))


def drop_faint(labels: Labels, smooth: Plane, diameter_px: float, settings: NucleiSettings) -> Labels:
    """Drop objects (Y X) that are faint beside the others, or beside the unevenness of the background."""
    near = highest_in_squares(labels > 0, int(diameter_px / 8))
    if not labels.any() or near.all():
        return labels
    dark, spread = middle_and_spread(smooth[~near])
    contrast = quantile_by_label(labels, smooth, 0.5) - np.float32(dark)
    faintest = settings.contrast * float(np.median(contrast[1:]))
    enough = max(faintest, FAINTEST_SPREADS * spread)
    return keep_labels(labels, contrast >= enough)


def enlarge_labels(labels: Labels, step: int, shape: tuple[int, ...]) -> Labels:
    """Bring labels (y x) of a working grid to the full one (Y X), one grid pixel wider all round."""
    if step == 1:
        return labels
    wide = expand_labels(labels, 1)
    return np.repeat(np.repeat(wide, step, axis=0), step, axis=1)[: shape[0], : shape[1]].astype(np.int32)


def outline_nuclei(even: Plane, found: Found, diameter_px: float, settings: NucleiSettings) -> Labels:
    """Cut every nucleus (Y X) at the local threshold and at its own level, whichever is higher."""
    if not found.labels.any():
        return np.zeros(even.shape, np.int32)
    labels = enlarge_labels(found.labels, found.step, even.shape)
    threshold = enlarge(found.threshold, found.step, even.shape)
    smooth = found.smooth
    if found.step > 1:
        smooth = gaussian(even, _blur(even, diameter_px))
    own = TRIM * quantile_by_label(labels, smooth, 0.75)
    inside = (labels > 0) & (smooth > np.maximum(threshold, own[labels]))
    inside = fill_holes(inside, _disk(diameter_px) / 4)
    pieces = largest_pieces(np.where(inside, labels, 0).astype(np.int32))
    return drop_small_objects(pieces, settings.smallest * diameter_px)


def _without_faint(labels: Labels, plane: Plane, diameter_px: float, settings: NucleiSettings) -> Labels:
    """Drop objects whose median is less than `least_contrast` camera units above the background."""
    if settings.least_contrast == 0 or not labels.any():
        return labels
    if settings.background is None:
        found = contrasts(labels, plane, diameter_px)
    else:
        found = quantile_by_label(labels, plane - np.float32(settings.background), 0.5)
    return keep_labels(labels, found >= settings.least_contrast)


def estimate_diameter(plane: Plane) -> float | None:
    """Estimate the typical diameter, px, of the nuclei of a plane (Y X); None where it shows none.

    A first guess comes from the inner radii of a generous mask; nuclei are then found with it, and the median
    of their diameters, by area, is the estimate.
    """
    guess = _first_guess(plane)
    if guess is None:
        return None
    found = find_nuclei(evened(plane, guess), guess, DEFAULT)
    if not found.labels.any():
        return None
    areas = np.bincount(found.labels.ravel())[1:].astype(float)
    return found.step * float(2 * np.sqrt(_median_by_weight(areas, areas) / np.pi))


def contrasts(labels: Labels, plane: Plane, diameter_px: float) -> NDArray[np.float32]:
    """Give each label's (0..N) median over the background behind it, in the plane's (Y X) units."""
    above = plane - estimate_background(plane.astype(np.float32), diameter_px)
    return quantile_by_label(labels, above, 0.5)


def _first_guess(plane: Plane) -> float | None:
    """Guess the diameter, px, of bright objects: at first on the pixels, then on grids that fit the guess."""
    scaled = normalise(plane)
    if not scaled.any():
        return None
    even = scaled - estimate_background(scaled, min(plane.shape) / 8)
    step = 1 if plane.size < LARGE_PLANE_PX else 2
    diameter, blur_px = 0.0, 1.5
    for _ in range(MOST_ROUNDS):
        smooth = gaussian(shrink(even, step), blur_px / step)
        before, diameter = diameter, step * _inner_diameter(smooth)
        if diameter < SMALLEST_DIAMETER_PX and step == 1:
            return None
        if abs(diameter - before) <= 0.1 * before:
            break
        blur_px, step = max(1.0, diameter / 21), working_step(diameter)
    return diameter


def _inner_diameter(smooth: Plane) -> float:
    """Typical diameter, px, of bright objects of a smoothed plane (Y X): the median by light; 0 without any.

    The ridges of the distance transform are the objects' inner radii, also where objects touch.
    """
    inside = smooth > global_threshold(smooth)
    distance = gaussian(inner_distance(inside), 1.0, mode="reflect")
    ridge = inside & (distance == highest_in_squares(distance, 1))
    if not ridge.any():
        return 0.0
    radii = distance[ridge].astype(float)
    return ELONGATION * 2 * _median_by_weight(radii, radii**2 * np.maximum(smooth[ridge], 0))


def _median_by_weight(values: np.ndarray, weights: np.ndarray) -> float:
    order = np.argsort(values)
    shares = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(shares, shares[-1] / 2)])


def _disk(diameter_px: float) -> float:
    """Area, px, of a disk."""
    return float(np.pi / 4 * diameter_px**2)
