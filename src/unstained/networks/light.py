"""From which side a field is lit: DIC and oblique light show cells as relief, and relief has a direction.

A network that knows it can tell a bump from a dent. It belongs to the field: oblique light may fall otherwise
into fields of the same well.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.fft import fftfreq, irfft2, next_fast_len, rfft2, rfftfreq

from unstained.arrays import Plane, RawPlane
from unstained.networks.normalisation import Indices, Normalisation
from unstained.networks.resampling import on_working_grid

FINEST_PX, COARSEST_PX = 2.0, 12.0
"""Structure between these sizes (sigma, px of the working grid) is looked at: parts of cells, and cells."""

RELIEF = 0.3
"""Strength from which an image counts as relief."""

RELIEF_PX_UM = 0.375
"""Pixels on which relief shows its direction; at 0.65 µm some fields of the twin were turned round."""

CERTAIN_DEG = 15.0
"""Standard error up to which a field's own direction counts before that of the training fields."""

LARGEST_PX, PART_PX, PARTS = 3072, 2048, 3
"""Of a side longer than the first, so many parts of so many px are looked at."""

BLOCKS = 4
"""A field is cut into so many rows and columns of blocks; how they differ gives the error."""

DOWN_DEG = 90.0
"""Networks that go by the light see it along the rows, downwards."""


class Light(NamedTuple):
    """Where relief points: along `angle_deg` (0 right, 90 down) a bump is bright first, then dark."""

    angle_deg: float
    strength: float  # 0 without relief; about 0.6 and more in DIC and oblique light
    error_deg: float = 0.0  # standard error of the angle

    @property
    def is_relief(self) -> bool:
        return self.strength >= RELIEF

    @property
    def is_certain(self) -> bool:
        """Tell whether this field alone says from where it is lit; few cells don't."""
        return self.is_relief and self.error_deg <= CERTAIN_DEG


def field_light(
    plane: RawPlane, normalisation: Normalisation, zoom: float, pixel_size_um: float | None
) -> Light:
    """Find the light of one whole field (Y X) as recorded.

    It is looked for on the working grid (`zoom` of the field's pixels), or on pixels of `RELIEF_PX_UM` where
    these are known to be finer: whole cells don't tell it as well as their parts.
    """
    finest = zoom if pixel_size_um is None else max(zoom, min(1.0, pixel_size_um / RELIEF_PX_UM))
    field = normalisation.of(on_working_grid(plane, finest))
    rows, columns = map(_looked_at, field.shape)
    return _light_of([field.window(row, column) for row in rows for column in columns])


def find_light(plane: Plane) -> Light:
    """Find the direction of relief in a plane (Y X); of a large one, in some parts of it."""
    rows, columns = map(_looked_at, plane.shape)
    return _light_of([plane[np.ix_(row, column)] for row in rows for column in columns])


def _looked_at(side: int) -> list[Indices]:
    """Give the pixels along a side that are looked at: all, or those of some parts far apart."""
    if side <= LARGEST_PX:
        return [np.arange(side)]
    starts = np.linspace(0, side - PART_PX, PARTS).astype(int)
    return [np.arange(start, start + PART_PX) for start in starts]


def _light_of(parts: Sequence[Plane]) -> Light:
    """Find the direction of relief in parts (Y X) of one field.

    The plane is integrated along every direction at once by the Riesz transform (Felsberg & Sommer 2001,
    doi:10.1109/78.969520): along the light, relief becomes height again, and cells are bumps, so the heights
    are skewed to one side. The third moment is a cubic form in the direction's sine and cosine; its first
    harmonic is the light, and over the variance to the power of 3/2 its strength. The error is that of a mean
    over blocks of the field.
    """
    integrated = [_integrated(part) for part in parts]
    squares = [across**2 + down**2 for across, down in integrated]
    variance = float(np.mean([np.mean(squared) for squared in squares])) / 2
    if variance <= np.finfo(np.float32).tiny:
        return Light(0.0, 0.0)
    each = list(zip(squares, *zip(*integrated, strict=True), strict=True))
    # a third moment c³Σa³ + 3c²sΣa²d + 3cs²Σad² + s³Σd³, c and s of the angle, has this first harmonic:
    x = 0.75 * float(np.mean([np.mean(squared * across) for squared, across, _ in each]))
    y = 0.75 * float(np.mean([np.mean(squared * down) for squared, _, down in each]))
    length = max(float(np.hypot(x, y)), float(np.finfo(np.float32).tiny))
    crosswise = (squared * (x * down - y * across) for squared, across, down in each)
    aside = np.concatenate([_block_means(plane) for plane in crosswise]) * 0.75 / length
    error = float(aside.std(ddof=1) / np.sqrt(len(aside)))
    return Light(
        float(np.degrees(np.arctan2(y, x)) % 360),
        float(np.hypot(x, y) / variance**1.5),
        float(np.degrees(np.arctan2(error, length))),
    )


def _block_means(plane: Plane) -> Plane:
    """Give the mean of each of `BLOCKS` × `BLOCKS` equal parts of a plane (Y X), flat."""
    rows, columns = (max(side // BLOCKS, 1) for side in plane.shape)
    even = plane[: rows * BLOCKS, : columns * BLOCKS]
    means: Plane = even.reshape(even.shape[0] // rows, rows, -1, columns).mean(axis=(1, 3)).ravel()
    return means


def quarter_turns(light: Light) -> int:
    """Count the turns by 90° (as `numpy.rot90` takes them) after which the light points down within 45°."""
    return round((light.angle_deg - DOWN_DEG) / 90) % 4


def turned(light: Light, turns: int) -> Light:
    """Give the light of a plane that was turned by `numpy.rot90(plane, turns)`."""
    return Light((light.angle_deg - 90 * turns) % 360, light.strength)


def common_light(lights: Sequence[Light]) -> Light:
    """Give the mean direction of several fields, weighed by strength, and their median strength."""
    vector = sum(light.strength * np.exp(1j * np.radians(light.angle_deg)) for light in lights)
    strength = float(np.median([light.strength for light in lights]))
    return Light(float(np.degrees(np.angle(vector)) % 360), strength)


def _integrated(plane: Plane) -> tuple[Plane, Plane]:
    """Give a plane's (Y X) band-passed Riesz transform, outliers clipped: along columns and along rows."""
    low, middle, high = np.percentile(plane, (0.5, 50, 99.5)).astype(np.float32)
    clipped = np.clip(plane, low, high) - middle
    shape = tuple(next_fast_len(side + int(4 * COARSEST_PX), real=True) for side in plane.shape)
    spectrum = rfft2(clipped, shape)
    rows, columns = plane.shape
    across, down = (irfft2(spectrum * each, shape)[:rows, :columns] for each in _riesz(shape))
    return across, down


@lru_cache(maxsize=2)
def _riesz(shape: tuple[int, int]) -> tuple[NDArray[np.complex64], NDArray[np.complex64]]:
    """Give the band-passed Riesz transform as factors of a spectrum: along columns, and along rows."""
    y, x = fftfreq(shape[0])[:, None], rfftfreq(shape[1])[None]
    radius = np.hypot(y, x)
    band = np.exp(-2 * (np.pi * FINEST_PX * radius) ** 2) - np.exp(-2 * (np.pi * COARSEST_PX * radius) ** 2)
    radius[0, 0] = 1.0
    factor = -1j * band / radius
    return (factor * x).astype(np.complex64), (factor * y).astype(np.complex64)
