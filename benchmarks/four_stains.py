"""Four stains of the twin's DIC, each with its own network, all in one, and what stands below and above them.

Usage: python benchmarks/four_stains.py --out FOLDER [--seeds 2] [--train ARM/SEED ...]
All plates are simulated; training and test plates have other clones, other wells, other chance. The floor is
confluence alone (the true share of a field that cells cover), the ceiling a network that is given the cells'
optical path without microscope, focus or camera, and learns the stain without noise. Trained models are kept
in FOLDER; `--train` only trains, so that several processes can share the work.
Writes results/twin-<stain>-<measure>.json, twin-golgi-*.json, twin-gfp-*.json and twin-shared-*.json.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from unstained import pipeline
from unstained.plates.plate import Plate, create_plate, open_plate
from unstained.prediction.labeller import load_model
from unstained.provenance import read_json, write_json
from unstained.segmentation.spots import SpotSettings
from unstained.stains.catalogue import STAINS, Stain
from unstained.training.models import Subject
from unstained.training.recipes import TrainingSettings
from unstained.twin.plate import make_twin, truth_path
from unstained.twin.wells import TwinSettings

CHANNELS = {"nuclei": "DNA", "er": "ER", "golgi": "GOLGI", "gfp": "GFP"}
STEPS = 1200
PLATES = {"train": TwinSettings(wells=24, fields=3, clones=12, days=(0.0, 60.0), seed=101)}
PLATES["test"] = PLATES["train"].updated(fields=2, seed=202)
PLAIN = {"golgi": Stain(name="golgi", title="Golgi", objects=SpotSettings())}
GOALS = {"count": 0.99, "area_um2": 0.98, "intensity_total": 0.95, "intensity_mean": 0.90}
OF_CEILING = 0.9
PATH_OFFSET, PATH_GAIN = 1000.0, 100.0


class Arm(NamedTuple):
    """What one training is about."""

    stains: tuple[str, ...]
    loss: str | None = None
    ceiling: bool = False
    steps: int = STEPS
    known: dict[str, Stain] = STAINS


ARMS = {
    **{stain: Arm((stain,)) for stain in CHANNELS},
    "golgi-plain": Arm(("golgi",), known=PLAIN),
    "gfp-binary": Arm(("gfp",), loss="bce"),
    "shared": Arm(tuple(CHANNELS), steps=2 * STEPS),
    **{f"ceiling-{stain}": Arm((stain,), ceiling=True) for stain in CHANNELS},
}


def plate_of(out: Path, name: str) -> Plate:
    """Open a plate; simulate it first where it isn't there."""
    path = out / f"{name}.zarr"
    if not path.exists():
        make_twin(path, PLATES[name])
    return open_plate(path)


def noise_free(out: Path, name: str) -> Plate:
    """Open a plate of optical paths and noise-free stains; make it first where it isn't there.

    A path is written as grey value 1000 + 100 per µm, so that it is normalised like light on a camera.
    """
    path = out / f"{name}-ceiling.zarr"
    if not path.exists():
        truth = open_plate(truth_path(plate_of(out, name).path))
        writer = create_plate(
            path, name=path.stem, channels=("PATH", *CHANNELS.values()), info=truth.info,
            pixel_size_um=truth.pixel_size_um, conditions=truth.conditions,
        )  # fmt: skip
        for field in truth.fields:
            stains = [truth.read(field, channel) for channel in CHANNELS.values()]
            light = PATH_OFFSET + PATH_GAIN * truth.read(field, "path_um")
            writer.write_field(field, np.stack([light, *stains]).astype(np.float32))
        writer.finish()
    return open_plate(path)


def trained(out: Path, name: str, seed: int) -> Path:
    """Train an arm with a seed, unless that is done; gives the model's path."""
    arm, path = ARMS[name], out / f"cho-{name}-{seed}"
    if not path.exists():
        channels = {stain: CHANNELS[stain] for stain in arm.stains}
        light, plate = ("PATH", noise_free) if arm.ceiling else ("DIC", plate_of)
        subject = Subject(f"cho-{name}", light, channels, arm.known, licence="MIT", attribution="unstained")
        settings = TrainingSettings(steps=arm.steps, seed=seed, loss=arm.loss)
        plan = pipeline.Plan(subject, settings)
        began = time.perf_counter()
        model = pipeline.train(plate(out, "train"), plan, path, accelerator="cpu", devices=1)
        took = {"minutes": (time.perf_counter() - began) / 60, "pcc": model.card.metrics["validation_pcc"]}
        write_json(out / f"{path.name}.json", took)
        print(path.name, json.dumps(took), flush=True)
    return path


def scored(out: Path, name: str, seed: int) -> dict[str, Any]:
    """Score an arm on the test plate, unless that is done; gives its evaluations by stain."""
    arm, path = ARMS[name], out / f"scored-{name}-{seed}"
    if not path.exists():
        truth = (noise_free if arm.ceiling else plate_of)(out, "test")
        labeller = load_model(trained(out, name, seed), "cpu")
        predicted = pipeline.predict(truth, [labeller], out / f"{path.name}.zarr", overwrite=True)
        pipeline.evaluate(predicted, truth, path)
    if len(arm.stains) == 1:
        return {arm.stains[0]: read_json(path / "evaluation.json")}
    return {stain: read_json(path / stain / "evaluation.json") for stain in arm.stains}


def main() -> None:
    """Train what is missing, score it, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--train", nargs="+", metavar="ARM/SEED", help="train these and stop")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for job in arguments.train or ():
        name, _, seed = job.partition("/")
        trained(arguments.out, name, int(seed))


if __name__ == "__main__":
    main()
