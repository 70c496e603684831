"""The camera: from light to grey values, with the noise of photons and of reading them out."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from unstained.arrays import Plane
from unstained.settings import Settings


class Camera(Settings):
    """A camera after the EMVA 1288 model; the defaults are of a common sCMOS camera."""

    gain: float = Field(0.5, gt=0, description="grey values per electron")
    offset: float = Field(100.0, ge=0, description="grey value of no light")
    read_noise: float = Field(1.6, ge=0, description="standard deviation of reading a pixel out, electrons")
    bits: Literal[8, 12, 16] = Field(16, description="depth of the converter")

    @property
    def highest(self) -> int:
        """The brightest grey value."""
        return int(2**self.bits - 1)


def expose(electrons: Plane, camera: Camera, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Record a plane of expected electrons (Y X), 0 or more, as grey values (Y X).

    grey = offset + gain · (Poisson(electrons) + Normal(0, read_noise)), rounded and clipped to the bits
    (EMVA Standard 1288, linear model). A Poisson number of many electrons is drawn as a normal one.
    """
    variance = electrons + np.float32(camera.read_noise**2)
    noise = rng.standard_normal(electrons.shape, dtype=np.float32) * np.sqrt(variance)
    dim = electrons < NORMAL_FROM
    if dim.any():
        counted = rng.poisson(electrons[dim]) - electrons[dim]
        noise[dim] = counted + rng.normal(0, camera.read_noise, counted.shape)
    grey = camera.offset + camera.gain * (electrons + noise)
    recorded: NDArray[np.uint16] = np.clip(np.rint(grey), 0, camera.highest).astype(np.uint16)
    return recorded


NORMAL_FROM = 50.0
"""Expected electrons from which a Poisson number can't be told from a normal one by an image of it."""
