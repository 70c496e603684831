"""Draw every step from a real stain to its target, its objects and its cells, for the docs.

Usage: python benchmarks/stain_pictures.py --data ../shared/data [--out docs/pictures/stain-steps.png]
What cells' threshold needs to know is learnt from the shown set itself, as a training would.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import tifffile
from skimage.segmentation import find_boundaries

from unstained.arrays import Labels, Plane
from unstained.measurement.composites import find_cells
from unstained.measurement.known import FIRST_THRESHOLD, KnownStain
from unstained.report.figures import composite, limits_of
from unstained.segmentation.recipes import segment, typical_diameter, usual_contrast
from unstained.stains.catalogue import STAINS
from unstained.stains.targets import target_steps

PICTURES = Path(__file__).resolve().parent.parent / "docs" / "pictures"
SIDE = 300


class Shown(NamedTuple):
    """One row of pictures."""

    folder: str
    stain: str
    channel: str
    pixel_size_um: float | None


ROWS = (
    Shown("cellpainting-u2os", "er", "ER", 0.645),
    Shown("cellpainting-brightfield", "er", "ER", None),
    Shown("cellpainting-brightfield/nf1", "er", "ER", None),
    Shown("cellpainting-brightfield/jump", "er", "AGP", None),
    Shown("golgi-nuclei", "golgi", "GOLGI", 0.2),
)


def planes_of(folder: Path, channel: str) -> list[Plane]:
    """Read a set's planes of a channel (Y X), by well and field."""
    manifest = pd.read_csv(folder / "manifest.csv", keep_default_na=False)
    rows = manifest[manifest["channel"] == channel].sort_values(["well", "field"])
    return [tifffile.imread(folder / path).astype(np.float32) for path in rows["path"]]


def learnt(planes: list[Plane], stain: str, pixel_size_um: float | None) -> KnownStain:
    """Learn what a training would of a stain: size, faint object, background."""
    described = STAINS[stain]
    return KnownStain(
        described,
        {"pixel_size_um": pixel_size_um},
        diameter_px=typical_diameter(planes, described.objects, pixel_size_um=pixel_size_um),
        contrast=usual_contrast(planes, described.objects, pixel_size_um=pixel_size_um),
        background=float(np.percentile(np.concatenate([plane[::4, ::4].ravel() for plane in planes]), 1)),
    )


def grey(plane: Plane) -> np.ndarray:
    """Show a plane as colours (Y X 3), faint things lifted."""
    low, high = limits_of(plane, 0.5, 99.7)
    return np.repeat(np.clip((plane - low) / (high - low), 0, 1)[..., None] ** 0.7, 3, axis=2)


def outlined(picture: np.ndarray, labels: Labels) -> np.ndarray:
    """Draw the outlines of labels (Y X) on a picture."""
    drawn = picture.copy()
    drawn[find_boundaries(labels, mode="inner")] = (1.0, 0.3, 0.1)
    return drawn


def panels(folder: Path, row: Shown) -> dict[str, np.ndarray]:
    """Make the pictures of one row from the middle of its first field."""
    planes = planes_of(folder / row.folder, row.channel)
    nuclei = planes_of(folder / row.folder, "DNA")
    known = learnt(planes, row.stain, row.pixel_size_um)
    steps = target_steps(planes[0], known.stain.target, pixel_size_um=row.pixel_size_um)
    target = list(steps.values())[-1]
    recipe = known.recipe(row.pixel_size_um, predicted=False)
    objects = segment(target, recipe, pixel_size_um=row.pixel_size_um)
    seeds = segment(nuclei[0], STAINS["nuclei"].objects, pixel_size_um=row.pixel_size_um)
    body = (planes[0], objects) if row.stain == "er" else (None, None)
    cells = find_cells(seeds, *body, pixel_size_um=row.pixel_size_um)
    both = {"nuclei": nuclei[0], row.stain: target}
    together = composite(
        both,
        {name: limits_of(plane, 5, 99.7) for name, plane in both.items()},
        {name: STAINS[name].colour for name in both},
    )
    shown = {name: grey(step) for name, step in steps.items()}
    if row.stain == "er" and known.contrast and known.background is not None:
        over = planes[0] > known.background + FIRST_THRESHOLD * known.contrast
        shown["shared threshold"] = np.repeat(over[..., None], 3, axis=2).astype(float)
    shown[f"{objects.max()} objects"] = outlined(grey(planes[0]), objects)
    shown["with nuclei"] = together / 255
    shown[f"{len(np.unique(cells)) - 1} cells"] = outlined(together / 255, cells)
    return shown


def main() -> None:
    """Draw all rows into one picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=PICTURES / "stain-steps.png")
    chosen = parser.parse_args()
    drawn = [(row, panels(chosen.data, row)) for row in ROWS]
    columns = max(len(shown) for _, shown in drawn)
    figure, axes = plt.subplots(len(drawn), columns, figsize=(2.1 * columns, 2.3 * len(drawn)))
    for line, (row, shown) in zip(axes, drawn, strict=True):
        for axis in line:
            axis.axis("off")
        for axis, (title, picture) in zip(line, shown.items(), strict=False):
            top, left = (max(0, (size - SIDE) // 2) for size in picture.shape[:2])
            axis.imshow(picture[top : top + SIDE, left : left + SIDE], interpolation="nearest")
            axis.set_title(title, fontsize=9)
        line[0].set_title(f"{row.folder.split('/')[-1]} {row.channel}", fontsize=9)
    figure.tight_layout(pad=0.3)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(chosen.out, dpi=80)


if __name__ == "__main__":
    main()
