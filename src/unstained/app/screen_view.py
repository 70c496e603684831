"""Screen: the wizard for day one, from a folder of images to a ranking."""

from contextlib import suppress
from pathlib import Path

import pandas as pd
import streamlit as st

from unstained.app import cached, jobs, parts, session
from unstained.app.opened import Opened, short_hash
from unstained.errors import UnstainedError, one_line
from unstained.plates.foreign import is_ours
from unstained.plates.images import IMAGE_SUFFIXES
from unstained.plates.presets import PRESETS
from unstained.plates.vendor import READERS
from unstained.prediction.catalogue import Listed

SCREEN, IMPORT, CHECK = "screen", "import", "check"
MOST_LISTED = 2000


def show() -> None:
    """Draw the wizard; each step shows once the one before is done."""
    st.markdown("#### 1 · Images")
    source = _source()
    if source is None:
        return
    if not is_ours(source):
        _import(source)
        return
    opened = _opened(str(source))
    if opened is None or opened.source is None:
        return
    st.markdown("#### 2 · Channel and plate map")
    channel = _channel_and_wells(opened)
    st.markdown("#### 3 · Model")
    chosen = _models(opened, channel)
    if not chosen:
        return
    st.markdown("#### 4 · Run")
    _run(opened, channel, chosen)


def _source() -> Path | None:
    usual = session.asked("source") or _recorded_place()
    place = st.text_input(
        "A plate, or a folder of images, on the machine that the app runs on", value=usual, key="source",
        placeholder="/data/plate-7",
    ).strip()  # fmt: skip
    if not place:
        st.info("Name a folder of images (ImageXpress, Opera, CellVoyager, or any other names), or a plate.",
                icon=":material/folder_open:")  # fmt: skip
        return None
    path = Path(place).expanduser()
    if not path.exists():
        st.error(f"there is nothing at {path}", icon=":material/error:")
        return None
    session.note(source=str(path))
    return path


def _recorded_place() -> str:
    """Name the recorded plate of what is open; nothing where none is."""
    with suppress(UnstainedError):
        opened = cached.place(session.plate_place())
        if opened.source is not None:
            return str(opened.source.path)
    return ""


def _opened(place: str) -> Opened | None:
    try:
        opened = cached.place(place)
    except UnstainedError as error:
        st.error(one_line(error, most=600), icon=":material/error:")
        return None
    if opened.predicted is not None:
        st.info("This plate is predicted already.")
        if st.button("Look at it", type="primary", key="look"):
            session.open_plate_at(place)
            session.go("plate")
            st.rerun()
        return None
    return opened


def images_in(folder: Path) -> list[str]:
    """List the images of a folder by their path in it, at most `MOST_LISTED`."""
    known = (*IMAGE_SUFFIXES, *READERS)
    found: list[str] = []
    for path in folder.rglob("*"):
        if path.suffix.lower() in known:
            found.append(path.relative_to(folder).as_posix())
        if len(found) >= MOST_LISTED:
            break
    return sorted(found)


def likely_preset(names: list[str]) -> str | None:
    """Find the naming scheme that most of some files follow; None where none fits most."""
    fitting = {
        name: sum(preset.match(each) is not None for each in names) for name, preset in PRESETS.items()
    }
    best = max(fitting, key=lambda name: fitting[name])
    return best if names and fitting[best] > len(names) / 2 else None


def _import(source: Path) -> None:
    """Make a plate of a folder of images: how files are named, what is in the wells."""
    names = images_in(source) if source.is_dir() else [source.name]
    if not names:
        st.error(f"{source} holds no image of a known kind", icon=":material/error:")
        return
    more = "at least " if len(names) == MOST_LISTED else ""
    st.caption(f"{more}{len(names)} images, for example {names[0]}")
    out = session.home() / "plates" / short_hash(str(source.resolve())) / f"{source.name}.zarr"
    with st.form("import", border=True):
        st.markdown("The images become a plate; they are only read.")
        schemes = ["by a manifest or their names", *PRESETS, "a regular expression"]
        preset = likely_preset(names)
        columns = st.columns(3)
        scheme = columns[0].selectbox("How files are named", schemes, key="scheme",
                                      index=schemes.index(preset) if preset else 0)  # fmt: skip
        pattern = columns[1].text_input("Regular expression: well, field, channel, z, t", key="pattern",
                                        placeholder=r"(?P<well>[A-H]\d\d)_(?P<channel>\w+)\.tif")  # fmt: skip
        size = columns[2].number_input("Pixel size, µm, if not in the files", value=None, min_value=0.001,
                                       format="%.4f", key="import size")  # fmt: skip
        wells = st.file_uploader(
            "Plate map: what is in each well (csv or xlsx)", type=["csv", "xlsx"], key="wells"
        )
        if st.form_submit_button("Make the plate", type="primary"):
            words = [IMPORT, str(source), "--out", str(out), "--overwrite"]
            words += ["--preset", scheme] if scheme in PRESETS else []
            words += ["--pattern", pattern] if scheme == schemes[-1] and pattern else []
            words += ["--pixel-size-um", str(size)] if size else []
            words += ["--wells", str(_kept_map(wells.name, wells.getvalue()))] if wells is not None else []
            jobs.begin(session.jobs_folder(), IMPORT, words, out)
            st.rerun()
    parts.jobs_panel(IMPORT)
    made = next((job for job in jobs.jobs_in(session.jobs_folder(), IMPORT) if job.out == out), None)
    if (
        made is not None
        and made.state == "done"
        and st.button("Go on with the plate", type="primary", key="imported")
    ):
        session.note(source=str(out))
        st.session_state.pop("source", None)
        st.rerun()


def _kept_map(name: str, content: bytes) -> Path:
    kept = session.home() / "plate-maps" / f"map{Path(name).suffix.lower()}"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(content)
    return kept


def _channel_and_wells(opened: Opened) -> str:
    assert opened.source is not None
    plate = opened.source
    left, right = st.columns([1, 3])
    channel = left.selectbox("Label-free channel", list(plate.channels), key="input channel")
    size = "not known" if plate.pixel_size_um is None else f"{plate.pixel_size_um:g} µm"
    left.caption(f"{len(plate.wells)} wells, {len(plate.fields)} fields, pixel size {size}")
    if len(plate.conditions.columns) > 1:
        right.dataframe(plate.conditions, hide_index=True, height=160)
    else:
        right.info("Nothing is known of the wells. To rank clones, import with a plate map.")
    return channel


def _models(opened: Opened, channel: str) -> list[Listed]:
    found = cached.fitting(parts.models_folder(), opened.place)
    assert opened.source is not None
    here = opened.source.channels
    usable = [  # what is read applies to all of them, so none that reads another channel of this plate
        each for each in found
        if (each.card.input == channel and each.misfit is None) or each.card.input not in here
    ]  # fmt: skip
    table = pd.DataFrame(
        {
            "model": [each.card.name for each in found],
            "reads": [each.card.input for each in found],
            "predicts": [", ".join(each.card.stains) for each in found],
            "fits": ["yes" if each.misfit is None else f"no: {each.misfit}" for each in found],
            "but": [each.caution or "" for each in found],
        }
    )
    st.dataframe(table, hide_index=True)
    fits = [each.name for each in found if each.misfit is None and each.card.input == channel]
    names = st.multiselect(
        "Models", [each.name for each in usable], default=fits[:1], key=f"models for {channel}",
        help="Several models are taken together where they predict different stains.",
    )  # fmt: skip
    if not names:
        st.info("Choose a model. Where none fits, train one in **Train** on a few stained fields.")
    return [each for each in usable if each.name in names]


def _run(opened: Opened, channel: str, chosen: list[Listed]) -> None:
    assert opened.source is not None
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    usual = session.home() / "results" / opened.slug
    out = Path(left.text_input("Folder for the results", value=str(usual), key="screen out")).expanduser()
    if right.button("Run", type="primary", width="stretch", icon=":material/play_arrow:", key="run"):
        words = [SCREEN, str(opened.source.path), "--out", str(out)]
        words += [word for each in chosen for word in ("--model", str(each.path))]
        words += ["--input", channel] if any(each.card.input != channel for each in chosen) else []
        jobs.begin(session.jobs_folder(), SCREEN, words, out)
        st.rerun()
    parts.jobs_panel(SCREEN)
    if (out / "predicted.zarr").exists() and (out / "run.json").exists():
        look, report = st.columns(2)
        if look.button("Look at the ranking", type="primary", width="stretch", key="ranking"):
            session.open_plate_at(str(out))
            session.go("plate")
            st.rerun()
        page = out / "report.html"
        if page.exists():
            report.download_button("Download the report", page.read_bytes, page.name, "text/html",
                                   on_click="ignore", width="stretch")  # fmt: skip
