"""Points scaled and brought to a few dimensions, and the way there for new ones: PCA, UMAP, PaCMAP."""

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA

from unstained.arrays import Mask
from unstained.errors import BadInput, BadSettings, MissingExtra, listed
from unstained.trust.features import Vector
from unstained.trust.reference import LEAST_SPREAD, NORMAL_MAD

Place: TypeAlias = Callable[[Vector], Vector]
Scale: TypeAlias = Literal["all", "clean"]
SCALES: tuple[Scale, ...] = ("clean", "all")

NEIGHBOURS = 15
"""Of UMAP and PaCMAP."""

FEWEST = 4
"""Points of a map, and clean crops of a scale."""


class Block(NamedTuple):
    """Features of crops that belong together."""

    values: Vector  # (N F)
    alike: bool = False  # columns share their unit, as principal components do, so they share their scale


class Kind(NamedTuple):
    """What a reducer does: principal components first (None = straight away), then a map."""

    components: int | None
    method: str


REDUCERS = {
    "pca": Kind(None, "pca"),
    "pca10": Kind(None, "pca10"),
    "umap": Kind(None, "umap"),
    "pacmap": Kind(None, "pacmap"),
    "pca10-umap": Kind(10, "umap"),
    "pca50-umap": Kind(50, "umap"),
    "pca10-pacmap": Kind(10, "pacmap"),
    "pca50-pacmap": Kind(50, "pacmap"),
}
"""`pca10` has ten dimensions, for clusters; all others two, for eyes."""


@dataclass(frozen=True)
class Reduction:
    """A reducer after it has seen points.

    Attributes
    ----------
    points
        (N D) where those that it was fitted on came to lie.
    place
        Gives new points (M feature) their places (M D), without moving any other.
    """

    points: Vector
    place: Place

    @classmethod
    def fit(cls, name: str, points: Vector, seed: int = 0) -> "Reduction":
        """Fit the reducer of a name to points (N feature).

        Raises
        ------
        BadSettings
            There is no such reducer.
        MissingExtra
            It needs umap-learn or pacmap.
        BadInput
            There are fewer than four points.
        """
        if len(points) < FEWEST:
            raise BadInput(f"{len(points)} points make no map; {FEWEST} are the least")
        kind = REDUCERS[find_reducer(name)]
        method = METHODS[kind.method]
        if kind.components is None:
            return cls(*method(points, seed))
        first, into = _pca(points, seed, kind.components)
        found, place = method(first, seed)
        return cls(found, lambda new: place(into(new)))


def mapped(
    blocks: Sequence[Block], clean: Mask, fitted: Mask, reducer: str, scale: Scale = "all", seed: int = 0
) -> Vector:
    """Give all points' places (N D) on a map that is scaled and fitted by the `fitted` ones (N) alone."""
    points = scaled(blocks, clean, fitted, scale)
    reduction = Reduction.fit(reducer, points[fitted], seed)
    places = np.empty((len(points), reduction.points.shape[1]))
    places[fitted] = reduction.points
    if not fitted.all():
        places[~fitted] = reduction.place(points[~fitted])
    return places


def scaled(blocks: Sequence[Block], clean: Mask, fitted: Mask, scale: Scale = "all") -> Vector:
    """Join blocks to points (N F) of like scale; each block weighs the same, and only fitted rows (N) count.

    `all` divides by the standard deviation of all that is fitted. `clean` measures in what clean crops vary
    by: what varies much or together among them counts little. Either way, what lies far off is drawn in
    (arcsinh), so that no single feature outweighs all others.

    Raises
    ------
    BadInput
        By clean crops, and there are fewer than four to fit.
    """
    known = fitted & clean
    if scale == "clean" and known.sum() < FEWEST:
        raise BadInput(
            f"{known.sum()} clean crops don't tell what clean crops vary by; {FEWEST} are the least"
        )
    parts = [
        (_by_clean(block.values, fitted, known) if scale == "clean" else _by_all(block, fitted))
        / np.sqrt(block.values.shape[1])
        for block in blocks
    ]
    return np.hstack(parts)


def _by_all(block: Block, fitted: Mask) -> Vector:
    values = block.values[fitted]
    spread = values.std(axis=0)
    if block.alike:
        spread = np.full_like(spread, np.sqrt(np.mean(spread**2)))
    constant = spread <= 1e-9 * np.maximum(np.abs(values).max(axis=0), 1e-9)
    off: Vector = np.arcsinh((block.values - values.mean(axis=0)) / np.where(constant, 1.0, spread))
    off[:, constant] = 0.0
    return off


def _by_clean(values: Vector, fitted: Mask, known: Mask) -> Vector:
    """Whiten values (N F) by clean rows: medians and median deviations, then their covariance.

    Few crops tell little of a covariance, so it is shrunk (Ledoit & Wolf 2004, J. Multivar. Anal. 88, 365).
    """
    centre = np.median(values[known], axis=0)
    deviation = NORMAL_MAD * np.median(np.abs(values[known] - centre), axis=0)
    reach = np.ptp(np.percentile(values[fitted], (5, 95), axis=0), axis=0)
    off = np.arcsinh((values - centre) / np.maximum(deviation, np.maximum(LEAST_SPREAD * reach, 1e-6)))
    found = LedoitWolf().fit(off[known])
    variances, axes = np.linalg.eigh(found.covariance_)
    white: Vector = np.arcsinh((off - found.location_) @ axes / np.sqrt(np.maximum(variances, 1e-12)))
    return white


def find_reducer(name: str) -> str:
    """Give the name of a reducer back.

    Raises
    ------
    BadSettings
        There is none of that name.
    """
    if name not in REDUCERS:
        raise BadSettings("reducer", f"{name!r} is none; there are: {listed(REDUCERS)}")
    return name


def need_packages(*names: str) -> None:
    """Say before any work that a reducer needs a package that isn't there.

    Raises
    ------
    MissingExtra
    """
    for name in names:
        if REDUCERS[find_reducer(name)].method in PACKAGES:
            _required(REDUCERS[name].method)


def _pca(points: Vector, seed: int, components: int = 2) -> tuple[Vector, Place]:
    pca = PCA(min(components, *points.shape), random_state=seed)
    return pca.fit_transform(points), pca.transform


def _umap(points: Vector, seed: int) -> tuple[Vector, Place]:
    """Fit UMAP (McInnes et al. 2018, arXiv 1802.03426), packed densely (min_dist 0), as clusters want it."""
    module = _required("umap")
    with _quiet():
        fitted = module.UMAP(
            n_neighbors=min(NEIGHBOURS, len(points) - 1), min_dist=0.0, random_state=seed, n_jobs=1,
            init="spectral" if len(points) > NEIGHBOURS else "random",
        ).fit(points.astype(np.float32))  # fmt: skip

    def place(new: Vector) -> Vector:
        with _quiet():
            return np.asarray(fitted.transform(new.astype(np.float32)), dtype=np.float64)

    return np.asarray(fitted.embedding_, dtype=np.float64), place


def _pacmap(points: Vector, seed: int) -> tuple[Vector, Place]:
    """Fit PaCMAP (Wang et al. 2021, JMLR 22, 201)."""
    module = _required("pacmap")
    basis = points.astype(np.float32)
    with _quiet():
        fitted = module.PaCMAP(n_neighbors=min(NEIGHBOURS, len(points) // 4), random_state=seed,
                               apply_pca=min(points.shape) > 100)  # fmt: skip
        found = fitted.fit_transform(basis.copy(), init="pca")

    def place(new: Vector) -> Vector:
        with _quiet():
            return np.asarray(fitted.transform(new.astype(np.float32), basis=basis.copy()), dtype=np.float64)

    return np.asarray(found, dtype=np.float64), place


PACKAGES = {"umap": "umap-learn", "pacmap": "pacmap"}
"""Modules of the extra [embed], and the packages that bring them."""

METHODS: dict[str, Callable[[Vector, int], tuple[Vector, Place]]] = {
    "pca": _pca,
    "pca10": lambda points, seed: _pca(points, seed, 10),
    "umap": _umap,
    "pacmap": _pacmap,
}


def _required(module: str) -> Any:
    """Import an optional package, or say which extra brings it."""
    try:
        with _quiet():
            return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise MissingExtra(PACKAGES[module], "embed") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what the libraries say of their own insides to ourselves."""
    spoken = logging.getLogger("pacmap.pacmap")
    level = spoken.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spoken.setLevel(logging.ERROR)
        try:
            yield
        finally:
            spoken.setLevel(level)
