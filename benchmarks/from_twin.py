"""Going on from a model of the twin against training from nothing, on a strip of a real field.

Usage: python benchmarks/from_twin.py --data FOLDER --out FOLDER [--steps 200] [--seeds 2]
hela-rpe1: a strip of A01/0 (a sixth of it) trains, A01/1 is scored, never A01/2; its 0.23 µm per px makes its
nuclei as large as the twin's, as it states none. cellpainting-brightfield: the left quarter
of its image trains, the right half is scored; that DNA begins from DIC was chosen on the columns between.
Both arms take the same steps with the same seeds, without validation.
Writes results/from-twin-<set>-<stain>.json.
"""

import argparse
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from record import write_result
from unstained.measurement.image_metrics import image_agreement
from unstained.networks.bundle import Model, load_model_bundle
from unstained.plates.importing import ImportSettings, import_plate
from unstained.plates.plate import FieldName, Plate
from unstained.plates.regions import Region
from unstained.plates.splitting import Split
from unstained.prediction.engine import Engine
from unstained.training.models import Subject, fit_model, for_stains, grid_for, with_origin
from unstained.training.pairs import make_pairs
from unstained.training.recipes import TrainingSettings


class Case(NamedTuple):
    """What little of a set is learnt from, and what is scored."""

    folder: str
    pixel_size_um: float | None
    input: str
    target: str
    stain: str
    start: str
    train: Region
    scored: Region


def strip(well: str, field: int, rows: tuple[int, int], columns: tuple[int, int]) -> Region:
    """Name a part of a field."""
    return Region(FieldName(well, field), rows, columns)


WHOLE = (0, 2048)
HELA = (strip("A01", 0, WHOLE, (0, 340)), strip("A01", 1, WHOLE, WHOLE))
PAINTING = (strip("C03", 0, (0, 1080), (0, 270)), strip("C03", 0, (0, 1080), (540, 1080)))
CASES = (
    Case("hela-rpe1", 0.23, "TL", "DNA", "nuclei", "cho-four", *HELA),
    Case("cellpainting-brightfield", None, "BF", "DNA", "nuclei", "cho-four", *PAINTING),
    Case("cellpainting-brightfield", None, "BF", "ER", "er", "cho-brightfield", *PAINTING),
)


def trained(plate: Plate, case: Case, settings: TrainingSettings, start: Model | None) -> Model:
    """Train on the case's region, without validation."""
    split = Split((case.train,), (), (case.scored,), "half", (), "half")
    subject = Subject("from-twin", case.input, {case.stain: case.target})
    grid = grid_for(plate, settings, start)
    pairs = make_pairs(plate, split, subject.channels, grid, stains=subject.stains)
    model, _ = fit_model(subject, pairs, settings, start=start, accelerator="cpu", devices=1)
    return with_origin(model, plate, split, pairs)


def pcc(model: Model, plate: Plate, case: Case) -> float:
    """Score the case's other region."""
    field, rows, columns = case.scored.field, slice(*case.scored.rows), slice(*case.scored.columns)
    predicted = Engine(model, device="cpu").predict(plate.read(field, case.input), plate.pixel_size_um)[0]
    real = plate.read(field, case.target)
    return float(image_agreement(predicted[rows, columns], real[rows, columns])["pcc"] or 0.0)


def main() -> None:
    """Train both arms of every case with every seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", default="", help="a set's name, or SET-STAIN; default: all")
    arguments = parser.parse_args()
    wanted = arguments.only
    for case in CASES:
        if wanted not in ("", case.folder, f"{case.folder}-{case.stain}"):
            continue
        sized = ImportSettings(pixel_size_um=case.pixel_size_um)
        path = arguments.out / f"{case.folder}.zarr"
        plate = import_plate(arguments.data / case.folder, path, sized, overwrite=True)
        found: dict[str, list[float]] = {"nothing": [], "twin": []}
        begin = for_stains(load_model_bundle(case.start), (case.stain,))
        for seed in range(arguments.seeds):
            settings = TrainingSettings(steps=arguments.steps, seed=seed)
            found["nothing"].append(pcc(trained(plate, case, settings, None), plate, case))
            found["twin"].append(pcc(trained(plate, case, settings, begin), plate, case))
            print(case.folder, case.stain, json.dumps(found), flush=True)
        write_result(
            f"from-twin-{case.folder}-{case.stain}",
            title=f"PCC, {case.input} → {case.target}, going on from {case.start} (simulated) on one strip",
            value=float(np.mean(found["twin"])),
            goal=float(np.mean(found["nothing"])),
            comparison=">",
            interval=[min(found["twin"]), max(found["twin"])],
            against={"from nothing": float(np.mean(found["nothing"]))},
            data=f"{case.folder}: {case.train} trains, {case.scored} is scored; means over seeds",
            command=f"python benchmarks/from_twin.py --data data --out work --steps {arguments.steps}",
            seed=0,
            issue=3,
        )


if __name__ == "__main__":
    main()
