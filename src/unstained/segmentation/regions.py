"""Regions of a mask: cleaned, split where objects touch, joined where one object was cut."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label
from skimage.measure import label as label_equal
from skimage.segmentation import watershed

from unstained.arrays import Labels, Mask, Plane
from unstained.segmentation.background import gaussian
from unstained.segmentation.distances import highest_in_squares, opened


def fill_holes(inside: Mask, largest_px: float) -> Mask:
    """Fill the holes of a mask (Y X) of at most `largest_px` px that don't reach its edge."""
    holes, count = label(~inside)
    fillable = np.bincount(holes.ravel(), minlength=count + 1) <= largest_px
    fillable[at_edge(holes)] = False
    fillable[0] = False
    filled: Mask = inside | fillable[holes]
    return filled


def smooth_outline(inside: Mask, radius_px: float) -> Mask:
    """Open a mask (Y X) with a disk, then blur and cut at one half: thin spurs and rough edges go."""
    if radius_px >= 1:
        inside = opened(inside, radius_px)
    smooth: Mask = gaussian(inside.astype(np.float32), max(radius_px, 0.5) / 2) > 0.5
    return smooth


def split_touching(inside: Mask, height: Plane, spacing_px: float, depth: float) -> Labels:
    """Cut a mask (Y X) into one region per hill of `height` (Y X) by watershed.

    Peaks nearer than `spacing_px` are one; two hills are joined unless the lower peak rises more than `depth`
    above the pass between them (the h-maxima criterion, as persistence).
    """
    peaks = inside & (height == highest_in_squares(height, max(1, round(spacing_px))))
    seeds, count = label(peaks, structure=np.ones((3, 3)))
    if not count:
        return np.zeros(inside.shape, np.int32)
    basins = flood(height, seeds, inside)
    pairs, passes = _passes(basins, height)
    summit = np.zeros(count + 1, np.float32)
    np.maximum.at(summit, basins[inside], height[inside])
    parent = np.arange(count + 1)
    for (one, other), saddle in zip(pairs, passes, strict=True):          # from the highest pass downwards
        high, low = sorted((_root(parent, one), _root(parent, other)), key=lambda root: -summit[root])
        if summit[low] - saddle < depth:
            parent[low] = high
    return renumbered(_roots(parent)[basins])


def join_convex(labels: Labels, least_fill: float, largest_px: float) -> Labels:
    """Join touching regions (Y X) that together fill an ellipse, as one object that was cut does.

    The measure is the union's area ÷ the area of the ellipse with its second moments: 1 for any ellipse, .9
    for two equal disks that touch. Pairs of at least `least_fill` and at most `largest_px` px are joined.
    """
    pairs, _ = _passes(labels, np.zeros(labels.shape, np.float32))
    moments = _moments(labels)
    order = np.argsort([-ellipse_fill(moments[one] + moments[other]) for one, other in pairs], kind="stable")
    parent = np.arange(len(moments))
    for one, other in pairs[order]:
        first, second = _root(parent, one), _root(parent, other)
        union = moments[first] + moments[second]
        if first != second and union[0] <= largest_px and ellipse_fill(union) >= least_fill:
            parent[second] = first
            moments[first] = union
    return renumbered(_roots(parent)[labels])


def extend(cores: Labels, plane: Plane, inside: Mask) -> Labels:
    """Grow the cores of objects (Y X) downhill in `plane` over the mask; parts without a core become one."""
    grown = flood(plane, cores, inside)
    bare, count = label(inside & (grown == 0))
    return renumbered(np.where(bare > 0, bare + cores.max(), grown) if count else grown)


def flood(height: Plane, seeds: Labels, inside: Mask) -> Labels:
    """Grow seeds (Y X) downhill in `height` over the mask, as a watershed does; parts without any stay 0.

    Only connected parts of the mask with several seeds need the watershed: with one, a part is all its own.
    And only the rims of seeds: what lies within them grows nowhere.
    """
    parts, count = label(inside)
    at = np.flatnonzero(seeds)
    where, which = parts.ravel()[at], seeds.ravel()[at]
    lowest, highest = np.full(count + 1, np.iinfo(np.int32).max, np.int32), np.zeros(count + 1, np.int32)
    np.minimum.at(lowest, where, which)
    np.maximum.at(highest, where, which)
    shared = lowest < highest
    shared[0] = highest[0] = False
    grown: Labels = np.where(shared, 0, highest)[parts]
    if shared.any():
        contested = shared[parts]
        within = _surrounded(contested & (seeds > 0))
        rest = contested & ~within
        grown += watershed(-height, np.where(rest, seeds, 0), mask=rest)
        np.copyto(grown, seeds, where=within)
    return grown


def _surrounded(inside: Mask) -> Mask:
    """Give the pixels of a mask (Y X) of which all four neighbours are in it, too."""
    within: Mask = np.zeros_like(inside)
    within[1:-1, 1:-1] = (
        inside[1:-1, 1:-1] & inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:]
    )
    return within


def ellipse_fill(moments: NDArray[np.float64]) -> float:
    """Area ÷ area of the ellipse with the same second moments, from sums of 1, y, x, y², x², yx."""
    area, y, x, yy, xx, yx = moments
    var_y = yy / area - (y / area) ** 2 + 1 / 12            # 1/12: a pixel's own, about its centre
    var_x = xx / area - (x / area) ** 2 + 1 / 12
    both = yx / area - y * x / area**2
    return float(area / (4 * np.pi * np.sqrt(max(var_y * var_x - both**2, 1e-12))))


def _moments(labels: Labels) -> NDArray[np.float64]:
    """Sum 1, y, x, y², x², yx (label, 6) over the pixels of every label."""
    y, x = np.nonzero(labels)
    which = labels[y, x]
    terms = (np.ones(len(y)), y, x, y * y, x * x, y * x)
    return np.stack([np.bincount(which, term, minlength=int(labels.max()) + 1) for term in terms], axis=1)


def _passes(labels: Labels, height: Plane) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Pairs (pair, 2) of labels that touch, and the highest pass between them, highest first."""
    keys, values = [], []
    count = np.int64(labels.max()) + 1
    for one, other in ((np.s_[:-1, :], np.s_[1:, :]), (np.s_[:, :-1], np.s_[:, 1:])):
        first, second = labels[one], labels[other]
        touching = (first != second) & (first > 0) & (second > 0)
        a, b = first[touching].astype(np.int64), second[touching].astype(np.int64)
        keys.append(np.minimum(a, b) * count + np.maximum(a, b))
        values.append(np.minimum(height[one][touching], height[other][touching]))
    key, value = np.concatenate(keys), np.concatenate(values)
    order = np.lexsort((-value, key))
    key, first_of = np.unique(key[order], return_index=True)
    passes = value[order][first_of]
    downwards = np.argsort(-passes, kind="stable")
    return np.stack([key // count, key % count], axis=1)[downwards], passes[downwards]


def _root(parent: NDArray[np.int64], node: int) -> int:
    while parent[node] != node:
        node = int(parent[node])
    return node


def _roots(parent: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.array([_root(parent, node) for node in range(len(parent))])


def largest_pieces(labels: Labels) -> Labels:
    """Keep the largest connected piece of every label (Y X)."""
    pieces = label_equal(labels, connectivity=1)
    areas = np.bincount(pieces.ravel())
    owner = np.zeros(len(areas), np.int64)
    owner[pieces.ravel()] = labels.ravel()
    best = np.lexsort((-areas, owner))
    _, first = np.unique(owner[best], return_index=True)
    keep = np.zeros(len(areas), bool)
    keep[best[first]] = True
    kept: Labels = np.where(keep[pieces], labels, 0).astype(np.int32)
    return kept


def keep_labels(labels: Labels, keep: NDArray[np.bool_]) -> Labels:
    """Keep the labels (Y X) whose entry in `keep` (label 0..N) is true, renumbered 1..n.

    Where all stay, that is the very array.
    """
    return _numbered(labels, keep)


def drop_small_objects(labels: Labels, diameter_px: float) -> Labels:
    """Drop labels (Y X) smaller than a disk of `diameter_px`; the others are numbered 1..n."""
    return keep_labels(labels, np.bincount(labels.ravel(), minlength=1) >= np.pi / 4 * diameter_px**2)


def at_edge(labels: NDArray[np.integer]) -> NDArray[np.integer]:
    """List the labels (Y X), 0 among them where it does, that reach the edge of the plane."""
    return np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))


def renumbered(labels: NDArray[np.integer]) -> Labels:
    """Renumber labels (Y X) to 1..N in the order of their numbers; 0 stays background."""
    return _numbered(labels, np.True_)


def _numbered(labels: NDArray[np.integer], keep: NDArray[np.bool_] | np.bool_) -> Labels:
    present = (np.bincount(labels.ravel()) > 0) & keep
    present[0] = False
    if present[1:].all():
        return labels.astype(np.int32, copy=False)
    again: Labels = np.where(present, np.cumsum(present), 0).astype(np.int32)[labels]
    return again


def quantile_by_label(labels: Labels, plane: Plane, share: float) -> NDArray[np.float32]:
    """Quantile of `plane` (Y X) over the pixels of every label 1..N; entry 0 is 0. Labels have no gaps."""
    at = np.flatnonzero(labels)
    which = labels.ravel()[at]
    counts = np.bincount(which, minlength=1)
    kind = np.uint16 if len(counts) <= 1 << 16 else np.int64  # whose sort is one of radix
    values = plane.ravel()[at[np.argsort(which.astype(kind), kind="stable")]]
    ends = np.cumsum(counts)
    ranks = np.floor(share * np.maximum(counts - 1, 0)).astype(int)
    quantiles = np.zeros(len(counts), np.float32)
    for number, rank in enumerate(ranks[1:], start=1):
        quantiles[number] = np.partition(values[ends[number - 1] : ends[number]], rank)[rank]
    return quantiles
