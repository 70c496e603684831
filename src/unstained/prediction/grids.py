"""From a field to what a network sees of it, and from its stains back to the field's own grid and units."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import shift

from unstained.arrays import Plane, Planes, RawPlane
from unstained.errors import BadInput, WrongModel
from unstained.networks.bundle import ModelCard
from unstained.networks.light import Light, field_light, quarter_turns
from unstained.networks.normalisation import NormalisedField, bands_of
from unstained.networks.resampling import on_working_grid, resample

MOST_ZOOM = 2.0
"""A model isn't used on pixels that are more than this many times larger or smaller than its own."""


class Seen(NamedTuple):
    """A field as the network sees it."""

    plane: Plane  # (Y X) working grid, network units, turned so that light falls as in training
    turns: int  # by 90°, as `numpy.rot90` takes them
    zoom: float  # working-grid pixels per field pixel
    light: Light | None  # of the field as recorded; None for models that don't go by it


class Field(NamedTuple):
    """A field as the network sees it, not yet computed but where it is looked at."""

    normalised: NormalisedField  # (Y X) working grid, not turned
    turns: int
    zoom: float
    light: Light | None

    def seen(self) -> Seen:
        """Compute all of it."""
        plane = np.ascontiguousarray(np.rot90(self.normalised.whole(), self.turns))
        return Seen(plane, self.turns, self.zoom, self.light)


def measure_field(card: ModelCard, plane: RawPlane, zoom: float, pixel_size_um: float | None) -> Field:
    """Measure all of a field (Y X) that must be known before any part of it can be seen.

    `zoom` is working-grid pixels per field pixel.
    """
    light = None
    if card.light_deg is not None:
        known_um = pixel_size_um if card.pixel_size_um else None  # as in training
        light = field_light(plane, card.normalisation, zoom, known_um)
    normalised = card.normalisation.of(on_working_grid(plane, zoom))
    return Field(normalised, _turns(card, light), zoom, light)


def as_recorded(card: ModelCard, upright: Planes, seen: Seen | Field, shape: tuple[int, ...]) -> Planes:
    """Bring stains (stain Y X) in network units to the field's own grid, `shape` px, and camera units.

    `upright` isn't needed any more afterwards, and what can be is done in its place.
    """
    stains = np.rot90(upright, -seen.turns, axes=(1, 2))
    in_place = stains.shape[1:] == shape and not seen.turns
    camera = stains if in_place else np.empty((len(stains), shape[0], shape[1]), np.float32)
    for index, scale in enumerate(card.scales):
        if not in_place:
            camera[index] = resample(stains[index], (shape[0], shape[1]))
        for rows in bands_of(shape):
            camera[index, rows] = scale.undo(camera[index, rows])
    for stain, offset in zip(camera, card.offsets_px, strict=False):
        move(stain, np.asarray(offset) * card.working_scale / seen.zoom)
    return camera


def pixel_scale(card: ModelCard, pixel_size_um: float | None) -> float | None:
    """Model pixels per image pixel; None where either size isn't known.

    Raises
    ------
    BadInput, WrongModel
        The size isn't a length, or is beyond a factor of two of the model's.
    """
    if pixel_size_um is None:
        return None
    if not (math.isfinite(pixel_size_um) and pixel_size_um > 0):
        raise BadInput(f"a pixel can't be {pixel_size_um} µm wide; give the side of a pixel in µm, like 0.65")
    if card.pixel_size_um is None:
        return None
    scale = pixel_size_um / card.pixel_size_um
    if not 1 / MOST_ZOOM <= scale <= MOST_ZOOM:
        raise WrongModel(
            f"the images' pixel size is {pixel_size_um:g} µm, and model {card.name!r} was trained at "
            f"{card.pixel_size_um:g} µm, more than a factor of {MOST_ZOOM:g} away; "
            "use another model or, if the size is wrong, give the right one with --pixel-size-um"
        )
    return scale


def refuse_unusable(plane: RawPlane) -> None:
    """Refuse a plane (Y X) without pixels, or with pixels that aren't finite numbers.

    Raises
    ------
    BadInput
    """
    if plane.size == 0:
        raise BadInput(f"the image has no pixels (its shape is {plane.shape})")
    if np.issubdtype(plane.dtype, np.floating):
        with np.errstate(over="ignore"):
            parts = (plane[rows].astype(np.float32, copy=False) for rows in bands_of(plane.shape))
            wrong = plane.size - sum(int(np.count_nonzero(np.isfinite(part))) for part in parts)
        if wrong:
            raise BadInput(f"{wrong} of {plane.size} pixels are NaN or infinite; replace them first")


def move(plane: Plane, offset_px: NDArray[np.float64]) -> None:
    """Move what a plane (Y X) shows down and right by `offset_px`, in its place; its edges are drawn out."""
    down = math.ceil(abs(offset_px[0])) + 1
    whole = plane.shape[0]
    bands = list(bands_of(plane.shape))
    above = plane[:0].copy()  # rows above the band as they were: the band itself is written over
    for rows in bands:
        kept = plane[max(rows.start, rows.stop - down) : rows.stop].copy()
        first = max(0, rows.start - down)
        last = min(whole, rows.stop + down)
        around = np.concatenate([above, plane[rows.start : last]])
        moved = shift(around, offset_px, order=1, mode="nearest")
        plane[rows] = moved[rows.start - first : rows.stop - first]
        above = np.concatenate([above, kept])[-down:]


def _turns(card: ModelCard, light: Light | None) -> int:
    """Count the turns by 90° after which a field's light falls as the network knows it."""
    if light is None or card.light_deg is None:
        return 0
    return quarter_turns(light if light.is_certain else Light(card.light_deg, 0.0))
