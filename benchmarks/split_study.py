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
from unstained.plates.importing import import_plate
from unstained.plates.plate import Plate
from unstained.stains.catalogue import STAINS
from unstained.studies.split import split
from unstained.studies.workbench import Workbench


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
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        bench = Workbench(
            without_test_field(chosen.data, scratch), "TL", {"nuclei": "DNA"}, STAINS, scratch / "cache",
            test=("A01/1",), steps=chosen.steps, seeds=tuple(range(chosen.seeds)), tell=print,
            devices={"accelerator": "cpu", "devices": 1},
        )  # fmt: skip
        rows = split(bench).tables["split"]
        level = bench.split.level
    scores = {kind: [row["pcc"] for row in rows if row["split"] == kind] for kind in ("naive", level)}
    gaps = [naive - honest for naive, honest in zip(*scores.values(), strict=True)]
    write_result(
        "study-split",
        title=f"PCC that a split by crops claims too much ({chosen.seeds} seeds, {chosen.steps} steps)",
        value=float(np.mean(gaps)),
        goal=None,
        comparison=None,
        interval=[min(gaps), max(gaps)],
        against={"naive": float(np.mean(scores["naive"])), "honest": float(np.mean(scores[level]))},
        data="hela-rpe1 A01/0 and A01/1; honest: A01/1 is the test field",
        command=f"python benchmarks/split_study.py --data hela-rpe1 --steps {chosen.steps}",
        seed=0,
        notes=f"the interval is the range over seeds; honest level: {level}",
    )


if __name__ == "__main__":
    main()
