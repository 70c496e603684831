"""Interactive figures to click on: linked pictures of a field, the plate, predicted against real."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from plotly import graph_objects as go
from plotly.subplots import make_subplots
from skimage.measure import find_contours

from unstained.arrays import Labels
from unstained.plates.fields import plate_format, row_name, well_place
from unstained.prediction.verdicts import VERDICTS
from unstained.report.charts import RAMP, compact
from unstained.report.point_maps import COLOURS

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
    for index, title in enumerate(figure.layout.annotations):  # left, out of the way of the tool bar
        title.update(x=index * (each + gap), xanchor="left")
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
            showlegend=False,
            marker={"size": size, "color": "rgba(0,0,0,0)", "line": {"color": FAINT, "width": 1}},
        )
    )  # fmt: skip
    shown = values[[well in places for well in map(str, values.index)]]
    if pd.api.types.is_numeric_dtype(shown):
        figure.add_trace(_wells(shown, told, label, {"size": size, **_scaled(shown, label)}))
    else:
        for index, word in enumerate(_words(shown)):
            own = shown[shown.astype(str) == word]
            colour = VERDICT_COLOURS.get(word, COLOURS[index % len(COLOURS)])
            marker = {"size": size, "color": colour, "symbol": VERDICT_SYMBOLS.get(word, "circle")}
            figure.add_trace(_wells(own, told, label, marker, word))
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
    told: Mapping[str, Sequence[str]],
    label: str,
    marker: Mapping[str, Any],
    name: str = "",
) -> go.Scatter:
    wells = [str(well) for well in values.index]
    places = {well: well_place(well) or (0, 0) for well in wells}
    lines = [
        "<br>".join([f"<b>{well}</b>", f"{label}: {_said(value)}", *told.get(well, ())])
        for well, value in zip(wells, values, strict=True)
    ]
    return go.Scatter(
        x=[places[well][1] for well in wells], y=[places[well][0] for well in wells], mode="markers",
        customdata=wells, text=lines, hovertemplate="%{text}<extra></extra>", name=name,
        showlegend=bool(name), marker={"line": {"color": INK, "width": 1}, **marker},
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
