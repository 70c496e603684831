"""A plate of the twin: wells of clones, fields at random places, what a microscope records, and the truth.

Two plates are written: what a laboratory would have, and beside it, named `…-truth.zarr`, what nobody has:
stains without blur and noise, heights, labels of cells and nuclei. All of it follows from settings and seed.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, model_validator

from unstained.arrays import Plane
from unstained.errors import OutputExists
from unstained.imaging.camera import Camera, expose
from unstained.imaging.optics import Objective, Transmission, fluorescent, transmitted
from unstained.plates import storage
from unstained.plates.plate import FieldName, Plate, PlateWriter, create_plate
from unstained.settings import Settings
from unstained.twin.anatomy import Anatomy, Textures, Window, draw_cells, make_textures
from unstained.twin.cells import KINDS, Cells, grow_cells
from unstained.twin.clones import Clone, make_clones

VERSION = 1
"""Of everything that decides what the twin looks like; a model that learnt from it keeps it in its card."""

ROWS, COLUMNS = 8, 12
MARGIN_UM = 16.0  # drawn around a field and cut off again: light spreads
LABEL_FREE_ELECTRONS = 2000.0  # of an empty field; noise is then 2 % of it, as in the real sets
CANVAS = 10.0  # area of a well that can be photographed, in areas of all its fields


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

TRUTH = ("path_um", "height_um", "dna", "er", "golgi", "gfp")
"""Planes of `Anatomy` that the truth keeps, beside each recorded channel without the camera's noise."""

LABEL_FREE: dict[str, Literal["dic", "brightfield", "phase", "oblique"]] = {
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
        """Give the margin that is drawn around a field."""
        return int(np.ceil(MARGIN_UM / self.pixel_size_um))

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

    name: str
    planned: Planned
    cells: Cells
    textures: Textures
    side_px: int  # of its canvas


class Simulated(NamedTuple):
    """One field: what was recorded, what a camera without noise would record, what is there, and how."""

    recorded: NDArray[np.uint16]  # (channel Y X), grey values
    electrons: NDArray[np.float32]  # (channel Y X)
    anatomy: Anatomy
    taken: dict[str, float]  # place on the canvas, focus, lamp


def make_twin(
    out: Path,
    settings: TwinSettings,
    *,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Plate:
    """Simulate a plate and its truth, and write both.

    Raises
    ------
    OutputExists, OutputFailed
        As for any plate; neither plate is touched.
    """
    plan = plan_wells(settings)
    recorded, truth = _writers(out, settings, plan, overwrite=overwrite)
    total = settings.wells * settings.fields
    for name, planned in plan.items():
        well = grow_well(name, planned, settings)
        for number in range(settings.fields):
            acquired = len(recorded.done)
            made = simulate_field(well, number, settings, lateness=acquired / max(total - 1, 1))
            field = FieldName(name, number)
            recorded.write_field(field, made.recorded, info={"acquired": acquired, "simulated": True})
            _write_truth(truth, field, made, well, settings)
            if progress is not None:
                progress(acquired + 1, total)
    truth.finish()
    return recorded.finish()


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


def grow_well(name: str, planned: Planned, settings: TwinSettings) -> Well:
    """Grow a well's cells on a canvas on which its fields overlap at times."""
    rng = np.random.default_rng((settings.seed, 1, planned.seed))
    side_px = int(settings.side_px * np.sqrt(CANVAS * settings.fields)) + 2 * settings.margin_px
    side_um = side_px * settings.pixel_size_um
    density = settings.cells_per_mm2 * planned.clone.growth * np.exp(rng.normal(0, 0.3))
    number = int(rng.poisson(density * side_um**2 / 1e6))
    cells = grow_cells(number, planned.clone.traits(planned.day), side_um, rng)
    return Well(name, planned, cells, make_textures(settings.pixel_size_um, rng), side_px)


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
        planes.append(_stained(seen, stain, settings, focus_um))
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


def cell_table(anatomy: Anatomy, cells: Cells, pixel_um: float) -> pd.DataFrame:
    """Give one row a cell of a field, in the order of their rows in `Cells`.

    Columns: `label` (1 to N), `cell` (its row), `kind`; what is in the field, of whole and cut cells: middle,
    areas in µm², each stain's integral over µm² (`dna_total`) and its mean; whether the border cuts it; and
    what it was given (`dna_level`).
    """
    rows = np.unique(anatomy.cells)
    rows = rows[rows > 0]
    count, area = int(rows.max(initial=0)) + 1, pixel_um**2
    inside = anatomy.cells.ravel()
    pixels = np.bincount(inside, minlength=count)
    y, x = (axis.ravel() for axis in np.indices(anatomy.cells.shape))
    edges = np.concatenate(
        [anatomy.cells[index] for index in (0, -1)] + [anatomy.cells[:, index] for index in (0, -1)]
    )
    table = pd.DataFrame({"label": np.arange(1, len(rows) + 1), "cell": rows - 1})
    table["kind"] = pd.Series([KINDS[kind] for kind in cells.kind[rows - 1]], dtype=object)
    for name, axis in (("y_um", y), ("x_um", x)):
        table[name] = (np.bincount(inside, axis, count)[rows] / pixels[rows] + 0.5) * pixel_um
    table["area_um2"] = pixels[rows] * area
    table["nucleus_area_um2"] = np.bincount(anatomy.nuclei.ravel(), minlength=count)[rows] * area
    for name in ("dna", "er", "golgi", "gfp"):
        sums = np.bincount(inside, getattr(anatomy, name).ravel(), count)[rows]
        table[f"{name}_total"], table[f"{name}_mean"] = sums * area, sums / pixels[rows]
        table[f"{name}_level"] = getattr(cells, name)[rows - 1]
    return table.assign(touches_border=np.isin(rows, edges))


def _write_truth(
    truth: PlateWriter, field: FieldName, made: Simulated, well: Well, settings: TwinSettings
) -> None:
    """Write what is there: planes, labels 1 to N of cells and their nuclei, and a table of cells."""
    planes = np.stack([*(getattr(made.anatomy, name) for name in TRUTH), *made.electrons])
    truth.write_field(field, planes, info={**made.taken, "simulated": True})
    table = cell_table(made.anatomy, well.cells, settings.pixel_size_um)
    number = np.zeros(len(well.cells) + 1, np.int32)
    number[table["cell"] + 1] = table["label"]
    truth.write_labels(field, "cells", number[made.anatomy.cells])
    truth.write_labels(field, "nuclei", number[made.anatomy.nuclei])
    truth.write_table(field, "cells", table)


def _stained(anatomy: Anatomy, stain: Emission, settings: TwinSettings, focus_um: float) -> Plane:
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


def _writers(
    out: Path, settings: TwinSettings, plan: dict[str, Planned], *, overwrite: bool
) -> tuple[PlateWriter, PlateWriter]:
    rows = [
        {"well": well, "clone": planned.clone.name, "phenotype": planned.clone.phenotype,
         "day": planned.day, "titre_g_per_l": round(planned.titre_g_per_l, 3)}
        for well, planned in plan.items()
    ]  # fmt: skip
    hidden = [{**row, **planned.clone._asdict()} for row, planned in zip(rows, plan.values(), strict=True)]
    info = {"twin": {"version": VERSION, **settings.model_dump()}, "simulated": True}
    names = (*settings.label_free, *STAINS)
    channels = {out: names, truth_path(out): (*TRUTH, *names)}
    for path in channels:
        if storage.exists(path):
            if not overwrite:
                raise OutputExists(path)
            storage.refuse_replacing(path)
    recorded, truth = (
        create_plate(
            path, name=path.stem, channels=channels[path], pixel_size_um=settings.pixel_size_um,
            conditions=pd.DataFrame(conditions), info=info, overwrite=overwrite,
        )
        for path, conditions in zip(channels, (rows, hidden), strict=True)
    )  # fmt: skip
    return recorded, truth


def truth_path(plate: Path) -> Path:
    """Name the plate that holds a twin's truth."""
    return plate.with_name(f"{plate.stem}-truth{plate.suffix}")
