"""Put the trained models of the twin into the package: `python benchmarks/bundle_cho.py --out work/four`."""

import argparse
import shutil
from pathlib import Path

from four_stains import plate_of
from unstained import pipeline
from unstained.measurement.plates import measure_real
from unstained.networks.bundle import Model, load_model_bundle, save_model
from unstained.plates.plate import Plate
from unstained.prediction.labeller import Labeller
from unstained.ranking.estimates import agreement_by_well
from unstained.ranking.score import load_score

ROOT = Path(__file__).resolve().parent.parent
MODELS = ROOT / "src" / "unstained" / "models"


def agreement(model: Model, plate: Plate, out: Path) -> dict[str, float]:
    """Measure how well what ranks clones follows from predicted stains, well by well."""
    path = out / f"{model.name}-agreement.zarr"
    predicted = pipeline.predict(plate, [Labeller(model)], path, overwrite=True)
    tables = pipeline.measure(predicted)
    found = agreement_by_well(tables, measure_real(plate, predicted), load_score("productivity"))
    return {name: round(value, 3) for name, value in found.items()}


def main() -> None:
    """Copy the networks for four stains of seed 0, each with its licence, and what its columns are worth."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of four_stains.py")
    chosen = parser.parse_args()
    plate = plate_of(chosen.out, "agreement")
    for arm, name in {"shared": "cho-four", "brightfield": "cho-brightfield"}.items():
        place = MODELS / name
        model = load_model_bundle(chosen.out / f"cho-{arm}-0")
        model = Model(model.card.model_copy(update={"name": name}), model.network, model.extras)
        known = agreement(model, plate, chosen.out)
        card = model.card.model_copy(update={"well_agreement": known})
        save_model(Model(card, model.network, model.extras), place, overwrite=True)
        shutil.copy(ROOT / "LICENSE", place / "LICENSE")
        print(name, known, flush=True)


if __name__ == "__main__":
    main()
