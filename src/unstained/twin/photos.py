"""Photos of the twin: what a microscope records of a field, with and without the camera's noise."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unstained.arrays import Plane
from unstained.imaging.camera import Camera, expose
from unstained.imaging.optics import Objective, Transmission, fluorescent, transmitted
from unstained.twin.anatomy import Anatomy, Window, draw_cells
from unstained.twin.wells import LABEL_FREE, TwinSettings, Well

LABEL_FREE_ELECTRONS = 2000.0  # of an empty field: noise as in real sets (results/twin-noise.json)


class Emission(NamedTuple):
    """One stain's light."""

    source: str  # plane of `Anatomy`
    wavelength_um: float
    electrons: float  # where the plane is 1
    background: float  # electrons everywhere
    bleeds: dict[str, float]  # shares of other planes that are seen, too


STAINS = {
    "DNA": Emission("dna", 0.46, 900, 40, {}),
    "ER": Emission("er", 0.60, 700, 60, {"gfp": 0.03}),
    "GOLGI": Emission("golgi", 0.67, 500, 50, {"er": 0.04}),
    "GFP": Emission("gfp", 0.52, 600, 60, {"dna": 0.02}),
}


class Simulated(NamedTuple):
    """One field: what was recorded, what a camera without noise would record, what is there, and how."""

    recorded: NDArray[np.uint16]  # (channel Y X), grey values
    electrons: NDArray[np.float32]  # (channel Y X)
    anatomy: Anatomy
    taken: dict[str, float]  # place on the canvas, focus, lamp


def simulate_field(well: Well, number: int, settings: TwinSettings, *, lateness: float = 0.0) -> Simulated:
    """Photograph a field at a random place of a well; `lateness` is 0 for a plate's first, 1 for its last."""
    rng = np.random.default_rng((settings.seed, 2, well.planned.seed, number))
    margin, side = settings.margin_px, settings.side_px
    top, left = (int(at) for at in rng.integers(margin, well.side_px - side - margin, 2, endpoint=True))
    window = Window(top - margin, left - margin, *2 * (side + 2 * margin,), settings.pixel_size_um)
    focus_um = float(rng.normal(0, settings.focus_um)) + settings.focus_drift_um * lateness
    lamp = 1 - settings.lamp_drift * lateness
    anatomy = draw_cells(well.cells, window, well.textures)
    planes = [
        lamp * LABEL_FREE_ELECTRONS * transmitted(
            anatomy.path_um, Transmission(mode=LABEL_FREE[channel]),
            pixel_um=settings.pixel_size_um, defocus_um=focus_um,
        )
        for channel in settings.label_free
    ]  # fmt: skip
    cells = well.cells
    for stain in STAINS.values():
        if settings.motion_um:
            cells = cells.moved(rng.normal(0, settings.motion_um, (len(cells), 2)))
        seen = draw_cells(cells, window, well.textures) if settings.motion_um else anatomy
        planes.append(stained(seen, stain, settings, focus_um))
    middle = slice(margin, margin + side)
    shades = _uneven_light(side, len(planes), np.random.default_rng((settings.seed, 3)))
    electrons = np.stack([plane[middle, middle] * shade for plane, shade in zip(planes, shades, strict=True)])
    recorded = [
        expose(plane, camera, rng) for plane, camera in zip(electrons, cameras(settings), strict=True)
    ]
    taken = {"top_px": top, "left_px": left, "focus_um": focus_um, "lamp": lamp}
    return Simulated(np.stack(recorded), electrons, anatomy.cut(middle), taken)


def cameras(settings: TwinSettings) -> list[Camera]:
    """Set gain and offset for every channel so that little is saturated and few bits are idle."""
    brightest = [2.5 * LABEL_FREE_ELECTRONS] * len(settings.label_free)
    brightest += [stain.background + 4 * stain.electrons for stain in STAINS.values()]
    offset = 8.0 if settings.bits == 8 else 100.0
    room = 2**settings.bits - 1 - offset
    return [Camera(bits=settings.bits, gain=min(0.5, room / most), offset=offset) for most in brightest]


def stained(anatomy: Anatomy, stain: Emission, settings: TwinSettings, focus_um: float) -> Plane:
    """Give the electrons that one stain's channel collects (Y X)."""
    light = getattr(anatomy, stain.source)
    for source, share in stain.bleeds.items():
        light = light + np.float32(share) * getattr(anatomy, source)
    lens = Objective(wavelength_um=stain.wavelength_um)
    seen = fluorescent(light, lens, pixel_um=settings.pixel_size_um, defocus_um=focus_um, haze=settings.haze)
    electrons: Plane = stain.background + stain.electrons * np.clip(seen, 0, None)
    return electrons


def _uneven_light(side: int, channels: int, rng: np.random.Generator) -> list[Plane]:
    """Draw how each channel's light falls off over a field (Y X): brightest near the middle, 1 there."""
    y, x = (axis.astype(np.float32) for axis in np.meshgrid(*2 * [np.linspace(-1, 1, side)], indexing="ij"))
    shades = []
    for _ in range(channels):
        middle_y, middle_x = rng.normal(0, 0.2, 2)
        shades.append(1 - rng.uniform(0.04, 0.12) * ((y - middle_y) ** 2 + (x - middle_x) ** 2) / 2)
    return [shade.astype(np.float32) for shade in shades]
