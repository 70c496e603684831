"""Crops of a plate's label-free fields, as they are and corrupted, on a model's working grid."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, field_validator
from scipy.ndimage import uniform_filter
from skimage.filters import threshold_otsu

from unstained.arrays import Plane, RawPlane
from unstained.errors import BadInput
from unstained.imaging.corruptions import Rng, View, find_kind
from unstained.networks.light import find_light
from unstained.networks.resampling import resample, working_shape
from unstained.plates.plate import FieldName, Plate
from unstained.prediction.engine import Engine
from unstained.prediction.grids import refuse_unusable
from unstained.settings import Settings
from unstained.trust.examples import CLEAN, UNCHANGED, Change, all_changes, corrupted, view_of
from unstained.trust.features import (
    LIGHT_NAMES,
    RELIEF_NAMES,
    SEEN_NAMES,
    Vector,
    light_features,
    seen_features,
)

Corner: TypeAlias = tuple[int, int]
"""Upper left of a crop (row, column), px of the working grid, the field lying as recorded."""

PLAIN_NAMES = (*LIGHT_NAMES, *SEEN_NAMES, *RELIEF_NAMES)
"""Plain features of a crop; none of them needs a network."""

SEVERITIES = frozenset(range(1, 6))

PICTURE_PX = 96
"""Side of the small pictures that are kept of crops."""

LOOKED_AT = 12
"""So many fields fix the scale of grey values."""

ROUGH_PX, ROUGH_STEP = 9, 8
"""Confluence: the spread within squares of so many px, looked at on every so manieth px."""


class CropSettings(Settings):
    """Which crops are taken, and how they are corrupted."""

    side_px: int = Field(256, gt=0, multiple_of=16, description="side of a crop, px of the working grid")
    each_field: int = Field(4, ge=1, description="crops of a field, at most")
    kinds: tuple[str, ...] = Field((), description="corruptions to try; () = crops as they are alone")
    severities: tuple[int, ...] = Field((1, 2, 3, 4, 5), description="of these corruptions, either sign")
    changes: int | None = Field(None, ge=1, description="corruptions of each field; None = all")
    seed: int = 0

    @field_validator("kinds")
    @classmethod
    def _kinds_are_known(cls, kinds: tuple[str, ...]) -> tuple[str, ...]:
        for name in kinds:
            find_kind(name)
        return kinds

    @field_validator("severities")
    @classmethod
    def _severities_are_known(cls, levels: tuple[int, ...]) -> tuple[int, ...]:
        if not set(levels) <= SEVERITIES:
            raise ValueError(f"severities are {min(SEVERITIES)} to {max(SEVERITIES)}, either sign is drawn")
        return levels


@dataclass(frozen=True)
class Crops:
    """Crops by number; what is large lies on disk.

    Attributes
    ----------
    table
        One row a crop: `well, field, top_px, left_px, side_px` (px of the field as recorded), `kind`
        (`clean`, or of which corruption), `severity`, `strength`, `saturated`, `confluence`.
    seen
        (N Y X) as the network sees them: working grid, network units, turned to the model's light.
    plain
        (N feature), in the order of `PLAIN_NAMES`.
    pictures
        (N Y X) small, grey values as recorded, all on one scale.
    """

    table: pd.DataFrame
    seen: NDArray[np.float16]
    plain: Vector
    pictures: NDArray[np.uint8]

    @property
    def clean(self) -> NDArray[np.bool_]:
        """Tell which crops are as they were recorded, (N)."""
        return np.asarray(self.table["kind"] == CLEAN)

    @property
    def severity(self) -> NDArray[np.intp]:
        """Give each crop's severity without its sign, 0 where it is clean, (N)."""
        found: NDArray[np.intp] = np.abs(self.table["severity"].to_numpy(dtype=np.intp))
        return found


def take_crops(
    engine: Engine,
    plate: Plate,
    fields: Sequence[FieldName],
    settings: CropSettings,
    scratch: Path,
    tell: Callable[[int, int], None] = lambda _done, _all: None,
) -> Crops:
    """Cut fields into crops, as they are and corrupted; the large array goes into the folder `scratch`.

    A field is corrupted and normalised as a whole, as if its camera had recorded it so, and then cut.

    Raises
    ------
    BadInput
        A field is smaller than a crop, or can't be used.
    BadSettings
        There is no such corruption.
    """
    cutter = Cutter.of(engine, plate, fields, settings.side_px)
    corners = {name: cutter.corners(name, settings.each_field) for name in fields}
    plans = planned_changes(len(fields), settings)
    number = sum(len(corners[name]) * len(plan) for name, plan in zip(fields, plans, strict=True))
    shape = (number, settings.side_px, settings.side_px)
    seen = np.lib.format.open_memmap(scratch / "crops.npy", "w+", np.float16, shape)
    taken: list[Taken] = []
    for index, (name, plan) in enumerate(zip(fields, plans, strict=True)):
        rng = np.random.default_rng([settings.seed, index])
        for change in plan:
            for crop, one in cutter.cut(name, corners[name], change, rng):
                seen[len(taken)] = crop
                taken.append(one)
        tell(index + 1, len(fields))
    table = pd.DataFrame([one.row for one in taken])
    table["confluence"] = _confluence(table, np.stack([one.rough for one in taken]))
    return Crops(
        table, seen, np.stack([one.plain for one in taken]), np.stack([one.picture for one in taken])
    )


def planned_changes(fields: int, settings: CropSettings) -> list[list[Change]]:
    """Give each of so many fields its changes, the unchanged first.

    Every kind at every severity, or as many of them as the settings say: then all are dealt out in turn, in a
    new order each time, so that kinds and severities come about equally often. Signs are drawn.
    """
    rng = np.random.default_rng(settings.seed)
    kinds = list(dict.fromkeys(settings.kinds))
    known = {(kind, level): [each for each in all_changes([kind]) if abs(each.severity) == level]
             for kind in kinds for level in settings.severities}  # fmt: skip
    cells = [cell for cell, found in known.items() if found]
    if not cells:
        return [[UNCHANGED] for _ in range(fields)]
    number = min(settings.changes or len(cells), len(cells))
    dealt: list[tuple[str, int]] = []
    while len(dealt) < fields * number:
        dealt += [cells[index] for index in rng.permutation(len(cells))]
    plans = []
    for first in range(0, fields * number, number):
        chosen = [known[cell] for cell in dealt[first : first + number]]
        plans.append([UNCHANGED, *(found[rng.integers(len(found))] for found in chosen)])
    return plans


class Taken(NamedTuple):
    """What is kept in memory of a crop."""

    row: dict[str, Any]
    plain: Vector  # (feature)
    picture: NDArray[np.uint8]  # (Y X) small
    rough: Vector  # logarithms of local spreads, flat


@dataclass(frozen=True)
class Cutter:
    """A plate, a model ready to see it, and what its crops share."""

    engine: Engine
    plate: Plate
    view: View
    limits: tuple[float, float]  # grey values that small pictures show as black and white
    side_px: int

    @classmethod
    def of(cls, engine: Engine, plate: Plate, fields: Sequence[FieldName], side_px: int) -> "Cutter":
        """Look at some of the fields to fix the scales of grey values."""
        chosen = fields[:: -(-len(fields) // LOOKED_AT)]
        planes = [plate.read(name, engine.card.input) for name in chosen]
        ends = np.array([np.percentile(plane, (0.5, 50, 99.5)) for plane in planes], dtype=np.float64)
        low, middle, high = float(ends[:, 0].min()), float(np.median(ends[:, 1])), float(ends[:, 2].max())
        # twice as wide as clean fields need, so that brightness and contrast can be seen to change
        limits = (middle - 2 * (middle - low), middle + 2 * max(high - middle, 1e-6))
        return cls(engine, plate, view_of(planes, plate.pixel_size_um), limits, side_px)

    def corners(self, name: FieldName, most: int) -> list[Corner]:
        """Spread crops evenly over a field: as many as cover it, or `most` of them.

        Raises
        ------
        BadInput
            The field is smaller than a crop.
        """
        zoom = self.engine.zoom(self.plate.pixel_size_um)
        shape = working_shape(self.plate.shape(name), zoom)
        if min(shape) < self.side_px:
            raise BadInput(
                f"field {name} has {shape[0]} × {shape[1]} px on the model's working grid, less than a crop"
                f" of {self.side_px} px; take smaller ones: --crop-px {max(16, min(shape) // 16 * 16)}"
            )
        rows, columns = (
            np.linspace(0, length - self.side_px, -(-length // self.side_px)).round().astype(int).tolist()
            for length in shape
        )
        every = [(row, column) for row in rows for column in columns]
        chosen = np.unique(np.linspace(0, len(every) - 1, min(most, len(every))).round().astype(int))
        return [every[index] for index in chosen]

    def cut(
        self, name: FieldName, corners: Sequence[Corner], change: Change, rng: Rng
    ) -> Iterator[tuple[Plane, Taken]]:
        """Give a field's crops (Y X) as the network sees them, after a change, and what is kept of each."""
        recorded = self.plate.read(name, self.engine.card.input)
        refuse_unusable(recorded)
        recorded, saturated = corrupted(recorded, change, self.view, rng)
        seen = self.engine.seen(recorded, self.plate.pixel_size_um)
        upright = np.rot90(seen.plane, -seen.turns)
        for top, left in corners:
            crop = upright[top : top + self.side_px, left : left + self.side_px]
            box = {"top_px": top, "left_px": left, "side_px": self.side_px}
            box = {side: round(value / seen.zoom) for side, value in box.items()}
            rows, columns = (slice(box[side], box[side] + box["side_px"]) for side in ("top_px", "left_px"))
            part = recorded[rows, columns]
            row = {"well": name.well, "field": name.field, **box, **vars(change), "saturated": saturated}
            picture = _picture(part, self.limits)
            plain = np.array([*light_features(part), *seen_features(crop), *self._relief(crop)])
            yield np.rot90(crop, seen.turns), Taken(row, plain, picture, _rough(crop))

    def _relief(self, crop: Plane) -> list[float]:
        """Give relief's strength in a crop, lying as recorded, and its parts along and across the model's."""
        light = find_light(crop)
        away = np.deg2rad(light.angle_deg - (self.engine.card.light_deg or 0.0))
        return [light.strength, light.strength * float(np.cos(away)), light.strength * float(np.sin(away))]


def _picture(part: RawPlane, limits: tuple[float, float]) -> NDArray[np.uint8]:
    small = resample(np.asarray(part, dtype=np.float32), (PICTURE_PX, PICTURE_PX))
    share = (small - limits[0]) / (limits[1] - limits[0])
    picture: NDArray[np.uint8] = np.clip(np.rint(255 * share), 0, 255).astype(np.uint8)
    return picture


def _rough(crop: Plane) -> Vector:
    """Give the logarithm of the spread within small squares of a crop (Y X), flat."""
    mean = uniform_filter(crop, ROUGH_PX)
    variance = np.maximum(uniform_filter(crop**2, ROUGH_PX) - mean**2, 1e-8)
    spread: Vector = np.log(variance[::ROUGH_STEP, ::ROUGH_STEP]).ravel().astype(np.float64) / 2
    return spread


def _confluence(table: pd.DataFrame, rough: Vector) -> Vector:
    """Give the share of each crop (N) that cells cover: where it is rough (Otsu, over all clean crops).

    A corrupted crop covers the same cells, so it has the value of the clean one; `rough` is (N square).
    """
    clean = np.asarray(table["kind"] == CLEAN)
    values = rough[clean]
    level = threshold_otsu(values) if np.ptp(values) > 0 else np.inf
    own = pd.MultiIndex.from_frame(table[["well", "field", "top_px", "left_px"]])
    known = pd.Series((values > level).mean(axis=1), index=own[clean])
    return known.reindex(own).to_numpy()
