"""How label-free images go wrong: the thesis' three corruptions as it has them, and what a microscope does.

Each is a function of a plane (Y X), a strength in a unit of its own, what is known of the images (`View`),
and chance; all give float32 (Y X) in grey values, before the limits of the camera. `corrupt` applies one by
name, clips to these limits and says how much is saturated. The thesis' work on a scale of 8 bits that is
fixed for a data set, never for an image: that would undo gain and bias.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
import scipy  # its submodules load when first used; `signal` takes a while
from numpy.typing import NDArray
from scipy.ndimage import convolve, gaussian_filter, map_coordinates
from skimage import restoration

from unstained.arrays import Plane, RawPlane
from unstained.errors import BadSettings, listed
from unstained.imaging.camera import Camera
from unstained.imaging.optics import Objective

Rng: TypeAlias = np.random.Generator
Kernel: TypeAlias = NDArray[np.float64]

SMALL = 0.1
"""Standard deviation of the 3×3 Gaussian that smooths the thesis' discs: next to nothing."""

FINE = 16
"""Points a pixel's side is sampled at where a disc covers it in part."""

DUST_UM = (3.0, 12.0)
"""Radii of shadows that dust throws, out of focus as it is."""


class View(NamedTuple):
    """What is known of the images of one data set."""

    dark: float = 0.0  # grey values that are 0 and 255 on the thesis' scale, and where the camera ends
    bright: float = 65535.0
    pixel_um: float = 0.325
    objective: Objective = Objective()
    camera: Camera = Camera()
    bias_deg: float = 60.0  # DIC: phase between the beams in an empty field

    @property
    def step(self) -> float:
        """Grey values of one step of the scale of 8 bits."""
        return (self.bright - self.dark) / 255


class Corrupted(NamedTuple):
    """A corrupted plane (Y X), and the share of its pixels that lie at the limits."""

    plane: Plane
    saturated: float


Corruption: TypeAlias = Callable[[Plane, float, View, Rng], Plane]


class Kind(NamedTuple):
    """One corruption: its function, its unit, and the strengths of its severities."""

    function: Corruption
    unit: str
    neutral: float  # the strength that changes nothing
    severities: dict[int, float]  # −5 … 5, without 0


def disc(radius_px: float) -> Kernel:
    """Give the thesis' kernel: pixels of the integer grid within a radius, by 3×3 smoothed, adding up to 1.

    With radii .5, 1, 1.5, 2 and 3 it has 1, 5, 9, 13 and 29 taps before it is smoothed (Hendrycks &
    Dietterich 2019, arXiv 1903.12261).
    """
    reach = int(np.floor(radius_px))
    y, x = np.mgrid[-reach - 1 : reach + 2, -reach - 1 : reach + 2]
    taps = (y**2 + x**2 <= radius_px**2).astype(np.float64)
    smooth = np.exp(-(np.mgrid[-1:2] ** 2) / (2 * SMALL**2))
    smooth /= smooth.sum()
    kernel: Kernel = convolve(taps / taps.sum(), np.outer(smooth, smooth), mode="constant")
    kernel /= kernel.sum()
    return kernel


def blur_disc(radius_px: float) -> Kernel:
    """Give the disc of a defocused lens: every pixel weighs by the share of it that the disc covers."""
    reach = int(np.ceil(radius_px + 0.5))
    at = (np.arange((2 * reach + 1) * FINE) + 0.5) / FINE - reach - 0.5
    covered = (at[:, None] ** 2 + at[None, :] ** 2 <= radius_px**2).astype(np.float64)
    kernel = covered.reshape(2 * reach + 1, FINE, 2 * reach + 1, FINE).mean(axis=(1, 3))
    if kernel.sum() == 0:
        kernel[reach, reach] = 1.0
    whole: Kernel = kernel / kernel.sum()
    return whole


def thesis_defocus(plane: Plane, radius_px: float, view: View, rng: Rng) -> Plane:
    """Blur with the thesis' disc of so many px; the camera's noise is blurred, too, which gives it away."""
    if radius_px <= 0:
        return plane
    blurred: Plane = convolve(plane, disc(radius_px).astype(np.float32), mode="mirror")
    return blurred


def contrast(plane: Plane, gain: float, view: View, rng: Rng) -> Plane:
    """Multiply with a gain about the dark end (OpenCV's: about 0 on 8 bits)."""
    return view.dark + np.float32(gain) * (plane - view.dark)


def brightness(plane: Plane, bias: float, view: View, rng: Rng) -> Plane:
    """Add a bias, in steps of the scale of 8 bits."""
    return plane + np.float32(bias * view.step)


def defocus(plane: Plane, distance_um: float, view: View, rng: Rng) -> Plane:
    """Move the focus by so many µm: the lens' cone blurs into a disc; the camera's noise stays sharp.

    The disc's radius is the distance times the tangent of the lens' half angle (geometrical optics), fit for
    distances of several depths of field; noise that the blur takes away is drawn anew.
    """
    lens = view.objective
    radius_px = abs(distance_um) * float(np.tan(np.arcsin(lens.na / lens.index))) / view.pixel_um
    kernel = blur_disc(radius_px)
    left = float(np.square(kernel).sum())
    if left > 1 - 1e-6:
        return plane
    border = [(side // 2, side // 2) for side in kernel.shape]
    blurred = scipy.signal.fftconvolve(
        np.pad(plane, border, mode="reflect"), kernel.astype(np.float32), mode="valid"
    )
    return _with_noise(blurred, np.sqrt(1 - left) * _noise(plane), rng)


def lamp(plane: Plane, light: float, view: View, rng: Rng) -> Plane:
    """Leave a share of the light: fewer photons are darker, and noisier for their number."""
    camera = view.camera
    signal = np.clip(plane - camera.offset, 0, None)
    read = (camera.gain * camera.read_noise) ** 2
    missing = camera.gain * signal * light * (1 - light) + read * (1 - light**2)
    dimmed = camera.offset + light * (plane - camera.offset)
    return _with_noise(dimmed, np.sqrt(np.maximum(missing, 0)), rng)


def vignetting(plane: Plane, loss: float, view: View, rng: Rng) -> Plane:
    """Take light away towards the corners, with the square of the distance; `loss` is that in a corner."""
    y, x = _grid(plane.shape)
    return _lit(plane, (1 - loss * (y**2 + x**2) / 2).astype(np.float32), view)


def tilt(plane: Plane, slope: float, view: View, rng: Rng) -> Plane:
    """Let light fall off from one side to the other, by so large a share of its mean, in any direction."""
    y, x = _grid(plane.shape)
    angle = rng.uniform(0, 2 * np.pi)
    return _lit(plane, 1 + slope / 2 * (np.sin(angle) * y + np.cos(angle) * x), view)


def dic_bias(plane: Plane, degrees: float, view: View, rng: Rng) -> Plane:
    """Turn the DIC prism so that the phase between its beams in an empty field changes by so many degrees.

    Two beams give sin²((phase + bias) / 2): the background goes with sin²(bias / 2), relief with sin(bias).
    """
    before, after = np.deg2rad([view.bias_deg, np.clip(view.bias_deg + degrees, 1, 179)])
    empty = float(np.median(plane))
    ground = np.sin(after / 2) ** 2 / np.sin(before / 2) ** 2
    relief = np.sin(after) / np.sin(before)
    offset = view.camera.offset
    return np.asarray(offset + ground * (empty - offset) + relief * (plane - empty), dtype=np.float32)


def shear_angle(plane: Plane, degrees: float, view: View, rng: Rng) -> Plane:
    """Turn relief by so many degrees, and the cells with it: they lie any way, light doesn't."""
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    middle_y, middle_x = ((side - 1) / 2 for side in plane.shape)
    y, x = np.indices(plane.shape, dtype=np.float32)
    y, x = y - middle_y, x - middle_x
    return _sampled(plane, (cos * y - sin * x + middle_y, sin * y + cos * x + middle_x))


def shear_inversion(plane: Plane, times: float, view: View, rng: Rng) -> Plane:
    """Swap the beams of DIC: what was bright in relief is dark; 0 changes nothing, 1 swaps."""
    ground = gaussian_filter(plane, max(plane.shape) / 8, mode="nearest")
    return np.asarray(plane + 2 * times * (ground - plane), dtype=np.float32)


def magnification(plane: Plane, factor: float, view: View, rng: Rng) -> Plane:
    """Show everything so many times as large, about the middle; smaller images are mirrored at borders."""
    middle = [(side - 1) / 2 for side in plane.shape]
    y, x = np.indices(plane.shape, dtype=np.float32)
    seen = gaussian_filter(plane, 0.5 * np.sqrt(1 / factor**2 - 1), mode="mirror") if factor < 1 else plane
    return _sampled(seen, ((y - middle[0]) / factor + middle[0], (x - middle[1]) / factor + middle[1]))


def dust(plane: Plane, number: float, view: View, rng: Rng) -> Plane:
    """Put so many specks on the optics: blurred shadows with a bright rim, at chance places."""
    y, x = np.indices(plane.shape, dtype=np.float32)
    light = np.ones(plane.shape, np.float32)
    for _ in range(round(number)):
        at = rng.uniform(0, plane.shape)
        radius_px = rng.uniform(*DUST_UM) / view.pixel_um
        apart = np.hypot(y - at[0], x - at[1]) / radius_px
        depth = rng.uniform(0.1, 0.4)
        light *= 1 - depth * np.exp(-((2 * apart) ** 2)) + depth / 4 * np.exp(-((4 * (apart - 1)) ** 2))
    return _lit(plane, light, view)


def motion(plane: Plane, distance_um: float, view: View, rng: Rng) -> Plane:
    """Move the sample by so many µm, in any direction, while the camera exposes."""
    steps = max(2, int(np.ceil(2 * distance_um / view.pixel_um)) + 1)
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.indices(plane.shape, dtype=np.float32)
    total = np.zeros(plane.shape, np.float32)
    for share in np.linspace(-0.5, 0.5, steps):
        away = share * distance_um / view.pixel_um
        total += _sampled(plane, (y + away * np.sin(angle), x + away * np.cos(angle)))
    mean: Plane = total / np.float32(steps)
    return mean


def stage_shift(plane: Plane, distance_um: float, view: View, rng: Rng) -> Plane:
    """Take the label-free image so many µm beside the stain, in any direction."""
    angle = rng.uniform(0, 2 * np.pi)
    away = distance_um / view.pixel_um
    y, x = np.indices(plane.shape, dtype=np.float32)
    return _sampled(plane, (y + away * np.sin(angle), x + away * np.cos(angle)))


def hot_pixels(plane: Plane, share: float, view: View, rng: Rng) -> Plane:
    """Set a share of the pixels to the bright end."""
    return np.where(rng.random(plane.shape) < share, np.float32(view.bright), plane).astype(np.float32)


def bit_depth(plane: Plane, bits: float, view: View, rng: Rng) -> Plane:
    """Read values as if they had so many bits more than they have: divided and cut to whole numbers."""
    return np.floor(plane / np.float32(2**bits)) if bits > 0 else plane


def saturation(plane: Plane, share: float, view: View, rng: Rng) -> Plane:
    """Raise the exposure until so large a share of the pixels lies at the bright end."""
    if share <= 0:
        return plane
    reaches = float(np.quantile(plane, 1 - share))
    gain = (view.bright - view.dark) / max(reaches - view.dark, 1e-6)
    return view.dark + np.float32(gain) * (plane - view.dark)


def binning(plane: Plane, side: float, view: View, rng: Rng) -> Plane:
    """Read out squares of so many px as one, shown at the old size."""
    step = round(side)
    if step <= 1:
        return plane
    rows, columns = (-(-length // step) * step for length in plane.shape)
    padded = np.pad(plane, ((0, rows - plane.shape[0]), (0, columns - plane.shape[1])), mode="edge")
    means = padded.reshape(rows // step, step, columns // step, step).mean(axis=(1, 3))
    whole = np.repeat(np.repeat(means, step, axis=0), step, axis=1)
    return whole[: plane.shape[0], : plane.shape[1]].astype(np.float32)


def _severities(*up: float, down: tuple[float, ...] = ()) -> dict[int, float]:
    return {-index: value for index, value in enumerate(down, start=1)} | dict(enumerate(up, start=1))


KINDS: dict[str, Kind] = {
    "thesis_defocus": Kind(thesis_defocus, "px", 0.0, _severities(0.5, 1, 1.5, 2, 3)),
    "contrast": Kind(contrast, "times", 1.0,
                     _severities(0.9, 0.8, 0.7, 0.5, 0.3, down=(1.5, 2, 2.5, 3, 3.5))),
    "brightness": Kind(brightness, "of 255", 0.0,
                       _severities(50, 90, 120, 135, 150, down=(-50, -90, -120, -135, -150))),
    "defocus": Kind(defocus, "µm", 0.0, _severities(0.5, 1, 2, 3, 5)),
    "vignetting": Kind(vignetting, "share", 0.0, _severities(0.1, 0.2, 0.35, 0.5, 0.7)),
    "tilt": Kind(tilt, "share", 0.0, _severities(0.1, 0.2, 0.35, 0.5, 0.7)),
    "lamp": Kind(lamp, "share of light", 1.0, _severities(0.8, 0.6, 0.4, 0.2, 0.1)),
    "dic_bias": Kind(dic_bias, "°", 0.0, _severities(15, 30, 60, 90, 110, down=(-10, -20, -30, -40, -50))),
    "shear_angle": Kind(shear_angle, "°", 0.0, _severities(10, 20, 45, 90, 180)),
    "shear_inversion": Kind(shear_inversion, "times", 0.0, _severities(0.2, 0.4, 0.6, 0.8, 1.0)),
    "magnification": Kind(magnification, "times", 1.0,
                          _severities(1.05, 1.1, 1.15, 1.2, 1.3, down=(0.95, 0.9, 0.85, 0.8, 0.7))),
    "dust": Kind(dust, "specks", 0.0, _severities(1, 3, 8, 16, 32)),
    "motion": Kind(motion, "µm", 0.0, _severities(0.3, 0.6, 1.2, 2.4, 4.8)),
    "stage_shift": Kind(stage_shift, "µm", 0.0, _severities(0.5, 1, 2, 4, 8)),
    "hot_pixels": Kind(hot_pixels, "share", 0.0, _severities(1e-4, 5e-4, 2e-3, 1e-2, 5e-2)),
    "bit_depth": Kind(bit_depth, "bits", 0.0, _severities(2, 4, 5, 6, 8)),
    "saturation": Kind(saturation, "share", 0.0, _severities(0.01, 0.05, 0.1, 0.2, 0.4)),
    "binning": Kind(binning, "px", 1.0, _severities(2, 3, 4, 6, 8)),
}  # fmt: skip
"""In the order in which a microscopist meets them; the thesis' three first (its Table 5)."""


def find_kind(name: str) -> Kind:
    """Give the corruption of a name.

    Raises
    ------
    BadSettings
        There is none.
    """
    if name not in KINDS:
        raise BadSettings("corruption", f"{name!r} is none; there are: {listed(KINDS, 30)}")
    return KINDS[name]


def corrupt(plane: RawPlane, name: str, strength: float, view: View, rng: Rng) -> Corrupted:
    """Corrupt a plane (Y X) by name, clip it to the limits, and say how much lies there.

    The neutral strength gives the plane as it is. The number type doesn't change what happens: float32 comes
    out, in the plane's grey values.
    """
    kind = find_kind(name)
    flat = np.asarray(plane, dtype=np.float32)
    changed = flat if strength == kind.neutral else kind.function(flat, strength, view, rng)
    clipped = np.clip(changed, view.dark, view.bright).astype(np.float32)
    at_limits = (clipped <= view.dark) | (clipped >= view.bright)
    return Corrupted(clipped, float(at_limits.mean()))


def on_the_way(kind: Kind, strength: float, share: float) -> float:
    """Give the strength at a share (0 … 1) of a slow ramp from nothing to `strength`; factors grow evenly."""
    if kind.neutral > 0 and strength > 0:
        return float(kind.neutral * (strength / kind.neutral) ** share)
    return float(kind.neutral + share * (strength - kind.neutral))


def _noise(plane: Plane) -> float:
    """Estimate the standard deviation of the noise of single pixels, by the finest wavelets."""
    if plane.min() == plane.max():  # a dead field: no wavelet to measure it by
        return 0.0
    found = float(restoration.estimate_sigma(plane))
    return found if np.isfinite(found) else 0.0


def _with_noise(plane: RawPlane, deviation: Plane | float, rng: Rng) -> Plane:
    noise = rng.standard_normal(plane.shape, dtype=np.float32)
    return np.asarray(plane + deviation * noise, dtype=np.float32)


def _lit(plane: Plane, light: NDArray[np.float32], view: View) -> Plane:
    """Multiply the light, not the camera's offset."""
    offset = view.camera.offset
    return np.asarray(offset + light * (plane - offset), dtype=np.float32)


def _grid(shape: tuple[int, ...]) -> tuple[Plane, Plane]:
    """Give coordinates from −1 to 1 along both axes."""
    y, x = np.meshgrid(*(np.linspace(-1, 1, side, dtype=np.float32) for side in shape), indexing="ij")
    return y, x


def _sampled(plane: Plane, at: tuple[RawPlane, RawPlane]) -> Plane:
    """Sample a plane with cubic splines where each pixel of the result lies; borders are mirrored."""
    found: Plane = map_coordinates(plane, np.stack(at), order=3, mode="mirror").astype(np.float32)
    return found
