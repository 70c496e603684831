"""Find small bright structures in haze, such as Golgi stacks: top-hat, threshold, near ones joined."""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.ndimage import label

from unstained.arrays import Labels, Plane
from unstained.segmentation.background import gaussian
from unstained.segmentation.distances import dilated, opened
from unstained.segmentation.regions import keep_labels, quantile_by_label, renumbered
from unstained.segmentation.thresholds import global_threshold
from unstained.settings import Settings


class SpotSettings(Settings):
    """How small bright structures are found; lengths in µm, or in px where the pixel size is unknown."""

    method: Literal["spots"] = "spots"
    smooth_um: float = Field(0.2, ge=0, description="blur against noise")
    radius_um: float = Field(2.5, gt=0, description="of the disc whose opening is background")
    level: float = Field(1.0, gt=0, description="threshold, in those that the plane itself suggests")
    join_um: float = Field(1.5, ge=0, description="what is nearer than this is one object")
    smallest_um2: float = Field(0.4, ge=0, description="a smaller part is noise")
    least_contrast: float = Field(0.0, ge=0, description="faintest object over background, camera")


DEFAULT = SpotSettings()

HIGHEST_LEVEL = 16.0
"""Spots of a plane are brighter than this multiple of its own threshold only by chance."""

FARTHEST_JOIN = 4.0
"""What is farther apart than this multiple of the recipe's own distance isn't one object."""

HALVINGS = 8
"""Rounds in which a setting is found to a hundredth of its range."""


def segment_spots(
    plane: Plane, *, pixel_size_um: float | None = None, settings: SpotSettings = DEFAULT
) -> Labels:
    """Label the bright structures of a plane (Y X) that are narrower than a disc; 0 is background.

    Objects run 1..N and may have several parts, each within `join_um` of another. A constant plane gives
    none. Where `pixel_size_um` is None, lengths in µm are px.
    """
    size = pixel_size_um or 1.0
    above = above_background(plane, settings, size)
    inside = above > settings.level * global_threshold(above)
    if not above.any() or not inside.any():
        return np.zeros(plane.shape, np.int32)
    parts = renumbered(label(inside, structure=np.ones((3, 3)))[0])
    parts = keep_labels(parts, np.bincount(parts.ravel()) * size**2 >= settings.smallest_um2)
    near = dilated(parts > 0, settings.join_um / size / 2)
    joined, _ = label(near, structure=np.ones((3, 3)))
    labels = renumbered(np.where(parts > 0, joined, 0))
    return keep_labels(labels, quantile_by_label(labels, above, 0.5) >= settings.least_contrast)


def spot_contrasts(
    labels: Labels, plane: Plane, *, pixel_size_um: float | None, settings: SpotSettings
) -> NDArray[np.float32]:
    """Give each object's (0..N) median over the background, in the plane's (Y X) units."""
    return quantile_by_label(labels, above_background(plane, settings, pixel_size_um or 1.0), 0.5)


def above_background(plane: Plane, settings: SpotSettings, pixel_size_um: float) -> Plane:
    """Smooth a plane (Y X) and give what stands above its opening."""
    smooth = gaussian(plane, settings.smooth_um / pixel_size_um)
    return white_top_hat(smooth, settings.radius_um / pixel_size_um)


def white_top_hat(plane: Plane, radius_px: float) -> Plane:
    """Give what an opening with a disc takes away of a plane (Y X): bright structures narrower than it."""
    left: Plane = plane - opened(plane, max(1, round(radius_px)))
    return left


def likely_spots(
    predicted: Sequence[Plane], real: Sequence[Plane], settings: SpotSettings, pixel_size_um: float | None
) -> SpotSettings:
    """Set `level` and `join_um` so that predicted planes (Y X) show as much and as many as the real ones.

    A network that can't tell where spots lie predicts the mean of what may be there: wide, faint rings where
    there are small bright stacks. Threshold and joining of the real stain then find too much and too many.
    Settings stay as they are where there are no real spots.
    """

    def found(planes: Sequence[Plane], recipe: SpotSettings) -> tuple[int, int]:
        labels = [segment_spots(plane, pixel_size_um=pixel_size_um, settings=recipe) for plane in planes]
        return sum(int((each > 0).sum()) for each in labels), sum(int(each.max()) for each in labels)

    area, number = found(real, settings)
    if not number:
        return settings
    level = _where_it_falls_to(
        area, lambda value: found(predicted, settings.updated(level=value))[0], settings.level, HIGHEST_LEVEL
    )
    narrow = settings.updated(level=level)
    join_um = _where_it_falls_to(
        number,
        lambda value: found(predicted, narrow.updated(join_um=value))[1],
        settings.join_um,
        FARTHEST_JOIN * settings.join_um,
    )
    return narrow.updated(join_um=join_um)


def _where_it_falls_to(goal: float, falling: Callable[[float], float], low: float, high: float) -> float:
    """Find where a falling function meets a goal between two positive values; `low` where it starts below."""
    if low <= 0 or falling(low) <= goal:
        return low
    for _ in range(HALVINGS):
        middle = float(np.sqrt(low * high))
        low, high = (middle, high) if falling(middle) > goal else (low, middle)
    return round(float(np.sqrt(low * high)), 3)
