"""Sizes, outlines and brightness of all objects of a field at once: scikit-image's properties.

scikit-image goes through objects one by one; here each property is one pass over the pixels of all objects.
"""

import numpy as np
from numpy.typing import NDArray

from unstained.arrays import Labels, Plane

Properties = dict[str, np.ndarray]
"""What `object_properties` gives, in px and camera units: one array (objects,) per property."""

SIDES = ((-1, 0), (1, 0), (0, -1), (0, 1))
CORNERS = ((-1, -1), (-1, 1), (1, -1), (1, 1))

HULL_CELLS = 250_000
"""Half rows × objects whose hulls are found together, of less than twofold height."""

NOTHING = np.int64(1 << 40)
"""Stands right of every pixel, in half px."""


def object_properties(labels: Labels, plane: Plane) -> Properties:
    """Give properties of every object of `labels` in `plane` (Y X), sorted by label.

    Names and definitions are those of `skimage.measure.regionprops_table`: `label`, `centroid-0` and
    `centroid-1`, `area`, `equivalent_diameter_area`, `perimeter` (4-neighbours), `eccentricity`, `solidity`,
    `intensity_mean`, `intensity_max`. Labels may have gaps.
    """
    at = np.flatnonzero(labels)
    numbers, which = _compact(labels.ravel()[at])
    order = np.argsort(which, kind="stable")
    which, (y, x) = which[order], np.divmod(at[order], labels.shape[1])
    area = np.bincount(which)
    starts = np.cumsum(area) - area
    values = plane.ravel()[at[order]].astype(np.float64)
    centre = [np.add.reduceat(axis, starts) / area for axis in (y, x)]
    return {
        "label": numbers,
        "centroid-0": centre[0],
        "centroid-1": centre[1],
        "area": area.astype(np.float64),
        "equivalent_diameter_area": np.sqrt(4 * area / np.pi),
        "perimeter": _perimeters(labels, at[order], which, len(area)),
        "eccentricity": _eccentricities(y - centre[0][which], x - centre[1][which], starts),
        "solidity": area / _hull_areas(which, y, x),
        "intensity_mean": np.add.reduceat(values, starts) / area,
        "intensity_max": np.maximum.reduceat(values, starts),
    }


def _compact(labels: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.integer]]:
    """List the labels that occur, and number them 0..N-1, in the smallest type, which sorts fastest."""
    present = np.bincount(labels) > 0
    numbers = np.flatnonzero(present)
    kind = np.uint16 if len(numbers) < 1 << 16 else np.int64
    return numbers, (np.cumsum(present) - 1).astype(kind)[labels]


def _eccentricities(dy: np.ndarray, dx: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Eccentricity of the ellipse with an object's second moments, of distances (pixel,) to its centre."""
    yy, xx, yx = (np.add.reduceat(product, starts) for product in (dy * dy, dx * dx, dy * dx))
    spread = np.hypot(yy - xx, 2 * yx)  # of the two eigenvalues, times twice the area
    largest = yy + xx + spread
    found: np.ndarray = np.sqrt(2 * spread / np.where(largest > 0, largest, 1))
    return found


def _perimeters(labels: Labels, at: np.ndarray, which: np.ndarray, count: int) -> np.ndarray:
    """Length of each object's outline, px, through the centres of its border pixels.

    A border pixel has a side neighbour outside; how many of its neighbours are border pixels tells whether
    the outline passes straight, askew or in between (Benkrid & Crookes 2000).
    """
    width = labels.shape[1] + 2
    framed = np.pad(labels, 1).ravel()
    at = at + 2 * (at // labels.shape[1]) + width + 1
    own = framed[at]
    edge = np.zeros(len(at), bool)
    for dy, dx in SIDES:
        edge |= framed[at + dy * width + dx] != own
    at, own, which = at[edge], own[edge], which[edge]
    border = np.zeros_like(framed)
    border[at] = own
    sides, corners = (
        sum((border[at + dy * width + dx] == own).astype(np.intp) for dy, dx in steps)
        for steps in (SIDES, CORNERS)
    )
    return np.bincount(which, _LENGTHS[sides, corners], minlength=count)


def _lengths() -> np.ndarray:
    """Length (side neighbours, corner neighbours) that a border pixel adds to an outline."""
    lengths = np.zeros((5, 5))
    lengths[2:4, :3] = 1
    lengths[0, 2] = lengths[1, 3] = np.sqrt(2)
    lengths[1, 1:3] = (1 + np.sqrt(2)) / 2
    return lengths


_LENGTHS = _lengths()


def _hull_areas(which: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Count the pixels whose centres lie in each object's convex hull, its edge among it.

    Hulls are of the midpoints of the pixels' sides. `which` (pixel,) numbers the objects 0..N-1; pixels come
    in the order of object, y and x. Objects of like height are done together.
    """
    rows = np.flatnonzero((np.diff(which, prepend=which[0]) != 0) | (np.diff(y, prepend=-1) != 0))
    first, last = x[rows], x[np.append(rows[1:], len(x)) - 1]
    owner, row = which[rows].astype(np.int64), y[rows]
    begins = np.flatnonzero(np.diff(owner, prepend=-1))
    heights = row[np.append(begins[1:], len(row)) - 1] - row[begins] + 1
    row = row - row[begins][owner]
    by_height = np.argsort(heights)
    batch = np.empty(len(heights), np.int64)
    batch[by_height] = np.cumsum(2 * heights[by_height] + 1) // HULL_CELLS * 64 + np.log2(heights[by_height])
    areas = np.empty(len(heights), np.int64)
    for number in np.unique(batch):
        some = np.flatnonzero(batch == number)
        of_these = np.flatnonzero(batch[owner] == number)
        place = np.searchsorted(some, owner[of_these]), row[of_these]
        left = _first_in_hull(place, first[of_these], heights[some])
        right = -_first_in_hull(place, -last[of_these], heights[some])
        in_object = np.arange(left.shape[1]) < heights[some, np.newaxis]
        areas[some] = np.where(in_object, right - left + 1, 0).sum(axis=1)
    return areas


def _first_in_hull(
    place: tuple[np.ndarray, np.ndarray], first: np.ndarray, heights: np.ndarray
) -> NDArray[np.int64]:
    """Find the first pixel in the hull of every object's rows (object row), from those in the objects.

    `first` (known,) is the x of the first pixel of the object and row in `place`; `heights` (object,) counts
    rows. From each corner of the hull the next is the one seen farthest to the left (Jarvis 1973).
    """
    objects, tallest = np.arange(len(heights)), int(heights.max())
    corners = np.full((len(heights), 2 * tallest + 1), NOTHING)  # (object, half row) → x in half px
    for down, right in ((1, -1), (0, 0), (2, 0)):
        spot = place[0], 2 * place[1] + down
        corners[spot] = np.minimum(corners[spot], 2 * first + right)
    steps, middles = np.arange(2 * tallest + 1), np.arange(1, 2 * tallest, 2)
    above, below = (np.zeros((len(heights), tallest), np.int64) for _ in range(2))
    at = np.zeros(len(heights), np.int64)
    while (at < 2 * heights).any():
        ahead = steps - at[:, np.newaxis]
        slope = (corners - corners[objects, at][:, np.newaxis]) / np.where(ahead > 0, ahead, 1)
        following = np.where(at < 2 * heights, np.where(ahead > 0, slope, np.inf).argmin(axis=1), at)
        between = (middles > at[:, np.newaxis]) & (middles <= following[:, np.newaxis])
        above, below = (
            np.where(between, end[:, np.newaxis], known) for end, known in ((at, above), (following, below))
        )
        at = following
    one, other = (np.take_along_axis(corners, ends, axis=1) for ends in (above, below))
    apart = np.maximum(below - above, 1)
    first_px: NDArray[np.int64] = -(-(one * apart + (other - one) * (middles - above)) // (2 * apart))
    return first_px
