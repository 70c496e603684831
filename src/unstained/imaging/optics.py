"""Microscopes: from optical path differences to label-free images, and from stains to widefield images.

Transmitted light is partially coherent: every point of the condenser's aperture sends a plane wave, each is
imaged coherently, and their intensities add up (Abbe's sum; Born & Wolf, Principles of Optics, §10.6; for DIC
Mehta & Sheppard 2008, doi:10.1364/OE.16.019462). Planes are (Y X); a frequency is in cycles per µm.
"""

from typing import Literal, NamedTuple, Self

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from pydantic import Field, model_validator

from unstained.arrays import Plane
from unstained.errors import BadInput
from unstained.settings import Settings

Spectrum = NDArray[np.complex64]

Mode = Literal["brightfield", "dic", "phase", "oblique"]

# Points of a disc of radius 1 and their weights; exact for polynomials up to degree 5 (Stroud 1971, S2 5-1).
RIM = [(2 / 3) ** 0.5 * part(np.pi * np.arange(6) / 3) for part in (np.sin, np.cos)]
DISC = ((0.0, 0.0, 1 / 4), *((float(y), float(x), 1 / 8) for y, x in zip(*RIM, strict=True)))

OBLIQUE_SPOT = 0.1
"""Half the aperture of oblique light, in NA of the objective."""

HAZE_UM = 6.0
"""Standard deviation of the light from out of focus: a cell's height or two through the lens' cone."""


class Objective(Settings):
    """What the lens lets through; the defaults are an air objective 20×/0.5 in green light."""

    na: float = Field(0.5, gt=0, lt=1.6, description="numerical aperture")
    wavelength_um: float = Field(0.55, gt=0.2, lt=2, description="of the light, in vacuum")
    index: float = Field(1.0, ge=1, lt=2, description="refractive index between lens and sample")

    @model_validator(mode="after")
    def _can_exist(self) -> Self:
        if self.na >= self.index:
            raise ValueError(f"na ({self.na}) must be smaller than index ({self.index})")
        return self


class Transmission(Settings):
    """A microscope for transmitted light; angles lie like those of an image, 90° = down the rows."""

    mode: Mode = "dic"
    objective: Objective = Objective()
    condenser_na: float = Field(0.25, ge=0, description="half the aperture of the illumination")
    shear_um: float = Field(0.35, gt=0, description="DIC: distance between the two beams, in the sample")
    shear_deg: float = Field(45.0, description="DIC, oblique: the way in which the light seems to fall")
    bias_deg: float = Field(60.0, gt=0, le=180, description="DIC: phase between the beams in an empty field")
    ring_na: float = Field(0.3, gt=0, description="phase: aperture of the condenser's ring")
    ring_width: float = Field(0.08, gt=0, description="phase: width of the ring in the lens, in NA")
    ring_transmission: float = Field(
        0.25, gt=0, le=1, description="phase: light left by the ring in the lens"
    )

    @model_validator(mode="after")
    def _light_enters(self) -> Self:
        if self.mode == "phase" and self.ring_na >= self.objective.na:
            raise ValueError(f"ring_na ({self.ring_na}) must be smaller than na ({self.objective.na})")
        return self


class Source(NamedTuple):
    """One point of the condenser's aperture: its NA along y and x, and its share of light."""

    na_y: float
    na_x: float
    weight: float


def transmitted(
    path_um: Plane, microscope: Transmission, *, pixel_um: float, defocus_um: float = 0.0
) -> Plane:
    """Image a thin, clear sample: optical path differences (Y X), µm → intensity (Y X), 1 = an empty field.

    `defocus_um` is how far behind the sample, on the lens' side, the plane in focus lies. The plane repeats
    itself at its borders: give a margin of some 15 µm, and cut it off.

    Raises
    ------
    BadInput
        Pixels too coarse for what the lens shows.
    """
    _refuse_coarse(pixel_um, microscope.objective)
    phase = np.float32(2 * np.pi / microscope.objective.wavelength_um) * path_um
    spectrum = scipy.fft.fft2(_phasor(phase), overwrite_x=True)
    frequencies = _frequencies(path_um.shape, pixel_um)
    prism = _prism(frequencies, microscope) if microscope.mode == "dic" else None
    intensity, empty = np.zeros(path_um.shape, np.float32), 0.0
    for source in _sources(microscope):
        passes = _pupil(frequencies, microscope, source, defocus_um)
        if prism is not None:
            passes = passes * prism
        image = scipy.fft.ifft2(spectrum * passes, overwrite_x=True)
        intensity += np.float32(source.weight) * (image.real**2 + image.imag**2)
        empty += source.weight * float(abs(passes[0, 0])) ** 2
    return intensity / np.float32(empty)


def fluorescent(
    light: Plane, objective: Objective, *, pixel_um: float, defocus_um: float = 0.0, haze: float = 0.0
) -> Plane:
    """Image emitted light (Y X) in widefield; |amplitude|² of the defocused pupil spreads a point.

    `haze` is the share of light that comes from far above and below the plane in focus, and is spread over
    `HAZE_UM`. No light is lost. The plane repeats itself at its borders, as in `transmitted`.

    Raises
    ------
    BadInput
        Pixels too coarse for what the lens shows.
    """
    _refuse_coarse(pixel_um, objective)
    rows, columns = _frequencies(light.shape, pixel_um)
    pupil = _lens((rows, columns), objective, Source(0.0, 0.0, 1.0), defocus_um)
    amplitude = scipy.fft.ifft2(pupil)
    spread = amplitude.real**2 + amplitude.imag**2
    transfer = scipy.fft.rfft2(spread / spread.sum())
    if haze:
        squared = rows**2 + columns[:, : transfer.shape[1]] ** 2
        blur = np.exp(-2 * (np.pi * HAZE_UM) ** 2 * squared)
        transfer = (1 - haze) * transfer + haze * blur
    imaged: Plane = scipy.fft.irfft2(scipy.fft.rfft2(light) * transfer.astype(np.complex64), s=light.shape)
    return imaged


def _refuse_coarse(pixel_um: float, objective: Objective) -> None:
    finest = objective.wavelength_um / (2 * objective.na)
    if pixel_um > finest:
        raise BadInput(
            f"pixels of {pixel_um:g} µm are too coarse to compute a lens of NA {objective.na:g};"
            f" take {finest:.2f} µm or less, and average pixels afterwards"
        )


def _frequencies(shape: tuple[int, ...], pixel_um: float) -> tuple[Plane, Plane]:
    """Give the spatial frequencies along y (Y 1) and x (1 X)."""
    rows, columns = (np.fft.fftfreq(size, pixel_um).astype(np.float32) for size in shape)
    return rows[:, None], columns[None, :]


def _sources(microscope: Transmission) -> list[Source]:
    """Sample the condenser's aperture."""
    na, ring = microscope.condenser_na, microscope.ring_na
    match microscope.mode:
        case "phase":
            turns = 2 * np.pi * (np.arange(8) + 0.5) / 8
            return [Source(ring * np.sin(turn), ring * np.cos(turn), 1 / 8) for turn in turns]
        case "oblique":
            # at the lens' edge: of light that the sample turns outwards, nothing gets through
            angle, spot = np.deg2rad(microscope.shear_deg), OBLIQUE_SPOT * microscope.objective.na
            y, x = ((spot - microscope.objective.na) * part for part in (np.sin(angle), np.cos(angle)))
            return [Source(y + spot * up, x + spot * right, share) for up, right, share in DISC]
        case _:
            return [Source(na * up, na * right, share) for up, right, share in DISC]


def _lens(
    frequencies: tuple[Plane, Plane], objective: Objective, source: Source, defocus_um: float
) -> NDArray[np.complex64 | np.float32]:
    """Give what a lens lets through of the waves that `source` sent (Y X), and how defocus shifts them.

    A round opening, its edge softened over one step of frequency; waves of every direction gather a phase of
    their own over the distance (angular spectrum: Goodman, Fourier Optics, §3.10).
    """
    rows, columns = frequencies
    wavelength = objective.wavelength_um
    y, x = rows + np.float32(source.na_y / wavelength), columns + np.float32(source.na_x / wavelength)
    squared = y**2 + x**2
    step = max(float(rows[1, 0]), float(columns[0, 1]))
    opening: Plane = np.clip((objective.na / wavelength - np.sqrt(squared)) / step + 0.5, 0, 1)
    if not defocus_um:
        return opening
    through = opening > 0
    longest = np.float32(objective.index / wavelength)
    axial = np.sqrt(np.maximum(longest**2 - squared[through], 0))
    waves = np.zeros(opening.shape, np.complex64)
    waves[through] = opening[through] * _phasor(np.float32(2 * np.pi * defocus_um) * (axial - longest))
    return waves


def _phasor(phase: Plane) -> Spectrum:
    """Give exp(i phase), faster than by complex exponentials."""
    waves = np.empty(phase.shape, np.complex64)
    waves.real, waves.imag = np.cos(phase), np.sin(phase)
    return waves


def _pupil(
    frequencies: tuple[Plane, Plane], microscope: Transmission, source: Source, defocus_um: float
) -> NDArray[np.complex64 | np.float32]:
    """Give what reaches the image of a wave that `source` sent (Y X): the lens, and a phase ring in it."""
    objective = microscope.objective
    waves = _lens(frequencies, objective, source, defocus_um)
    if microscope.mode != "phase":
        return waves
    rows, columns = frequencies
    wavelength = objective.wavelength_um
    na = wavelength * np.hypot(rows + source.na_y / wavelength, columns + source.na_x / wavelength)
    on_ring = np.abs(na - microscope.ring_na) <= microscope.ring_width / 2
    # Zernike 1942: the direct light is dimmed and shifted by a quarter of a wave, so that cells get dark.
    ring = np.complex64(-1j * np.sqrt(microscope.ring_transmission))
    ringed: Spectrum = (np.where(on_ring, ring, 1) * waves).astype(np.complex64)
    return ringed


def _prism(frequencies: tuple[Plane, Plane], microscope: Transmission) -> Plane:
    """Give the transfer of two beams a shear apart, one against the other (Y X): sin(bias / 2 + π f·s).

    Their amplitudes ½[exp(i b/2) t(r + s/2) − exp(−i b/2) t(r − s/2)] have this spectrum, but for a constant
    phase (Preza et al. 1999, doi:10.1364/JOSAA.16.002185); the condenser's prism makes it the same for all
    directions of illumination.
    """
    rows, columns = frequencies
    angle = np.deg2rad(microscope.shear_deg)
    along = np.float32(np.sin(angle)) * rows + np.float32(np.cos(angle)) * columns
    half_bias = np.float32(np.deg2rad(microscope.bias_deg) / 2)
    beams: Plane = np.sin(half_bias + np.float32(np.pi * microscope.shear_um) * along)
    return beams
