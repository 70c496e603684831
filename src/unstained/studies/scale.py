"""What happens at another magnification than that of training, and how knowing the pixel size mends it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from skimage.transform import rescale

from unstained.arrays import Plane, RawPlane
from unstained.plates.plate import Plate, create_plate
from unstained.plates.regions import whole_field
from unstained.plates.splitting import ROLES
from unstained.studies.figures import dots
from unstained.studies.study import SHORT, Answer, Row, mean_row
from unstained.studies.workbench import Variant, Workbench

STAIN = "nuclei"
FACTORS = (0.7, 1.0, 1.3)
"""Images are seen this much larger."""

ZOOM = 1.35
"""With augmentation, crops are zoomed between 1/this and this: the range that is predicted."""

WITHIN = 0.01

THESIS = tuple(
    {"train": train, "predict": predict, "augmented": augmented, "number": number, "total": total,
     "mean": mean, "area": area}
    for train, predict, augmented, number, total, mean, area in (
        (1.3, 1.3, "no", 0.987, 0.902, 0.922, 0.991), (0.7, 0.7, "no", 0.995, 0.88, 0.906, 0.992),
        (1.0, 1.3, "yes", 0.975, 0.861, 0.88, 0.961), (1.3, 1.0, "no", 0.971, 0.856, 0.872, 0.952),
    )
)  # fmt: skip
"""Its Table 2."""


def scale(bench: Workbench) -> Answer:
    """Train and predict at three magnifications, with and without augmentation, pixel size known or not.

    Images are resampled. Where the pixel size isn't known, all networks work on the pixels as they come, on
    the grid that the default recipe finds at 1×; where it is, the field is first brought to that of training.
    """
    card = bench.model(bench.variant("default", STAIN), bench.seeds[0]).card
    grid, diameter_px = card.working_scale, card.object_diameters_px[0] or 1.0
    pixel = bench.plate.pixel_size_um or 1.0
    rows: list[Row] = []
    benches = {factor: _resized(bench, factor, known=False) for factor in FACTORS}
    known = FACTORS if bench.plate.pixel_size_um else ()
    aware = {factor: _resized(bench, factor, known=True) for factor in known}
    for train in FACTORS:
        for augmented in (False, True):
            variant = _variant(bench, grid, augmented=augmented)
            for predict in FACTORS:
                size = diameter_px * predict * pixel  # as the plate has it; the same truth for all networks
                on = benches[predict].plate
                scored = [
                    benches[train].score(variant, seed, on=on, diameter_um=size) for seed in bench.seeds
                ]
                place = {"train": train, "predict": predict, "augmented": "yes" if augmented else "no"}
                rows.append({**place, "pixel_size": "not known", **_measures(mean_row("", scored))})
    for train in known:
        variant = bench.variant("plain", STAIN, crops={"scale": 1.0})
        for predict in known:
            on, size = aware[predict].plate, diameter_px * pixel
            scored = [aware[train].score(variant, seed, on=on, diameter_um=size) for seed in bench.seeds]
            place = {"train": train, "predict": predict, "augmented": "no", "pixel_size": "known"}
            rows.append({**place, **_measures(mean_row("", scored))})
    named = [
        {**row, "variant": f"{row['train']} → {row['predict']}×, augmented {row['augmented']},"
         f" pixel size {row['pixel_size']}"} for row in rows
    ]  # fmt: skip
    figures = {"table-2": dots(named, ("pcc", *SHORT.values()))}
    return Answer({"table-2": rows}, [_finding(rows)], figures, THESIS)


def _variant(bench: Workbench, grid: float, *, augmented: bool) -> Variant:
    crops = {"scale": ZOOM if augmented else 1.0}
    return bench.variant(
        "augmented" if augmented else "plain", STAIN, working_scale=min(grid, 1.0), crops=crops
    )


def _measures(row: Row) -> Row:
    return {name: row[name] for name in ("pcc", *SHORT.values(), "bias_number")}


def _finding(rows: list[Row]) -> str:
    known = [row for row in rows if row["pixel_size"] == "known"]
    if not known:
        return "the plate doesn't state its pixel size, so it can't mend anything."
    at_one = next(row for row in known if row["train"] == row["predict"] == 1.0)
    losses = {
        (row["train"], row["predict"], measure): at_one[measure] - row[measure]
        for row in known if row["train"] == 1.0 for measure in SHORT.values()
        if row[measure] is not None and at_one[measure] is not None
    }  # fmt: skip
    if not losses:
        return "too few test fields for correlations."
    (_, predict, measure), worst = max(losses.items(), key=lambda item: item[1])
    return (
        f"pixel size known, trained at 1×: the largest loss of a Pearson correlation is {worst:.3f}"
        f" ({measure} at {predict}×; goal: within {WITHIN})."
    )


def _resized(bench: Workbench, factor: float, *, known: bool) -> Workbench:
    """Give the workbench with images seen `factor` times as large; the pixel size follows, or doesn't."""
    if factor == 1.0:
        return bench
    told = f"{bench.content[:6]}-{factor}{'' if known else '-unknown'}"
    path = bench.folder / "plates" / f"{bench.plate.name}-{told}.zarr"
    plate = resized_plate(bench, path, factor, known=known)
    train, validation, test = (
        tuple(whole_field(plate, region.field) for region in bench.split.regions(role)) for role in ROLES
    )
    split = replace(bench.split, train=train, validation=validation, test=test)
    return replace(bench, plate=plate, given=split)


def resized_plate(bench: Workbench, path: Path, factor: float, *, known: bool) -> Plate:
    """Write a plate of the label-free channel and the studied stain, resampled with cubic splines.

    Smaller images are means of what they cover: first blurred by as much as they shrink. Interrupted, the
    same call goes on; what is there already stays.
    """
    plate, channels = bench.plate, (bench.input, bench.targets[STAIN])
    size_um = plate.pixel_size_um
    if known and size_um is not None:
        size_um = size_um / factor
    kept: dict[str, Any] = {name: plate.info[name] for name in ("simulated", "twin") if name in plate.info}
    writer = create_plate(
        path, name=path.stem, channels=channels, pixel_size_um=size_um, conditions=plate.conditions,
        info=kept, resume=True,
    )  # fmt: skip
    for name in (each for each in plate.fields if each not in writer.done):
        planes = [seen_larger(plate.read(name, channel), factor) for channel in channels]
        writer.write_field(name, np.stack(planes), place=plate.place(name))
    return writer.finish()


def seen_larger(plane: RawPlane, factor: float) -> Plane:
    """Resample a plane (Y X) so that everything is `factor` times as large."""
    flat = np.asarray(plane, dtype=np.float32)
    larger = rescale(flat, factor, order=3, anti_aliasing=factor < 1, preserve_range=True)
    return np.asarray(larger, dtype=np.float32)
