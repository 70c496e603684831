"""Clusters of points by density, where new points belong, and how well clusters tell things apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from sklearn.cluster import DBSCAN, HDBSCAN
from sklearn.metrics import silhouette_score

from unstained.arrays import Mask
from unstained.trust.features import Vector

Labels: TypeAlias = NDArray[np.intp]
"""(N): clusters run 0 … K − 1; −1 is in none."""

Classes: TypeAlias = NDArray[Any]
"""(N): what each point is, as text or truth value."""

NONE = -1


@dataclass(frozen=True)
class Clusters:
    """Clusters that were found in points, and the points that hold them.

    Attributes
    ----------
    labels
        (N) of the points in which they were found.
    cores
        (M D) the points of the clusters' dense parts, with the cluster (M) and the reach (M) of each.
    """

    labels: Labels
    cores: Vector
    cluster: Labels
    reach: Vector

    @property
    def number(self) -> int:
        return len(np.unique(self.labels[self.labels != NONE]))

    def place(self, points: Vector) -> Labels:
        """Give points (N D) the cluster of the nearest core point, −1 beyond that point's reach."""
        if not len(self.cores):
            return np.full(len(points), NONE, dtype=np.intp)
        distance, nearest = cKDTree(self.cores).query(points)
        found: Labels = np.where(distance <= self.reach[nearest], self.cluster[nearest], NONE).astype(np.intp)
        return found


@dataclass(frozen=True)
class Clustering:
    """How clusters are looked for: `dbscan` or `hdbscan`, and what that takes."""

    method: str
    smallest: int  # DBSCAN's min_samples, HDBSCAN's min_cluster_size
    reach: float = 1.0  # DBSCAN's eps, in medians of the distance to the neighbour of number `smallest`

    def __str__(self) -> str:
        eps = f", eps {self.reach:g}×" if self.method == "dbscan" else ""
        return f"{self.method} {self.smallest}{eps}"

    def find(self, points: Vector) -> Clusters:
        """Find clusters in points (N D).

        Of DBSCAN (Ester et al. 1996, KDD) the core points hold them, with the reach eps; of HDBSCAN (Campello
        et al. 2013, doi:10.1007/978-3-642-37456-2_14) all their points do, with a reach as large as the
        largest distance from one of the cluster's points to the next.
        """
        if self.method == "dbscan":
            eps = max(self.reach * neighbour_distance(points, self.smallest), 1e-12)
            found = DBSCAN(eps=eps, min_samples=self.smallest).fit(points)
            rows = found.core_sample_indices_
            return Clusters(found.labels_, points[rows], found.labels_[rows], np.full(len(rows), eps))
        labels = HDBSCAN(min_cluster_size=min(self.smallest, len(points)), copy=True).fit_predict(points)
        rows = np.flatnonzero(labels != NONE)
        reach = np.zeros(len(points))
        for cluster in np.unique(labels[rows]):
            own = labels == cluster
            reach[own] = cKDTree(points[own]).query(points[own], k=2)[0][:, 1].max()
        return Clusters(labels, points[rows], labels[rows], reach[rows])


CHOICES = (
    *(
        Clustering("dbscan", smallest, reach)
        for smallest in (5, 10, 20)
        for reach in (0.5, 0.75, 1, 1.5, 2, 3)
    ),
    *(Clustering("hdbscan", smallest) for smallest in (5, 10, 20, 40)),
)
"""Among these the best is chosen, on wells that aren't scored."""


def neighbour_distance(points: Vector, number: int) -> float:
    """Give the median distance of points (N D) to their neighbour of a number; the point itself is 1."""
    number = min(number, len(points))
    return float(np.median(cKDTree(points).query(points, k=[number])[0]))


def called(labels: Labels, classes: Classes) -> dict[int, Any]:
    """Say for each cluster (−1: the points in none) what it stands for: the class of which it holds most.

    Classes count alike, however many points they have: the largest share of its class wins.
    """
    names, index = np.unique(classes, return_inverse=True)
    sizes = np.bincount(index)
    return {
        int(cluster): names[np.argmax(np.bincount(index[labels == cluster], minlength=len(names)) / sizes)]
        for cluster in np.unique(labels)
    }


def balanced_f1(truth: Mask, said: Mask) -> float | None:
    """Give the F1 of what is said to be so (N) where both sides count alike, however many they are.

    With the shares of true and of false alarms t and f, precision is t/(t + f) and recall t, so F1 is
    2t/(1 + t + f): 2/3 for saying it of all. None where one side is empty.
    """
    if truth.all() or not truth.any():
        return None
    true, false = float(said[truth].mean()), float(said[~truth].mean())
    return 2 * true / (1 + true + false)


def clusters_f1(
    clusters: Clusters, fitted: Classes, points: Vector, classes: Classes, otherwise: Any
) -> float | None:
    """Give the F1 of telling the class of new points (M D) by the cluster where each belongs.

    Each cluster, and what is in none, is called after the class of which it holds the largest share among
    the points in which it was found (`fitted`, N); new points in none, where there were no such points, are
    called `otherwise`. Truth values: `balanced_f1` of what is true; else its mean over all classes of the new
    points (M), each against the others. None where the new points are of one class.
    """
    return classes_f1(classes, said_of(clusters, fitted, points, otherwise))


def said_of(clusters: Clusters, fitted: Classes, points: Vector, otherwise: Any) -> Classes:
    """Give the class that each of new points (M D) is called by its cluster, see `clusters_f1`."""
    calls = called(clusters.labels, fitted)
    return np.array([calls.get(int(label), otherwise) for label in clusters.place(points)])


def classes_f1(classes: Classes, said: Classes) -> float | None:
    """Give `balanced_f1` of truth values, else its mean over classes, each against the others."""
    if classes.dtype == np.bool_:
        return balanced_f1(classes, said.astype(bool))
    found = [balanced_f1(classes == name, said == name) for name in np.unique(classes)]
    known = [value for value in found if value is not None]
    return float(np.mean(known)) if known else None


class Half(NamedTuple):
    """A map that was fitted on a half of the wells, and how all points lie on it."""

    points: Vector  # (N D)
    own: Mask  # (N) of the half on which it was fitted
    other: Mask  # (N) of the other half


def choose(
    halves: Sequence[Half], classes: Classes, otherwise: Any, choices: Sequence[Clustering] = CHOICES
) -> tuple[Clustering, float]:
    """Choose how to look for clusters: by the F1 on one half of the wells of what was fitted on the other.

    Gives the choice, and the mean of its F1 both ways; of equally good ones the last, whose clusters are
    larger.
    """
    best: tuple[Clustering, float] = (choices[-1], -1.0)
    for choice in choices:
        found = []
        for points, own, other in halves:
            clusters = choice.find(points[own])
            found.append(clusters_f1(clusters, classes[own], points[other], classes[other], otherwise) or 0.0)
        if np.mean(found) >= best[1]:
            best = choice, float(np.mean(found))
    return best


def half_of(wells: Classes, rng: np.random.Generator) -> Classes:
    """Draw a half of the wells, named once for each of their points."""
    names = np.unique(wells)
    half: Classes = rng.permutation(names)[: -(-len(names) // 2)]
    return half


def nearest_to_middle(points: Vector, inside: Mask, most: int) -> NDArray[np.intp]:
    """Give the numbers of a cluster's points (N D) that lie nearest to its median, at most so many."""
    rows = np.flatnonzero(inside)
    far = np.linalg.norm(points[rows] - np.median(points[rows], axis=0), axis=1)
    nearest: NDArray[np.intp] = rows[np.argsort(far, kind="stable")[:most]]
    return nearest


def silhouette(points: Vector, classes: Classes) -> float | None:
    """Give the mean silhouette (Rousseeuw 1987, doi:10.1016/0377-0427(87)90125-7) of classes among points.

    −1 … 1; 0 where classes lie through each other. None where there is one class, or each point its own.
    """
    number = len(np.unique(classes))
    return float(silhouette_score(points, classes)) if 1 < number < len(points) else None
