"""The default recipe against FRM's, and from the bundled model, on sets too small for a claim.

Usage: python benchmarks/small_sets.py --data FOLDER --out FOLDER [--minutes 3] [--seed 0] [--only …]
One place each, split by image half: less than one stained field to learn from. All arms of a set are trained
in turn on the same machine for the same time, FRM's in batches of 4, as 32 leave it hardly a step. Nuclei are
also learnt by going on from hela-rpe1-nuclei, which has seen other cells and another microscope.
Writes results/small-<set>-<stain>.json and …-from.json.
"""

import argparse
import json
from pathlib import Path
from typing import Any, NamedTuple

import torch

from hela_rpe1 import RIVALS
from record import write_result
from unstained import pipeline
from unstained.networks.bundle import load_model_bundle
from unstained.plates.importing import ImportSettings, import_plate
from unstained.plates.plate import Plate
from unstained.plates.samples import SAMPLES, fetch_sample
from unstained.prediction.labeller import Labeller
from unstained.training.models import Subject


class SmallSet(NamedTuple):
    """One label-free channel, one stain, one field or place."""

    folder: str
    input: str
    target: str
    stain: str

    @property
    def name(self) -> str:
        """Name in results, like `neurons-DNA`."""
        return f"{self.folder}-{self.target}"


SETS = (
    SmallSet("neurons", "PH", "DNA", "nuclei"),
    SmallSet("cellpainting-brightfield", "BF", "DNA", "nuclei"),
    SmallSet("cellpainting-brightfield", "BF", "ER", "er"),
    SmallSet("cellpainting-brightfield", "BF", "AGP", "agp"),
    SmallSet("scratch-assay", "OBLIQUE", "DNA", "nuclei"),
)


class Arm(NamedTuple):
    """One way to train."""

    recipe: str
    start: str | None = None


ARMS = {"default": Arm("default"), "frm": Arm("frm-small"), "from": Arm("default", "hela-rpe1-nuclei")}


def scored(plate: Plate, one: SmallSet, arm: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Train one way on one half, predict, and evaluate the other half."""
    out = arguments.out / f"{one.name}-{arm}"
    settings = RIVALS[ARMS[arm].recipe].updated(minutes=arguments.minutes, seed=arguments.seed)
    subject = Subject(out.name, one.input, {one.stain: one.target})
    plan = pipeline.Plan(subject, settings, start=ARMS[arm].start)
    told = pipeline.Telling(note=print, caution=print)
    pipeline.train(plate, plan, out, telling=told, overwrite=True, accelerator="cpu", devices=1)
    labeller = Labeller(load_model_bundle(out), device="cpu")
    predicted = pipeline.predict(plate, [labeller], out.with_suffix(".zarr"), overwrite=True)
    folder = out.with_name(f"{out.name}-evaluation")
    return pipeline.evaluate(predicted, plate, folder, overwrite=True)[one.stain].to_json()


def main() -> None:
    """Score every set with both recipes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--out", type=Path, required=True, help="folder for plates, models and evaluations")
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="names like neurons-DNA, with commas; default: all")
    arguments = parser.parse_args()
    wanted = arguments.only.split(",") if arguments.only else [one.name for one in SETS]
    for one in (one for one in SETS if one.name in wanted):
        source = arguments.data / one.folder
        if one.folder in SAMPLES:  # as users get it, its time points named as such
            source = fetch_sample(one.folder, arguments.out / one.folder, overwrite=True)
        plate = import_plate(
            source, arguments.out / f"{one.name}.zarr", ImportSettings(project="best"), overwrite=True
        )
        arms = [arm for arm in ARMS if arm != "from" or one.stain == "nuclei"]
        found = {arm: scored(plate, one, arm, arguments) for arm in arms}
        print(json.dumps({one.name: {arm: each["mean"] for arm, each in found.items()}}), flush=True)
        _write(one, found, arguments)


def _write(one: SmallSet, found: dict[str, dict[str, Any]], arguments: argparse.Namespace) -> None:
    ours = found["default"]
    pcc = {arm: each["mean"]["pcc"] for arm, each in found.items()}
    floors = {name: each["pcc"] for name, each in ours["floor"].items() if each.get("pcc") is not None}
    cores = "1 core" if torch.get_num_threads() == 1 else f"{torch.get_num_threads()} cores"
    name, budget = f"small-{one.folder}-{one.target.lower()}", f"{arguments.minutes:g} minutes on {cores}"
    same = {
        "data": f"{one.folder}: one half trains, the other tests; far too small for a claim",
        "command": f"python benchmarks/small_sets.py --data data --out work --minutes {arguments.minutes:g}",
        "seed": arguments.seed,
    }
    write_result(
        name,
        title=f"PCC, {one.input} → {one.target}, image half, {budget}",
        value=pcc["default"],
        goal=None,
        comparison=None,
        against={"frm-recipe-batches-of-4": pcc["frm"], **floors},
        **same,
    )
    if "from" in pcc:
        write_result(
            f"{name}-from",
            title=f"PCC, {one.input} → {one.target}, image half, {budget}, going on from hela-rpe1-nuclei",
            value=pcc["from"],
            goal=pcc["default"],
            comparison=">",
            against={"without": pcc["default"]},
            **same,
        )


if __name__ == "__main__":
    main()
