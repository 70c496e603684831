"""Make docs/pictures/triple.png: label-free, predicted and real nuclei of `demo`, the held-out field.

Usage: python docs/triple.py DEMO_FOLDER
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from skimage.segmentation import find_boundaries

from unstained.arrays import Plane
from unstained.plates.plate import open_plate

ROWS, COLUMNS = slice(1024, 1544), slice(120, 640)
OUT = Path(__file__).parent / "pictures" / "triple.png"


def grey(plane: Plane, low: float, high: float) -> np.ndarray:
    """Show (Y X) between two camera values as 8-bit (Y X)."""
    return (255 * np.clip((plane - low) / (high - low), 0, 1)).astype(np.uint8)


def main(demo: Path) -> None:
    """Put the three planes of one part of the field side by side, stains on one scale."""
    truth, predicted = open_plate(demo / "plate.zarr"), open_plate(demo / "predicted.zarr")
    (field,) = predicted.fields
    light, real = (truth.read(field, channel) for channel in ("TL", "DNA"))
    stain = predicted.read(field, "nuclei")
    outlines = find_boundaries(predicted.read_labels(field, "nuclei")[ROWS, COLUMNS])
    low, high = np.percentile(real, (1, 99.7))
    panels = [
        grey(light[ROWS, COLUMNS], *np.percentile(light, (0.5, 99.5))),
        grey(stain[ROWS, COLUMNS], low, high),
        grey(real[ROWS, COLUMNS], low, high),
    ]
    coloured = [np.repeat(panel[..., None], 3, axis=-1) for panel in panels]
    coloured[0][outlines] = (240, 180, 40)
    gap = np.full((coloured[0].shape[0], 8, 3), 255, np.uint8)
    OUT.parent.mkdir(exist_ok=True)
    Image.fromarray(np.hstack([coloured[0], gap, coloured[1], gap, coloured[2]])).save(OUT, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
