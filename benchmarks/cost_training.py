"""Whether `unstained cost` foretells how long a training takes here: estimated, then trained, in turn.

Usage: python benchmarks/cost_training.py --data FOLDER [--steps 60,100] [--side 1024] [--trust]
Trains on hela-rpe1's fields A01/0 and A01/1, a corner of `--side` px of each (0 = whole); A01/2 isn't read.
One thread. Each round estimates and then trains; both meet whatever else runs on the machine, which changes,
so beside the time on the clock the processor's time is told: what both would take on one that is left alone.
Writes results/cost-training-clock.json and results/cost-training-processor.json. Without `--trust` the
model's trust isn't made, and isn't foretold.
"""

import argparse
import csv
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tifffile
import torch

from record import write_result
from unstained import pipeline
from unstained.cost.measuring import Bench, measure_times
from unstained.cost.times import Training, total, training_work
from unstained.networks.bundle import load_model_bundle
from unstained.plates.plate import FieldName, Plate, create_plate
from unstained.training.models import Subject
from unstained.training.recipes import TrainingSettings
from unstained.trust.making import TrustSettings

GOAL = 0.2
CHANNELS = {"TL": "TL", "DNA": "DNA"}


class Round(NamedTuple):
    """Seconds foretold and taken, on the clock and of the processor."""

    steps: int
    foretold_clock: float
    clock: float
    foretold_processor: float
    processor: float


def corner_plate(data: Path, side: int, out: Path) -> Plate:
    """Make a plate of a corner of fields A01/0 and A01/1."""
    writer = create_plate(out, name="hela-rpe1", channels=list(CHANNELS), pixel_size_um=None)
    with (data / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = {(row["well"], row["field"], row["channel"]): row["path"] for row in csv.DictReader(file)}
    cut = slice(0, side or None)
    for field in ("0", "1"):
        planes = [tifffile.imread(data / rows["A01", field, name])[cut, cut] for name in CHANNELS]
        writer.write_field(FieldName("A01", int(field)), np.stack(planes))
    return writer.finish()


def one_round(plate: Plate, steps: int, trust: TrustSettings, out: Path) -> Round:
    """Estimate, then train; the fields that train and validate are those that the training chooses."""
    model = load_model_bundle("hela-rpe1-nuclei")
    settings = TrainingSettings(network=model.card.network, steps=steps)
    split = pipeline.split_for(plate, "TL", pipeline.HeldOut())
    whole = np.prod(plate.shape(plate.fields[0]))
    parts = [
        sum((rows[1] - rows[0]) * (columns[1] - columns[0]) for _, rows, columns in regions) / whole
        for regions in (split.train, split.validation)
    ]
    times = measure_times(Bench(plate, model, settings), clock=time.process_time)
    foretold = total(training_work(times, Training(*parts, steps, trust))).seconds_here
    plan = pipeline.Plan(Subject("timed", "TL", {"nuclei": "DNA"}), settings, trust=trust)
    began = time.perf_counter(), time.process_time()
    pipeline.train(plate, plan, out, overwrite=True, accelerator="cpu", devices=1)
    taken = time.perf_counter() - began[0], time.process_time() - began[1]
    return Round(steps, foretold / times.cpu_share, taken[0], foretold, taken[1])


def main() -> None:
    """Estimate and train in turn, and write how far off the estimates were."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--data", type=Path, required=True, help="folder with hela-rpe1's manifest.csv")
    arguments.add_argument("--steps", default="60,100")
    arguments.add_argument("--side", type=int, default=1024)
    arguments.add_argument("--trust", action="store_true")
    chosen = arguments.parse_args()
    torch.set_num_threads(1)
    trust = TrustSettings() if chosen.trust else TrustSettings(each=0)
    rounds = []
    with tempfile.TemporaryDirectory() as scratch:
        plate = corner_plate(chosen.data, chosen.side, Path(scratch) / "plate.zarr")
        for steps in map(int, chosen.steps.split(",")):
            rounds.append(one_round(plate, steps, trust, Path(scratch) / "model"))
            print(rounds[-1], flush=True)
            write(rounds, chosen)


def write(rounds: list[Round], chosen: argparse.Namespace) -> None:
    """Write the mean error of the rounds so far, on the clock and of the processor."""
    clock = [each.foretold_clock / each.clock - 1 for each in rounds]
    processor = [each.foretold_processor / each.processor - 1 for each in rounds]
    for name, off in (("clock", clock), ("processor", processor)):
        taken = [
            f"{getattr(each, name):.0f} s, foretold {getattr(each, f'foretold_{name}'):.0f}"
            for each in rounds
        ]
        write_result(
            f"cost-training-{name}",
            title=f"Training time foretold by `unstained cost`: mean error, time of the {name}",
            value=float(np.mean(np.abs(off))),
            goal=GOAL,
            comparison="<=",
            against={},
            interval=[min(off), max(off)],
            data=f"hela-rpe1 A01/0 and A01/1, a corner of {chosen.side} px; {chosen.steps} steps",
            command=f"python benchmarks/cost_training.py --data hela-rpe1 --steps {chosen.steps}"
            f" --side {chosen.side}{' --trust' if chosen.trust else ''}",
            seed=0,
            issue=6,
            notes="; ".join(taken)
            + "; other trainings ran on the machine"
            + ("" if chosen.trust else "; without the model's trust"),
        )


if __name__ == "__main__":
    main()
