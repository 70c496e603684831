"""What a network learns of a stain: the plane as recorded, or one freed of background and noise, or a mask.

Golgi stacks are small, sparse and dim beside the haze that they lie in; a network that learns the recorded
plane learns the haze (thesis, Figs. 24–31).
"""

from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator
from scipy.ndimage import gaussian_filter, median_filter
from skimage import restoration

from unstained.arrays import Plane, RawPlane
from unstained.segmentation.background import enlarge, shrink
from unstained.segmentation.spots import white_top_hat
from unstained.segmentation.thresholds import global_threshold
from unstained.settings import Settings

BALL_PX = 8
"""A ball rolls on a grid on which its radius is about this: the time grows with its square."""


BALL_HEIGHT = 0.2
"""Of the ball, as a share of the plane's range: the flatter, the less it pushes up into what is to stay."""


class Target(Settings):
    """How the target of a stain is made; lengths in µm, or in px where the pixel size is unknown."""

    smooth_um: float = Field(0.0, ge=0, description="blur against noise, before all else")
    noise: Literal["none", "median", "wavelet", "non_local_means"] = Field(
        "none", description="another way against noise"
    )
    background: Literal["none", "top_hat", "rolling_ball"] = "none"
    radius_um: float = Field(2.5, gt=0, description="of disc or ball: larger than what is to stay")
    clip: float = Field(0.0, ge=0, description="what is below so many of its own thresholds is 0")
    mask: bool = Field(False, description="1 where something is left, else 0")

    @model_validator(mode="after")
    def _background_goes_first(self) -> Self:
        if self.background == "none" and (self.clip or self.mask):
            raise ValueError("clip and mask need a background that is removed: top_hat or rolling_ball")
        return self

    @property
    def is_recorded(self) -> bool:
        """Whether the target is the plane as it was recorded."""
        return self == Target()


def make_target(plane: RawPlane, target: Target, *, pixel_size_um: float | None) -> Plane:
    """Make the target of a recorded stain (Y X); in camera units, or 0 and 1 for a mask."""
    return list(target_steps(plane, target, pixel_size_um=pixel_size_um).values())[-1]


def target_steps(plane: RawPlane, target: Target, *, pixel_size_um: float | None) -> dict[str, Plane]:
    """Give what every step leaves of a plane (Y X), by its name, in order; the last is the target."""
    size = pixel_size_um or 1.0
    steps = {"recorded": np.asarray(plane, dtype=np.float32)}
    if target.noise != "none":
        steps["noise reduced"] = less_noisy(steps["recorded"], target.noise)
    if target.smooth_um:
        last = list(steps.values())[-1]
        steps["smoothed"] = gaussian_filter(last, target.smooth_um / size, mode="nearest")
    last = list(steps.values())[-1]
    if target.background != "none":
        remove = white_top_hat if target.background == "top_hat" else above_rolling_ball
        steps["background removed"] = last = remove(last, target.radius_um / size)
    if target.clip:
        floor = np.float32(target.clip * global_threshold(last))
        steps["clipped"] = last = np.where(last > floor, last, 0).astype(np.float32)
    if target.mask:
        steps["mask"] = (last > 0).astype(np.float32)
    return steps


def less_noisy(plane: Plane, method: str) -> Plane:
    """Reduce the noise of a plane (Y X): `median` of 3×3, `wavelet` (BayesShrink) or `non_local_means`.

    The latter two take the noise's strength from the plane itself, by its finest wavelets. A constant plane
    has none.
    """
    if plane.min() == plane.max():
        return np.asarray(plane, dtype=np.float32)
    if method == "median":
        calm = median_filter(plane, 3, mode="nearest")
    elif method == "wavelet":
        calm = restoration.denoise_wavelet(plane, rescale_sigma=True)
    else:
        noise = float(np.mean(restoration.estimate_sigma(plane)))
        calm = restoration.denoise_nl_means(plane, 5, 6, h=0.8 * noise, sigma=noise, fast_mode=True)
    return np.asarray(calm, dtype=np.float32)


def above_rolling_ball(plane: Plane, radius_px: float) -> Plane:
    """Give what stands above a ball that rolls under a plane (Y X) (Sternberg 1983).

    It is an ellipsoid a fifth as high as the plane's range (1st to 99.8th percentile), so gain and offset of
    a camera don't matter. Large ones roll on a coarser grid.
    """
    low, high = np.percentile(plane, (1.0, 99.8))
    if not high > low:
        return np.zeros_like(plane)
    step = max(1, int(radius_px / BALL_PX))
    radius = max(1, round(radius_px / step))
    ball = restoration.ellipsoid_kernel((2 * radius + 1,) * 2, BALL_HEIGHT)
    under = restoration.rolling_ball(shrink((plane - low) / (high - low), step), kernel=ball)
    background = enlarge(under.astype(np.float32), step, plane.shape)
    left: Plane = np.clip(plane - (low + (high - low) * background), 0, None).astype(np.float32)
    return left
