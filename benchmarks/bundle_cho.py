"""Put the trained models of the twin into the package: `python benchmarks/bundle_cho.py --out work/four`."""

import argparse
import shutil
from pathlib import Path

from unstained.networks.bundle import load_model_bundle, save_model

ROOT = Path(__file__).resolve().parent.parent
MODELS = ROOT / "src" / "unstained" / "models"


def main() -> None:
    """Copy the models of seed 0, each with its licence."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of four_stains.py")
    parser.add_argument("--names", nargs="+", default=["nuclei", "er", "golgi", "gfp", "brightfield"])
    chosen = parser.parse_args()
    for name in chosen.names:
        place = MODELS / f"cho-{name}"
        save_model(load_model_bundle(chosen.out / f"cho-{name}-0"), place, overwrite=True)
        shutil.copy(ROOT / "LICENSE", place / "LICENSE")


if __name__ == "__main__":
    main()
