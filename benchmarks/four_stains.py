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

from record import write_result
from unstained import pipeline
from unstained.measurement.downstream import MEASURES, pearson
from unstained.measurement.image_metrics import Moments
from unstained.plates.plate import Plate, create_plate, open_plate
from unstained.prediction.labeller import load_model
from unstained.provenance import read_json, write_json
from unstained.segmentation.spots import SpotSettings
from unstained.stains.catalogue import STAINS, Stain
from unstained.stains.targets import make_target
from unstained.training.crops import CropSettings
from unstained.training.models import Subject
from unstained.training.recipes import TrainingSettings
from unstained.twin.plate import make_twin, truth_path
from unstained.twin.wells import TwinSettings

RIGHTS = {"licence": "BSD-3-Clause", "attribution": "simulated by unstained twin"}
DEVICES = {"accelerator": "cpu", "devices": 1, "precision": "bf16-mixed"}
CHANNELS = {"nuclei": "DNA", "er": "ER", "golgi": "GOLGI", "gfp": "GFP"}
STEPS = 1000
PLATES = {
    "train": TwinSettings(wells=48, fields=2, clones=24, days=(0.0, 60.0), seed=101),
    "test": TwinSettings(wells=24, fields=2, clones=12, days=(0.0, 60.0), seed=202),
}
PLATES["agreement"] = TwinSettings(
    wells=48, fields=1, clones=24, days=(0.0, 60.0), seed=404, label_free=("DIC", "BF")
)
PLATES["train-BF"] = PLATES["train"].updated(label_free=("BF",))
ZOOM = 1.05
"""Crops are hardly zoomed: pixel sizes are known, and how large a nucleus is says how bright it is."""

PLAIN = {"golgi": Stain(name="golgi", title="Golgi", objects=SpotSettings())}
GOALS = {"count": 0.99, "area_um2": 0.98, "intensity_total": 0.95, "intensity_mean": 0.90}
OF_CEILING = 0.9
PATH_OFFSET, PATH_GAIN = 1000.0, 100.0


class Arm(NamedTuple):
    """What one training is about."""

    stains: tuple[str, ...]
    loss: str | None = None
    ceiling: bool = False
    light: str = "DIC"
    steps: int = STEPS
    known: dict[str, Stain] = STAINS


ARMS = {
    **{stain: Arm((stain,)) for stain in CHANNELS},
    "golgi-plain": Arm(("golgi",), known=PLAIN),
    "gfp-binary": Arm(("gfp",), loss="bce"),
    "shared": Arm(tuple(CHANNELS), steps=2 * STEPS),
    "brightfield": Arm(tuple(CHANNELS), light="BF"),
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
        light, plate = ("PATH", noise_free) if arm.ceiling else (arm.light, plate_of)
        subject = Subject(f"cho-{name}", light, channels, arm.known, **RIGHTS)
        crops = CropSettings(scale=ZOOM)
        settings = TrainingSettings(steps=arm.steps, seed=seed, loss=arm.loss, crops=crops)
        plan = pipeline.Plan(subject, settings)
        began = time.perf_counter()
        where = "train" if arm.light == "DIC" else f"train-{arm.light}"
        model = pipeline.train(plate(out, where), plan, path, **DEVICES)
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


def confluence(out: Path) -> dict[str, float]:
    """Give the true share that cells cover of every test field."""
    truth = open_plate(truth_path(plate_of(out, "test").path))
    return {str(name): float((truth.read_labels(name, "cells") > 0).mean()) for name in truth.fields}


def values_of(evaluation: dict[str, Any], measure: str) -> np.ndarray:
    """Give (field, 2) real and predicted values of a measure; NaN where either lacks it."""
    rows = [
        (row["count_true"], row["count_predicted"]) if measure == "count" else row["measured"][measure]
        for row in evaluation["fields"]
    ]
    return np.array([(np.nan, np.nan) if None in row else row for row in rows], dtype=float)


def table_row(
    evaluations: list[dict[str, Any]], ceiling: dict[str, Any], covered: dict[str, float], measure: str
) -> dict[str, float]:
    """Sum up a measure over seeds, beside floor, ceiling and the truth's own spread."""
    found = [each["downstream"][measure] for each in evaluations]
    pairs = [values_of(each, measure) for each in evaluations]
    real = pairs[0][:, 0]
    cover = np.array([covered[f"{row['well']}/{row['field']}"] for row in evaluations[0]["fields"]])
    known = np.isfinite(real)
    errors = [np.sqrt(np.nanmean((pair[:, 1] - pair[:, 0]) ** 2)) / np.nanstd(real) for pair in pairs]
    return {
        "pearson": float(np.mean([each["pearson"] for each in found])),
        "lowest": min(each["interval"][0] for each in found),
        "highest": max(each["interval"][1] for each in found),
        "spearman": float(np.mean([each["spearman"] for each in found])),
        "bias": float(np.mean([each["bias"] for each in found])),
        "nrmse": float(np.mean(errors)),
        "truth_cv": float(np.nanstd(real) / np.nanmean(real)),
        "floor": abs(pearson(real[known], cover[known]) or 0.0),
        "ceiling": float(ceiling["downstream"][measure]["pearson"]),
    }


def write_table(out: Path, seeds: range) -> dict[tuple[str, str], dict[str, float]]:
    """Write Table 4 of every stain by the network for all of them: each measure over the test fields."""
    covered, rows = confluence(out), {}
    for stain in CHANNELS:
        evaluations = [scored(out, "shared", seed)[stain] for seed in seeds]
        alone = [scored(out, stain, seed)[stain] for seed in seeds]
        ceiling = scored(out, f"ceiling-{stain}", 0)[stain]
        for measure in MEASURES:
            row = rows[stain, measure] = table_row(evaluations, ceiling, covered, measure)
            own = float(np.mean([each["downstream"][measure]["pearson"] for each in alone]))
            print(stain, measure, {name: round(value, 3) for name, value in row.items()}, flush=True)
            write_result(
                f"twin-{stain}-{measure.replace('_', '-')}",
                title=f"{stain}, {measure} by field: Pearson of predicted with real (simulated)",
                value=row["pearson"],
                goal=GOALS[measure] if stain == "nuclei" else OF_CEILING * row["ceiling"],
                comparison=">=",
                interval=[row["lowest"], row["highest"]],
                against={"confluence alone": row["floor"], "a network of its own": own,
                         "ceiling": row["ceiling"]},
                notes=(
                    f"Spearman {row['spearman']:.3f}, bias {row['bias']:+.3f},"
                    f" NRMSE {row['nrmse']:.2f} (of the"
                    f" truth's standard deviation), truth's CV {row['truth_cv']:.2f}"
                ),
                **SAME,
            )
    return rows


SAME = {
    "data": "twin, 48 fields of 512² of 24 held-out wells of 12 other clones, means over seeds 0 and 1",
    "command": "python benchmarks/four_stains.py --out work/four",
    "seed": 0,
    "issue": 3,
}


def write_comparisons(out: Path, seeds: range) -> None:
    """Write what enhancement does for the Golgi, masks for GFP, and one network for all stains."""
    plain, enhanced = (scored(out, name, 0)["golgi"] for name in ("golgi-plain", "golgi"))
    binary, continuous = (scored(out, name, 0)["gfp"] for name in ("gfp-binary", "gfp"))
    pcc = target_pcc(out, "golgi-plain", 0)
    write_result(
        "twin-golgi-enhanced",
        title="PCC with the Golgi freed of haze, trained on it (asymmetric loss, gradients) (simulated)",
        value=enhanced["mean"]["pcc_target"],
        goal=pcc,
        comparison=">",
        against={"trained on the plane as recorded": pcc},
        notes="what plain training predicts is freed of haze in the same way before it is compared",
        **SAME,
    )
    for name, first, second, measures in (
        ("golgi-enhanced", enhanced, plain, MEASURES),
        ("gfp-binary", binary, continuous, ("count", "area_um2")),
    ):
        for measure in measures:
            other = second["downstream"][measure]
            write_result(
                f"twin-{name}-{measure.replace('_', '-')}",
                title=f"{name}, {measure} by field: Pearson, against the other training (simulated)",
                value=first["downstream"][measure]["pearson"],
                goal=None,
                comparison=None,
                against={"plain" if name.startswith("golgi") else "continuous": other["pearson"] or 0.0},
                notes=f"bias {first['downstream'][measure]['bias']:+.3f}, the other's {other['bias']:+.3f}",
                **SAME,
            )
    write_shared(out, seeds)


def target_pcc(out: Path, name: str, seed: int) -> float:
    """Correlate what a plain training predicts (as it is or freed of haze, the nearer) with the target."""
    predicted, truth = open_plate(out / f"scored-{name}-{seed}.zarr"), plate_of(out, "test")
    recipe, size_um = STAINS["golgi"].target, truth.pixel_size_um
    found = []
    for field in truth.fields:
        real = make_target(truth.read(field, "GOLGI"), recipe, pixel_size_um=size_um)
        ours = make_target(predicted.read(field, "golgi"), recipe, pixel_size_um=size_um)
        both = [Moments.of(plane, real).pcc or 0.0 for plane in (ours, predicted.read(field, "golgi"))]
        found.append(max(both))
    return float(np.mean(found))


def write_shared(out: Path, seeds: range) -> None:
    """Compare one network for all stains with one for each: accuracy, time, size."""
    for kind in ("pcc", "downstream"):
        own, shared = [], []
        for seed in seeds:
            together = scored(out, "shared", seed)
            for stain in CHANNELS:
                alone = scored(out, stain, seed)[stain]
                for values, evaluation in ((own, alone), (shared, together[stain])):
                    values.append(_agreement(evaluation, kind))
        minutes = {name: read_json(out / f"cho-{name}-0.json")["minutes"] for name in (*CHANNELS, "shared")}
        sizes = {name: _size_mb(out / f"cho-{name}-0") for name in (*CHANNELS, "shared")}
        four = [sum(each[name] for name in CHANNELS) for each in (minutes, sizes)]
        write_result(
            f"twin-shared-{kind}",
            title=f"one network for four stains: mean {kind} over stains (simulated)",
            value=float(np.mean(shared)),
            goal=None,
            comparison=None,
            against={"one network for each": float(np.mean(own))},
            notes=(
                f"{minutes['shared']:.0f} minutes and {sizes['shared']:.1f} MB, against {four[0]:.0f} minutes"
                f" and {four[1]:.1f} MB; each on one core, another training beside it"
            ),
            **SAME,
        )


def _agreement(evaluation: dict[str, Any], kind: str) -> float:
    if kind == "pcc":
        return float(evaluation["mean"]["pcc_target"] or evaluation["mean"]["pcc"])
    return float(np.mean([evaluation["downstream"][measure]["pearson"] for measure in MEASURES]))


def _size_mb(model: Path) -> float:
    return sum(path.stat().st_size for path in model.rglob("*")) / 1e6


def main() -> None:
    """Train what is missing, score it, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--train", nargs="+", metavar="ARM/SEED", help="train these and stop")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.train:
        for job in arguments.train:
            name, _, seed = job.partition("/")
            trained(arguments.out, name, int(seed))
        return
    write_table(arguments.out, range(arguments.seeds))
    write_comparisons(arguments.out, range(arguments.seeds))


if __name__ == "__main__":
    main()
