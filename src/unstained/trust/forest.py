"""A forest of regression trees as plain arrays: fitted by scikit-learn, kept without pickling anything."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unstained.trust.features import Vector

TREES = 100
SMALLEST_LEAF = 3


@dataclass(frozen=True)
class Forest:
    """Trees' nodes one after the other; a leaf points to itself."""

    roots: NDArray[np.int32]  # (tree)
    feature: NDArray[np.int16]  # (node)
    threshold: NDArray[np.float64]  # (node)
    left: NDArray[np.int32]  # (node): where a value up to the threshold goes
    right: NDArray[np.int32]
    value: NDArray[np.float32]  # (node, output)

    @classmethod
    def fitted(cls, points: Vector, values: Vector, *, seed: int = 0) -> "Forest":
        """Fit extremely randomised trees (Geurts et al. 2006) to points (N F) and values (N output)."""
        from sklearn.ensemble import ExtraTreesRegressor

        model = ExtraTreesRegressor(TREES, min_samples_leaf=SMALLEST_LEAF, random_state=seed)
        model.fit(points, values if values.shape[1] > 1 else values[:, 0])
        trees = [each.tree_ for each in model.estimators_]
        starts = np.cumsum([0, *(tree.node_count for tree in trees)])
        parts: list[dict[str, NDArray[Any]]] = []
        for start, tree in zip(starts, trees, strict=False):
            leaf = tree.children_left < 0
            own = np.arange(tree.node_count) + start
            parts.append(
                {
                    "feature": np.where(leaf, 0, tree.feature),
                    "threshold": tree.threshold,
                    "left": np.where(leaf, own, tree.children_left + start),
                    "right": np.where(leaf, own, tree.children_right + start),
                    "value": tree.value[:, :, 0],
                }
            )
        nodes = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return cls.from_arrays({"roots": starts[:-1], **nodes})

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "Forest":
        """Take what `arrays` gave."""
        types = (np.int32, np.int16, np.float64, np.int32, np.int32, np.float32)
        names = (each.name for each in fields(cls))
        return cls(*(np.asarray(arrays[name], dtype=kind) for name, kind in zip(names, types, strict=True)))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Give all that it is, by name."""
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def predict(self, points: Vector) -> Vector:
        """Give the trees' mean (N output) at points (N F)."""
        mean: Vector = self.by_tree(points).mean(axis=1)
        return mean

    def by_tree(self, points: Vector) -> Vector:
        """Give each tree's value (N tree output) at points (N F)."""
        rows = np.asarray(points, dtype=np.float32)  # as scikit-learn compares them
        node = np.tile(self.roots, (len(rows), 1))
        while True:
            seen = np.take_along_axis(rows, self.feature[node].astype(np.intp), axis=1)
            below = np.where(seen <= self.threshold[node], self.left[node], self.right[node])
            if np.array_equal(below, node):
                return self.value[node].astype(np.float64)
            node = below
