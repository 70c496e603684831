"""What is read or computed once and kept for every user: models, plates, predictions, pictures."""

import threading
from pathlib import Path

import pandas as pd
import streamlit as st

from unstained.app import labelling, live, opened, pictures, uploads
from unstained.app.labelling import Labelled
from unstained.arrays import Labels
from unstained.plates.plate import FieldName
from unstained.prediction.catalogue import Listed, models_at_hand
from unstained.prediction.labeller import Labeller, load_model

PREDICTING = threading.Lock()
"""One prediction at a time: two would only take turns, and need twice the memory."""


@st.cache_resource(max_entries=6, show_spinner="Loading the model …")
def labeller(path: str, weights_sha256: str) -> Labeller:
    """Load a model; `weights_sha256` tells an exchanged model from the one before."""
    return load_model(path, "auto")


def place(where: str) -> opened.Opened:
    """Open what lies at a place; anew where it was written to."""
    return _place(where, opened.stamp_of(where))


@st.cache_resource(max_entries=12, show_spinner="Opening the plate …")
def _place(where: str, stamp: str) -> opened.Opened:
    return opened.open_place(where)


def measures(where: str) -> dict[str, pd.Series]:
    """Give all that can be shown on a plate's map."""
    return _measures(where, opened.stamp_of(where))


@st.cache_resource(max_entries=12, show_spinner="Reading the tables …")
def _measures(where: str, stamp: str) -> dict[str, pd.Series]:
    return opened.measures_of(_place(where, stamp))


@st.cache_data(max_entries=4, ttl=10, show_spinner=False)
def models(folder: str) -> list[Listed]:
    """List the models at hand, and those in a folder, where one is named."""
    return models_at_hand(Path(folder) if folder else None)


@st.cache_resource(max_entries=6, show_spinner=False)
def labelled_image(
    path: str, choice: uploads.Choice, model: str, weights_sha256: str, pixel_size_um: float | None
) -> Labelled:
    """Predict the chosen plane of an image file."""
    scenes = uploads.scenes_of(Path(path))
    plane, recorded_um = uploads.read_plane(scenes, choice)
    with PREDICTING:
        found = labeller(model, weights_sha256)
        return labelling.label_image(found, plane, pixel_size_um or recorded_um, Path(path).name)


def labelled_field(where: str, name: FieldName) -> Labelled:
    """Read one field of a predicted plate."""
    return _labelled_field(where, opened.stamp_of(where), name)


@st.cache_resource(max_entries=12, show_spinner=False)
def _labelled_field(where: str, stamp: str, name: FieldName) -> Labelled:
    return labelling.labelled_field(_place(where, stamp), name)


@st.cache_resource(max_entries=24, show_spinner="Finding and measuring objects …")
def objects(key: str, stain: str, _labelled: Labelled) -> tuple[Labels, pd.DataFrame]:
    """Find and measure the objects of a stain."""
    return labelling.objects_of(_labelled, stain)


@st.cache_data(max_entries=96, show_spinner=False)
def picture(
    key: str, what: str, stain: str, contrasts: tuple[pictures.Contrast, pictures.Contrast],
    outlined: bool, _labelled: Labelled,
) -> str:  # fmt: skip
    """Encode one panel of a field: `label_free`, `predicted`, `overlay` or `real`."""
    free, stained = contrasts
    colour = _labelled.known[stain].stain.colour
    plane = _labelled.stains[stain]
    if what == "label_free":
        assert _labelled.label_free is not None
        drawn = pictures.grey(_labelled.label_free, free)
    elif what == "overlay" and _labelled.label_free is not None:
        drawn = pictures.overlaid(pictures.grey(_labelled.label_free, free), plane, stained, colour)
    else:
        shown = _labelled.real[stain] if what == "real" else plane
        limits = stained if what != "real" or stained.by_hand else pictures.STAINED
        drawn = pictures.stained(shown, limits, colour)
    if outlined:
        drawn = pictures.with_outlines(drawn, objects(key, stain, _labelled)[0])
    return pictures.data_url(drawn)


def crop(model: str, weights_sha256: str, where: str, name: FieldName) -> live.Crop:
    """Cut the middle out of a field of the recorded plate."""
    return _crop(model, weights_sha256, where, opened.stamp_of(where), name)


@st.cache_resource(max_entries=8, show_spinner="Reading the field …")
def _crop(model: str, weights_sha256: str, where: str, stamp: str, name: FieldName) -> live.Crop:
    found = _place(where, stamp)
    assert found.source is not None
    return live.cut(labeller(model, weights_sha256), found.source, name)


def outcome(
    model: str, weights_sha256: str, where: str, name: FieldName, strengths: tuple[tuple[str, float], ...]
) -> live.Outcome:
    """Predict a crop made worse."""
    return _outcome(model, weights_sha256, (where, opened.stamp_of(where)), name, strengths)


@st.cache_resource(max_entries=48, show_spinner=False)
def _outcome(
    model: str, weights_sha256: str, at: tuple[str, str], name: FieldName,
    strengths: tuple[tuple[str, float], ...],
) -> live.Outcome:  # fmt: skip
    with PREDICTING:
        part = _crop(model, weights_sha256, *at, name)
        return live.try_out(labeller(model, weights_sha256), part, dict(strengths))


def thumbnail(where: str, name: FieldName, stain: str) -> str:
    """Encode a small picture of a field: a predicted stain, or what was recorded."""
    return _thumbnail(where, opened.stamp_of(where), name, stain)


@st.cache_data(max_entries=48, show_spinner=False)
def _thumbnail(where: str, stamp: str, name: FieldName, stain: str) -> str:
    found = _place(where, stamp).plate
    plane = found.read(name, stain)
    step = max(1, max(plane.shape) // 256)
    small = plane[::step, ::step]
    return pictures.data_url(pictures.grey(small, pictures.STAINED))


@st.cache_data(max_entries=4, ttl=10, show_spinner=False)
def fitting(folder: str, where: str) -> list[Listed]:
    """List the models at hand, and say of each whether it fits a plate's recorded images."""
    return models_at_hand(Path(folder) if folder else None, place(where).source)


def predicted_field(where: str, name: FieldName, model: str, weights_sha256: str) -> Labelled:
    """Predict a field of a recorded plate."""
    return _predicted_field(where, opened.stamp_of(where), name, model, weights_sha256)


@st.cache_resource(max_entries=6, show_spinner=False)
def _predicted_field(where: str, stamp: str, name: FieldName, model: str, weights_sha256: str) -> Labelled:
    found = _place(where, stamp)
    with PREDICTING:
        return labelling.predict_field(labeller(model, weights_sha256), found, name)


@st.cache_data(max_entries=64, show_spinner=False)
def real_pcc(key: str, stain: str, _labelled: Labelled) -> float | None:
    """Correlate a predicted with the real stain."""
    return _labelled.pcc(stain)
