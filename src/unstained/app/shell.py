"""The frame of every page: title, menu, the chosen view; what a user can put right is one line."""

from importlib import import_module

import numpy as np
import streamlit as st
from PIL import Image

from unstained.app import session
from unstained.errors import UnstainedError, one_line
from unstained.version import __version__

VIEWS = {
    "start": "Start",
    "label": "Label",
    "plate": "Plate",
    "trust": "Trust",
    "map": "Map",
    "screen": "Screen",
    "train": "Train",
    "models": "Models",
}
"""Each is drawn by `show` of its module: `label` by `label_view`."""

STYLE = """<style>
.stMainBlockContainer {padding: 2.6rem 1.6rem 2rem; max-width: 1500px}
[data-testid="stMetricValue"] {font-size: 1.35rem}
</style>"""

ICON_PX = 64


def show() -> None:
    """Draw the page."""
    st.set_page_config("unstained", page_icon=_icon(), layout="wide")
    st.html(STYLE)
    session.me()
    view = _menu()
    with st.spinner("Starting …"):  # the first page of a server waits for its libraries
        module = import_module(f"unstained.app.{'first' if view == 'start' else view}_view")
    try:
        module.show()
    except UnstainedError as error:
        st.error(one_line(error, most=1000), icon=":material/error:")
    st.caption(f"unstained {__version__} · everything stays on this machine")


def _menu() -> str:
    """Draw the menu, and give the view that is chosen; the address says it, so that a reload keeps it."""
    view = session.asked("view", "start")
    view = view if view in VIEWS else "start"
    st.session_state["menu"] = view

    def chosen() -> None:
        session.go(str(st.session_state["menu"]))

    st.segmented_control(
        "View", list(VIEWS), format_func=VIEWS.__getitem__, key="menu", required=True,
        on_change=chosen, label_visibility="collapsed",
    )  # fmt: skip
    return view


def _icon() -> Image.Image:
    """Draw a cell with a nucleus; an icon by name would be fetched from another machine."""
    y, x = np.mgrid[:ICON_PX, :ICON_PX] / ICON_PX - 0.5
    icon = np.zeros((ICON_PX, ICON_PX, 4), np.uint8)
    icon[np.hypot(y, x) < 0.48] = (214, 214, 214, 255)
    icon[np.hypot(y + 0.05, x - 0.06) < 0.24] = (60, 140, 255, 255)
    return Image.fromarray(icon)
