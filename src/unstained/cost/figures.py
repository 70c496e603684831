"""Pictures of cost: money against plates, and how a run grows with its fields."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from unstained.cost.estimate import HERE, BreakEven, Costs

STAINING_COLOUR, COLOURS = "#D55E00", ("#0072B2", "#009E73", "#CC79A7", "#E69F00")
"""Okabe & Ito's, told apart by any colour vision."""

ROOM = 1.6
"""The picture ends at so many times the number of plates at which both cost the same."""


def money_figure(costs: Costs) -> Figure:
    """Draw money against plates: all stained, and unstained here and on the cheapest cloud machine."""
    shown = _shown(costs.break_even)
    known = [each.plates for each in shown if each.plates is not None]
    last = max([costs.plates, *(ROOM * number for number in known)])
    plates = np.linspace(0, np.ceil(last), 100)
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(plates, plates * costs.staining_per_plate, color=STAINING_COLOUR, label="every plate stained")
    for colour, style, each in zip(COLOURS, ("-", "--"), shown, strict=False):  # they often lie on each other
        axes.plot(plates, each.beginning + plates * each.per_plate, style, color=colour, label=_label(each))
        if each.plates is not None:
            axes.plot(each.plates, each.beginning + each.plates * each.per_plate, "o", color=colour)
    _mark(axes, shown[0], costs)
    axes.set(xlabel="plates", ylabel=f"money, {costs.prices.currency}", xlim=(0, plates[-1]), ylim=(0, None))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="upper left")
    axes.set_title(f"prices of {costs.prices.date}, {costs.prices.region}", fontsize=8)
    return figure


def growth_figure(rows: Sequence[Mapping[str, float | str]], stages: Sequence[str]) -> Figure:
    """Draw cost a field and machines at once (upper), and each stage's share of its limit (lower)."""
    fields = [float(row["fields"]) for row in rows]
    figure = Figure(figsize=(7, 6), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    money = [float(row["money"]) / number for row, number in zip(rows, fields, strict=True)]
    upper.loglog(fields, money, "o-", color=COLOURS[0], label="money a field")
    upper.loglog(fields, [float(row["machines"]) for row in rows], "s-", color=COLOURS[1], label="machines")
    upper.loglog(fields, [float(row["hours"]) for row in rows], "^-", color=COLOURS[2], label="hours")
    upper.legend(fontsize=8)
    upper.grid(alpha=0.3)
    marks = ("o", "s", "^", "D", "v", "P")
    for index, stage in enumerate(stages):
        busy = [max(float(row[stage]), 1e-6) for row in rows]
        lower.loglog(fields, busy, f"{marks[index % len(marks)]}-", label=stage, markersize=4)
    lower.axhline(1, color="black", linewidth=0.8)
    lower.set(xlabel="fields", ylabel="share of the time that a stage is busy", ylim=(1e-4, 2))
    lower.grid(alpha=0.3)
    lower.legend(fontsize=8, ncols=2)
    return figure


def _shown(found: Sequence[BreakEven]) -> list[BreakEven]:
    """Choose this machine, and of the others the one that is cheapest a plate."""
    others = sorted((each for each in found if each.machine != HERE), key=lambda each: each.per_plate)
    return [*(each for each in found if each.machine == HERE), *others[:1]]


def _label(each: BreakEven) -> str:
    where = "on this machine" if each.machine == HERE else f"on {each.machine}"
    return f"unstained, {where}"


def _mark(axes: Axes, each: BreakEven, costs: Costs) -> None:
    """Say from how many plates on it costs less."""
    if each.plates is None:
        axes.text(0.98, 0.04, "staining stays cheaper", ha="right", transform=axes.transAxes, fontsize=8)
        return
    height = each.plates * costs.staining_per_plate
    axes.axvline(each.plates, color="black", linewidth=0.8, linestyle=":")
    axes.annotate(
        f"cheaper from {each.plates} plates on", (each.plates, height), xytext=(8, -28),
        textcoords="offset points", fontsize=9,
    )  # fmt: skip
