"""What a network in training makes of a validation region: a picture that is replaced as it learns."""

from pathlib import Path

import numpy as np
from imagecodecs import png_encode
from numpy.typing import NDArray
from torch import Tensor

from unstained.arrays import Plane

SAMPLE = "sample.png"
SIDE_PX = 256
GAP_PX = 4


def write_sample(path: Path, label_free: Tensor, predicted: Tensor, stained: Tensor) -> None:
    """Write the middle of a region, one row a stain: label-free (1 Y X) | predicted | real (stain Y X); PNG.

    Every plane is shown from its 1st to its 99.7th percentile.
    """
    rows = [
        np.hstack([_shown(plane) for plane in (label_free[0], ours, real)])
        for ours, real in zip(predicted, stained, strict=True)
    ]
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_bytes(png_encode(np.vstack(rows)))
    unfinished.replace(path)


def _shown(plane: Tensor) -> NDArray[np.uint8]:
    """Show the middle of a plane (Y X), with a gap on its right and below."""
    starts = [max(0, (side - SIDE_PX) // 2) for side in plane.shape]
    middle: Plane = plane.detach().float().cpu().numpy()[starts[0] :, starts[1] :][:SIDE_PX, :SIDE_PX]
    low, high = np.percentile(middle, (1, 99.7))
    share = np.clip((middle - low) / max(float(high - low), 1e-6), 0, 1)
    return np.pad((255 * share).round().astype(np.uint8), [(0, GAP_PX), (0, GAP_PX)])
