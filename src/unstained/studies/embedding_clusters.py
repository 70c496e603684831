"""Clusters in embeddings of crops: looked for and chosen on some wells, scored on others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from unstained.arrays import Mask
from unstained.training.autoencoding import Autoencoded
from unstained.trust.clusters import (
    Classes,
    Clustering,
    Clusters,
    Half,
    balanced_f1,
    choose,
    half_of,
    said_of,
)
from unstained.trust.crops import Crops
from unstained.trust.features import Vector
from unstained.trust.reducing import Block, Scale, mapped

STRONG = (3, 4, 5)
"""Severities of the goal."""


@dataclass(frozen=True)
class Held:
    """Crops of a plate in every embedding; what is fitted and chosen is so on wells that aren't scored."""

    crops: Crops
    chosen: Mask  # (N) crops of the wells of choice
    blocks: Mapping[str, tuple[Block, ...]]
    learnt: Mapping[str, Autoencoded]
    conditions: Mapping[str, Classes]  # of the plate map, and confluence; (N)
    seed: int = 0

    @property
    def corrupted(self) -> Mask:
        return ~self.crops.clean

    @property
    def wells(self) -> Classes:
        return np.asarray(self.crops.table["well"], dtype=str)

    def with_severities(self, severities: Sequence[int]) -> Mask:
        """Tell which crops (N) are clean or of one of these severities."""
        return self.crops.clean | np.isin(self.crops.severity, severities)


class Scored(NamedTuple):
    """Clusters among clean crops and those of some severities, and what they are worth on the other wells."""

    clustering: Clustering
    f1_chosen: float  # on the wells of choice, each half by the other
    clusters: Clusters  # in the wells of choice
    rows: Mask  # (N) crops of the other wells that are scored
    said: Mask  # of each of these, whether it is called corrupted
    f1: float | None


@dataclass(frozen=True)
class Found:
    """Clusters of one embedding on one map."""

    embedding: str
    reducer: str
    scale: Scale
    points: Vector  # (N D)
    strong: Scored
    by_severity: Mapping[int, Scored]


def find_clusters(held: Held, name: str, reducer: str, scale: Scale) -> Found:
    """Fit a map and look for clusters on the wells of choice; place and score the crops of the others."""
    blocks, clean, chosen = held.blocks[name], held.crops.clean, held.chosen
    in_half = np.isin(held.wells, half_of(held.wells[chosen], np.random.default_rng(held.seed)))
    sides = [chosen & in_half, chosen & ~in_half]
    halves = [
        Half(mapped(blocks, clean, own, reducer, scale, held.seed), own, other)
        for own, other in (sides, sides[::-1])
    ]
    points = mapped(blocks, clean, chosen, reducer, scale, held.seed)
    levels = np.unique(held.crops.severity)
    by_severity = {int(level): _scored(held, halves, points, (level,)) for level in levels if level > 0}
    return Found(name, reducer, scale, points, _scored(held, halves, points, STRONG), by_severity)


def _scored(held: Held, halves: Sequence[Half], points: Vector, severities: Sequence[int]) -> Scored:
    rows, corrupted = held.with_severities(severities), held.corrupted
    some = [Half(half.points, half.own & rows, half.other & rows) for half in halves]
    # what lies in no cluster, where no crop of choice did, is unlike all that is known: corrupted
    clustering, f1_chosen = choose(some, corrupted, otherwise=True)
    fitted, others = held.chosen & rows, ~held.chosen & rows
    clusters = clustering.find(points[fitted])
    said = said_of(clusters, corrupted[fitted], points[others], otherwise=True).astype(bool)
    return Scored(clustering, f1_chosen, clusters, others, said, balanced_f1(corrupted[others], said))
