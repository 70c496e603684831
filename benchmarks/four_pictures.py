"""Draw what the network for four stains makes of held-out fields, for the docs, and how plain training fails.

Usage: python benchmarks/four_pictures.py --out work/four (after four_stains.py)
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from four_stains import CHANNELS, plate_of
from unstained.arrays import Plane
from unstained.plates.plate import FieldName, Plate, open_plate
from unstained.report.figures import limits_of
from unstained.stains.catalogue import STAINS
from unstained.stains.targets import make_target

PICTURES = Path(__file__).resolve().parent.parent / "docs" / "pictures"
FIELDS = ("A03/0", "B07/1")
SIDE = 320


def real_of(plate: Plate, name: FieldName, stain: str) -> Plane:
    """Give a real stain as it is learnt."""
    return make_target(
        plate.read(name, CHANNELS[stain]), STAINS[stain].target, pixel_size_um=plate.pixel_size_um
    )


def draw(axis: plt.Axes, plane: Plane, limits: tuple[float, float], title: str) -> None:
    """Show the middle of a plane."""
    axis.imshow(plane[:SIDE, :SIDE], cmap="gray", vmin=limits[0], vmax=limits[1], interpolation="nearest")
    axis.set_title(title, fontsize=8)
    axis.axis("off")


def main() -> None:
    """Draw fields by stains: real above predicted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of four_stains.py")
    parser.add_argument("--picture", type=Path, default=PICTURES / "cho-stains.png")
    chosen = parser.parse_args()
    plate = plate_of(chosen.out, "test")
    figure, axes = plt.subplots(2 * len(FIELDS), len(CHANNELS) + 1, figsize=(11, 4.6 * len(FIELDS)))
    for index, name in enumerate(map(FieldName.parse, FIELDS)):
        above, below = axes[2 * index], axes[2 * index + 1]
        light = np.asarray(plate.read(name, "DIC"), dtype=np.float32)
        draw(above[0], light, limits_of(light, 0.5, 99.5), f"DIC, {name} (all simulated)")
        for column, stain in enumerate(CHANNELS, start=1):
            real = real_of(plate, name, stain)
            ours = open_plate(chosen.out / "scored-shared-0.zarr").read(name, stain)
            limits = limits_of(real, 1.0, 99.8)
            draw(above[column], real, limits, f"{stain}, real")
            draw(below[column], ours, limits, f"{stain}, predicted")
        plain = open_plate(chosen.out / "scored-golgi-plain-0.zarr").read(name, "golgi")
        plain = make_target(plain, STAINS["golgi"].target, pixel_size_um=plate.pixel_size_um)
        limits = limits_of(real_of(plate, name, "golgi"), 1.0, 99.8)
        draw(below[0], plain, limits, "golgi after plain training")
    figure.tight_layout(pad=0.3)
    chosen.picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(chosen.picture, dpi=75)


if __name__ == "__main__":
    main()
