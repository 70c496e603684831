"""Train: choose a plate, what is learnt, which wells stay unseen; see the course; stop and go on."""

from pathlib import Path

import pandas as pd
import streamlit as st

from unstained.app import cached, curves, jobs, parts, plots, session
from unstained.app.opened import Opened
from unstained.pipeline import training_sample
from unstained.plates.plate import Plate
from unstained.stains.catalogue import STAINS

TRAIN, CHECK, COST = "train", "check", "cost"


def show() -> None:
    """Draw the view."""
    opened = parts.plate_or_way_there()
    if opened is None:
        return
    if opened.source is None:
        st.info(
            "Training needs a plate of label-free and stained images; open one.",
            icon=":material/folder_open:",
        )
        parts.open_plate_form()
        return
    plate = opened.source
    st.markdown(f"#### {plate.name}: {len(plate.wells)} wells, {len(plate.fields)} fields")
    _checks(plate)
    _form(opened, plate)
    parts.jobs_panel(TRAIN, CHECK, COST)
    _course()


def _checks(plate: Plate) -> None:
    """Begin what says beforehand whether the images are fit, and what training costs."""
    left, right, _ = st.columns([1, 1, 2])
    out = session.home() / "checks"
    if left.button("Check the images", icon=":material/fact_check:", width="stretch", key="check images"):
        jobs.begin(session.jobs_folder(), CHECK, [CHECK, str(plate.path)], out / plate.name)
        st.rerun()
    if right.button("Estimate the cost", icon=":material/payments:", width="stretch", key="cost"):
        cost = out / f"{plate.name}-cost"
        words = [COST, str(plate.path), "--out", str(cost), "--overwrite"]
        jobs.begin(session.jobs_folder(), COST, words, cost)
        st.rerun()
    for what, title in ((CHECK, "What the check says"), (COST, "What it costs")):
        done = next((job for job in jobs.jobs_in(session.jobs_folder(), what) if job.state == "done"), None)
        if done is not None and str(plate.path) in done.record["arguments"]:
            with st.expander(title, expanded=True):
                st.code("\n".join(line for line in done.lines() if not line.startswith("{")))


def stains_of(channels: tuple[str, ...]) -> dict[str, str]:
    """Say which stain each channel most likely shows: channel → stain."""
    found = {}
    for name, stain in STAINS.items():
        channel = stain.channel_in(channels)
        if channel is not None:
            found[channel] = name
    return found


def _form(opened: Opened, plate: Plate) -> None:
    known = stains_of(plate.channels)
    light = [name for name in plate.channels if name not in known]
    if not light:
        st.error("Every channel looks like a stain; there is no label-free one to learn from.")
        return
    with st.form("train", enter_to_submit=False):  # a training isn't begun by the way
        one, two, three = st.columns(3)
        channel = one.selectbox("Learn from (label-free)", light, key="train input")
        targets = two.multiselect(
            "Predict (stained channels)", [name for name in plate.channels if name != channel],
            default=list(known)[:1], key="train targets",
        )  # fmt: skip
        name = three.text_input("Name of the model", value=f"{plate.name}-model", key="train name")
        test = one.multiselect("Wells never seen (test)", list(plate.wells), key="train test",
                               placeholder="chosen for you")  # fmt: skip
        minutes = two.number_input("Minutes", 1, 600, 10, key="train minutes")
        fitting = [
            each for each in cached.fitting(parts.models_folder(), opened.place) if each.misfit is None
        ]
        starts = ["from scratch", *(each.card.name for each in fitting)]
        start = three.selectbox("Go on from", starts, key="train start")
        if st.form_submit_button("Train", type="primary", icon=":material/play_arrow:") and targets and name:
            out = session.home() / "models" / Path(name).name
            stains = ",".join(known.get(target, target) for target in targets)
            words = [TRAIN, str(plate.path), "--stain", stains, "--input", channel,
                     "--target", ",".join(targets), "--out", str(out), "--minutes", str(minutes)]  # fmt: skip
            words += ["--test", ",".join(test)] if test else []
            words += ["--from", str(fitting[starts.index(start) - 1].path)] if start != starts[0] else []
            jobs.begin(session.jobs_folder(), TRAIN, words, out)
            st.rerun()


@st.fragment(run_every=4.0)
def _course() -> None:
    """Draw the newest training: its curves as they grow."""
    newest = next(iter(jobs.jobs_in(session.jobs_folder(), TRAIN)), None)
    if newest is None:
        st.info("No training yet; begin one above.", icon=":material/model_training:")
        return
    table = course_of(newest)
    st.markdown(f"**Course of {newest.out.name}**")
    if table.empty:
        st.caption("The first line comes after a twentieth of the steps.")
        return
    figure = curves.course(
        list(table["step"]), list(table["loss"]), [_known(value) for value in table["pcc"]]
    )
    st.plotly_chart(figure, key="course", config=plots.PLAIN_CONFIG, alt="loss and validation PCC by step")
    sample = training_sample(newest.out)
    if sample is not None:
        st.image(str(sample), caption="label-free, predicted so far, real: the middle of a validation region")
    if newest.state == "done" and st.button("Use this model", key="use", type="primary"):
        session.go("models", model=str(newest.out))
        st.rerun()


def course_of(job: jobs.Job) -> pd.DataFrame:
    """Give the course of a training: from the finished model, else from what the command has said so far."""
    kept = job.out / "curves.csv"
    if job.state == "done" and kept.exists():
        return pd.read_csv(kept)
    return pd.DataFrame(job.course(), columns=["step", "loss", "pcc"])


def _known(value: float | None) -> float | None:
    return None if value is None or pd.isna(value) else float(value)
