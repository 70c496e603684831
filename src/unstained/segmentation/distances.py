"""What lies within a distance: lowest and highest values in disks, openings, distances to the outside.

All are exact, and as cheap for wide disks as their diameter, not as their area.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from unstained.arrays import Mask, Plane

Values = TypeVar("Values", bound=NDArray[Any])

TILE_PX = 256
"""Side of the tiles that are worked on one by one: what is needed of them stays in the processor's cache."""

STRIP_PX = 32
"""Rows of the strips in which distances are found."""

FARTHEST_PX = 181
"""The squares of two such distances add up to less than 2¹⁶."""


def eroded(plane: Values, radius_px: float) -> Values:
    """Give the lowest value within `radius_px` of every pixel of a plane or mask (Y X)."""
    return _picked(plane, radius_px, np.minimum)


def dilated(plane: Values, radius_px: float) -> Values:
    """Give the highest value within `radius_px` of every pixel of a plane or mask (Y X)."""
    return _picked(plane, radius_px, np.maximum)


def opened(plane: Values, radius_px: float) -> Values:
    """Open a plane or mask (Y X) with a disk: what is bright and narrower than it goes."""
    return dilated(eroded(plane, radius_px), radius_px)


def highest_in_squares(plane: Values, reach_px: int) -> Values:
    """Give the highest value within `reach_px` px up, down and to the sides in a plane or mask (Y X)."""
    for axis in (0, 1):
        before = np.moveaxis(plane, axis, 0)
        wider: Values = plane.copy()
        highest = np.moveaxis(wider, axis, 0)
        for step in range(1, min(reach_px, len(before) - 1) + 1):
            np.maximum(highest[step:], before[:-step], out=highest[step:])
            np.maximum(highest[:-step], before[step:], out=highest[:-step])
        plane = wider
    return plane


def _picked(plane: Values, radius_px: float, pick: np.ufunc) -> Values:
    found: Values = np.empty_like(plane)
    for tile, (values,) in within_disks(plane, [radius_px], pick):
        found[tile] = values
    return found


def within_disks(
    plane: NDArray[Any], radii_px: Sequence[float], pick: np.ufunc
) -> Iterator[tuple[tuple[slice, slice], list[NDArray[Any]]]]:
    """Give, tile by tile (y x) of a plane (Y X), what `pick` takes from each disk around every pixel.

    `pick` is `np.minimum` or `np.maximum`. A pixel lies in a disk if its centre is no farther than the
    radius; beyond the edge of the plane there is nothing. A disk is a stack of rows, and the lowest value of
    a row comes from that of the next shorter one, which all disks share.
    """
    rows = _rows_by_width(radii_px)
    reach = len(rows) - 1
    # Repeated edge pixels change nothing: the pixel that they repeat is nearer, so in the disk, too.
    padded = np.pad(plane, reach, mode="edge")
    for top in range(0, plane.shape[0], TILE_PX):
        for left in range(0, plane.shape[1], TILE_PX):
            tile = np.s_[top : min(top + TILE_PX, plane.shape[0]), left : min(left + TILE_PX, plane.shape[1])]
            around = padded[top : tile[0].stop + 2 * reach, left : tile[1].stop + 2 * reach]
            yield tile, _of_tile(around, rows, len(radii_px), pick)


def _rows_by_width(radii_px: Sequence[float]) -> list[list[tuple[int, int]]]:
    """List the rows (disk, distance from its centre) of disks by their half width, 0 … the widest."""
    steps = np.arange(int(max(radii_px)) + 1)
    distance = np.sqrt(steps[:, np.newaxis] ** 2 + steps**2)
    rows: list[list[tuple[int, int]]] = [[] for _ in steps]
    for disk, radius in enumerate(radii_px):
        inside = distance <= radius
        for row in np.flatnonzero(inside[:, 0]):
            rows[np.count_nonzero(inside[row]) - 1].append((disk, int(row)))
    return rows


def _of_tile(
    around: NDArray[Any], rows: list[list[tuple[int, int]]], disks: int, pick: np.ufunc
) -> list[NDArray[Any]]:
    """Pick from every disk around the pixels of one tile; `around` holds it and the widest disk's reach."""
    reach = len(rows) - 1
    height, width = (size - 2 * reach for size in around.shape)
    run = around[:, reach : reach + width].copy()
    found = [run[reach : reach + height].copy() for _ in range(disks)]
    for half, listed in enumerate(rows):
        if half:
            pick(run, around[:, reach - half : reach - half + width], out=run)
            pick(run, around[:, reach + half : reach + half + width], out=run)
        for disk, row in listed:
            pick(found[disk], run[reach - row : reach - row + height], out=found[disk])
            pick(found[disk], run[reach + row : reach + row + height], out=found[disk])
    return found


def inner_distance(inside: Mask) -> Plane:
    """Distance (Y X), px, to the nearest pixel outside the mask; 0 outside.

    Down the columns first, then the lowest parabola along each row (Felzenszwalb & Huttenlocher 2012), tried
    out to where no parabola can be lower. Masks with distances of more than `FARTHEST_PX` take SciPy's way.
    """
    squares = np.square(_distance_in_column(inside))
    for top in range(0, len(squares), STRIP_PX):
        _lower_along_rows(squares[top : top + STRIP_PX])
    if squares.max(initial=0) >= FARTHEST_PX**2:
        distance: Plane = distance_transform_edt(inside).astype(np.float32)
        return distance
    return np.sqrt(squares, dtype=np.float32)


def _distance_in_column(inside: Mask) -> NDArray[np.uint16]:
    """Distance (Y X), px, to the nearest pixel outside in the same column; `FARTHEST_PX` at most."""
    distance = inside.astype(np.uint16) * np.uint16(FARTHEST_PX)
    for rows in (distance, distance[::-1]):
        for before, here in pairwise(rows):
            np.minimum(here, before + np.uint16(1), out=here)
    return distance


def _lower_along_rows(squares: NDArray[np.uint16]) -> None:
    """Bring squared distances in columns (Y X) to those in the plane, in place."""
    width = squares.shape[1]
    padded = np.pad(squares, [(0, 0), (FARTHEST_PX, FARTHEST_PX)], constant_values=FARTHEST_PX**2)
    for step in range(1, FARTHEST_PX):
        if step**2 >= squares.max(initial=0):
            return
        lower = np.minimum(
            padded[:, FARTHEST_PX - step : FARTHEST_PX - step + width],
            padded[:, FARTHEST_PX + step : FARTHEST_PX + step + width],
        )
        lower += np.uint16(step**2)
        np.minimum(squares, lower, out=squares)
