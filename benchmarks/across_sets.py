"""Nuclei from one real set to another: other cells, other microscopes, other contrasts, with the defaults.

Usage: python benchmarks/across_sets.py --data FOLDER --out FOLDER [--steps 200]
Each model learns from part of its own set and is scored on the others' kept parts, as it is and with its
batch norm re-estimated on their unstained fields; `cho-four` has seen simulated images alone. Of hela-rpe1
A01/0 trains and A01/1 is scored, never A01/2; the other sets are halves of one place. Where pixel
sizes aren't known on both sides, images are taken 1:1. Writes a study for docs/studies_page.py, and
results/across-sets.json.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from record import write_result
from unstained.measurement.image_metrics import Moments
from unstained.networks.bundle import Model, load_model_bundle
from unstained.plates.importing import ImportSettings, import_plate
from unstained.plates.plate import Plate
from unstained.plates.regions import Region
from unstained.plates.splitting import Split, split_plate
from unstained.prediction.labeller import Labeller
from unstained.stains.catalogue import STAINS
from unstained.studies.figures import dots
from unstained.studies.phenotypes import re_estimated
from unstained.studies.study import Study, write_study
from unstained.studies.workbench import Workbench
from unstained.training.models import Subject, fit_model, grid_for, with_origin
from unstained.training.pairs import make_pairs
from unstained.training.recipes import TrainingSettings

SETS = {"hela-rpe1": "TL", "neurons": "PH", "cellpainting-brightfield": "BF", "scratch-assay": "OBLIQUE"}
NEVER = "A01/2"
"""Of hela-rpe1: kept for the bundled model's score."""


@dataclass(frozen=True)
class Part:
    """One set: its plate, its label-free channel, what trains and what is scored."""

    name: str
    plate: Plate
    input: str
    split: Split


def part_of(name: str, data: Path, out: Path) -> Part:
    """Import a set and split it."""
    path = out / f"{name}.zarr"
    plate = import_plate(data / name, path, ImportSettings(project="best"), overwrite=True)
    if name != "hela-rpe1":
        return Part(name, plate, SETS[name], split_plate(plate))
    split = split_plate(plate, test=("A01/1",), validation=(NEVER,))
    kept = Split(split.train, (), split.test, split.level, split.warnings, split.validation_level)
    return Part(name, plate, SETS[name], kept)


def trained(part: Part, steps: int) -> Model:
    """Train on a set's own part."""
    settings = TrainingSettings(steps=steps)
    subject = Subject(part.name, part.input, {"nuclei": "DNA"})
    grid = grid_for(part.plate, settings, None)
    pairs = make_pairs(part.plate, part.split, subject.channels, grid, stains=subject.stains)
    model, _ = fit_model(subject, pairs, settings, accelerator="cpu", devices=1)
    return with_origin(model, part.plate, part.split, pairs)


def pcc(model: Model, part: Part) -> float:
    """Correlate nuclei with the real stain over a set's kept regions together."""
    labeller, sums = Labeller(model), Moments()
    for region in part.split.test:
        planes = labeller.engine.predict(part.plate.read(region.field, part.input), part.plate.pixel_size_um)
        index = model.card.stains.index("nuclei")
        real = part.plate.read(region.field, "DNA")
        sums = sums + Moments.of(cut(planes[index], region), cut(real, region))
    return float(sums.pcc or 0.0)


def cut(plane: np.ndarray, region: Region) -> np.ndarray:
    """Cut a region out."""
    return plane[slice(*region.rows), slice(*region.columns)]


def settled(model: Model, part: Part, out: Path) -> Model:
    """Give a model with the batch norm of a set's unstained fields."""
    bench = Workbench(part.plate, part.input, {}, STAINS, out)
    fields = tuple(dict.fromkeys(region.field for region in (*part.split.train, *part.split.test)))
    return re_estimated(model, bench, fields)


def main() -> None:
    """Train on each, score on each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=200)
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    parts = {name: part_of(name, chosen.data, chosen.out) for name in SETS}
    models = {name: trained(part, chosen.steps) for name, part in parts.items()}
    models["cho-four"] = load_model_bundle("cho-four")
    rows = []
    for source, model in models.items():
        for name, part in parts.items():
            row = {"train": source, "test": name, "pcc": round(pcc(model, part), 3)}
            row["batch_norm_of_the_other"] = round(pcc(settled(model, part, chosen.out), part), 3)
            rows.append(row)
            print(row, flush=True)
    own = np.mean([row["pcc"] for row in rows if row["train"] == row["test"]])
    real = [row for row in rows if row["train"] not in ("cho-four", row["test"])]
    away, mended = (np.mean([row[kind] for row in real]) for kind in ("pcc", "batch_norm_of_the_other"))
    twin = np.mean([row["pcc"] for row in rows if row["train"] == "cho-four"])
    findings = (
        f"nuclei, mean PCC on the own set {own:.2f}, on the others {away:.2f},"
        f" with batch norm re-estimated on their unstained fields {mended:.2f}; of cho-four, which has seen"
        f" simulated images alone, {twin:.2f}.",
    )
    study = Study(
        name="phenotypes", title="Nuclei from one real set to another", findings=findings, seeds=(0,),
        data=f"plate real: real images of {', '.join(SETS)}, kept parts",
        tables={"real-sets": tuple(rows)}, steps=chosen.steps,
    )  # fmt: skip
    named = [{**row, "variant": f"{row['train']} → {row['test']}"} for row in rows]
    figures = {"closing": dots(named, ("pcc", "batch_norm_of_the_other"))}
    write_study(chosen.out / "phenotypes", study, figures)
    write_result(
        "across-sets",
        title="PCC of nuclei on other real sets than that of training, mean",
        value=float(away),
        goal=None,
        comparison=None,
        against={
            "on its own": float(own),
            "batch norm of the other": float(mended),
            "of cho-four": float(twin),
        },
        data=f"{', '.join(SETS)}: parts that no training saw (of hela-rpe1 A01/1)",
        command="python benchmarks/across_sets.py --data data --out work",
        seed=0,
        issue=4,
    )


if __name__ == "__main__":
    main()
