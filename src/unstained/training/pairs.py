"""From a split plate to pairs that a network can learn from: one grid, one scale, channels in register."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
from scipy.ndimage import shift
from skimage.filters import threshold_otsu

from unstained.arrays import Plane, RawPlane
from unstained.errors import BadInput
from unstained.networks.light import Light, common_light, field_light, quarter_turns, turned
from unstained.networks.normalisation import Normalisation, StainScale
from unstained.networks.resampling import network_plane, working_plane
from unstained.plates.plate import FieldName, Plate, fingerprint
from unstained.plates.quality import ChannelShift, channel_shift
from unstained.plates.splitting import Region, Split
from unstained.segmentation.recipes import typical_diameter, usual_contrast
from unstained.segmentation.spots import SpotSettings
from unstained.stains.catalogue import Stain
from unstained.stains.targets import make_target
from unstained.training.crops import TrainingPlanes

WORKING_DIAMETER_PX = 25.0
"""The working grid shows the stain's typical object at this size: its texture still tells it apart."""

WORKING_SPOT_PX = 12.0
"""The same for spots, which have no texture."""

Offset: TypeAlias = tuple[float, float]
"""y, x, px."""

SIGNAL = 0.25
"""Network units (0 background, 1 bright) above which a pixel counts as signal."""

MOST_LOOKED_AT = 16
"""In so many training regions at most, evenly spread, objects are found to learn their size and contrast."""

FEWEST_ALIKE, MOST_APART_PX = 5, 4.0
"""From so many fields a shift further than this from their median isn't believed."""

STAIN_RANGE = (1.0, 99.9)
"""Percentiles of the training stain that become 0 and 1 in network units."""


@dataclass(frozen=True)
class Grid:
    """On what grid and scale a network sees fields."""

    normalisation: Normalisation = field(default_factory=Normalisation)
    scale: float | None = None  # shrink by this; None = found from the stain
    diameter_px: float = WORKING_DIAMETER_PX  # then its typical object gets this size
    known_px: tuple[float | None, ...] = ()  # or the size, per stain, at which a model knows objects
    follow_light: bool = True  # turn fields with relief so that its light falls down

    def scale_for(self, diameters_px: Sequence[float | None], stains: Sequence[Stain]) -> float:
        """Working-grid pixels per field pixel, for the stains' typical objects; 1 where nothing is known.

        It is what the smallest object needs; going on from a model, the median of what its sizes ask for.
        """
        if self.scale is not None:
            return self.scale
        if self.known_px:
            both = zip(self.known_px, diameters_px, strict=True)
            scales = [known_px / diameter_px for known_px, diameter_px in both if known_px and diameter_px]
            return min(1.0, float(np.median(scales))) if scales else 1.0
        return max(
            min(1.0, self._working_px(stain) / diameter_px) if diameter_px else 1.0
            for diameter_px, stain in zip(diameters_px, stains, strict=True)
        )

    def _working_px(self, stain: Stain) -> float:
        return WORKING_SPOT_PX if isinstance(stain.objects, SpotSettings) else self.diameter_px


@dataclass(frozen=True)
class Pairs:
    """All that a training needs of a plate, and what was found on the way."""

    train: tuple[TrainingPlanes, ...]
    validation: tuple[TrainingPlanes, ...]
    scales: tuple[StainScale, ...]
    backgrounds: tuple[float, ...]
    mask_levels: tuple[float, ...]  # camera units above which a binary target is 1; () for others
    working_scale: float
    normalisation: Normalisation
    object_diameters_px: tuple[float | None, ...]  # one per stain
    object_contrasts: tuple[float | None, ...] = ()
    shifts: Mapping[str, ChannelShift] = field(default_factory=dict)
    fingerprints: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    corrections: tuple[tuple[Offset, ...], ...] = ()  # of each validation (else training) region and stain
    light: Light | None = None  # of the training fields, where they were turned to it

    def lines(self) -> list[str]:
        """Say what was found, for a log."""
        sizes = [f"{size:.0f} px" if size else "not found" for size in self.object_diameters_px]
        size = ", ".join(sizes)
        told = [
            f"typical object {size}; the network sees images shrunk to {self.working_scale:.2f} of their size"
        ]
        if self.light is not None:
            told.append(
                f"relief (strength {self.light.strength:.2f}): fields are turned so that its light falls down"
            )
        for name, found in self.shifts.items():
            told.append(f"{name}: {_said(found)}")
        return told


def make_pairs(
    plate: Plate,
    split: Split,
    channels: Sequence[str],
    grid: Grid = Grid(),
    *,
    stains: Sequence[Stain] = (),
    binary: bool = False,
) -> Pairs:
    """Read the training and validation regions of a plate; no stain of a test field is looked at.

    Where images are split, their shift and the stain's target are still those of the whole image.

    `channels` are the label-free one, then the stained ones; `stains` say what is learnt of these, without
    them the planes as recorded. A `binary` target is 1 where the stain is above Otsu's threshold of the
    training regions, else 0; its scale is that of a probability.

    Raises
    ------
    BadInput
        No region to train on, or a stain without any contrast.
    """
    if not split.train:
        raise BadInput("nothing is left to train on; name fewer --test and --validation wells")
    label_free, *targets = channels
    stains = stains or [Stain(name="recorded", title=name) for name in targets]
    regions = [_stains(plate, region, targets, stains) for region in split.train]
    stained = list(zip(*regions, strict=True))  # by stain
    scales = tuple(_stain_scale(planes, name) for planes, name in zip(stained, targets, strict=True))
    looked_at = [planes[:: -(-len(planes) // MOST_LOOKED_AT)] for planes in stained]
    diameters = tuple(
        typical_diameter(planes, stain.objects, pixel_size_um=plate.pixel_size_um)
        for planes, stain in zip(looked_at, stains, strict=True)
    )
    names = _fields((*split.train, *split.validation))
    found = [_plausible([_shift(plate, name, label_free, target) for name in names]) for target in targets]
    shifts = dict(zip(names, zip(*found, strict=True), strict=True))
    levels = tuple(_otsu(planes, scale) for planes, scale in zip(stained, scales, strict=True))
    zoom = grid.scale_for(diameters, stains)
    seen = (working_plane(plate.read(name, label_free), zoom) for name in _fields(split.train))
    grid = replace(grid, normalisation=grid.normalisation.knowing(seen))
    recipe = _Recipe(tuple(channels), tuple(stains), scales, grid, zoom, levels if binary else None)
    read = [
        [_training_planes(plate, region, recipe, shifts[region.field]) for region in regions]
        for regions in (split.train, split.validation)
    ]
    light = common_light([light for _, light in read[0]])
    lit = grid.follow_light and light.is_relief
    train, validation = (
        tuple(_upright(planes, own, light) if lit else planes for planes, own in role) for role in read
    )
    return Pairs(
        train=train,
        validation=validation,
        light=light if lit else None,
        scales=(StainScale(),) * len(targets) if binary else scales,
        backgrounds=tuple(0.0 if binary else scale.offset for scale in scales),
        mask_levels=tuple(
            scale.offset + scale.gain * level for scale, level in zip(scales, levels, strict=True) if binary
        ),
        normalisation=grid.normalisation,
        working_scale=recipe.zoom,
        object_diameters_px=diameters,
        object_contrasts=tuple(
            1.0 if binary else usual_contrast(planes, stain.objects, pixel_size_um=plate.pixel_size_um)
            for planes, stain in zip(looked_at, stains, strict=True)
        ),
        shifts={
            f"{name} {target}" if len(targets) > 1 else str(name): one
            for name, found in shifts.items()
            for target, one in zip(targets, found, strict=True)
        },
        fingerprints={
            role: {
                str(name): fingerprint(plate.read(name, label_free)) for name in _fields(split.regions(role))
            }
            for role in ("train", "validation", "test")
        },
        corrections=tuple(
            tuple(map(_correction, shifts[region.field])) for region in split.validation or split.train
        ),
    )


@dataclass(frozen=True)
class _Recipe:
    channels: tuple[str, ...]
    stains: tuple[Stain, ...]
    scales: tuple[StainScale, ...]
    grid: Grid
    zoom: float
    levels: tuple[float, ...] | None  # network units above which a binary target is 1


def _training_planes(
    plate: Plate, region: Region, recipe: _Recipe, found: Sequence[ChannelShift]
) -> tuple[TrainingPlanes, Light]:
    """Read a region, and find the light of its whole field."""
    label_free, *targets = recipe.channels
    recorded = _finite(plate, region.field, label_free)
    whole = network_plane(recorded, recipe.grid.normalisation, recipe.zoom)
    stained = []
    for index, (name, scale) in enumerate(zip(targets, recipe.scales, strict=True)):
        plane = _target(plate, region.field, name, recipe.stains[index])
        if found[index].certain:
            dy, dx = _correction(found[index])
            plane = shift(plane, (-dy, -dx), order=1, mode="nearest")
        scaled = scale.apply(working_plane(plane, recipe.zoom))
        stained.append(
            scaled if recipe.levels is None else (scaled > recipe.levels[index]).astype(np.float32)
        )
    rows, columns = (
        slice(round(start * recipe.zoom), round(stop * recipe.zoom)) for start, stop in region[1:]
    )
    cut = TrainingPlanes.from_arrays(whole[rows, columns], np.stack(stained)[:, rows, columns], SIGNAL)
    return cut, field_light(recorded, recipe.grid.normalisation, recipe.zoom, plate.pixel_size_um)


def _upright(planes: TrainingPlanes, own: Light, common: Light) -> TrainingPlanes:
    """Turn a region by 90° until its light falls down within 45°; without relief, that of all counts."""
    light = own if own.is_certain else common
    turns = quarter_turns(light)
    label_free, stained = (
        np.rot90(each.numpy(), turns, axes=(1, 2)) for each in (planes.label_free, planes.stained)
    )
    upright = TrainingPlanes.from_arrays(label_free[0], stained, SIGNAL)
    return replace(upright, light_deg=turned(light, turns).angle_deg, turns=turns)


def _stains(plate: Plate, region: Region, targets: Sequence[str], stains: Sequence[Stain]) -> list[Plane]:
    rows, columns = (slice(*limits) for limits in region[1:])
    return [
        _target(plate, region.field, name, stain)[rows, columns]
        for name, stain in zip(targets, stains, strict=True)
    ]


def _target(plate: Plate, name: FieldName, channel: str, stain: Stain) -> Plane:
    return make_target(_finite(plate, name, channel), stain.target, pixel_size_um=plate.pixel_size_um)


def _finite(plate: Plate, name: FieldName, channel: str) -> RawPlane:
    plane = plate.read(name, channel)
    if not np.isfinite(plane).all():
        raise BadInput(f"{plate.path}, field {name}, channel {channel}: some pixels are NaN or infinite")
    return plane


def _stain_scale(planes: Sequence[Plane], name: str) -> StainScale:
    values = np.concatenate([plane[::2, ::2].ravel() for plane in planes])
    low, high = np.percentile(values, STAIN_RANGE)
    if not high > low:
        raise BadInput(f"channel {name!r} has no contrast in the training fields (all values near {low:g})")
    return StainScale(offset=float(low), gain=float(high - low))


def _otsu(planes: Sequence[Plane], scale: StainScale) -> float:
    return float(threshold_otsu(np.concatenate([scale.apply(plane)[::2, ::2].ravel() for plane in planes])))


def _shift(plate: Plate, name: FieldName, label_free: str, target: str) -> ChannelShift:
    return channel_shift(
        np.asarray(plate.read(name, label_free), dtype=np.float32),
        np.asarray(plate.read(name, target), dtype=np.float32),
    )


def _plausible(shifts: Sequence[ChannelShift]) -> list[ChannelShift]:
    """Take a shift that no other field of many shares for a mistake: a microscope's channels lie alike."""
    sure = np.array([(each.dy, each.dx) for each in shifts if each.reliable])
    if len(sure) < FEWEST_ALIKE:
        return list(shifts)
    usual = np.median(sure, axis=0)

    def shares(each: ChannelShift) -> bool:
        return float(np.hypot(each.dy - usual[0], each.dx - usual[1])) <= MOST_APART_PX

    return [each if shares(each) else replace(each, reliable=False, dy=0.0, dx=0.0) for each in shifts]


def _correction(found: ChannelShift) -> Offset:
    return (found.dy, found.dx) if found.certain else (0.0, 0.0)


def _said(found: ChannelShift) -> str:
    if not found.reliable:
        return "channels too unlike to register; left as they are"
    where = f"stain lies {found.dy:+.1f}, {found.dx:+.1f} px (y, x) off the input, ± {found.error_px:.1f}"
    return f"{where}; {'corrected for training' if found.certain else 'no more than chance, left as it is'}"


def _fields(regions: Sequence[Region]) -> tuple[FieldName, ...]:
    return tuple(dict.fromkeys(region.field for region in regions))
