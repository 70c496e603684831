"""From a field's own grid to the working grid on which a network sees it, and back.

The grid of a field and its working grid cover the same rectangle: pixel (i + ½) / sides of one lies on
(j + ½) / sides of the other, so going there and back moves nothing.
"""

import numpy as np
import torch
from torch.nn import functional

from unstained.arrays import Plane, RawPlane
from unstained.networks.normalisation import Normalisation


def working_shape(shape: tuple[int, int], zoom: float) -> tuple[int, int]:
    """Give Y and X of a field's working grid, px; `zoom` is working-grid pixels per field pixel."""
    rows, columns = (max(1, round(side * zoom)) for side in shape)
    return rows, columns


def resample(plane: Plane, shape: tuple[int, int]) -> Plane:
    """Bring a plane (Y X) to `shape` px, both grids covering the same rectangle.

    Shrinking weighs the input pixels by a triangle as wide as two output pixels, which keeps finer texture
    from aliasing; enlarging is bilinear. Weights sum to 1 everywhere, so a constant stays what it is.
    """
    if plane.shape == shape:
        return plane
    pixels = torch.from_numpy(np.ascontiguousarray(plane, dtype=np.float32))[None, None]
    resized = functional.interpolate(pixels, shape, mode="bilinear", align_corners=False, antialias=True)
    resampled: Plane = resized[0, 0].numpy()
    return resampled


def working_plane(plane: RawPlane, zoom: float) -> Plane:
    """Bring one whole field (Y X), any number type, to the working grid."""
    values = np.asarray(plane, dtype=np.float32)
    return resample(values, working_shape(values.shape, zoom))


def network_plane(plane: RawPlane, normalisation: Normalisation, zoom: float = 1.0) -> Plane:
    """Bring one whole field (Y X), any number type, to the working grid and to network units.

    It is resampled first and normalised on the working grid: what is measured there is what the network sees,
    whatever the camera's pixel size and the noise of its single pixels; and as the whole field is measured,
    tiles can't change it.
    """
    return normalisation.apply(working_plane(plane, zoom))
