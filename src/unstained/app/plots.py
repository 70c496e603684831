"""The app's interactive figures: linked pictures, the plate, scatters, envelope, curves, drift, a map of crops."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from plotly import graph_objects as go
from plotly.subplots import make_subplots
from skimage.measure import find_contours

from unstained.arrays import Labels
from unstained.imaging.corruptions import KINDS
from unstained.plates.fields import plate_format, row_name, well_place
from unstained.prediction.plates import VERDICTS
from unstained.report.charts import RAMP, compact
from unstained.report.point_maps import COLOURS
from unstained.trust.envelope import Curve, Envelope

INK = "rgba(128,128,128,0.9)"  # reads on light and dark
FAINT = "rgba(128,128,128,0.25)"
ACCENT, ALARM = "#0072B2", "#D55E00"
CHOSEN = "#CC79A7"
SCALE = [[index / (len(RAMP) - 1), f"rgb{colour}"] for index, colour in enumerate(RAMP)]
VERDICT_COLOURS = {"trust": "#0072B2", "caution": "#E69F00", "refuse": "#D55E00"}
VERDICT_SYMBOLS = {"trust": "circle", "caution": "diamond", "refuse": "x"}
PICTURE_CONFIG = {
    "scrollZoom": True,
    "displaylogo": False,
    "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"],
}
PLAIN_CONFIG = {"displaylogo": False, "displayModeBar": False}


class Shown(NamedTuple):
    """One picture of a row, and what it shows."""

    title: str
    url: str


def linked(
    pictures: Sequence[Shown],
    shape: tuple[int, int],
    *,
    objects: pd.DataFrame | None = None,
    chosen: "tuple[NDArray[np.float64], ...]" = (),
    width_px: int = 1180,
) -> go.Figure:
    """Lay pictures of one field side by side; zoom and pan move all of them.

    `objects` (columns `label`, `x`, `y` in px, `told`) are dots to click, on the last picture; `chosen` are
    outlines (N 2: y, x) of the object to highlight.
    """
    rows, columns = shape
    gap = 0.012
    each = (1 - gap * (len(pictures) - 1)) / len(pictures)
    figure = make_subplots(
        1, len(pictures), horizontal_spacing=gap, subplot_titles=[each.title for each in pictures]
    )
    for index, picture in enumerate(pictures, start=1):
        name = "" if index == 1 else str(index)
        figure.add_layout_image(
            source=picture.url, xref=f"x{name}", yref=f"y{name}", x=0, y=0, sizex=columns, sizey=rows,
            sizing="stretch", layer="below",
        )  # fmt: skip
        figure.add_trace(
            go.Scatter(x=[0, columns], y=[0, rows], mode="markers", opacity=0, hoverinfo="skip"), 1, index
        )
        for line in chosen:
            figure.add_trace(
                go.Scatter(
                    x=line[:, 1], y=line[:, 0], mode="lines", line={"color": CHOSEN, "width": 3},
                    hoverinfo="skip",
                ), 1, index,
            )  # fmt: skip
        figure.update_xaxes(
            range=[0, columns], matches=None if index == 1 else "x", visible=False, constrain="domain",
            row=1, col=index,
        )  # fmt: skip
        figure.update_yaxes(
            range=[rows, 0], matches=None if index == 1 else "y", visible=False, constrain="domain",
            scaleanchor=f"x{name}", row=1, col=index,
        )  # fmt: skip
    if objects is not None and len(objects):
        figure.add_trace(_dots(objects), 1, len(pictures))
    height = int(width_px * each * rows / columns) + 34
    figure.update_layout(
        height=min(height, 900), margin={"l": 0, "r": 0, "t": 30, "b": 4}, showlegend=False, dragmode="pan",
        uirevision="stay", hovermode="closest", plot_bgcolor="rgba(0,0,0,0)", clickmode="event+select",
    )  # fmt: skip
    return figure


def _dots(objects: pd.DataFrame) -> go.Scatter:
    return go.Scatter(
        x=objects["x"], y=objects["y"], mode="markers", customdata=objects["label"], text=objects["told"],
        hovertemplate="%{text}<extra></extra>", name="objects",
        marker={"size": 9, "color": "rgba(255,255,255,0.55)", "line": {"color": "black", "width": 1}},
        selected={"marker": {"color": CHOSEN, "opacity": 1}}, unselected={"marker": {"opacity": 0.8}},
    )  # fmt: skip


def outline_of(labels: Labels, label: int) -> "tuple[NDArray[np.float64], ...]":
    """Trace the border of one object of labels (Y X): lines (N 2: y, x), px."""
    at = np.argwhere(labels == label)
    if not len(at):
        return ()
    low, high = at.min(axis=0), at.max(axis=0) + 1
    inside = np.pad(labels[low[0] : high[0], low[1] : high[1]] == label, 1).astype(float)
    return tuple(line + low - 0.5 for line in find_contours(inside, 0.5))


def plate_map(
    values: pd.Series, label: str, told: Mapping[str, Sequence[str]], chosen: str | None
) -> go.Figure:
    """Draw a plate of round wells, coloured by a number, or by words; a click on one names it.

    `told` is what else is said of each well.
    """
    places = {str(well): place for well in values.index if (place := well_place(str(well))) is not None}
    rows, columns = plate_format(places.values())
    figure = go.Figure()
    absent = [(y, x) for y in range(rows) for x in range(columns) if (y, x) not in set(places.values())]
    size = 30 if columns <= 12 else 15 if columns <= 24 else 8
    figure.add_trace(
        go.Scatter(
            x=[x for _, x in absent], y=[y for y, _ in absent], mode="markers", hoverinfo="skip",
            showlegend=False, marker={"size": size, "color": "rgba(0,0,0,0)", "line": {"color": FAINT, "width": 1}},
        )
    )  # fmt: skip
    shown = values[[well in places for well in map(str, values.index)]]
    if pd.api.types.is_numeric_dtype(shown):
        figure.add_trace(_wells(shown, places, told, label, size, _scaled(shown, label)))
    else:
        for index, word in enumerate(_words(shown)):
            own = shown[shown.astype(str) == word]
            colour = VERDICT_COLOURS.get(word, COLOURS[index % len(COLOURS)])
            symbol = VERDICT_SYMBOLS.get(word, "circle")
            figure.add_trace(
                _wells(own, places, told, label, size, {"color": colour, "symbol": symbol}, word)
            )
    if chosen in places:
        y, x = places[str(chosen)]
        ring = {"size": size + 10, "color": "rgba(0,0,0,0)", "line": {"color": CHOSEN, "width": 3}}
        figure.add_trace(
            go.Scatter(x=[x], y=[y], mode="markers", hoverinfo="skip", showlegend=False, marker=ring)
        )
    figure.update_xaxes(
        tickvals=list(range(columns)), ticktext=[str(number + 1) for number in range(columns)], side="top",
        showgrid=False, zeroline=False, range=[-0.6, columns - 0.4], fixedrange=True,
    )  # fmt: skip
    figure.update_yaxes(
        tickvals=list(range(rows)), ticktext=[row_name(row) for row in range(rows)], showgrid=False,
        zeroline=False, range=[rows - 0.4, -0.6], fixedrange=True,
    )  # fmt: skip
    figure.update_layout(
        height=max(300, 44 * rows + 70 if columns <= 12 else 26 * rows + 70),
        margin={"l": 24, "r": 0, "t": 28, "b": 8}, clickmode="event+select",
        legend={"orientation": "h", "y": -0.02}, hovermode="closest",
    )  # fmt: skip
    return figure


def _words(values: pd.Series) -> list[str]:
    found = sorted(set(values.dropna().astype(str)))
    return [word for word in VERDICTS if word in found] if set(found) <= set(VERDICTS) else found


def _scaled(values: pd.Series, label: str) -> dict[str, Any]:
    return {
        "color": values.to_numpy(dtype=float), "colorscale": SCALE, "showscale": True,
        "colorbar": {"title": {"text": label, "side": "right"}, "thickness": 12, "len": 0.9},
    }  # fmt: skip


def _wells(
    values: pd.Series,
    places: Mapping[str, tuple[int, int]],
    told: Mapping[str, Sequence[str]],
    label: str,
    size: int,
    marker: Mapping[str, Any],
    name: str = "",
) -> go.Scatter:
    wells = [str(well) for well in values.index]
    lines = [
        "<br>".join([f"<b>{well}</b>", f"{label}: {_said(value)}", *told.get(well, ())])
        for well, value in zip(wells, values, strict=True)
    ]
    return go.Scatter(
        x=[places[well][1] for well in wells], y=[places[well][0] for well in wells], mode="markers",
        customdata=wells, text=lines, hovertemplate="%{text}<extra></extra>", name=name,
        showlegend=bool(name), marker={"size": size, "line": {"color": INK, "width": 1}, **marker},
        selected={"marker": {"opacity": 1}}, unselected={"marker": {"opacity": 1}},
    )  # fmt: skip


def agreement(table: pd.DataFrame, measure: str) -> go.Figure:
    """Draw predicted against real of a measure, one dot a field; `table` is what `compared` gives of it."""
    names = [f"{well}/{field}" for well, field in zip(table["well"], table["field"], strict=True)]
    both = table[["real", "predicted"]].to_numpy(dtype=float)
    ends = [float(both.min()), float(both.max())]
    figure = go.Figure(
        [
            go.Scatter(x=ends, y=ends, mode="lines", line={"color": INK, "dash": "dot"}, hoverinfo="skip"),
            go.Scatter(
                x=both[:, 0], y=both[:, 1], mode="markers", customdata=names,
                marker={"size": 10, "color": ACCENT, "opacity": 0.8},
                hovertemplate="<b>%{customdata}</b><br>real %{x:.4g}<br>predicted %{y:.4g}<extra></extra>",
            ),
        ]
    )  # fmt: skip
    figure.update_layout(
        height=400, margin={"l": 10, "r": 10, "t": 10, "b": 10}, showlegend=False, hovermode="closest",
        xaxis_title=f"{measure}, real", yaxis_title=f"{measure}, predicted", clickmode="event+select",
    )  # fmt: skip
    return figure


def envelope_bars(envelope: Envelope, strengths: Mapping[str, float], labels: Mapping[str, str]) -> go.Figure:
    """Draw, for each slider, all that was tried, within what the model holds, and where the slider stands."""
    figure = go.Figure()
    for row, (kind, label) in enumerate(labels.items()):
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
        tickvals=list(range(len(names))), ticktext=names, autorange="reversed", showgrid=False
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
            go.Scatter(x=order, y=thresholds, mode="lines", name="threshold", line={"color": INK, "dash": "dot"}),
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


def _said(value: Any) -> str:
    if isinstance(value, (int, float, np.number)):
        return compact(float(value))
    return "–" if value is None else str(value)


def clicked(event: Any) -> Iterable[Any]:
    """Give the `customdata` of the points that were clicked or lassoed in a figure on the page."""
    points = (event or {}).get("selection", {}).get("points", [])
    for point in points:
        data = point.get("customdata")
        if data is not None:
            yield data[0] if isinstance(data, (list, tuple)) else data
