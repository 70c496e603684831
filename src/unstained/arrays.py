"""The array types that all stages speak; axes are written (C Y X), sizes in px unless the name says µm."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Plane: TypeAlias = NDArray[np.float32]
"""One channel of one field, (Y X)."""

Planes: TypeAlias = NDArray[np.float32]
"""Several channels or stains of one field, (C Y X)."""

RawPlane: TypeAlias = NDArray[Any]
"""One channel as it was recorded, (Y X), in the camera's own type."""

Mask: TypeAlias = NDArray[np.bool_]
"""True inside, (Y X)."""

Labels: TypeAlias = NDArray[np.int32]
"""Objects of one field, (Y X): 0 is background, objects run 1..N."""
