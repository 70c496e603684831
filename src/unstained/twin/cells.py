"""Cells of one well: where they are, how they are built, what they make. One row a cell, lengths in µm.

Sizes are our choice, near what CHO cells show on a microscope: 12–15 µm across as balls, half as much again
when they lie flat.
"""

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Numbers = NDArray[np.float64]
Rng = np.random.Generator

ADHERENT, ROUNDED, MITOTIC, DEAD, DEBRIS = range(5)
"""Kinds of object; the last two aren't counted as cells."""

KINDS = ("adherent", "rounded", "mitotic", "dead", "debris")

BALL_UM = 6.6
"""Radius of a cell of average volume as a ball."""

NUCLEUS_UM = 4.6
"""Radius of the nucleus of a cell of average volume."""

SPREADING = 1.55
"""Radius of a flat cell over that of the ball of its volume."""

WAVES = np.array([0.08, 0.05, 0.03])
"""Mean strength of the waves 3, 4, 5 round an outline, as a share of its radius; wave 2 is the ellipse."""

MOST_WAVES = np.array([0.4, 0.15, 0.1, 0.06])

SYNTHESIS, DOUBLED = 0.4, 0.75
"""Shares of the cell cycle at which DNA begins to double, and has doubled."""

PUSHES = 40
TOUCHING = 0.9  # neighbours come so near, in sums of their radii


class Traits(NamedTuple):
    """What the cells of one clone have in common on one day; 1 = the line's average."""

    size: float = 1.0  # cell radius
    er: float = 1.0  # endoplasmic reticulum per volume
    golgi_compactness: float = 1.0
    gfp: float = 1.0
    gfp_positive: float = 0.98  # share of cells that still express
    rounded: float = 0.08  # share of cells that don't adhere
    mitotic: float = 0.04
    dead: float = 0.03
    elongation: float = 0.25  # mean (long − short) / (long + short)
    spreading: float = 1.0  # area for a volume: flat cells are wide


@dataclass(frozen=True)
class Cells:
    """The objects of one well; places in µm from the corner of its canvas, angles in radians."""

    kind: NDArray[np.int64]
    y_um: Numbers
    x_um: Numbers
    radius_um: Numbers
    height_um: Numbers
    outline: NDArray[np.complex128]  # (N wave): (long − short) / (long + short), then waves 3 to 5 in radii
    nucleus_radius_um: Numbers
    nucleus_offset_um: NDArray[np.float64]  # (N 2): y, x from the cell's middle
    nucleus_axes: Numbers  # long over short
    nucleus_angle: Numbers
    dna: Numbers  # 1 = before it doubles, 2 = after
    er: Numbers
    golgi_angle: Numbers  # from the nucleus
    golgi_spread_um: Numbers
    golgi: Numbers
    gfp: Numbers
    seed: NDArray[np.int64]  # of what is drawn at random inside the cell

    def __len__(self) -> int:
        return len(self.kind)

    def chosen(self, which: NDArray[np.bool_] | NDArray[np.intp]) -> "Cells":
        """Give some of them."""
        return Cells(*(getattr(self, each.name)[which] for each in fields(self)))

    def moved(self, by_um: NDArray[np.float64]) -> "Cells":
        """Give the same cells, each (N 2) further along y and x."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return Cells(**{**values, "y_um": self.y_um + by_um[:, 0], "x_um": self.x_um + by_um[:, 1]})


def grow_cells(number: int, traits: Traits, side_um: float, rng: Rng, *, colonies: float = 0.5) -> Cells:
    """Grow the objects of a well of `number` cells on a square canvas; debris comes on top.

    `colonies` is the share of cells that lie beside their sisters; the others lie anywhere.
    """
    kind = _kinds(number, traits, rng)
    count = len(kind)
    cycle = np.where(kind == MITOTIC, 1.0, cell_ages(count, rng))
    volume = 0.7 * (1 + cycle) * np.exp(rng.normal(0, 0.12, count))
    radius_um, height_um = _shapes(kind, BALL_UM * traits.size * volume ** (1 / 3), traits, rng)
    outline = _outlines(kind, traits.elongation, rng)
    oblong = np.abs(outline[:, 0])
    nucleus_um = NUCLEUS_UM * traits.size**0.5 * volume ** (1 / 3) * np.where(kind == ADHERENT, 1.12, 0.95)
    offset = np.clip(rng.normal(0, 0.08, (count, 2)), -0.15, 0.15) * radius_um[:, None]
    living = (kind < DEAD).astype(float)
    expressing = rng.random(count) < traits.gfp_positive
    y_um, x_um = _places(radius_um, kind, side_um, colonies, rng)
    return Cells(
        kind=kind,
        y_um=y_um,
        x_um=x_um,
        radius_um=radius_um,
        height_um=height_um,
        outline=outline,
        nucleus_radius_um=np.minimum(nucleus_um, 0.75 * radius_um * (1 - oblong)),
        nucleus_offset_um=np.where((kind == MITOTIC)[:, None], 0, offset),
        nucleus_axes=1 + oblong + np.abs(rng.normal(0.1, 0.08, count)),
        nucleus_angle=rng.normal(-np.angle(outline[:, 0]) / 2, 0.3),  # along the cell
        dna=1 + np.clip((cycle - SYNTHESIS) / (DOUBLED - SYNTHESIS), 0, 1),
        er=living * traits.er * np.exp(rng.normal(0, 0.2, count)),
        golgi_angle=rng.uniform(0, 2 * np.pi, count),
        golgi_spread_um=_golgi_spread(kind, traits, rng),
        golgi=living * np.exp(rng.normal(0, 0.25, count)),
        gfp=living * expressing * traits.gfp * np.exp(rng.normal(0, 0.35, count)),
        seed=rng.integers(2**31, size=count),
    )


def cell_ages(count: int, rng: Rng) -> Numbers:
    """Draw places in the cell cycle, 0 to 1, of a growing culture: twice as many begin it as end it.

    The density is 2 ln 2 · 2^−age (Powell 1956, J. Gen. Microbiol. 15, 492).
    """
    ages: Numbers = -np.log2(1 - rng.random(count) / 2)
    return ages


def _kinds(number: int, traits: Traits, rng: Rng) -> NDArray[np.int64]:
    """Draw what each object is; debris is a tenth more."""
    others = (traits.rounded, traits.mitotic, traits.dead)
    kinds = rng.choice(4, size=number, p=(1 - sum(others), *others))
    return np.concatenate([kinds, np.full(rng.poisson(0.1 * number + 2), DEBRIS)])


def _shapes(kind: NDArray[np.int64], ball_um: Numbers, traits: Traits, rng: Rng) -> tuple[Numbers, Numbers]:
    """Give radius and height: adherent cells are flat caps of the same volume, others are nearly balls.

    A paraboloid of radius r and height h holds πr²h/2; a ball of radius b holds 4πb³/3.
    """
    spread = SPREADING * traits.spreading**0.5 * np.exp(rng.normal(0, 0.1, len(kind)))
    radius = np.where(kind == ADHERENT, ball_um * spread, ball_um)
    height = np.where(kind == ADHERENT, 8 * ball_um**3 / (3 * radius**2), 1.9 * ball_um)
    dead, debris = kind == DEAD, kind == DEBRIS
    radius = np.where(dead, ball_um * rng.uniform(0.55, 0.85, len(kind)), radius)
    height = np.where(dead, 1.3 * radius, height)
    radius = np.where(debris, np.exp(rng.normal(0.1, 0.4, len(kind))), radius)
    return radius, np.where(debris, radius, height)


def _outlines(kind: NDArray[np.int64], elongation: float, rng: Rng) -> NDArray[np.complex128]:
    """Draw the waves of every outline; the first is the ellipse, finer ones are weaker."""
    mean = np.concatenate([[elongation], WAVES])
    strength: Numbers = np.minimum(mean * rng.gamma(4, 0.25, (len(kind), len(mean))), MOST_WAVES)
    strength[kind != ADHERENT] *= 0.12
    waves: NDArray[np.complex128] = strength * np.exp(2j * np.pi * rng.random(strength.shape))
    return waves


def _golgi_spread(kind: NDArray[np.int64], traits: Traits, rng: Rng) -> Numbers:
    """Draw how far the stacks lie apart; scattered through the cell in mitosis, and in some cells always."""
    spread = 1.5 / traits.golgi_compactness * np.exp(rng.normal(0, 0.25, len(kind)))
    fragmented = rng.random(len(kind)) < 0.06 / traits.golgi_compactness
    return np.where((kind == MITOTIC) | fragmented, 4.0, spread)


def _places(
    radius_um: Numbers, kind: NDArray[np.int64], side_um: float, colonies: float, rng: Rng
) -> tuple[Numbers, Numbers]:
    """Put objects in colonies and anywhere, then push apart what lies within each other."""
    count = len(kind)
    places = rng.uniform(0, side_um, (count, 2))
    together = (rng.random(count) < colonies) & (kind < DEAD)
    if together.any():
        centres = rng.uniform(0, side_um, (max(1, int(together.sum()) // 12), 2))
        own = rng.integers(len(centres), size=int(together.sum()))
        places[together] = (centres[own] + rng.normal(0, 30.0, (len(own), 2))) % side_um
    room = np.where(kind < DEAD, radius_um, 0.0)
    for _ in range(PUSHES):
        places = _pushed(places, room, side_um)
    return places[:, 0], places[:, 1]


def _pushed(places: NDArray[np.float64], room: Numbers, side_um: float) -> NDArray[np.float64]:
    """Move every pair of overlapping cells apart, most of the way; the canvas is closed onto itself."""
    tree = cKDTree(places, boxsize=side_um)
    pairs = tree.query_pairs(2 * TOUCHING * float(room.max(initial=1.0)), output_type="ndarray")
    one, other = pairs[:, 0], pairs[:, 1]
    between = (places[one] - places[other] + side_um / 2) % side_um - side_um / 2
    distance = np.maximum(np.hypot(*between.T), 1e-3)
    overlap = TOUCHING * (room[one] + room[other]) - distance
    overlap[(overlap < 0) | (room[one] == 0) | (room[other] == 0)] = 0
    step = between * (0.4 * overlap / distance)[:, None]
    moved = places.copy()
    np.add.at(moved, one, step)
    np.add.at(moved, other, -step)
    return np.where((moved := moved % side_um) < side_um, moved, 0.0)
