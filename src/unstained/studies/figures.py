"""Figures of studies: dots by variant, curves, rows of pictures; all of one look."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from unstained.arrays import RawPlane

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999933")
"""Okabe & Ito's, told apart by any colour vision."""

MARKS = ("o", "s", "^", "D", "v", "P", "X", "*")


def dots(rows: Sequence[Mapping[str, Any]], measures: Sequence[str], label: str = "variant") -> Figure:
    """Draw one line of dots a row: what each measure comes to."""
    figure = Figure(figsize=(7, 1 + 0.28 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    for index, measure in enumerate(measures):
        values = [np.nan if row.get(measure) is None else float(row[measure]) for row in rows]
        axes.plot(values, np.arange(len(rows)), MARKS[index % len(MARKS)], label=measure,
                  color=COLOURS[index % len(COLOURS)], markersize=5)  # fmt: skip
    axes.set_yticks(np.arange(len(rows)), [str(row[label]) for row in rows], fontsize=8)
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def curves(
    lines: Mapping[str, tuple[Sequence[float], Sequence[float]]], x: str, y: str, *, log: str = ""
) -> Figure:
    """Draw named curves of (x, y); `log` names the axes with a logarithmic scale: `x`, `y`, `xy`."""
    figure = Figure(figsize=(7, 3.4), layout="constrained")
    axes = figure.add_subplot()
    for index, (name, (across, up)) in enumerate(lines.items()):
        style = "-" if index < len(COLOURS) else "--"
        axes.plot(across, up, style, label=name, color=COLOURS[index % len(COLOURS)], linewidth=1.2)
    if "x" in log:
        axes.set_xscale("log")
    if "y" in log:
        axes.set_yscale("log")
    axes.set(xlabel=x, ylabel=y)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def pictures(rows: Mapping[str, Mapping[str, RawPlane]], *, same_limits: bool = False) -> Figure:
    """Draw rows of planes (Y X) with their names; a colour picture (Y X 3) is shown as it is.

    Each plane's grey values run from its 0.5th to its 99.8th percentile; with `same_limits` a row shares
    those of its first.
    """
    most = max(len(row) for row in rows.values())
    figure = Figure(figsize=(1.9 * most, 2.1 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), most, squeeze=False)
    for line, (name, row) in zip(grid, rows.items(), strict=True):
        for axes in line:
            axes.set_axis_off()
        limits = None
        for axes, (title, plane) in zip(line, row.items(), strict=False):
            if limits is None or not same_limits:
                limits = tuple(np.percentile(plane, (0.5, 99.8)))
            _show(axes, plane, limits, f"{name}\n{title}" if axes is line[0] else title)
    return figure


def _show(axes: Axes, plane: RawPlane, limits: tuple[float, ...], title: str) -> None:
    if plane.ndim == 3:
        axes.imshow(plane, interpolation="nearest")
    else:
        axes.imshow(plane, cmap="gray", vmin=limits[0], vmax=limits[1], interpolation="nearest")
    axes.set_title(title, fontsize=7)
