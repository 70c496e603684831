"""Wells of the twin: what a plate is asked for, which clone stands where, and its cells on a canvas."""

from itertools import count
from typing import Annotated, Literal, NamedTuple, Self

import numpy as np
from pydantic import Field, model_validator
from scipy.fft import next_fast_len

from unstained.imaging.optics import Mode
from unstained.settings import Settings
from unstained.twin.anatomy import Textures, make_textures
from unstained.twin.cells import Cells, grow_cells
from unstained.twin.clones import Clone, make_clones

ROWS, COLUMNS = 8, 12
MARGIN_UM = 16.0  # drawn around a field and cut off again: light spreads
CANVAS = 10.0  # area of a well that can be photographed, in areas of all its fields

LABEL_FREE: dict[str, Mode] = {
    "DIC": "dic", "BF": "brightfield", "PH": "phase", "OBLIQUE": "oblique",
}  # fmt: skip


class TwinSettings(Settings):
    """A simulated plate."""

    wells: int = Field(24, ge=1, le=ROWS * COLUMNS)
    fields: int = Field(4, ge=1, le=99, description="per well")
    side_px: int = Field(512, ge=64, le=4096)
    pixel_size_um: float = Field(0.325, ge=0.1, le=0.36, description="coarser ones miss what the lens shows")
    clones: int | None = Field(None, ge=1, description="null = so many that each has two wells or all days")
    days: tuple[Annotated[float, Field(ge=0)], ...] = Field(
        (0.0,), min_length=1, description="of culture; the wells of a clone take them in turn"
    )
    label_free: tuple[str, ...] = Field(("DIC",), min_length=1, description="of DIC, BF, PH, OBLIQUE")
    cells_per_mm2: float = Field(1500.0, ge=0, le=6000, description="in a well of average growth")
    haze: float = Field(0.25, ge=0, lt=1, description="share of fluorescence from out of focus")
    focus_um: float = Field(0.4, ge=0, description="standard deviation of the autofocus")
    focus_drift_um: float = Field(0.0, description="from the first field taken to the last")
    lamp_drift: float = Field(0.0, gt=-1, lt=1, description="share of light lost from first field to last")
    motion_um: float = Field(
        0.0, ge=0, description="unfixed cells: how far along each axis one walks before each stain is taken"
    )
    bits: Literal[8, 12, 16] = Field(16, description="of the camera")
    seed: int = Field(0, ge=0)

    @property
    def clone_count(self) -> int:
        """Give the number of clones."""
        return self.clones or max(1, self.wells // max(2, len(self.days)))

    @property
    def margin_px(self) -> int:
        """Give the margin that is drawn around a field; with it, FFTs of the field are fast."""
        least = int(np.ceil(MARGIN_UM / self.pixel_size_um))
        return next(
            margin for margin in count(least) if next_fast_len(whole := self.side_px + 2 * margin) == whole
        )

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        unknown = [name for name in self.label_free if name not in LABEL_FREE]
        if unknown or len(set(self.label_free)) < len(self.label_free):
            raise ValueError(
                f"label_free: each of {', '.join(LABEL_FREE)} at most once, not {self.label_free}"
            )
        if self.clone_count * len(self.days) > self.wells:
            raise ValueError(
                f"{self.clone_count} clones on {len(self.days)} days need"
                f" {self.clone_count * len(self.days)} wells, not {self.wells}"
            )
        return self


class Planned(NamedTuple):
    """What stands in a well."""

    clone: Clone
    day: float
    titre_g_per_l: float
    seed: int


class Well(NamedTuple):
    """A well before photos are taken of it."""

    planned: Planned
    cells: Cells
    textures: Textures
    side_px: int  # of its canvas


def plan_wells(settings: TwinSettings) -> dict[str, Planned]:
    """Say which clone stands in which well on which day, in the order in which wells are photographed.

    Clones stand in random wells; the microscope goes along the rows, every other one backwards.
    """
    rng = np.random.default_rng((settings.seed, 0))
    clones = make_clones(settings.clone_count, rng)
    rows = int(np.ceil(settings.wells / COLUMNS))
    places = [(row, column) for row in range(rows) for column in range(COLUMNS)][: settings.wells]
    planned = {}
    for index, at in enumerate(rng.permutation(len(places))):
        clone = clones[index % len(clones)]
        day = settings.days[index // len(clones) % len(settings.days)]
        planned[places[at]] = Planned(clone, day, clone.titre(day, rng), int(rng.integers(2**31)))
    snake = sorted(planned, key=lambda place: (place[0], place[1] * (-1 if place[0] % 2 else 1)))
    return {f"{'ABCDEFGH'[row]}{column + 1:02d}": planned[row, column] for row, column in snake}


def grow_well(planned: Planned, settings: TwinSettings) -> Well:
    """Grow a well's cells on a canvas on which its fields overlap at times."""
    rng = np.random.default_rng((settings.seed, 1, planned.seed))
    side_px = int(settings.side_px * np.sqrt(CANVAS * settings.fields)) + 2 * settings.margin_px
    side_um = side_px * settings.pixel_size_um
    density = settings.cells_per_mm2 * planned.clone.growth * np.exp(rng.normal(0, 0.3))
    number = int(rng.poisson(density * side_um**2 / 1e6))
    cells = grow_cells(number, planned.clone.traits(planned.day), side_um, rng)
    return Well(planned, cells, make_textures(settings.pixel_size_um, rng), side_px)
