"""A map of crops as one HTML page that needs no network: a menu of colours, the crop under the pointer."""

import base64
import html
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from imagecodecs import webp_encode
from numpy.typing import NDArray

from unstained.arrays import RawPlane
from unstained.measurement.wells import write_tables
from unstained.networks.resampling import resample
from unstained.report.point_maps import COLOURS, maps
from unstained.trust.mapping import OF_CROPS, MappedCrops

if TYPE_CHECKING:
    from plotly.graph_objects import Scatter

MOST_PICTURE_BYTES = 8_000_000
"""Of all pictures together, as they stand in the page; plotly itself takes 5 MB."""

SIDES_PX = (96, 64, 48, 32)
QUALITY = 50  # of WebP

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline';
 style-src 'unsafe-inline'; img-src data: blob:">
<style>
body {{ font: 14px system-ui, sans-serif; margin: 12px; color: #111; background: #fff }}
h1 {{ font-size: 18px; margin: 0 }} p {{ margin: 4px 0 }}
#map {{ width: 100%; height: calc(100vh - 90px); min-height: 420px }}
#crop {{ position: fixed; display: none; pointer-events: none; background: #fff; border: 1px solid #888;
 padding: 6px; font-size: 12px; max-width: 220px }}
#crop img {{ width: 192px; height: 192px; display: block; image-rendering: auto }}
</style></head><body>
<h1>{title}</h1><p>{note}</p><div id="map"></div>
<div id="crop"><img alt="the crop under the pointer"><span></span></div>
<script type="application/json" id="crops">{crops}</script>
<script>{plotly}</script>
<script>
const crops = JSON.parse(document.getElementById("crops").textContent), figure = {figure};
const map = document.getElementById("map"), box = document.getElementById("crop");
Plotly.newPlot(map, figure.data, figure.layout, {{displaylogo: false, responsive: true, scrollZoom: true,
 modeBarButtons: [["toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]]}});
map.on("plotly_hover", event => {{
  const row = event.points[0].customdata, picture = crops.pictures[row], image = box.querySelector("img");
  image.style.display = picture ? "block" : "none";
  if (picture) image.src = "data:image/webp;base64," + picture;
  box.querySelector("span").textContent = crops.told[row];
  box.style.display = "block";
  const x = event.event.clientX, y = event.event.clientY;
  box.style.left = (x > innerWidth / 2 ? x - box.offsetWidth - 16 : x + 16) + "px";
  box.style.top = Math.max(0, Math.min(y, innerHeight - box.offsetHeight)) + "px";
}});
map.on("plotly_unhover", () => {{ box.style.display = "none"; }});
</script></body></html>
"""


def write_mapped(out: Path, found: MappedCrops, title: str) -> None:
    """Write crops on a map: `points` and `embedding` (.parquet, .csv), `map.png`, `map.html`."""
    write_tables(out, {"points": found.table, "embedding": found.points})
    colours = menu_of(found.table)
    places = found.table[["x", "y"]].to_numpy()
    panels = {name: (places, _values(found.table[name])) for name in colours}
    maps(panels).savefig(out / "map.png", dpi=100)
    said = [f"{name} {value:+.2f}" for name, value in found.silhouettes.items() if value is not None]
    note = f"{len(found.table)} crops. Silhouettes in the embedding: {', '.join(said) or 'none'}."
    write_map(out / "map.html", found.table, found.pictures, colours, title, note)


def menu_of(table: pd.DataFrame) -> list[str]:
    """Name the columns by which a map is coloured: what differs, the clusters first."""
    first = ["cluster", "severity", "kind", "saturated", "confluence", "well"]
    own = [name for name in table.columns if name not in OF_CROPS]
    return [name for name in (*first, *own) if name == "cluster" or table[name].nunique() > 1]


def is_number(values: "pd.Series[Any]") -> bool:
    """Tell whether a column is shown on a scale; clusters are numbered, but classes."""
    return pd.api.types.is_numeric_dtype(values) and values.name != "cluster"


def write_map(
    out: Path,
    table: pd.DataFrame,
    pictures: NDArray[np.uint8],
    colours: Sequence[str],
    title: str,
    note: str = "",
) -> Path:
    """Write the map of crops: `table` has one row each, with its place `x`, `y`; `pictures` are (N Y X).

    `colours` names the columns of the menu, the first of which is shown at first; numbers get a scale, all
    else one colour a class. The page reaches out to nothing: its own policy forbids that to its scripts, too.
    """
    from plotly.offline import get_plotlyjs

    told = [", ".join(f"{name} {_said(row[name])}" for name in table if name not in ("x", "y"))
            for row in table.to_dict("records")]  # fmt: skip
    crops = json.dumps({"pictures": encoded(pictures), "told": told}).replace("<", "\\u003c")
    page = PAGE.format(
        title=html.escape(title), note=html.escape(note), crops=crops, plotly=get_plotlyjs(),
        figure=_figure(table, colours).replace("<", "\\u003c"),
    )  # fmt: skip
    out.write_text(page, encoding="utf-8")
    return out


def encoded(pictures: NDArray[np.uint8], most_bytes: int = MOST_PICTURE_BYTES) -> list[str | None]:
    """Give every picture (Y X) as WebP in base 64, as large as all of them may be together.

    Where even the smallest would be too large together, only every so manieth has one.
    """
    sample = pictures[:: -(-len(pictures) // 50)]
    for side in SIDES_PX:
        size = len(pictures) * float(np.mean([len(_webp(picture, side)) for picture in sample]))
        if size <= most_bytes:
            break
    every = int(np.ceil(size / most_bytes))
    return [None if index % every else _webp(picture, side) for index, picture in enumerate(pictures)]


def _webp(picture: RawPlane, side_px: int) -> str:
    small = np.asarray(picture)
    if max(small.shape) > side_px:
        small = np.rint(resample(small.astype(np.float32), (side_px, side_px))).astype(np.uint8)
    colour = np.ascontiguousarray(np.repeat(small[..., None], 3, axis=2))
    return base64.b64encode(bytes(webp_encode(colour, level=QUALITY, lossless=False))).decode("ascii")


def _figure(table: pd.DataFrame, colours: Sequence[str]) -> str:
    """Give the figure as JSON: the points once for each column of the menu, of which one is visible."""
    from plotly import graph_objects

    traces = {name: list(_traces(table, name)) for name in colours}
    every = [(name, trace) for name in colours for trace in traces[name]]
    for name, trace in every:
        trace.visible = name == colours[0]
    buttons = [
        {"label": name, "method": "update", "args": [{"visible": [name == other for other, _ in every]}]}
        for name in colours
    ]
    figure = graph_objects.Figure([trace for _, trace in every])
    menu = {"buttons": buttons, "x": 0.0, "y": 1.0, "xanchor": "left", "yanchor": "bottom"}
    figure.update_layout(
        template="plotly_white", updatemenus=[menu], hovermode="closest", margin={"l": 10, "r": 10, "b": 10},
        xaxis={"showticklabels": False, "zeroline": False},
        yaxis={"showticklabels": False, "zeroline": False, "scaleanchor": "x"},
    )  # fmt: skip
    return str(figure.to_json())


def _traces(table: pd.DataFrame, name: str) -> Iterator["Scatter"]:
    """Give the points, coloured by one column: one trace of numbers, or one for each class."""
    rows = np.arange(len(table))
    if is_number(table[name]):
        values = table[name].to_numpy(dtype=np.float32)
        bar = {"title": name}
        yield _points(table, rows, {"color": values, "colorscale": "Viridis", "colorbar": bar}, name)
        return
    classes = [name for name, _ in table.groupby(name, dropna=False)]
    for index, value in enumerate(classes):
        own = rows[table[name].isna() if pd.isna(value) else table[name] == value]
        yield _points(table, own, {"color": _colour(index, len(classes))}, _said(value))


def _points(table: pd.DataFrame, rows: NDArray[np.intp], marker: dict[str, Any], name: str) -> "Scatter":
    from plotly.graph_objects import Scatter

    x, y = (table[axis].to_numpy(dtype=np.float32)[rows] for axis in ("x", "y"))
    return Scatter(
        x=x, y=y, mode="markers", customdata=rows, hoverinfo="none", name=name,
        marker={"size": 6, "opacity": 0.8, **marker}, showlegend="colorbar" not in marker,
    )  # fmt: skip


def _colour(index: int, number: int) -> str:
    """Give a class's colour; of many classes, each has a hue of its own."""
    if number <= len(COLOURS):
        return COLOURS[index]
    return f"hsl({360 * index // number}, 65%, {40 + 15 * (index % 2)}%)"


def _values(column: "pd.Series[Any]") -> NDArray[Any]:
    return column.to_numpy() if is_number(column) else np.array([_said(value) for value in column])


def _said(value: Any) -> str:
    if isinstance(value, float):
        return "–" if np.isnan(value) else f"{value:.4g}"
    return str(value)
