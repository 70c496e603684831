"""Trust on planes that a microscope truly recorded out of focus, in place of blurred ones.

Usage: python benchmarks/trust_defocus.py --data FOLDER --out FOLDER [--minutes 3]
`neurons`: one half of the sharpest plane trains, the other half is predicted from each of 13 planes, first
registered, as the stage drifted; expected PCC against the true one. `defocus`: stained nuclei, and how
well the drift of single fields parts those out of focus. Writes results/defocus-expected.json and
defocus-drift.json.
"""

import argparse
import csv
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import laplace, shift
from scipy.stats import spearmanr
from skimage.registration import phase_cross_correlation
from sklearn.metrics import roc_auc_score
from tifffile import imread

from record import write_result
from unstained import pipeline
from unstained.arrays import Plane
from unstained.measurement.image_metrics import Moments
from unstained.networks.bundle import Model, load_model_bundle
from unstained.plates.importing import ImportSettings, import_plate
from unstained.plates.plate import Plate
from unstained.plates.regions import Region
from unstained.plates.splitting import Split
from unstained.prediction.engine import Engine
from unstained.training.models import Subject
from unstained.training.recipes import TrainingSettings
from unstained.trust.features import SEEN_NAMES, FieldFeatures, seen_features
from unstained.trust.kept import trust_of
from unstained.trust.reference import Reference

COMMAND = "python benchmarks/trust_defocus.py --data data --out work/defocus"
PART_PX = 256
"""Parts of the test half whose PCC is told apart."""


def main() -> None:
    """Measure both and write the figures."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--data", type=Path, required=True, help="folder of the real sets")
    arguments.add_argument("--out", type=Path, required=True, help="folder for plate and model")
    arguments.add_argument("--minutes", type=float, default=3)
    given = arguments.parse_args()
    _write_drift(given.data / "defocus")
    manifest = given.data / "neurons" / "manifest.csv"
    plate = import_plate(manifest, given.out / "neurons.zarr", ImportSettings(project="best"), overwrite=True)
    model = _trained(plate, given.out / "model", given.minutes)
    _write_expected(_planes(manifest), plate, model)


def _trained(plate: Plate, out: Path, minutes: float) -> Model:
    """Train on one half of the field, once."""
    if not out.exists():
        plan = pipeline.Plan(
            Subject("neurons", "PH", {"nuclei": "DNA"}), TrainingSettings(minutes=minutes, seed=0)
        )
        pipeline.train(plate, plan, out, accelerator="cpu", devices=1)
    return load_model_bundle(out)


def _planes(manifest: Path) -> dict[int, Plane]:
    """Read all planes of the label-free stack."""
    with manifest.open(encoding="utf-8") as lines:
        rows = [row for row in csv.DictReader(lines) if row["channel"] == "PH"]
    return {int(row["z"]): imread(manifest.parent / row["path"]) for row in rows}


def _write_expected(planes: dict[int, Plane], plate: Plate, model: Model) -> None:
    trust, engine = trust_of(model.name, model.extras), Engine(model, quiet=True)
    if trust is None:
        raise SystemExit("the model keeps no trust")
    (test,) = Split.from_json(model.card.split).test
    sharp, real = (plate.read(test.field, channel).astype(np.float32) for channel in ("PH", "DNA"))
    rows: list[dict[str, Any]] = []
    for z, plane in sorted(planes.items()):
        away = phase_cross_correlation(sharp, plane.astype(np.float32), upsample_factor=10)[0]
        moved = shift(plane.astype(np.float32), away, order=1, mode="nearest")
        for rows_px, columns_px in _parts(test):
            part, stain = moved[rows_px, columns_px], real[rows_px, columns_px]
            prediction = engine.predict_with_embedding(part)
            found = trust.judge(engine.card, part, prediction)
            rows.append({
                "z": z, "pcc": Moments.of(prediction.stains[0], stain).pcc or 0.0,
                "expected": found["expected_pcc"], "verdict": found["verdict"],
                "focus": float(np.log(laplace(part).var() / part.var())),
            })  # fmt: skip
    levels = {z: _mean([row for row in rows if row["z"] == z]) for z in planes}
    for z, (true, expected) in sorted(levels.items()):
        words = [row["verdict"] for row in rows if row["z"] == z]
        print(f"z {z}: PCC {true:.3f}, expected {expected:.3f}, {words}")
    true = [row["pcc"] for row in rows]
    found_rank = float(spearmanr([row["expected"] for row in rows], true).statistic)
    focus_rank = float(spearmanr([row["focus"] for row in rows], true).statistic)
    write_result(
        "defocus-expected",
        title="Spearman of expected and true PCC over 13 recorded planes, parts of one test half",
        value=found_rank, goal=None, comparison=None,
        against={"Laplacian's variance": focus_rank},
        data=f"neurons, test half in {len(rows) // len(planes)} parts, planes registered",
        command=COMMAND, seed=0, issue=5,
        notes="; ".join(f"z {z}: true {t:.2f}, expected {e:.2f}" for z, (t, e) in sorted(levels.items())),
    )  # fmt: skip


def _mean(rows: list[dict[str, Any]]) -> tuple[float, float]:
    return float(np.mean([row["pcc"] for row in rows])), float(np.mean([row["expected"] for row in rows]))


def _parts(region: Region) -> list[tuple[slice, slice]]:
    """Cut a region into parts of about 256 px."""
    rows, columns = (
        np.linspace(first, last, max(1, (last - first) // PART_PX) + 1).astype(int)
        for first, last in (region.rows, region.columns)
    )
    return [
        (slice(top, bottom), slice(left, right))
        for top, bottom in pairwise(rows)
        for left, right in pairwise(columns)
    ]


def _write_drift(folder: Path) -> None:
    """Part stained fields in and out of focus by their drift from those in focus, each left out in turn."""
    with (folder / "focus.csv").open(encoding="utf-8") as lines:
        fields = list(csv.DictReader(lines))
    planes = [imread(folder / row["path"]).astype(np.float32) for row in fields]
    features = np.array([seen_features(_scaled(plane)) for plane in planes])
    sharp = np.array([row["focus"] == "in" for row in fields])
    wells = np.array([row["well"] for row in fields])
    drift, apart = np.empty(len(fields)), np.empty(len(fields))
    for index, row in enumerate(features):
        known = sharp & (wells != wells[index])
        reference = Reference.of(
            SEEN_NAMES, wells[known].tolist(), [FieldFeatures(each, np.zeros(1)) for each in features[known]]
        )
        drift[index] = reference.drift(row)
        apart[index] = np.sqrt(np.mean(reference.unusual(row) ** 2))
    focus = np.array([laplace(plane).var() for plane in planes])
    write_result(
        "defocus-drift",
        title="AUC of single fields in and out of focus, by their drift from those in focus",
        value=float(roc_auc_score(~sharp, drift)), goal=None, comparison=None,
        against={
            "what is unusual": float(roc_auc_score(~sharp, apart)),
            "Laplacian's variance": float(roc_auc_score(~sharp, -focus)),
        },
        data=f"defocus: {sharp.sum()} stained fields in focus, {(~sharp).sum()} out of it; none tuned on",
        command=COMMAND, seed=None, issue=5,
        notes=f"plain figures of the image; the field's own well is left out; {sharp.sum() - 1} to go by",
    )  # fmt: skip


def _scaled(plane: Plane) -> Plane:
    """Take off the median, divide by the spread (1 % to 99 %)."""
    low, middle, high = np.percentile(plane, (1, 50, 99))
    return ((plane - middle) / max(float(high - low), 1.0)).astype(np.float32)


if __name__ == "__main__":
    main()
