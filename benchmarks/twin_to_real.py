"""Is the twin of use for real images? A nuclei model of the twin alone, of real fields alone, and of both.

Usage: python benchmarks/twin_to_real.py --data FOLDER --out FOLDER [--steps 300] [--seeds 2]
Real training data are a strip of hela-rpe1 A01/0 (a sixth of it), the score is the PCC on A01/1, never A01/2.
hela-rpe1 states no pixel size: 0.23 µm makes its nuclei as large as the twin's. Both real arms get half the
steps. Writes results/twin-alone-<light>.json and results/twin-then-real.json.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from record import write_result
from unstained.measurement.image_metrics import image_agreement
from unstained.networks.bundle import Model
from unstained.plates.importing import ImportSettings, import_plate
from unstained.plates.plate import FieldName, Plate
from unstained.plates.regions import Region
from unstained.plates.splitting import Split, split_plate
from unstained.prediction.engine import Engine
from unstained.training.models import Subject, fit_model, grid_for, with_origin
from unstained.training.pairs import make_pairs
from unstained.training.recipes import TrainingSettings
from unstained.twin.plate import make_twin
from unstained.twin.wells import TwinSettings

PIXEL_SIZE_UM = 0.23
LIGHTS = ("DIC", "OBLIQUE", "BF")
SCORED = FieldName("A01", 1)


def trained(
    plate: Plate, split: Split, light: str, settings: TrainingSettings, start: Model | None = None
) -> Model:
    """Train on what `split` gives, without validation."""
    subject = Subject("twin-to-real", light, {"nuclei": "DNA"})
    grid = grid_for(plate, settings, start)
    pairs = replace(make_pairs(plate, split, subject.channels, grid), validation=(), corrections=())
    model, _ = fit_model(subject, pairs, settings, start=start, accelerator="cpu", devices=1)
    return with_origin(model, plate, split, pairs)


def pcc(model: Model, real: Plate) -> float:
    """Score A01/1 of hela-rpe1, full resolution."""
    predicted = Engine(model, device="cpu").predict(real.read(SCORED, "TL"), pixel_size_um=PIXEL_SIZE_UM)[0]
    return float(image_agreement(predicted, real.read(SCORED, "DNA"))["pcc"] or 0.0)


def main() -> None:
    """Train all arms with every seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with hela-rpe1's manifest.csv")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    sized = ImportSettings(pixel_size_um=PIXEL_SIZE_UM)
    real = import_plate(arguments.data, arguments.out / "hela.zarr", sized, overwrite=True)
    settings = TwinSettings(wells=8, fields=2, label_free=LIGHTS)
    twin = make_twin(arguments.out / "twin.zarr", settings, overwrite=True)
    whole = split_plate(real, test=["A01/2"], validation=[str(SCORED)])
    strip = replace(whole, train=(Region(FieldName("A01", 0), (0, 2048), (0, 340)),))
    found: dict[str, list[float]] = {name: [] for name in (*LIGHTS, "real", "both")}
    for seed in range(arguments.seeds):
        long = TrainingSettings(steps=arguments.steps, seed=seed)
        models = {light: trained(twin, split_plate(twin), light, long) for light in LIGHTS}
        for light, model in models.items():
            found[light].append(pcc(model, real))
        short = long.updated(steps=arguments.steps // 2)
        found["real"].append(pcc(trained(real, strip, "TL", short), real))
        found["both"].append(pcc(trained(real, strip, "TL", short, models["OBLIQUE"]), real))
        print(json.dumps(found), flush=True)
    write_figures(found, arguments)


def write_figures(found: dict[str, list[float]], arguments: argparse.Namespace) -> None:
    """Write means over seeds, and their range."""
    same = {
        "command": f"python benchmarks/twin_to_real.py --data hela-rpe1 --out work --steps {arguments.steps}",
        "seed": 0,
        "issue": 3,
    }
    for light in LIGHTS:
        write_result(
            f"twin-alone-{light.lower()}",
            title=f"PCC on real hela-rpe1 A01/1 of a nuclei model of the twin's {light} alone (simulated)",
            value=float(np.mean(found[light])),
            goal=None,
            comparison=None,
            interval=[min(found[light]), max(found[light])],
            against={"a strip of A01/0 alone": float(np.mean(found["real"]))},
            data="twin (16 fields of 512²), then hela-rpe1 A01/1",
            **same,
        )
    write_result(
        "twin-then-real",
        title="PCC on hela-rpe1 A01/1, a sixth of a real field, going on from a model of the twin's OBLIQUE",
        value=float(np.mean(found["both"])),
        goal=float(np.mean(found["real"])),
        comparison=">",
        interval=[min(found["both"]), max(found["both"])],
        against={"without the twin": float(np.mean(found["real"]))},
        data="twin (16 fields of 512²), a strip of hela-rpe1 A01/0, scored on A01/1",
        **same,
    )


if __name__ == "__main__":
    main()
