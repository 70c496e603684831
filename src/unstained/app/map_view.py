"""Map: crops laid out by what they look like; coloured by what is known; a lasso shows the images."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from unstained.app import cached, curves, jobs, parts, pictures, plots, session
from unstained.app.opened import Opened
from unstained.app.plate_view import look_at
from unstained.arrays import RawPlane
from unstained.plates.plate import FieldName
from unstained.report.embedding_map import menu_of

EMBED = "embed"
REDUCERS = ("pca", "umap", "pacmap")
MOST_SHOWN = 18
HOVER_PX = 640


def show() -> None:
    """Draw the view."""
    opened = parts.plate_or_way_there()
    if opened is None:
        return
    if opened.source is None:
        st.info("The recorded plate isn't there any more, so there is no label-free image to embed.")
        return
    folder = session.home() / "maps" / opened.slug
    _form(opened, folder)
    parts.jobs_panel(EMBED)
    maps = sorted(path.parent for path in folder.glob("*/points.parquet")) if folder.is_dir() else []
    if not maps:
        st.info(
            "No map of this plate yet: make one above; it takes about a second a field.",
            icon=":material/map:",
        )
        return
    chosen = st.selectbox("Map", maps, index=len(maps) - 1, format_func=lambda path: path.name, key="map")
    if parts.section(["Lasso", "Hover"], "map section") == "Lasso":
        _lasso(opened, chosen)
    else:
        st.iframe(chosen / "map.html", height=HOVER_PX)


def _form(opened: Opened, folder: Path) -> None:
    """Ask how a map is made, and begin."""
    assert opened.source is not None
    found = [each for each in cached.fitting(parts.models_folder(), session.plate_place()) if not each.misfit]
    if not found:
        st.info("No model at hand fits this plate; train one in **Train**.")
        return
    with st.expander("Make a map"), st.form("map form", border=False):
        columns = st.columns(4, vertical_alignment="bottom")
        with columns[0]:
            model = found[parts.model_box(found, "map model")]
        known = [name for name in REDUCERS if name == "pca" or find_spec("umap" if name == "umap" else name)]
        reducer = columns[1].selectbox("Laid out by", known, key="map reducer")
        worse = columns[2].multiselect(
            "Corrupted crops, too", ["defocus", "lamp", "contrast"], key="map kinds"
        )
        if columns[3].form_submit_button("Make the map", width="stretch", icon=":material/map:"):
            out = folder / f"{reducer}-{model.card.name}{''.join(f'-{kind}' for kind in worse)}"
            words = [EMBED, str(opened.source.path), "--model", str(model.path), "--out", str(out),
                     "--reducer", reducer, "--overwrite"]  # fmt: skip
            jobs.begin(
                session.jobs_folder(), EMBED, words + (["--kinds", ",".join(worse)] if worse else []), out
            )
            st.rerun()


def _lasso(opened: Opened, folder: Path) -> None:
    table = with_verdicts(pd.read_parquet(folder / "points.parquet"), opened)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        menu = menu_of(table)
        colour = st.selectbox("Colour by", menu, key="map colour")
        event = st.plotly_chart(
            curves.crops_map(table, colour), key=f"map-{folder.name}-{colour}", on_select="rerun",
            selection_mode=("lasso", "box", "points"), config={"scrollZoom": True, "displaylogo": False},
            alt=f"map of crops, coloured by {colour}",
        )  # fmt: skip
    with right:
        rows = sorted({int(row) for row in plots.clicked(event)})
        if not rows:
            st.info("Draw a lasso round some dots: their images are shown here.", icon=":material/touch_app:")
            return
        st.markdown(
            f"**{len(rows)} crops**" + (f", the first {MOST_SHOWN}" if len(rows) > MOST_SHOWN else "")
        )
        channel = _channel(opened)
        columns = st.columns(3)
        for index, row in enumerate(table.iloc[rows[:MOST_SHOWN]].to_dict("records")):
            name = FieldName(str(row["well"]), int(row["field"]))
            with columns[index % 3]:
                st.image(_crop_url(opened, name, channel, row), width="stretch", alt=f"crop of {name}")
                if st.button(str(name), key=f"crop-{rows[index]}", width="stretch"):
                    look_at(name)


def _channel(opened: Opened) -> str:
    assert opened.source is not None
    told = str(opened.plate.info.get("input", ""))
    return told if told in opened.source.channels else opened.source.channels[0]


def _crop_url(opened: Opened, name: FieldName, channel: str, row: Mapping[Any, Any]) -> str:
    assert opened.source is not None
    plane = crop_of(opened.source.read(name, channel), row)
    return pictures.data_url(pictures.grey(plane, pictures.LABEL_FREE))


def crop_of(plane: RawPlane, row: Mapping[Any, Any]) -> RawPlane:
    """Cut a crop out of its field (Y X), as it was recorded; `row` is one of the map's table."""
    top, left, side = (int(row[name]) for name in ("top_px", "left_px", "side_px"))
    return plane[top : top + side, left : left + side]


def with_verdicts(table: pd.DataFrame, opened: Opened) -> pd.DataFrame:
    """Add the verdict of each crop's field, where the plate has any."""
    words = [
        (opened.verdict(FieldName(str(well), int(field))) or {}).get("verdict")
        if opened.predicted is not None and FieldName(str(well), int(field)) in opened.fields
        else None
        for well, field in zip(table["well"], table["field"], strict=True)
    ]
    return table.assign(verdict=pd.Series(words, index=table.index, dtype=object)) if any(words) else table
