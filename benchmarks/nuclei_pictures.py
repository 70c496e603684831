"""Draw the steps of the segmentation of nuclei for the docs, on an annotated image of the tuning half."""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import tifffile
from scipy.ndimage import gaussian_filter
from skimage.segmentation import find_boundaries

from nuclei_segmentation import DATA
from unstained.arrays import Labels, Plane
from unstained.segmentation import nuclei
from unstained.segmentation.background import estimate_background
from unstained.segmentation.thresholds import global_threshold, local_levels, normalise

PICTURES = Path(__file__).resolve().parent.parent / "docs" / "pictures"
WELL, ROWS, COLUMNS = "E01", slice(200, 420), slice(0, 330)


def steps(plane: Plane) -> dict[str, np.ndarray]:
    """Give every step of the method as a picture (Y X): a plane, a mask (True inside), or labels."""
    settings = nuclei.DEFAULT
    diameter = nuclei.estimate_diameter(plane) or 1.0
    scaled = normalise(plane)
    even = scaled - estimate_background(scaled, diameter)
    smooth = gaussian_filter(even, nuclei.BLUR * diameter)
    first = smooth > global_threshold(smooth)
    capped = np.minimum(smooth, 2 * np.median(smooth[first]))
    levels = local_levels(capped, first, nuclei.REACH * diameter)
    core = nuclei.clean_mask(first & (capped > levels.at(nuclei.CORE)), diameter)
    parted = nuclei.part_nuclei(core, smooth, diameter, settings)
    return {
        "as recorded": plane,
        "evened background": even,
        "global threshold": first,
        "local threshold": first & (capped > levels.at(settings.level)),
        "cores: higher level, opened": core,
        "cores parted": parted,
        "outlined": nuclei.segment_nuclei(plane),
    }


def shown(step: np.ndarray, below: Plane) -> np.ndarray:
    """Turn a step into colours (Y X 3)."""
    if step.dtype == bool:
        return np.repeat(step[..., None], 3, axis=2).astype(float)
    if step.dtype == np.int32:
        return outlined(step, below)
    low, high = np.percentile(step, (0.5, 99.5))
    return np.repeat(np.clip((step - low) / (high - low), 0, 1)[..., None] ** 0.6, 3, axis=2)


def outlined(labels: Labels, below: Plane) -> np.ndarray:
    """Draw the outlines of labels (Y X) over a plane."""
    picture = shown(below, below)
    picture[find_boundaries(labels, mode="inner")] = (1.0, 0.25, 0.1)
    return picture


def main() -> None:
    """Draw all steps into one picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, default=PICTURES / "nuclei-steps.png")
    chosen = parser.parse_args()
    plane = tifffile.imread(chosen.data / "images" / f"{WELL}_f0_DNA.tif").astype(np.float32)
    real = tifffile.imread(chosen.data / "labels" / f"{WELL}_f0_NUCLEI.tif").astype(np.int32)
    panels = steps(plane) | {"annotated": real}
    figure, axes = plt.subplots(2, 4, figsize=(12, 4.6))
    for axis, (title, step) in zip(axes.flat, panels.items(), strict=True):
        axis.imshow(shown(step, plane)[ROWS, COLUMNS], interpolation="nearest")
        axis.set_title(title, fontsize=10)
        axis.axis("off")
    figure.tight_layout(pad=0.4)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(chosen.out, dpi=75)


if __name__ == "__main__":
    main()
