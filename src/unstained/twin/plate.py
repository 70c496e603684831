"""A plate of the twin: wells of clones, fields at random places, what a microscope records, and the truth.

Two plates are written: what a laboratory would have, and beside it, named `…-truth.zarr`, what nobody has:
stains without blur and noise, heights, labels of cells and nuclei. All of it follows from settings and seed.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from unstained.arrays import Plane
from unstained.errors import BadInput
from unstained.imaging.camera import Camera, expose
from unstained.imaging.optics import Objective, Transmission, fluorescent, transmitted
from unstained.plates.plate import FieldName, Plate, PlateWriter, create_plate
from unstained.settings import Settings
from unstained.twin.anatomy import Anatomy, Textures, Window, draw_cells, make_textures
from unstained.twin.cells import Cells, grow_cells
from unstained.twin.clones import Clone, make_clones

VERSION = 1
"""Of everything that decides what the twin looks like; a model says which one it was trained on."""

ROWS, COLUMNS = 8, 12
MARGIN_PX = 48  # drawn around a field and cut off again: light spreads
LABEL_FREE_ELECTRONS = 8000.0  # of an empty field
TEXTURE_PX = 1024
CANVAS = 2.5  # area of a well that can be photographed, in areas of all its fields


class Dye(NamedTuple):
    """One stain's light."""

    source: str  # plane of `Anatomy`
    wavelength_um: float
    electrons: float  # where the plane is 1
    background: float  # electrons everywhere
    bleeds: dict[str, float]  # shares of other planes that are seen, too


STAINS = {
    "DNA": Dye("dna", 0.46, 900, 40, {}),
    "ER": Dye("er", 0.60, 700, 60, {"gfp": 0.03}),
    "GOLGI": Dye("golgi", 0.67, 500, 50, {"er": 0.04}),
    "GFP": Dye("gfp", 0.52, 600, 60, {"dna": 0.02}),
}

TRUTH = ("path_um", "height_um", "dna", "er", "golgi", "gfp")
"""Planes of `Anatomy` that the truth keeps as channels."""

KINDS = ("adherent", "rounded", "mitotic", "dead", "debris")

LABEL_FREE = {"DIC": "dic", "BF": "brightfield", "PH": "phase", "OBLIQUE": "oblique"}


class TwinSettings(Settings):
    """A simulated plate; every value has an effect on every pixel, so all are kept with the plate."""

    wells: int = Field(24, ge=1, le=ROWS * COLUMNS)
    fields: int = Field(4, ge=1, le=99, description="per well")
    side_px: int = Field(512, ge=64, le=4096)
    pixel_size_um: float = Field(0.325, gt=0.05, le=2)
    clones: int | None = Field(None, ge=1, description="null: one for every two wells")
    days: tuple[float, ...] = Field((0.0,), description="of culture; the wells of a clone take them in turn")
    label_free: tuple[str, ...] = Field(("DIC",), description="of DIC, BF, PH, OBLIQUE")
    cells_per_mm2: float = Field(1500.0, gt=0, le=6000, description="in a well of average growth")
    haze: float = Field(0.25, ge=0, lt=1, description="share of fluorescence from out of focus")
    focus_um: float = Field(0.4, ge=0, description="standard deviation of the autofocus")
    focus_drift_um: float = Field(0.0, description="from the first field taken to the last")
    lamp_drift: float = Field(0.0, gt=-1, lt=1, description="share of light lost from first field to last")
    motion_um: float = Field(0.0, ge=0, description="unfixed cells: how far one moves between channels")
    bits: int = Field(16, description="8, 12 or 16")
    seed: int = Field(0, ge=0)


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
    """One field: what was recorded (channel Y X), what is there, and how it was taken."""

    recorded: NDArray[np.uint16]
    anatomy: Anatomy
    info: dict[str, Any]


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
    BadInput
        A label-free channel isn't known.
    OutputExists, OutputFailed
        As for any plate.
    """
    unknown = sorted(set(settings.label_free) - set(LABEL_FREE))
    if unknown:
        raise BadInput(f"no label-free channel {unknown[0]!r}; there are: {', '.join(LABEL_FREE)}")
    plan = plan_wells(settings)
    recorded, truth = _writers(out, settings, plan, overwrite=overwrite)
    total = settings.wells * settings.fields
    for name, planned in plan.items():
        well = grow_well(name, planned, settings)
        for number in range(settings.fields):
            taken = len(recorded.done)
            field = FieldName(name, number)
            made = simulate_field(well, number, settings, lateness=taken / max(total - 1, 1))
            recorded.write_field(field, made.recorded, info=made.info)
            truth.write_field(
                field, np.stack([getattr(made.anatomy, each) for each in TRUTH]), info=made.info
            )
            for labels in ("cells", "nuclei"):
                truth.write_labels(field, labels, getattr(made.anatomy, labels))
            truth.write_table(field, "cells", object_truth(made.anatomy, well.cells, settings.pixel_size_um))
            if progress is not None:
                progress(taken + 1, total)
    truth.finish()
    return recorded.finish()


def plan_wells(settings: TwinSettings) -> dict[str, Planned]:
    """Say which clone stands in which well on which day, in the order in which wells are photographed.

    Clones stand in random wells; the microscope goes along the rows, every other one backwards.
    """
    rng = np.random.default_rng((settings.seed, 0))
    clones = make_clones(settings.clones or -(-settings.wells // 2), rng)
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
    side_px = int(settings.side_px * np.sqrt(CANVAS * settings.fields)) + 2 * MARGIN_PX
    side_um = side_px * settings.pixel_size_um
    density = settings.cells_per_mm2 * planned.clone.growth * np.exp(rng.normal(0, 0.3))
    number = int(rng.poisson(density * side_um**2 / 1e6))
    cells = grow_cells(number, planned.clone.traits(planned.day), side_um, rng)
    return Well(name, planned, cells, make_textures(TEXTURE_PX, settings.pixel_size_um, rng), side_px)


def simulate_field(well: Well, number: int, settings: TwinSettings, *, lateness: float = 0.0) -> Simulated:
    """Photograph a field at a random place of a well; `lateness` is 0 for a plate's first, 1 for its last."""
    rng = np.random.default_rng((settings.seed, 2, well.planned.seed, number))
    top, left = (int(at) for at in rng.integers(MARGIN_PX, well.side_px - settings.side_px - MARGIN_PX, 2))
    around, pixel = settings.side_px + 2 * MARGIN_PX, settings.pixel_size_um
    window = Window(top - MARGIN_PX, left - MARGIN_PX, around, around, pixel)
    focus = float(rng.normal(0, settings.focus_um)) + settings.focus_drift_um * lateness
    lamp = 1 - settings.lamp_drift * lateness
    camera = Camera(
        bits=settings.bits, gain=0.5 if settings.bits == 16 else 0.5 * 2.0 ** (settings.bits - 14)
    )
    cells, planes = well.cells, []
    anatomy = draw_cells(cells, window, well.textures)
    for channel in settings.label_free:
        microscope = Transmission(mode=LABEL_FREE[channel])
        image = transmitted(anatomy.path_um, microscope, pixel_um=pixel, defocus_um=focus)
        planes.append(lamp * LABEL_FREE_ELECTRONS * image)
    for dye in STAINS.values():
        if settings.motion_um:
            cells = cells.moved(rng.normal(0, settings.motion_um, (len(cells), 2)))
        seen = draw_cells(cells, window, well.textures) if settings.motion_um else anatomy
        planes.append(_stained(seen, dye, settings, focus))
    middle = slice(MARGIN_PX, MARGIN_PX + settings.side_px)
    light = _uneven_light(settings.side_px, len(planes), np.random.default_rng((settings.seed, 3)))
    recorded = [
        expose(plane[middle, middle] * shade, camera, rng) for plane, shade in zip(planes, light, strict=True)
    ]
    info = {"top_px": top, "left_px": left, "focus_um": focus, "lamp": lamp, "simulated": True}
    return Simulated(np.stack(recorded), anatomy.cut(middle), info)


def object_truth(anatomy: Anatomy, cells: Cells, pixel_um: float) -> pd.DataFrame:
    """Give one row a cell of a field: area of cell and nucleus, µm², and its stains' sums over µm²."""
    count = int(anatomy.cells.max(initial=0)) + 1
    inside, area = anatomy.cells.ravel(), pixel_um**2
    sums = {
        f"{name}_total": np.bincount(inside, getattr(anatomy, name).ravel(), count) * area
        for name in ("dna", "er", "golgi", "gfp")
    }
    table = pd.DataFrame(
        {
            "label": np.arange(count),
            "area_um2": np.bincount(inside, minlength=count) * area,
            "nucleus_area_um2": np.bincount(anatomy.nuclei.ravel(), minlength=count) * area,
            **sums,
        }
    )
    present = table[(table["area_um2"] > 0) & (table["label"] > 0)].reset_index(drop=True)
    return present.assign(kind=[KINDS[kind] for kind in cells.kind[present["label"] - 1]])


def _stained(anatomy: Anatomy, dye: Dye, settings: TwinSettings, focus_um: float) -> Plane:
    """Give the electrons that one dye's channel collects (Y X)."""
    light = getattr(anatomy, dye.source)
    for source, share in dye.bleeds.items():
        light = light + np.float32(share) * getattr(anatomy, source)
    lens = Objective(wavelength_um=dye.wavelength_um)
    seen = fluorescent(light, lens, pixel_um=settings.pixel_size_um, defocus_um=focus_um, haze=settings.haze)
    electrons: Plane = dye.background + dye.electrons * np.clip(seen, 0, None)
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
    channels = {out: (*settings.label_free, *STAINS), truth_path(out): TRUTH}
    recorded, truth = (
        create_plate(
            path, name=out.stem, channels=names, pixel_size_um=settings.pixel_size_um,
            conditions=pd.DataFrame(conditions), info=info, overwrite=overwrite,
        )
        for (path, names), conditions in zip(channels.items(), (rows, hidden), strict=True)
    )  # fmt: skip
    return recorded, truth


def truth_path(plate: Path) -> Path:
    """Name the plate that holds a twin's truth."""
    return plate.with_name(f"{plate.stem}-truth{plate.suffix}")
