"""Draw the pictures on the app's model cards: what each bundled model makes of an image it never saw.

Run it after a bundled model changes: python docs/card_pictures.py
"""

import tempfile
from importlib.resources import files
from pathlib import Path

import imagecodecs
import numpy as np

from unstained.app.pictures import LABEL_FREE, grey
from unstained.networks.bundle import bundled_models, read_card
from unstained.plates.images import read_image
from unstained.prediction.labeller import load_model
from unstained.report.figures import composite, limits_of
from unstained.stains.catalogue import find_stain
from unstained.twin.plate import make_twin
from unstained.twin.wells import TwinSettings

PACKAGE = Path(str(files("unstained")))
HEIGHT_PX, SEED = 160, 90210  # no bundled model was made from a plate of this seed
SHOWN = ("nuclei", "er", "golgi")  # more colours at once can't be told apart


def main() -> None:
    """Write `src/unstained/app/cards/MODEL.jpg`."""
    for name, path in bundled_models().items():
        card = read_card(path)
        plane, size_um = _simulated(card.input) if card.simulated else _real()
        labeller = load_model(path, "cpu")
        stains = dict(zip(labeller.stains, labeller.engine.predict(plane, size_um), strict=True))
        shown = {stain: plane for stain, plane in stains.items() if stain in SHOWN}
        colours = {stain: find_stain(stain).colour for stain in shown}
        drawn = composite(shown, {stain: limits_of(each) for stain, each in shown.items()}, colours)
        pair = np.concatenate([grey(plane, LABEL_FREE), drawn], axis=1)
        step = pair.shape[0] // HEIGHT_PX
        rows, columns = (side // step * step for side in pair.shape[:2])
        small = pair[:rows, :columns].reshape(rows // step, step, columns // step, step, 3).mean(axis=(1, 3))
        out = PACKAGE / "app" / "cards" / f"{name}.jpg"
        out.parent.mkdir(exist_ok=True)
        out.write_bytes(bytes(imagecodecs.jpeg8_encode(small.astype(np.uint8), level=88)))
        print(f"{out}: {out.stat().st_size / 1000:.0f} kB")


def _simulated(channel: str):
    with tempfile.TemporaryDirectory() as scratch:
        settings = TwinSettings(wells=1, fields=1, side_px=320, label_free=(channel,), seed=SEED)
        plate = make_twin(Path(scratch) / "card.zarr", settings)
        return plate.read(plate.fields[0], channel), plate.pixel_size_um


def _real():
    return read_image(PACKAGE / "samples" / "hela-rpe1-crop" / "images" / "A01_f2_TL.tif")


if __name__ == "__main__":
    main()
