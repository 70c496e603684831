"""Figures of the study of embeddings: maps, autoencoders, exemplars of clusters (the thesis' Figs. 44–52)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from unstained.arrays import RawPlane
from unstained.report.point_maps import maps
from unstained.studies.embedding_clusters import STRONG, Found, Held
from unstained.studies.figures import curves, pictures
from unstained.training.autoencoding import draw_crops, encode_crops, restore_crops
from unstained.trust.clusters import NONE, called, nearest_to_middle
from unstained.trust.embeddings import BOTTLENECK, code_block
from unstained.trust.reducing import mapped

SHOWN = 6
"""Crops of a cluster, or drawn, side by side."""

MOST_CLUSTERS = 8
OUTCOMES = ("clean called clean", "corrupted called corrupted", "clean called corrupted",
            "corrupted called clean")  # fmt: skip


def bottleneck_maps(held: Held, reducers: Sequence[str]) -> Figure:
    """Draw the bottleneck on several maps, coloured by severity (Fig. 44; the last, PaCMAP, Fig. 49)."""
    blocks, clean = held.blocks[BOTTLENECK], held.crops.clean
    places = {name: mapped(blocks, clean, held.chosen, name, "all", held.seed) for name in reducers}
    return maps({name: (points, held.crops.severity) for name, points in places.items()}, "severity")


def coloured_maps(held: Held, found: Found) -> Figure:
    """Draw one map, coloured by all that is known of its crops."""
    known: dict[str, NDArray[Any]] = {
        "severity": held.crops.severity,
        "kind": np.asarray(held.crops.table["kind"], dtype=str),
        "saturated": held.crops.table["saturated"].to_numpy(),
        **held.conditions,
        "confluence": held.crops.table["confluence"].to_numpy(),
        "well": held.wells,
    }
    return maps({name: (found.points, values) for name, values in known.items()})


def severity_maps(held: Held, found: Found) -> Figure:
    """Draw the scored wells by severity (Fig. 52): called clean or corrupted, rightly or not."""
    panels = {}
    for level, scored in found.by_severity.items():
        truth = np.where(held.corrupted[scored.rows], "corrupted", "clean")
        said = np.where(scored.said, "corrupted", "clean")
        values = np.char.add(np.char.add(truth, " called "), said)
        panels[f"severity {level}: F1 {scored.f1 or 0:.2f}"] = (found.points[scored.rows], values)
    return maps(panels, classes=OUTCOMES)


def autoencoder_courses(held: Held) -> Figure:
    """Draw the loss by epoch of every autoencoder (Fig. 45)."""
    lines: dict[str, tuple[Sequence[float], Sequence[float]]] = {}
    for name, learnt in held.learnt.items():
        epochs = [line.epoch for line in learnt.course]
        lines[name] = (epochs, [line.loss for line in learnt.course])
        if learnt.course[0].held_out is not None:
            lines[f"{name}, other wells"] = (epochs, [line.held_out or 0.0 for line in learnt.course])
    return curves(lines, "epoch", "mean squared error", log="y")


def autoencoder_samples(held: Held) -> Figure:
    """Show clean crops of other wells, how each autoencoder gives them back, and what is drawn (Fig. 46)."""
    rows = np.flatnonzero(held.crops.clean & ~held.chosen)[:SHOWN]
    shown = held.crops.seen[rows]
    panels: dict[str, dict[str, RawPlane]] = {"crops": _numbered(shown)}
    for name, learnt in held.learnt.items():
        codes = encode_crops(learnt.network, held.crops.seen[held.chosen])
        drawn = draw_crops(learnt.network, codes, len(rows), np.random.default_rng(held.seed))
        panels[f"{name}: given back"] = _numbered(restore_crops(learnt.network, shown))
        panels[f"{name}: drawn"] = _numbered(drawn)
    return pictures(panels)


def early_and_late(held: Held, reducer: str) -> Figure:
    """Draw the codes of every autoencoder at an early epoch and at the last, by severity (Fig. 48)."""
    panels = {}
    for name, learnt in held.learnt.items():
        for when, network in (("early", learnt.early), ("late", learnt.network)):
            block = code_block(encode_crops(network, held.crops.seen), held.chosen)
            points = mapped([block], held.crops.clean, held.chosen, reducer, "all", held.seed)
            panels[f"{name}, {when}"] = (points, held.crops.severity)
    return maps(panels, "severity")


def exemplars(held: Held, found: Found) -> Figure:
    """Show the crops in the middle of each cluster (Figs. 50, 51), as recorded, all on one scale of grey."""
    rows = np.flatnonzero(held.chosen & held.with_severities(STRONG))
    clusters, points = found.strong.clusters, found.points[rows]
    calls = called(clusters.labels, held.corrupted[rows])
    sizes = {label: int((clusters.labels == label).sum()) for label in calls}
    panels: dict[str, dict[str, RawPlane]] = {}
    for label in sorted(sizes, key=lambda each: -sizes[each])[:MOST_CLUSTERS]:
        inside = rows[nearest_to_middle(points, clusters.labels == label, SHOWN)]
        name = "in none" if label == NONE else f"cluster {label}"
        said = "corrupted" if calls[label] else "clean"
        panels[f"{name}, {said}, {sizes[label]} crops"] = {
            f"{held.crops.table['kind'][row]} {held.crops.table['severity'][row]} #{row}": _grey(
                held.crops.pictures[row]
            )
            for row in inside
        }
    return pictures(panels)


def _grey(picture: RawPlane) -> RawPlane:
    """Give a small picture (Y X) as (Y X 3), which is shown as it is."""
    return np.repeat(picture[..., None], 3, axis=2)


def _numbered(planes: NDArray[Any]) -> dict[str, RawPlane]:
    return {str(index): np.asarray(plane, dtype=np.float32) for index, plane in enumerate(planes)}
