"""A plate of the twin: wells of clones, fields at random places, what a microscope records, and the truth.

Two plates are written: what a laboratory would have, and beside it, named `…-truth.zarr`, what nobody has:
stains without blur and noise, heights, labels of cells and nuclei. All of it follows from settings and seed.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from unstained.errors import OutputExists
from unstained.plates import storage
from unstained.plates.plate import FieldName, Plate, PlateWriter, create_plate
from unstained.twin.anatomy import Anatomy
from unstained.twin.cells import KINDS, Cells
from unstained.twin.photos import STAINS, Simulated, simulate_field
from unstained.twin.wells import Planned, TwinSettings, Well, grow_well, plan_wells

VERSION = 1
"""Of everything that decides what the twin looks like; a model that learnt from it keeps it in its card."""

TRUTH = ("path_um", "height_um", "dna", "er", "golgi", "gfp")
"""Planes of `Anatomy` that the truth keeps, beside each recorded channel without the camera's noise."""


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
        well = grow_well(planned, settings)
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
