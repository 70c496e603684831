"""What several views draw alike: verdicts, running jobs, the choice of a plate, model cards, empty states."""

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import streamlit as st

from unstained.app import cached, jobs, session
from unstained.app.opened import Opened
from unstained.errors import UnstainedError, one_line
from unstained.networks.bundle import ModelCard
from unstained.prediction.catalogue import Listed
from unstained.prediction.verdicts import Verdict

ICONS = {"trust": ":material/check_circle:", "caution": ":material/warning:", "refuse": ":material/block:"}
_BOXES: dict[str, Callable[..., Any]] = {"trust": st.success, "caution": st.warning, "refuse": st.error}
COLOURS: dict[str, Literal["green", "orange", "red"]] = {
    "trust": "green",
    "caution": "orange",
    "refuse": "red",
}
EXAMPLE = "example"
REFRESH_S = 2.0


def section(names: list[str], key: str) -> str:
    """Draw the menu of a view's sections, and give the chosen one: only that one is computed and drawn."""
    chosen = st.segmented_control(
        "Section", names, default=names[0], required=True, key=key, label_visibility="collapsed"
    )
    return chosen if chosen in names else names[0]


def verdict_box(verdict: Verdict | None) -> None:
    """Say on top whether a prediction may be believed, and why."""
    if verdict is None:
        st.info("not judged: this model keeps no reference to judge by", icon=":material/help:")
        return
    word = str(verdict["verdict"])
    _BOXES[word](f"**{word}** – {verdict['reason']}", icon=ICONS[word])


def plate_or_way_there() -> Opened | None:
    """Give the plate that is open; where none is, say how to open one."""
    place = session.plate_place()
    if not place:
        st.info(
            "No plate is open yet. Open one by its path, or the example plate.", icon=":material/folder_open:"
        )
        open_plate_form()
        return None
    try:
        return cached.place(place)
    except UnstainedError as error:
        st.error(one_line(error, most=600), icon=":material/error:")
        open_plate_form()
        return None


def open_plate_form() -> None:
    """Draw the ways to a plate: its path, or the example."""
    with st.form("open plate", border=False):
        left, right = st.columns([4, 1.3], vertical_alignment="bottom")
        place = left.text_input(
            "Path of a plate, or of a folder of results",
            value=session.plate_place(),
            placeholder="/data/plate.zarr",
        )
        if right.form_submit_button("Open", width="stretch") and place.strip():
            session.open_plate_at(place.strip())
            if session.asked("view", "start") == "start":
                session.go("plate")
            st.rerun()
    example_button()


def example_button() -> None:
    """Draw what opens the example plate, or makes it the first time."""
    out = session.home() / EXAMPLE
    if (out / "run.json").exists():
        if st.button("Open the example plate", icon=":material/science:", key="example"):
            session.open_plate_at(str(out))
            session.go("plate")
            st.rerun()
        return
    made = jobs.jobs_in(session.jobs_folder(), EXAMPLE)
    if made and made[0].state == "running":
        st.caption("The example plate is being made; see the bar.")
        return
    asked = st.button(
        "Make the example plate", icon=":material/science:", key="example",
        help="24 wells of simulated CHO cells with four stains: simulated, predicted, measured and ranked"
        " here; some minutes, once.",
    )  # fmt: skip
    if asked:
        jobs.begin(
            session.jobs_folder(),
            EXAMPLE,
            ["demo", "--plate", "cho", "--out", str(out), "--overwrite"],
            out,
        )
        st.rerun()


@st.fragment(run_every=REFRESH_S)
def jobs_panel(*whats: str) -> None:
    """Show what is running, how far it is, and how it ended; with buttons to stop it and to go on."""
    shown = [job for job in jobs.jobs_in(session.jobs_folder()) if not whats or job.what in whats][:6]
    before = st.session_state.get("job states", {})
    states = {str(job.folder): job.state for job in shown}
    st.session_state["job states"] = {**before, **states}
    for job in shown:
        _job_row(job, states[str(job.folder)])
    if any(before.get(name) == "running" and state != "running" for name, state in states.items()):
        st.rerun()


def _job_row(job: jobs.Job, state: jobs.State) -> None:
    with st.container(border=True, key=f"job-{job.folder.name}"):
        told, acts = st.columns([5, 1], vertical_alignment="center")
        name = f"**{job.what}** → {job.out.name}"
        progress = job.progress()
        if state == "running":
            told.progress(progress.share or 0.0, f"{name}: {progress.line}")
            if acts.button("Stop", key=f"stop-{job.folder.name}", width="stretch"):
                job.stop()
                st.rerun()
            return
        if state == "done":
            told.markdown(f":material/check: {name}: done")
        else:
            why = "stopped; it goes on where it was" if state == "stopped" else job.fault()
            told.markdown(f":material/error: {name}: {state} – {why}")
            if acts.button("Go on", key=f"again-{job.folder.name}", width="stretch"):
                job.again()
                st.rerun()
        with told.expander("what it said"):
            st.code("\n".join(line for line in job.lines() if not line.startswith("{"))[-4000:] or "nothing")


def model_cards(found: list[Listed], key: str, chosen: str | None) -> Listed | None:
    """Draw a card for each model, one of which is chosen by its button; gives the chosen one."""
    columns = st.columns(max(3, min(4, len(found))))
    for index, each in enumerate(found):
        with columns[index % len(columns)].container(border=True, height="stretch"):
            _card(each)
            is_chosen = each.name == chosen
            label = "Chosen" if is_chosen else "Choose"
            if st.button(
                label, key=f"{key}-{each.name}", type="primary" if is_chosen else "secondary",
                width="stretch", disabled=each.misfit is not None, help=each.misfit,
            ) and not is_chosen:  # fmt: skip
                session.note(model=each.name)
                st.rerun()
    return next((each for each in found if each.name == chosen), None)


def model_box(found: list[Listed], key: str, usual: int = 0) -> int:
    """Ask for one of some models by the name on its card; gives its place in the list."""
    return st.selectbox(
        "Model", list(range(len(found))), index=usual, key=key, format_func=lambda at: found[at].card.name
    )


def _card(each: Listed) -> None:
    card = each.card
    picture = card_picture(each)
    if picture is not None:
        st.image(picture, width="stretch", alt=f"what {card.name} makes of an image")
    st.markdown(f"**{card.name}**")
    st.caption("  \n".join(card_lines(card)))


def card_lines(card: ModelCard) -> list[str]:
    """Say in a few lines what a model is: stains, cells, pixel size, licence."""
    size = "pixel size not known" if card.pixel_size_um is None else f"{card.pixel_size_um:g} µm a pixel"
    pcc = card.metrics.get("validation_pcc")
    scored = "" if pcc is None else f", PCC {pcc:.2f} on validation"
    return [
        f"{card.input} → {', '.join(card.stains)}{scored}",
        f"{size} · {'simulated cells' if card.simulated else 'real cells'}",
        f"licence: {card.licence or 'not told'}",
    ]


def card_picture(each: Listed) -> Path | None:
    """Find the picture of a bundled model; None for others."""
    path = Path(str(files("unstained"))) / "app" / "cards" / f"{each.path.name}.jpg"
    return path if each.bundled and path.exists() else None


def models_folder() -> str:
    """Name the folder of this user's models; empty where there is none."""
    folder = session.models_folder()
    return "" if folder is None else str(folder)
