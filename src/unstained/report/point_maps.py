"""Maps of points as pictures: coloured by numbers, on a scale, or by classes, with a legend."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from unstained.trust.features import Vector

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999933")
"""Okabe & Ito's, told apart by any colour vision; more classes than these are shaded by their order."""

DOT = 4  # points², area of a dot


def maps(
    panels: Mapping[str, tuple[Vector, NDArray[Any]]], label: str = "", classes: Sequence[str] = ()
) -> Figure:
    """Draw points (N D), the first two dimensions, each panel coloured by values or classes (N).

    `classes` keeps the colours of these in all panels, in this order.
    """
    columns = min(4, len(panels))
    lines = -(-len(panels) // columns)
    figure = Figure(figsize=(3.6 * columns, 3.2 * lines), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    for axes, (title, (points, values)) in zip(grid, panels.items(), strict=False):
        _draw(axes, points, values, label, classes)
        axes.set_title(title, fontsize=8)
        axes.set(xticks=[], yticks=[])
    return figure


def _draw(axes: Axes, points: Vector, values: NDArray[Any], label: str, classes: Sequence[str]) -> None:
    names = np.asarray(classes) if classes else np.unique(values)
    if values.dtype.kind in "US" and len(names) <= len(COLOURS):
        for index, name in enumerate(names):
            x, y = points[values == name, :2].T
            axes.scatter(x, y, color=COLOURS[index], label=name, s=DOT, alpha=0.7, linewidths=0)
        axes.legend(fontsize=5, markerscale=2)
        return
    shown = np.searchsorted(names, values) if values.dtype.kind in "US" else values
    order = np.argsort(shown, kind="stable")
    x, y = points[order, 0], points[order, 1]
    drawn = axes.scatter(x, y, c=shown[order], s=DOT, cmap="viridis", linewidths=0)
    if values.dtype.kind not in "US" and axes.figure is not None:
        axes.figure.colorbar(drawn, ax=axes, label=label, shrink=0.8)
