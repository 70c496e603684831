"""From which side a field is lit: DIC and oblique light show cells as relief, and relief has a direction.

A network that knows it can tell a bump from a dent. It belongs to the field: oblique light may fall otherwise
into fields of the same well.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.fft import fftfreq, irfft2, next_fast_len, rfft2, rfftfreq

from unstained.arrays import Plane

FINEST_PX, COARSEST_PX = 2.0, 12.0
"""Structure between these sizes (sigma, px of the working grid) is looked at: parts of cells, and cells."""

RELIEF = 0.3
"""Strength from which an image counts as relief."""

DOWN_DEG = 90.0
"""Networks that go by the light see it along the rows, downwards."""


class Light(NamedTuple):
    """Where relief points: along `angle_deg` (0 right, 90 down) a bump is bright first, then dark."""

    angle_deg: float
    strength: float  # 0 without relief; about 0.6 and more in DIC and oblique light

    @property
    def is_relief(self) -> bool:
        return self.strength >= RELIEF


def find_light(plane: Plane) -> Light:
    """Find the direction of relief in a plane (Y X) on the working grid.

    The plane is integrated along every direction at once by the Riesz transform (Felsberg & Sommer 2001,
    doi:10.1109/78.969520): along the light, relief becomes height again, and cells are bumps, so the heights
    are skewed to one side. The third moment is a cubic form in the direction's sine and cosine; its first
    harmonic is the light, and over the variance to the power of 3/2 its strength.
    """
    across, down = _integrated(plane)
    variance = float(np.mean(across**2 + down**2)) / 2
    if variance <= np.finfo(np.float32).tiny:
        return Light(0.0, 0.0)
    # a third moment c³Σa³ + 3c²sΣa²d + 3cs²Σad² + s³Σd³, c and s of the angle, has this first harmonic:
    squared = across**2 + down**2
    x, y = (0.75 * float(np.mean(squared * along)) for along in (across, down))
    return Light(float(np.degrees(np.arctan2(y, x)) % 360), float(np.hypot(x, y) / variance**1.5))


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
    low, middle, high = np.percentile(plane, (0.5, 50, 99.5))
    clipped = np.clip(plane, low, high) - np.float32(middle)
    shape = [next_fast_len(side + int(4 * COARSEST_PX), real=True) for side in plane.shape]
    y, x = fftfreq(shape[0])[:, None], rfftfreq(shape[1])[None]
    radius = np.hypot(y, x)
    band = np.exp(-2 * (np.pi * FINEST_PX * radius) ** 2) - np.exp(-2 * (np.pi * COARSEST_PX * radius) ** 2)
    radius[0, 0] = 1.0
    spectrum = rfft2(clipped, shape) * (-1j * band / radius)
    rows, columns = plane.shape
    across, down = (irfft2(spectrum * axis, shape)[:rows, :columns].astype(np.float32) for axis in (x, y))
    return across, down
