"""From a field's own grid to the working grid on which a network sees it, and back.

The grid of a field and its working grid cover the same rectangle: pixel (i + ½) / sides of one lies on
(j + ½) / sides of the other, so going there and back moves nothing.
"""

import numpy as np
import torch
from torch.nn import functional

from unstained.arrays import Plane, RawPlane
from unstained.networks.normalisation import Normalisation, bands_of


def working_shape(shape: tuple[int, int], zoom: float) -> tuple[int, int]:
    """Give Y and X of a field's working grid, px; `zoom` is working-grid pixels per field pixel."""
    rows, columns = (max(1, round(side * zoom)) for side in shape)
    return rows, columns


def resample(plane: RawPlane, shape: tuple[int, int]) -> Plane:
    """Bring a plane (Y X) to `shape` px, both grids covering the same rectangle.

    Shrinking weighs the input pixels by a triangle as wide as two output pixels, which keeps finer texture
    from aliasing; enlarging is bilinear. Weights sum to 1 everywhere, so a constant stays what it is.
    """
    if plane.shape == shape:
        return plane
    # along rows, then along columns, each by parts: nothing of the field's size is needed but what comes out
    narrowed = np.empty((plane.shape[0], shape[1]), np.float32)
    for rows in bands_of(plane.shape):
        narrowed[rows] = _interpolated(plane[rows], (len(narrowed[rows]), shape[1]))
    resampled: Plane = np.empty(shape, np.float32)
    for columns in bands_of((shape[1], max(plane.shape[0], shape[0]))):
        part = narrowed[:, columns].T  # lying: torch errs on the rows of a plane that is one pixel wide
        resampled[:, columns] = _interpolated(part, (len(part), shape[0])).T
    return resampled


def working_plane(plane: RawPlane, zoom: float) -> Plane:
    """Bring one whole field (Y X), any number type, to the working grid."""
    shape = working_shape(plane.shape, zoom)
    return np.asarray(plane, dtype=np.float32) if shape == plane.shape else resample(plane, shape)


def network_plane(plane: RawPlane, normalisation: Normalisation, zoom: float = 1.0) -> Plane:
    """Bring one whole field (Y X), any number type, to the working grid and to network units.

    It is resampled first and normalised on the working grid: what is measured there is what the network sees,
    whatever the camera's pixel size and the noise of its single pixels; and as the whole field is measured,
    tiles can't change it.
    """
    return normalisation.apply(on_working_grid(plane, zoom))


def on_working_grid(plane: RawPlane, zoom: float) -> RawPlane:
    """Bring one whole field (Y X) to the working grid; as recorded where that is its own."""
    return plane if working_shape(plane.shape, zoom) == plane.shape else working_plane(plane, zoom)


def _interpolated(plane: Plane, shape: tuple[int, int]) -> Plane:
    pixels = torch.from_numpy(np.ascontiguousarray(plane, dtype=np.float32))[None, None]
    resized = functional.interpolate(pixels, shape, mode="bilinear", align_corners=False, antialias=True)
    interpolated: Plane = resized[0, 0].numpy()
    return interpolated
