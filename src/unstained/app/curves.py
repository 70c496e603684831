"""Figures to read: operating envelope, stability, drift, the course of a training, a map of crops."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from plotly import graph_objects as go
from plotly.subplots import make_subplots

from unstained.app.plots import ACCENT, ALARM, CHOSEN, FAINT, INK, SCALE, VERDICT_COLOURS
from unstained.imaging.corruptions import KINDS
from unstained.report.point_maps import COLOURS
from unstained.trust.envelope import Curve, Envelope


def envelope_bars(envelope: Envelope, strengths: Mapping[str, float], labels: Mapping[str, str]) -> go.Figure:
    """Draw, for each slider, all that was tried, within what the model holds, and where the slider stands."""
    figure = go.Figure()
    for row, kind in enumerate(labels):
        known = KINDS[kind]
        tried = sorted({known.neutral, *known.severities.values()})
        limits = envelope.limits(kind)
        now = strengths.get(kind, known.neutral)
        figure.add_trace(_bar((0, 1), row, FAINT, f"tried: {tried[0]:g} to {tried[-1]:g} {known.unit}"))
        if limits is not None:
            said = f"holds from {limits[0]:g} to {limits[1]:g} {known.unit}"
            figure.add_trace(_bar((_along(limits[0], tried), _along(limits[1], tried)), row, ACCENT, said))
        outside = limits is not None and not limits[0] <= now <= limits[1]
        figure.add_trace(
            go.Scatter(
                x=[_along(now, tried)], y=[row], mode="markers", hovertemplate=f"now {now:g}<extra></extra>",
                marker={"size": 15, "symbol": "x" if outside else "diamond",
                        "color": ALARM if outside else "#009E73", "line": {"color": "white", "width": 1}},
            )
        )  # fmt: skip
    names = list(labels.values())
    figure.update_yaxes(
        tickvals=list(range(len(names))),
        ticktext=names,
        autorange="reversed",
        showgrid=False,
        zeroline=False,
    )
    figure.update_xaxes(visible=False, range=[-0.04, 1.04])
    figure.update_layout(
        height=40 * len(names) + 30, margin={"l": 4, "r": 4, "t": 6, "b": 6}, showlegend=False
    )
    return figure


def _along(strength: float, tried: Sequence[float]) -> float:
    """Say how far a strength lies along what was tried, whose steps are drawn evenly."""
    return float(np.interp(strength, tried, np.linspace(0, 1, len(tried))))


def _bar(ends: tuple[float, float], row: int, colour: str, said: str) -> go.Scatter:
    low, high = ends
    wide = (low, max(high, low + 0.01))
    return go.Scatter(
        x=wide, y=[row, row], mode="lines", line={"color": colour, "width": 14},
        hovertemplate=f"{said}<extra></extra>",
    )  # fmt: skip


def stability_curves(curves: Mapping[str, Curve], tolerance: float, now: float | None) -> go.Figure:
    """Draw what one corruption does to the PCC of every stain, as a share of clean fields'."""
    figure = go.Figure()
    for (stain, curve), colour in zip(curves.items(), COLOURS, strict=False):
        figure.add_trace(
            go.Scatter(
                x=curve.strengths, y=curve.pcc, mode="lines+markers", name=stain, line={"color": colour},
                hovertemplate=f"{stain}: %{{y:.2f}} at %{{x:g}}<extra></extra>",
            )
        )  # fmt: skip
    first = next(iter(curves.values()))
    figure.add_hline(y=1 - tolerance, line={"color": INK, "dash": "dot"})
    if now is not None:
        figure.add_vline(x=now, line={"color": CHOSEN, "width": 2})
    figure.update_layout(
        height=280, margin={"l": 10, "r": 10, "t": 10, "b": 10}, yaxis_title="PCC, share of clean",
        xaxis_title=f"{first.kind.replace('_', ' ')}, {first.unit}",
        legend={"orientation": "h", "y": 1.15}, yaxis_range=[0, 1.08],
    )  # fmt: skip
    return figure


def drift_history(rows: Sequence[Mapping[str, Any]]) -> go.Figure:
    """Draw the detector's score over the images of a watch, its threshold, and alarms with their cause."""
    names = [str(row["image"]) for row in rows]
    scores = [row.get("score") for row in rows]
    thresholds = [row.get("threshold") for row in rows]
    order = list(range(1, len(rows) + 1))
    figure = go.Figure(
        [
            go.Scatter(
                x=order, y=thresholds, mode="lines", name="threshold", line={"color": INK, "dash": "dot"}
            ),
            go.Scatter(
                x=order, y=scores, mode="lines+markers", name="score", text=names,
                line={"color": ACCENT}, marker={"size": 5},
                hovertemplate="%{text}<br>score %{y:.3g}<extra></extra>",
            ),
        ]
    )  # fmt: skip
    alarms = [index for index, row in enumerate(rows) if row.get("alarm")]
    if alarms:
        figure.add_trace(
            go.Scatter(
                x=[order[index] for index in alarms], y=[scores[index] for index in alarms], mode="markers",
                name="alarm", text=[str(rows[index].get("cause", "")) for index in alarms],
                marker={"color": ALARM, "size": 13, "symbol": "x"},
                hovertemplate="alarm: %{text}<extra></extra>",
            )
        )  # fmt: skip
    figure.update_layout(
        height=300, margin={"l": 10, "r": 10, "t": 10, "b": 10}, xaxis_title="image", yaxis_title="score",
        legend={"orientation": "h", "y": 1.15},
    )  # fmt: skip
    return figure


def course(steps: Sequence[int], losses: Sequence[float], pcc: Sequence[float | None]) -> go.Figure:
    """Draw a training's loss and its PCC on validation regions."""
    figure = make_subplots(
        1, 2, subplot_titles=["training loss", "PCC on validation"], horizontal_spacing=0.1
    )
    figure.add_trace(go.Scatter(x=steps, y=losses, mode="lines", line={"color": ACCENT}), 1, 1)
    known = [(step, value) for step, value in zip(steps, pcc, strict=True) if value is not None]
    figure.add_trace(
        go.Scatter(
            x=[step for step, _ in known], y=[value for _, value in known], mode="lines+markers",
            line={"color": ALARM},
        ), 1, 2,
    )  # fmt: skip
    figure.update_xaxes(title_text="step")
    figure.update_layout(height=280, margin={"l": 10, "r": 10, "t": 30, "b": 10}, showlegend=False)
    return figure


def crops_map(table: pd.DataFrame, colour_by: str) -> go.Figure:
    """Draw crops on their map (`x`, `y`), coloured by a column; a lasso gives their rows."""
    rows = np.arange(len(table))
    values = table[colour_by]
    figure = go.Figure()
    if pd.api.types.is_numeric_dtype(values) and colour_by != "cluster":
        marker = {"color": values, "colorscale": SCALE, "colorbar": {"title": colour_by, "thickness": 12}}
        figure.add_trace(_crops(table, rows, marker, colour_by, legend=False))
    else:
        words = values.astype(str)
        for index, word in enumerate(dict.fromkeys(sorted(words))):
            marker = {"color": VERDICT_COLOURS.get(word, COLOURS[index % len(COLOURS)])}
            marker["symbol"] = _SYMBOLS[index // len(COLOURS) % len(_SYMBOLS)]
            figure.add_trace(_crops(table, rows[words == word], marker, word, legend=True))
    figure.update_layout(
        height=560, margin={"l": 4, "r": 4, "t": 4, "b": 4}, dragmode="lasso", hovermode="closest",
        xaxis={"visible": False}, yaxis={"visible": False, "scaleanchor": "x"}, uirevision="stay",
    )  # fmt: skip
    return figure


_SYMBOLS = ("circle", "diamond", "square", "cross", "triangle-up", "star")


def _crops(
    table: pd.DataFrame, rows: NDArray[np.intp], marker: Mapping[str, Any], name: str, *, legend: bool
) -> go.Scatter:
    own = table.iloc[rows]
    told = [f"{row['well']}/{row['field']}, {row['kind']}" for row in own.to_dict("records")]
    return go.Scatter(
        x=own["x"], y=own["y"], mode="markers", customdata=rows, text=told, name=name, showlegend=legend,
        hovertemplate="%{text}<extra></extra>", marker={"size": 8, "opacity": 0.85, **marker},
    )  # fmt: skip
