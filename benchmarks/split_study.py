"""How much a split by crops flatters on hela-rpe1: `unstained study split`, never on field A01/2.

Usage: python benchmarks/split_study.py --data FOLDER [--steps 300] [--seeds 2]
The honest training tests on A01/1; the naive one deals crops of both fields out at random.
Writes results/study-split.json: naive PCC minus honest PCC, mean over seeds.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from record import write_result
from unstained import pipeline
from unstained.plates.importing import import_plate
from unstained.plates.plate import Plate
from unstained.training.models import Subject
from unstained.training.recipes import TrainingSettings


def without_test_field(data: Path, scratch: Path) -> Plate:
    """Import all fields but A01/2."""
    table = pd.read_csv(data / "manifest.csv", keep_default_na=False)
    table = table[table["field"] != 2].copy()
    table["path"] = [str((data / path).resolve()) for path in table["path"]]
    table.to_csv(scratch / "manifest.csv", index=False)
    return import_plate(scratch / "manifest.csv", scratch / "plate.zarr")


def main() -> None:
    """Study every seed and write the mean."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--data", type=Path, required=True, help="folder with hela-rpe1's manifest.csv")
    arguments.add_argument("--steps", type=int, default=300)
    arguments.add_argument("--seeds", type=int, default=2)
    chosen = arguments.parse_args()
    studies = []
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        plate = without_test_field(chosen.data, scratch)
        for seed in range(chosen.seeds):
            settings = TrainingSettings(steps=chosen.steps, seed=seed)
            plan = pipeline.Plan(
                Subject("split-study", "TL", {"nuclei": "DNA"}), settings, pipeline.HeldOut(test=("A01/1",))
            )
            studies.append(pipeline.study_splits(plate, plan, scratch / f"study-{seed}"))
            print(studies[-1].model_dump_json(), flush=True)
    gaps = [study.gap for study in studies]
    write_result(
        "study-split",
        title=f"PCC that a split by crops claims too much ({chosen.seeds} seeds, {chosen.steps} steps)",
        value=float(np.mean(gaps)),
        goal=None,
        comparison=None,
        interval=[min(gaps), max(gaps)],
        against={
            kind: float(np.mean([getattr(study, kind).pcc for study in studies]))
            for kind in ("naive", "honest")
        },
        data="hela-rpe1 A01/0 and A01/1; honest: A01/1 is the test field",
        command=f"python benchmarks/split_study.py --data hela-rpe1 --steps {chosen.steps}",
        seed=0,
        notes=f"the interval is the range over seeds; honest level: {studies[0].honest_level}",
    )


if __name__ == "__main__":
    main()
