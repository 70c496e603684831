"""Put the trained models of the twin into the package: `python benchmarks/bundle_cho.py --out work/four`."""

import argparse
import shutil
from pathlib import Path

from unstained.networks.bundle import Model, load_model_bundle, save_model

ROOT = Path(__file__).resolve().parent.parent
MODELS = ROOT / "src" / "unstained" / "models"


def main() -> None:
    """Copy the networks for four stains of seed 0, each with its licence."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of four_stains.py")
    chosen = parser.parse_args()
    for arm, name in {"shared": "cho-four", "brightfield": "cho-brightfield"}.items():
        place = MODELS / name
        model = load_model_bundle(chosen.out / f"cho-{arm}-0")
        card = model.card.model_copy(update={"name": name})
        save_model(Model(card, model.network, model.extras), place, overwrite=True)
        shutil.copy(ROOT / "LICENSE", place / "LICENSE")


if __name__ == "__main__":
    main()
