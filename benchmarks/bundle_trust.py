"""Give the bundled models what they need to judge their predictions: reference, quality, envelope.

Usage: python benchmarks/bundle_trust.py NAME PLATE.zarr
On the plate that a model was trained on, its own split counts; any other plate with truth is unseen as a
whole. The files are written into src/unstained/models/NAME.
"""

import argparse
import sys
from functools import partial
from pathlib import Path

from unstained import pipeline
from unstained.networks.bundle import Model, bundled_models, load_model_bundle, save_model
from unstained.plates.plate import Plate, fingerprint, open_plate
from unstained.plates.regions import whole_field
from unstained.plates.splitting import Split


def split_of(model: Model, plate: Plate) -> Split:
    """Give the model's split where the plate is that of its training, else all fields as validation."""
    seen = {print_ for prints in model.card.fingerprints.values() for print_ in prints.values()}
    shown = {fingerprint(plate.read(name, model.card.input)) for name in plate.fields}
    if shown & seen:
        return Split.from_json(model.card.split)
    return Split((), tuple(whole_field(plate, name) for name in plate.fields), (), "well")


def told(what: str, done: int, whole: int) -> None:
    """Print how far it is."""
    if done % 20 == 0 or done == whole:
        print(f"{what} {done} of {whole}", file=sys.stderr, flush=True)


def main() -> None:
    """Learn trust and write it into the package's own folder."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("name", choices=sorted(bundled_models()))
    arguments.add_argument("plate", type=Path)
    given = arguments.parse_args()
    model, plate = load_model_bundle(given.name), open_plate(given.plate)
    telling = pipeline.Telling(count=partial(told))
    judged = pipeline.with_trust(model, plate, split_of(model, plate), telling=telling)
    save_model(judged, bundled_models()[given.name], overwrite=True)


if __name__ == "__main__":
    main()
