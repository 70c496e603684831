"""Label: one field, label-free | predicted | overlay, its objects, its verdict, its files."""

from pathlib import Path

import pandas as pd
import streamlit as st

from unstained.app import cached, first_view, labelling, parts, pictures, plots, session, uploads
from unstained.app.labelling import Labelled
from unstained.app.pictures import Contrast
from unstained.arrays import Labels, RawPlane
from unstained.errors import UnstainedError, one_line
from unstained.plates.images import Scene
from unstained.plates.plate import FieldName
from unstained.prediction.catalogue import Listed
from unstained.report.figures import shrunk

PANELS = {"label_free": "label-free", "predicted": "predicted", "overlay": "overlay", "real": "real stain"}
USUAL_PANELS = ["label_free", "predicted", "overlay"]
MOST_DOTS = 3000


def show() -> None:
    """Draw the view: of a field of the open plate where one is chosen, else of a dropped image."""
    well, image = session.asked("well"), session.asked("image")
    labelled = None
    if image:
        labelled = _of_image(image)
    elif well and session.plate_place():
        labelled = _of_field(FieldName(well, session.asked_number("field")))
    else:
        st.info("Drop an image, or choose a field of a plate in **Plate**.", icon=":material/upload:")
        first_view.drop_zone("label")
        if st.button("Try the example image", icon=":material/image:", key="example image"):
            session.note(image=uploads.EXAMPLE_IMAGE)
            st.rerun()
    if labelled is not None:
        draw(labelled)


def _of_field(name: FieldName) -> Labelled | None:
    place = session.plate_place()
    opened = cached.place(place)
    if name not in opened.fields:
        st.error(f"{opened.plate.name} has no field {name}", icon=":material/error:")
        return None
    _neighbours(list(opened.fields), name)
    if opened.predicted is None:
        return _of_recorded(place, name)
    return cached.labelled_field(place, name)


def _neighbours(fields: list[FieldName], name: FieldName) -> None:
    """Draw the way from field to field."""
    left, middle, right, _ = st.columns([1, 2, 1, 6], vertical_alignment="center")
    at = fields.index(name)
    steps = ((left, at - 1, "Previous", ":material/chevron_left:"),
             (right, at + 1, "Next", ":material/chevron_right:"))  # fmt: skip
    for column, to, label, icon in steps:
        inside = 0 <= to < len(fields)
        if column.button(label, icon=icon, disabled=not inside, key=label, width="stretch"):
            session.note(well=fields[to].well, field=str(fields[to].field), object=None)
            st.rerun()
    chosen = middle.selectbox(
        "Field", fields, index=at, format_func=str, label_visibility="collapsed", key=f"field-{name}"
    )
    if chosen != name:
        session.note(well=chosen.well, field=str(chosen.field), object=None)
        st.rerun()


def _of_recorded(place: str, name: FieldName) -> Labelled | None:
    """Predict a field of a plate that was recorded only."""
    model = _choose_model("The plate isn't predicted yet. Choose a model for this field:", place)
    if model is None:
        return None
    with st.spinner("Predicting …"):
        return cached.predicted_field(place, name, str(model.path), model.card.weights_sha256)


def _of_image(image: str) -> Labelled | None:
    path = uploads.find(image, session.home())
    head, which, button = st.columns([4, 5, 1.3], vertical_alignment="bottom")
    head.markdown(f"#### {path.name}")
    if button.button("Another image", width="stretch", key="another"):
        session.note(image=None, object=None)
        st.rerun()
    try:
        scenes = uploads.scenes_of(path)
        with which:
            choice, size_um = _plane_form(scenes)
        model = _choose_model("Choose a model:", None)
        if model is None:
            return None
        with st.spinner("Predicting …"):
            return cached.labelled_image(
                str(path), choice, str(model.path), model.card.weights_sha256, size_um
            )
    except UnstainedError as error:
        st.error(one_line(error, most=600), icon=":material/error:")
        return None


def _plane_form(scenes: tuple[Scene, ...]) -> tuple[uploads.Choice, float | None]:
    """Ask which plane is meant, where there are several, and the pixel size where the file doesn't say it."""
    first = scenes[0]
    counts = {
        "place": [f"place {index + 1}" for index in range(len(scenes))],
        "channel": [f"{index + 1}: {name or 'channel'}" for index, name in enumerate(first.channels)],
        "z": [f"z {index + 1}" for index in range(first.z_count)],
        "t": [f"time {index + 1}" for index in range(first.t_count)],
    }
    several = [what for what, names in counts.items() if len(names) > 1]
    columns = st.columns(max(3, len(several) + 1))
    chosen: dict[str, int] = {}
    for column, what in zip(columns, several, strict=False):
        names = counts[what]
        middle = len(names) // 2 if what == "z" else 0
        picked = column.selectbox(what, names, index=middle, key=f"{what} of {first.path}")
        chosen[what] = names.index(picked)
    known = first.pixel_size_um
    size = columns[-1].number_input(
        "Pixel size, µm", value=known, min_value=0.001, max_value=100.0, format="%.4f",
        key=f"pixel size of {first.path}", placeholder="not known", 
        help="Where it isn't known, pixels are taken as the model's own.",
    )  # fmt: skip
    return uploads.Choice(**chosen), None if size is None else float(size)


def _choose_model(said: str, place: str | None) -> Listed | None:
    found = cached.models(parts.models_folder())
    if place is not None:
        found = cached.fitting(parts.models_folder(), place)
    chosen = session.asked("model")
    known = next((each for each in found if each.name == chosen and each.misfit is None), None)
    with st.expander(said if known is None else f"Model: {known.card.name}", expanded=known is None):
        parts.model_cards(found, "card", chosen)
    return known


def draw(labelled: Labelled) -> None:
    """Draw a labelled field: verdict, pictures, objects, files."""
    parts.verdict_box(labelled.verdict)
    stain, panels, outlined, contrasts = _look(labelled)
    key = f"pictures-{abs(hash((labelled.key, stain, tuple(panels))))}"
    alt = f"{', '.join(PANELS[what] for what in panels)} of {labelled.title}"

    def shown(outlined: bool) -> list[plots.Shown]:
        urls = (cached.picture(labelled.key, what, stain, contrasts, outlined, labelled) for what in panels)
        return [plots.Shown(PANELS[what], url) for what, url in zip(panels, urls, strict=True)]

    place = st.empty()
    if key not in st.session_state:  # objects take their time; the pictures needn't wait for them
        bare = plots.linked(shown(outlined=False), labelled.shape)
        place.plotly_chart(bare, key=f"{key}-bare", config=plots.PICTURE_CONFIG, alt=alt)
    labels, table = cached.objects(labelled.key, stain, labelled)
    chosen = _chosen(table)
    figure = plots.linked(
        shown(outlined), labelled.shape,
        objects=dots(table, labelled.pixel_size_um) if len(table) <= MOST_DOTS else None,
        chosen=() if chosen is None else plots.outline_of(labels, chosen),
    )  # fmt: skip
    event = place.plotly_chart(
        figure, key=key, on_select="rerun", selection_mode="points", config=plots.PICTURE_CONFIG, alt=alt
    )
    _take_click("figure", next(iter(plots.clicked(event)), None))
    _figures(labelled, stain, table)
    _table(labelled, stain, table, chosen)
    _downloads(labelled, stain, labels, table)


def _look(labelled: Labelled) -> tuple[str, list[str], bool, tuple[Contrast, Contrast]]:
    """Ask what is shown, and how."""
    stains = list(labelled.stains)
    left, middle, right, more = st.columns([3, 4, 1.2, 1.6], vertical_alignment="bottom")
    stain = left.segmented_control("Stain", stains, default=stains[0], required=True, key="stain")
    stain = stain if stain in stains else stains[0]
    there = ["predicted", "overlay"] if labelled.label_free is not None else ["predicted"]
    there = (["label_free"] if labelled.label_free is not None else []) + there
    there += ["real"] if stain in labelled.real else []
    panels = middle.pills(
        "Panels", there, default=[each for each in USUAL_PANELS if each in there],
        format_func=PANELS.__getitem__, selection_mode="multi", key=f"panels-{len(there)}",
    )  # fmt: skip
    outlined = right.toggle("Outlines", value=True, key="outlines")
    with more.popover("Contrast", width="stretch"):
        contrasts = (
            _contrast("label-free", labelled.label_free, pictures.LABEL_FREE),
            _contrast(stain, labelled.stains[stain], pictures.STAINED),
        )
    return stain, [each for each in there if each in (panels or ["overlay"])], outlined, contrasts


def _contrast(name: str, plane: RawPlane | None, usual: Contrast) -> Contrast:
    """Ask what is black and white: percentiles, or grey values over all bits that the camera has."""
    if plane is None:
        return usual
    by_hand = st.radio(
        f"Contrast, {name}", ["percentile", "by hand"], horizontal=True, key=f"contrast-{name}"
    )
    if by_hand == "percentile":
        low, high = st.slider(
            f"black and white, percentile, {name}", 0.0, 100.0, (usual.low, usual.high), 0.1,
            key=f"percentiles-{name}", label_visibility="collapsed",
        )  # fmt: skip
        return Contrast(low, high)
    ends = pictures.span_of(plane)
    now = usual.limits(shrunk(plane, pictures.SHOWN_PX))
    step = max((ends[1] - ends[0]) / 65535, 1e-6)
    low, high = st.slider(
        f"black and white, grey value, {name}", *ends,
        (max(now[0], ends[0]), min(now[1], ends[1])), step, key=f"values-{name}",
        label_visibility="collapsed",
    )  # fmt: skip
    return Contrast(low, high, by_hand=True)


def dots(table: pd.DataFrame, pixel_size_um: float | None) -> pd.DataFrame:
    """Say where objects can be clicked: `label`, `x`, `y` (px), and what is told of each."""
    unit, size = ("px", 1.0) if "x_px" in table else ("um", pixel_size_um or 1.0)
    area = next((name for name in table if str(name).startswith("area_")), None)
    told = [
        f"object {row['label']}"
        + ("" if area is None else f"<br>area {row[area]:.4g} {'px' if unit == 'px' else 'µm²'}")
        + f"<br>mean {row['intensity_mean']:.4g}"
        for row in table.to_dict("records")
    ]
    return pd.DataFrame(
        {
            "label": table["label"],
            "x": table[f"x_{unit}"] / size,
            "y": table[f"y_{unit}"] / size,
            "told": told,
        }
    )


def _chosen(table: pd.DataFrame) -> int | None:
    asked = session.asked("object")
    return int(asked) if asked.isdigit() and int(asked) in set(table["label"]) else None


def _take_click(where: str, clicked: "int | None") -> None:
    """Take the newest click, in the figure or in the table, for the chosen object."""
    key = f"clicked-{where}"
    if clicked == st.session_state.get(key):
        return
    st.session_state[key] = clicked
    if clicked is not None:
        session.note(object=str(int(clicked)))
        st.rerun()


def _figures(labelled: Labelled, stain: str, table: pd.DataFrame) -> None:
    columns = st.columns(5)
    columns[0].metric("Objects", len(table))
    area = next((name for name in table if str(name).startswith("area_")), None)
    if area is not None and len(table):
        columns[1].metric(f"Median {area}", f"{table[area].median():.4g}")
        columns[2].metric("Median intensity_mean", f"{table['intensity_mean'].median():.4g}")
    expected = (labelled.verdict or {}).get("expected_pcc")
    if expected is not None:
        columns[3].metric("Expected PCC", f"{expected:.2f}")
    pcc = cached.real_pcc(labelled.key, stain, labelled)
    if pcc is not None:
        columns[4].metric("PCC with the real stain", f"{pcc:.3f}")


def _table(labelled: Labelled, stain: str, table: pd.DataFrame, chosen: int | None) -> None:
    if table.empty:
        st.info("No objects were found; look at contrast and verdict, or at another stain.")
        return
    shown = first_row(table, chosen)
    st.caption(
        "Click a dot in the last picture, or a row: the object is outlined in all pictures."
        if chosen is None
        else f"Object {chosen} is chosen: first row, outlined above."
    )
    styled = shown.style.format(precision=4)
    if chosen is not None:
        styled = styled.apply(
            lambda row: [f"background-color: {plots.CHOSEN}66" if row.name == 0 else ""] * len(row), axis=1
        )
    event = st.dataframe(
        styled, hide_index=True, height=260, key=f"table-{abs(hash((labelled.key, stain, chosen)))}",
        on_select="rerun", selection_mode="single-row",
    )  # fmt: skip
    rows = event["selection"]["rows"]
    _take_click(f"table-{chosen}", None if not rows else int(shown["label"].iloc[rows[0]]))


def first_row(table: pd.DataFrame, chosen: int | None) -> pd.DataFrame:
    """Put the chosen object before all others."""
    if chosen is None:
        return table
    is_chosen = table["label"] == chosen
    return pd.concat([table[is_chosen], table[~is_chosen]]).reset_index(drop=True)


def _downloads(labelled: Labelled, stain: str, labels: Labels, table: pd.DataFrame) -> None:
    name = Path(labelled.title.replace("/", "-").replace(", ", "-")).stem or "image"
    columns = st.columns(3)
    columns[0].download_button(
        "Predicted stains (OME-TIFF)", lambda: labelling.stains_file(labelled), f"{name}_pred.ome.tif",
        "image/tiff", on_click="ignore", icon=":material/download:", width="stretch",
    )  # fmt: skip
    columns[1].download_button(
        f"Labels of {stain} (TIFF)", lambda: labelling.labels_file(labels), f"{name}_labels_{stain}.tif",
        "image/tiff", on_click="ignore", icon=":material/download:", width="stretch",
    )  # fmt: skip
    columns[2].download_button(
        f"Table of {stain} (CSV)", labelling.table_file(table), f"{name}_{stain}.csv", "text/csv",
        on_click="ignore", icon=":material/download:", width="stretch",
    )  # fmt: skip
