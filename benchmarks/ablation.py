"""What each part of the default recipe is worth: leave one out, train on A01/0, score A01/1, never A01/2.

Usage: python benchmarks/ablation.py --data FOLDER [--seeds 3] [--steps 200] [--only NAME,NAME]
Writes results/ablation-<part>.json: mean PCC on A01/1 with the part minus without it (positive = it helps).
A part that doesn't help on validation has no place in the default recipe, unless other sets need it.
"""

import argparse
import json
import tempfile
import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from record import write_result
from unstained.errors import UnstainedWarning
from unstained.measurement.image_metrics import image_agreement
from unstained.networks.bundle import Model
from unstained.networks.normalisation import Normalisation
from unstained.plates.importing import import_plate
from unstained.plates.plate import FieldName, Plate
from unstained.plates.splitting import split_plate
from unstained.prediction.engine import Engine
from unstained.training import fitting
from unstained.training.models import Subject, fit_model
from unstained.training.pairs import Grid, make_pairs
from unstained.training.recipes import TrainingSettings

SIDE = 192  # crops of a laptop's patience: many short trainings, all equal but for one part

WITHOUT: dict[str, dict[str, Any]] = {
    "nothing": {},
    "working grid": {"working_scale": 1.0},
    "objects of 25 px": {"grid": {"diameter_px": 17.0}},
    "batch norm": {"network": {"batch_norm": False}},
    "plain blocks": {"network": {"residual": True}},
    "16 filters": {"network": {"width": 24}},
    "muon": {"optimiser": "adamw"},
    "pearson loss": {"loss": "mse"},
    "pearson pooled": {"loss": "mse+pearson"},
    "foreground crops": {"crops": {"foreground": 0.0}},
    "settled batch norm": {"settle": False},
    "free rotation and zoom": {"crops": {"rotate_deg": 0.0, "scale": 1.0}},
    "steady look": {"crops": {"gain": 0.2, "bias": 0.1, "noise": 0.05, "blur_px": 0.7}},
    "averaged flips": {"average_flips": False},
    "light from one side": {"follow_light": False},
    "flattened light": {"normalisation": {"flatten": 0.0}},
}


def settings_without(changes: Mapping[str, Any], steps: int, seed: int) -> TrainingSettings:
    """Give the default recipe with one part changed."""
    base = TrainingSettings().model_dump()
    base["crops"]["side"] = SIDE
    for name, value in changes.items():
        if name in base:
            base[name] = {**base[name], **value} if isinstance(value, dict) else value
    return TrainingSettings.checked({**base, "steps": steps, "seed": seed})


def score(plate: Plate, changes: Mapping[str, Any], steps: int, seed: int) -> float:
    """Train on A01/0 and give the PCC on all of A01/1, full resolution, against the recorded stain."""
    field = FieldName("A01", 1)
    split = split_plate(plate, test=["A01/2"], validation=["A01/1"])
    settings = settings_without(changes, steps, seed)
    grid = Grid(
        Normalisation(**changes.get("normalisation", {})),
        settings.working_scale,
        follow_light=settings.follow_light,
        **changes.get("grid", {}),
    )
    subject = Subject("ablation", "TL", {"nuclei": "DNA"})
    pairs = make_pairs(plate, split, subject.channels, grid)
    pairs = replace(pairs, validation=())  # scored once, at the end
    settled = changes.get("settle", True)
    unsettled = patch.object(fitting, "settle_batch_norm", lambda network, *_: network.eval())
    with nullcontext() if settled else unsettled:
        model, _ = fit_model(subject, pairs, settings, accelerator="cpu", devices=1)
    card = model.card.model_copy(update={"normalisation": pairs.normalisation})
    predicted = Engine(Model(card, model.network), device="cpu").predict(plate.read(field, "TL"))[0]
    return float(image_agreement(predicted, plate.read(field, "DNA"))["pcc"] or 0.0)


def main() -> None:
    """Run every variant with every seed and write one result each."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--data", type=Path, required=True, help="folder with hela-rpe1's manifest.csv")
    arguments.add_argument("--seeds", type=int, default=3)
    arguments.add_argument("--steps", type=int, default=200)
    arguments.add_argument("--only", default="", help="names of parts, with commas; default: all")
    arguments.add_argument("--log", type=Path, default=Path("work/ablation.jsonl"))
    chosen = arguments.parse_args()
    names = [name for name in chosen.only.split(",") if name] or list(WITHOUT)
    warnings.simplefilter("ignore", UnstainedWarning)
    done = read_log(chosen.log)
    with tempfile.TemporaryDirectory() as scratch:
        plate = import_plate(chosen.data, Path(scratch) / "hela.zarr")
        for seed, name in ((seed, name) for seed in range(chosen.seeds) for name in names):
            if (name, seed, chosen.steps) in done:
                continue
            pcc = score(plate, WITHOUT[name], chosen.steps, seed)
            line = {"without": name, "seed": seed, "steps": chosen.steps, "pcc": round(pcc, 4)}
            print(json.dumps(line), flush=True)
            chosen.log.parent.mkdir(parents=True, exist_ok=True)
            with chosen.log.open("a", encoding="utf-8") as log:
                log.write(json.dumps(line) + "\n")
    write_figures(read_log(chosen.log), chosen.steps)


def read_log(log: Path) -> dict[tuple[str, int, int], float]:
    """Give the PCC of every training that was finished, by part, seed and steps."""
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return {(one["without"], one["seed"], one["steps"]): one["pcc"] for one in map(json.loads, lines)}


def write_figures(scores: Mapping[tuple[str, int, int], float], steps: int) -> None:
    """Write what each part gains: mean over seeds of PCC with it minus without it, and the seeds' range."""
    for name in sorted({name for name, *_ in scores} - {"nothing"}):
        both = {seed for part, seed, taken in scores if part == name and taken == steps}
        seeds = sorted(seed for seed in both if ("nothing", seed, steps) in scores)
        gains = [scores["nothing", seed, steps] - scores[name, seed, steps] for seed in seeds]
        if not gains:
            continue
        write_result(
            f"ablation-{name.replace(' ', '-')}",
            title=f"PCC on A01/1 gained by: {name} ({len(seeds)} seeds, {steps} steps)",
            value=float(np.mean(gains)),
            goal=0.0,
            comparison=">",
            interval=[min(gains), max(gains)],
            against={"with": float(np.mean([scores["nothing", seed, steps] for seed in seeds]))},
            data="hela-rpe1, trained on A01/0, scored on A01/1",
            command=f"python benchmarks/ablation.py --data hela-rpe1 --seeds {len(seeds)} --steps {steps}",
            seed=0,
            notes="the interval is the range over seeds; a short training",
        )


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
