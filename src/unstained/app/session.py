"""Who looks at what: kept in the page's address, so that a reload loses nothing, and users stay apart."""

import os
import re
import uuid
from pathlib import Path

import streamlit as st

PLATE, WORKSPACE = "UNSTAINED_APP_PLATE", "UNSTAINED_APP_WORKSPACE"
"""What the command `unstained app` hands over, by environment."""

USUAL_WORKSPACE = "unstained-app"
LOCAL = "local"
_ID = re.compile(r"[a-z0-9]{4,32}")
_OF_PLACE = ("well", "field", "image", "model", "object")


def me() -> str:
    """Name this user: by the address, else as the one at this very machine, else anew."""
    known = st.query_params.get("me", "")
    if _ID.fullmatch(known):
        return known
    name = LOCAL if _is_at_this_machine() else uuid.uuid4().hex[:12]
    st.query_params["me"] = name
    return name


def _is_at_this_machine() -> bool:
    forwarded = any(name.lower() == "x-forwarded-for" for name in st.context.headers)
    return st.context.ip_address is None and not forwarded


def workspace() -> Path:
    """Give the folder for all that the app keeps."""
    return Path(os.environ.get(WORKSPACE, USUAL_WORKSPACE)).resolve()


def home() -> Path:
    """Give this user's folder."""
    return workspace() / me()


def jobs_folder() -> Path:
    return home() / "jobs"


def models_folder() -> Path | None:
    """Give the folder of this user's own models; None before there are any."""
    folder = home() / "models"
    return folder if folder.is_dir() else None


def asked(name: str, default: str = "") -> str:
    """Give what the address says of `view`, `plate`, `well`, `field`, `image`, `model`."""
    return str(st.query_params.get(name, default))


def asked_number(name: str) -> int:
    """Give a number that the address says; 0 where it says something else."""
    told = asked(name)
    return int(told) if told.isdecimal() else 0


def plate_place() -> str:
    """Give the place of the plate that is open: by the address, else by the command."""
    return asked("plate") or os.environ.get(PLATE, "")


def note(**values: str | None) -> None:
    """Write into the address what is looked at; None takes it out."""
    for name, value in values.items():
        if value is None:
            st.query_params.pop(name, None)
        elif st.query_params.get(name) != value:
            st.query_params[name] = value


def go(view: str, **values: str | None) -> None:
    """Show another view from now on; to be called where the page is then drawn anew."""
    note(view=view, **values)


def open_plate_at(place: str) -> None:
    """Look at another plate: what was chosen in the one before doesn't count any more."""
    note(plate=place, **dict.fromkeys(_OF_PLACE))
