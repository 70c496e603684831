"""Plate: a heat map of whatever is known of the wells; a well's fields; predicted against real."""

from typing import Any

import pandas as pd
import streamlit as st

from unstained.app import cached, jobs, parts, plots, session
from unstained.app.opened import RANK, SCORE, VERDICT, Opened, compared, evaluations_in
from unstained.plates.plate import FieldName
from unstained.report.drawings import told_of_wells
from unstained.report.ranked import ranked

EVALUATE = "evaluate"
MOST_THUMBNAILS = 12


def show() -> None:
    """Draw the view."""
    opened = parts.plate_or_way_there()
    if opened is None:
        return
    _headline(opened)
    sections = {"Wells": _wells}
    if opened.ranking is not None:
        sections["Ranking"] = _ranking
    if opened.predicted is not None:
        sections["Predicted against real"] = _agreement
    sections[parts.section(list(sections), "plate section")](opened)


def _headline(opened: Opened) -> None:
    plate = opened.plate
    size = "pixel size not known" if plate.pixel_size_um is None else f"{plate.pixel_size_um:g} µm a pixel"
    left, right = st.columns([5, 1], vertical_alignment="center")
    left.markdown(
        f"#### {plate.name}\n{len(plate.wells)} wells, {len(plate.fields)} fields,"
        f" {', '.join(plate.channels)}, {size}" + (" · simulated" if plate.info.get("simulated") else "")
    )
    with right.popover("Another plate", width="stretch"):
        place = st.text_input("Path", key="another plate")
        if st.button("Open", key="open another") and place.strip():
            session.open_plate_at(place.strip())
            st.rerun()
    if opened.predicted is None:
        st.info(
            "This plate was recorded, not predicted: there is nothing measured to show."
            " Predict it in **Screen**, or look at single fields here.", icon=":material/info:",
        )  # fmt: skip


def _wells(opened: Opened) -> None:
    place = session.plate_place()
    measures = cached.measures(place)
    measures = measures or {
        "fields": pd.Series({well: len(opened.in_well(well)) for well in opened.plate.wells})
    }
    left, right = st.columns([3, 2], gap="medium")
    with left:
        name = st.selectbox("Colour by", _ordered(measures), key="measure")
        told = told_of_wells(opened.plate.conditions)
        chosen = session.asked("well") or None
        figure = plots.plate_map(measures[name], name, told, chosen)
        event = st.plotly_chart(
            figure, key=f"plate-{place}-{name}", on_select="rerun", selection_mode="points",
            config=plots.PLAIN_CONFIG, alt=f"plate map of {name}",
        )  # fmt: skip
        _take_well(next(iter(plots.clicked(event)), None))
    with right:
        wells = list(opened.plate.wells)
        index = wells.index(chosen) if chosen in wells else None
        picked = st.selectbox("Well", wells, index=index, key=f"well-{chosen}",
                              placeholder="click a well, or choose one")  # fmt: skip
        if picked is not None and picked != chosen:
            session.note(well=picked)
            st.rerun()
        if chosen in wells:
            _fields(opened, str(chosen), measures)
        else:
            st.info("Click a well to see its fields.", icon=":material/touch_app:")
    with st.expander("The numbers"):
        st.dataframe(pd.DataFrame(measures).rename_axis("well"), height=240)


def _ordered(measures: dict[str, pd.Series]) -> list[str]:
    first = [name for name in (SCORE, RANK, VERDICT) if name in measures]
    return first + [name for name in measures if name not in first]


def _take_well(clicked: Any) -> None:
    if clicked is None or clicked == st.session_state.get("clicked-well"):
        return
    st.session_state["clicked-well"] = clicked
    session.note(well=str(clicked))
    st.rerun()


def _fields(opened: Opened, well: str, measures: dict[str, pd.Series]) -> None:
    told = told_of_wells(opened.plate.conditions).get(well, [])
    st.markdown(f"**{well}** {' · '.join(told)}")
    fields = opened.in_well(well)
    stain = opened.plate.channels[0]
    columns = st.columns(2 if len(fields) > 1 else 1)
    for index, name in enumerate(fields[:MOST_THUMBNAILS]):
        with columns[index % len(columns)].container(border=True):
            st.image(cached.thumbnail(session.plate_place(), name, stain), width="stretch",
                     alt=f"{stain} of {name}")  # fmt: skip
            verdict = opened.verdict(name)
            if verdict is not None:
                word = str(verdict["verdict"])
                st.badge(word, icon=parts.ICONS[word], color=parts.COLOURS[word], help=str(verdict["reason"]))
            if st.button(f"Look at {name}", key=f"look-{name}", width="stretch", type="primary"):
                look_at(name)
    if len(fields) > MOST_THUMBNAILS:
        st.caption(f"… and {len(fields) - MOST_THUMBNAILS} more; step through them in Label")


def look_at(name: FieldName) -> None:
    """Show a field in the Label view."""
    session.go("label", well=name.well, field=str(name.field), image=None, object=None)
    st.rerun()


def _ranking(opened: Opened) -> None:
    assert opened.ranking is not None
    told = ranked(opened.ranking)
    st.markdown("\n".join(f"- {line}" for line in told.lead))
    st.dataframe(pd.DataFrame(told.rows), hide_index=True, height=420)
    if told.trends:
        st.markdown("**Over time**")
        st.dataframe(pd.DataFrame(told.trends), hide_index=True)
    for line in told.notes:
        st.caption(line)


def _agreement(opened: Opened) -> None:
    assert opened.predicted is not None
    own = session.home() / "evaluations" / opened.slug
    beside = None if opened.folder is None else opened.folder / "evaluation"
    found = evaluations_in(beside, opened.predicted.channels) or evaluations_in(
        own, opened.predicted.channels
    )
    if not found:
        _way_to_evaluation(opened, str(own))
        return
    left, right = st.columns([3, 2], gap="medium")
    with left:
        stain = st.segmented_control("Stain", list(found), default=next(iter(found)), required=True,
                                     key="compared stain")  # fmt: skip
        evaluation = found[str(stain)]
        tables = compared(evaluation)
        if not tables:
            st.info("No measurement is known on both sides.")
            return
        measure = st.segmented_control("Measurement", list(tables), default=next(iter(tables)), required=True,
                                       key="compared measure")  # fmt: skip
        measure = measure if measure in tables else next(iter(tables))
        event = st.plotly_chart(
            plots.agreement(tables[measure], measure), key=f"agreement-{stain}-{measure}", on_select="rerun",
            selection_mode=("points", "lasso"), alt=f"{measure} of {stain}, predicted against real",
        )  # fmt: skip
    with right:
        agreed = evaluation["downstream"].get(measure) or {}
        one, two, three = st.columns(3)
        one.metric("PCC of pixels", _number(evaluation["mean"]["pcc"]))
        two.metric("Pearson", _number(agreed.get("pearson")))
        three.metric("Bias", "–" if agreed.get("bias") is None else f"{agreed['bias']:+.1%}")
        _compared_fields(opened, str(stain), [str(name) for name in plots.clicked(event)])


def _compared_fields(opened: Opened, stain: str, names: list[str]) -> None:
    """Show the fields that were clicked or lassoed, each with its way to the Label view."""
    if not names:
        st.info(
            "Click a dot, or draw a lasso round some: their fields are shown here.",
            icon=":material/touch_app:",
        )
        return
    columns = st.columns(2)
    for index, text in enumerate(names[:6]):
        name = FieldName.parse(text)
        with columns[index % 2].container(border=True):
            st.image(
                cached.thumbnail(session.plate_place(), name, stain),
                width="stretch",
                alt=f"{stain} of {name}",
            )
            if st.button(f"Look at {name}", key=f"compared-{name}", width="stretch"):
                look_at(name)


def _way_to_evaluation(opened: Opened, own: str) -> None:
    assert opened.predicted is not None
    source = opened.source
    targets = [
        target for card in opened.predicted.info.get("models", ()) for target in card.get("targets", ())
    ]
    if source is None or not set(targets) & set(source.channels):
        st.info("No real stain is known of this plate: its recorded plate has none, or isn't there any more.")
        return
    parts.jobs_panel(EVALUATE)
    if st.button("Compare with the real stain", icon=":material/balance:", key="compare"):
        out = session.home() / "evaluations" / opened.slug
        words = [EVALUATE, str(opened.predicted.path), "--truth", str(source.path), "--out", own,
                 "--fields", "all", "--overwrite"]  # fmt: skip
        jobs.begin(session.jobs_folder(), EVALUATE, words, out)
        st.rerun()


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
