"""Crops for training, drawn from whole fields: place, turn, zoom and mirror in one interpolation.

A turned or shrunk crop is sampled from the field itself, so its corners hold real pixels, no padding
(the thesis, Fig. 7). The draw (`draw_pose`, `draw_look`) is apart from its effect (`cut`, `change_look`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from unstained.arrays import Plane, Planes
from unstained.imaging.corruptions import KINDS, View, on_the_way
from unstained.networks.light import DOWN_DEG
from unstained.settings import Settings

Rng = np.random.Generator

LIGHT_SPREAD_DEG = 45.0
"""Fields are turned by 90° until their light falls down; a network has to take what is left."""


class CropSettings(Settings):
    """How crops are drawn and varied; strengths of gain, bias and noise in units of the input's spread."""

    side: int = Field(192, ge=16, multiple_of=16, description="side of a crop, px of the working grid")
    foreground: float = Field(0.5, ge=0, le=1, description="share of crops that are centred near signal")
    rotate_deg: float = Field(180.0, ge=0, le=180, description="turn by up to ± this")
    scale: float = Field(1.25, ge=1, le=2, description="zoom between 1/scale and scale")
    flip: bool = Field(True, description="mirror and turn by right angles")
    gain: float = Field(0.0, ge=0, lt=1, description="multiply the input by 1 ± gain")
    bias: float = Field(0.0, ge=0, description="add up to ± bias to the input")
    noise: float = Field(0.0, ge=0, description="add Gaussian noise of up to this σ to the input")
    blur_px: float = Field(0.0, ge=0, description="blur the input by a Gaussian of up to this σ")
    corrupted: float = Field(
        0.0, ge=0, le=1, description="share of crops that are defocused, moved, dim or saturated"
    )


SATURATED = "saturation"
SPOILING = ("defocus", "thesis_defocus", "motion", SATURATED)
"""Corruptions that spoil a network's input; gain, bias and slow light are normalised away."""

SPOILT = 0.4
"""Up to this share of a crop's pixels is saturated at either end."""

CROP_VIEW = View(pixel_um=0.4)
"""What a corruption takes a crop for; a network's working grid has about such pixels."""

PLAIN = CropSettings(side=256, foreground=0, rotate_deg=0, scale=1, flip=False)
"""The thesis' crops: 256², no augmentation, no choice of place."""


@dataclass(frozen=True)
class TrainingPlanes:
    """One field, or the part of it that may be trained on, on the working grid and in network units."""

    label_free: Tensor  # (1 Y X)
    stained: Tensor  # (stain Y X)
    foreground: NDArray[np.intp]  # (N 2): y, x of pixels with signal
    light_deg: float | None = None  # where relief's light falls, within 45° of down; None = crops lie any way
    turns: int = 0  # by 90° that brought it there, as of `numpy.rot90`

    @classmethod
    def from_arrays(cls, label_free: Plane, stained: Planes, threshold: float = 0.25) -> "TrainingPlanes":
        """Take (Y X) and (stain Y X); pixels above `threshold` (0 background, 1 bright) count as signal."""
        signal = np.argwhere(stained.max(axis=0) > threshold)
        return cls(torch.from_numpy(label_free.copy())[None], torch.from_numpy(stained.copy()), signal)

    def on(self, device: torch.device) -> "TrainingPlanes":
        """Give the same planes on a device, where crops are cut then."""
        return replace(self, label_free=self.label_free.to(device), stained=self.stained.to(device))

    @property
    def nbytes(self) -> int:
        """What the planes take, bytes."""
        return self.label_free.nbytes + self.stained.nbytes

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns, px."""
        rows, columns = self.label_free.shape[-2:]
        return rows, columns


class Pose(NamedTuple):
    """Where a crop lies in its field, and how it is turned."""

    y: float  # centre, px
    x: float
    angle: float  # radians
    scale: float  # field pixels per crop pixel
    mirror: bool


class Look(NamedTuple):
    """How the input of a crop is changed."""

    gain: float
    bias: float
    noise: float
    blur_px: float


def draw_pose(planes: TrainingPlanes, side: int, settings: CropSettings, rng: Rng) -> Pose:
    """Draw a pose whose whole (turned, zoomed) square lies inside the field."""
    scale = float(np.exp(rng.uniform(-1, 1) * np.log(settings.scale)))
    angle = _draw_angle(planes.light_deg, settings, rng)
    scale, angle = _fit(planes.shape, side, scale, angle, lit=planes.light_deg is not None)
    reach = half_extent(side, scale, angle)
    centre = _near_signal(planes, side, rng) if rng.random() < settings.foreground else None
    if centre is None:
        centre = rng.uniform(0, planes.shape)
    y, x = (
        float(np.clip(at, min(reach, (size - 1) / 2), max(size - 1 - reach, (size - 1) / 2)))
        for at, size in zip(centre, planes.shape, strict=True)
    )
    return Pose(y, x, angle, scale, mirror=bool(settings.flip and rng.random() < 0.5))


def draw_look(settings: CropSettings, rng: Rng) -> Look:
    """Draw how the input is changed."""
    return Look(
        gain=1 + settings.gain * rng.uniform(-1, 1),
        bias=settings.bias * rng.uniform(-1, 1),
        noise=settings.noise * rng.random(),
        blur_px=settings.blur_px * rng.random(),
    )


def half_extent(side: int, scale: float, angle: float) -> float:
    """Half the height and width of a turned square of `side` crop pixels, in field pixels."""
    return (side - 1) / 2 * scale * float(abs(np.cos(angle)) + abs(np.sin(angle)))


def cut(planes: Tensor, pose: Pose, side: int) -> Tensor:
    """Sample a crop (C side side) from planes (C Y X), bilinearly, at one pose."""
    rows, columns = planes.shape[-2:]
    offsets = (torch.arange(side, dtype=torch.float32) - (side - 1) / 2) * pose.scale
    v, u = torch.meshgrid(offsets, -offsets if pose.mirror else offsets, indexing="ij")
    cos, sin = float(np.cos(pose.angle)), float(np.sin(pose.angle))
    y = pose.y + sin * u + cos * v
    x = pose.x + cos * u - sin * v
    grid = torch.stack([2 * x / max(columns - 1, 1) - 1, 2 * y / max(rows - 1, 1) - 1], dim=-1)
    crop = functional.grid_sample(
        planes[None], grid[None].to(planes), mode="bilinear", padding_mode="reflection", align_corners=True
    )
    return crop[0]


def change_look(label_free: Tensor, look: Look, rng: Rng) -> Tensor:
    """Blur, scale, shift and add noise to an input crop (1 Y X)."""
    out = label_free
    if look.blur_px > 0.2:  # below that, a blur is no blur
        out = _blur(out, look.blur_px)
    out = out * look.gain + look.bias
    if look.noise:
        noise = rng.standard_normal(out.shape, dtype=np.float32)
        out = out + look.noise * torch.from_numpy(noise).to(out)
    return out


def corrupt_crop(label_free: Tensor, rng: Rng) -> Tensor:
    """Corrupt an input crop (1 Y X) in one way, of any strength up to severity 5.

    Its pixels are taken as the usual ones: what counts is what a blur of so many px leaves. Saturated crops
    are scaled back to the spread that they had, as fields are before a network sees them.
    """
    name = SPOILING[rng.integers(len(SPOILING))]
    kind, plane = KINDS[name], label_free[0].cpu().numpy()
    if name == SATURATED:
        low, high = np.quantile(plane, (SPOILT * rng.random(), 1 - SPOILT * rng.random()))
        clipped = np.clip(plane, low, high)
        spoilt = (clipped - np.median(clipped)) * (plane.std() / max(float(clipped.std()), 1e-6))
    else:
        most = list(kind.severities.values())[-1]
        spoilt = kind.function(plane, on_the_way(kind, most, rng.random()), CROP_VIEW, rng)
    return torch.from_numpy(np.ascontiguousarray(spoilt, dtype=np.float32))[None].to(label_free)


def draw_batch(
    fields: Sequence[TrainingPlanes], size: int, settings: CropSettings, rng: Rng
) -> tuple[Tensor, Tensor]:
    """Draw pairs, label-free (B 1 side side) and stained (B stain side side); large fields more often."""
    areas = np.array([np.prod(field.shape) for field in fields], dtype=float)
    inputs, targets = [], []
    for index in rng.choice(len(fields), size=size, p=areas / areas.sum()):
        field = fields[index]
        pose = draw_pose(field, settings.side, settings, rng)
        label_free, stained = (cut(each, pose, settings.side) for each in (field.label_free, field.stained))
        seen = change_look(label_free, draw_look(settings, rng), rng)
        inputs.append(corrupt_crop(seen, rng) if rng.random() < settings.corrupted else seen)
        targets.append(stained)
    return torch.stack(inputs), torch.stack(targets)


def even_sides(field: TrainingPlanes, multiple: int = 64) -> TrainingPlanes:
    """Crop a region to sides that any network takes, or go on with its border up to the least such side."""
    rows, columns = (size // multiple * multiple or multiple for size in field.shape)
    short = (0, max(0, columns - field.shape[1]), 0, max(0, rows - field.shape[0]))
    label_free, stained = (
        functional.pad(planes[None], short, mode="replicate")[0, :, :rows, :columns]
        for planes in (field.label_free, field.stained)
    )
    return replace(field, label_free=label_free, stained=stained)


def _near_signal(planes: TrainingPlanes, side: int, rng: Rng) -> NDArray[np.float64] | None:
    if not len(planes.foreground):
        return None
    jitter = rng.uniform(-side / 4, side / 4, size=2)
    centre: NDArray[np.float64] = planes.foreground[rng.integers(len(planes.foreground))] + jitter
    return centre


def _draw_angle(light_deg: float | None, settings: CropSettings, rng: Rng) -> float:
    """Draw how far a crop is turned, radians; with light, so that it falls down the crop, within 45°."""
    if light_deg is not None:
        spread_deg = min(settings.rotate_deg, LIGHT_SPREAD_DEG)
        return float(np.deg2rad(light_deg - DOWN_DEG + spread_deg * rng.uniform(-1, 1)))
    angle = float(np.deg2rad(settings.rotate_deg)) * rng.uniform(-1, 1)
    return angle + (rng.integers(4) * np.pi / 2 if settings.flip else 0.0)


def _fit(shape: tuple[int, int], side: int, scale: float, angle: float, *, lit: bool) -> tuple[float, float]:
    """Turn by a right angle, then zoom in, where the square would stick out of the field."""
    room = (min(shape) - 1) / 2
    if half_extent(side, scale, angle) > room:
        angle = 0.0 if lit else round(angle / (np.pi / 2)) * np.pi / 2
    if half_extent(side, scale, angle) > room:
        scale = room / ((side - 1) / 2)
    return scale, angle


def _blur(plane: Tensor, sigma_px: float) -> Tensor:
    taps = torch.exp(-0.5 * (torch.arange(-2, 3, dtype=torch.float32) / sigma_px) ** 2)
    taps = (taps / taps.sum()).to(plane)
    padded = functional.pad(plane[None], (2, 2, 2, 2), mode="reflect")
    across = functional.conv2d(padded, taps.view(1, 1, 1, 5))
    return functional.conv2d(across, taps.view(1, 1, 5, 1))[0]
