"""Trust: make an image worse and see what holds; the operating envelope; drift as it was watched."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from unstained.app import cached, curves, jobs, live, parts, pictures, plots, session
from unstained.app.opened import Opened, short_hash
from unstained.measurement.downstream import MEASURES
from unstained.plates.plate import FieldName
from unstained.prediction.catalogue import Listed
from unstained.trust.verdict import Trust, in_words
from unstained.trust.watch import RECORD, recorded

WATCH, CHECK = "drift watch", "drift check"
CROP_CONFIG = plots.PICTURE_CONFIG


def show() -> None:
    """Draw the view."""
    opened = parts.plate_or_way_there()
    if opened is None:
        return
    left, middle, _ = st.columns([2, 2, 2])
    with left:
        model = _model(opened)
    if model is None:
        return
    weights = model.card.weights_sha256
    trust = live.trust_in(cached.labeller(str(model.path), weights))
    section = parts.section(["Live", "Stability curves", "Drift"], "trust section")
    if section == "Stability curves":
        _curves(trust)
    elif section == "Drift":
        _drift(opened, model)
    elif opened.source is None:
        st.info("The recorded plate isn't there any more, so there is no label-free image to try on.")
    else:
        with middle:
            name = _field(opened)
        _live(str(model.path), weights, name, trust)


def _model(opened: Opened) -> Listed | None:
    """Ask which model is put to the test: one that fits the recorded plate, that of the prediction first."""
    place = session.plate_place()
    found = [each for each in cached.fitting(parts.models_folder(), place) if each.misfit is None]
    if not found:
        st.info("No model at hand fits this plate's channels and pixel size; train one in **Train**.")
        return None
    used = str((opened.predicted.info.get("model", {}) if opened.predicted else {}).get("name", ""))
    usual = next((index for index, each in enumerate(found) if each.card.name == used), 0)
    return found[parts.model_box(found, "trust model", usual)]


def _field(opened: Opened) -> FieldName:
    assert opened.source is not None
    fields = list(opened.source.fields)
    asked = (session.asked("well"), session.asked_number("field"))
    usual = next((index for index, name in enumerate(fields) if tuple(name) == asked), 0)
    return st.selectbox("Field", fields, index=usual, format_func=str, key="trust field")


@st.fragment
def _live(model: str, weights_sha256: str, name: FieldName, trust: Trust | None) -> None:
    """Draw the experiment; only this part of the page is drawn anew when a slider moves."""
    place = session.plate_place()
    crop = cached.crop(model, weights_sha256, place, name)
    left, right = st.columns([1, 3], gap="medium")
    with left:
        strengths = {kind: _slider(kind, label) for kind, label in live.SLIDERS.items()}
        st.button("Back to as it was", on_click=_reset, icon=":material/restart_alt:", width="stretch")
        stain = st.segmented_control("Stain", list(crop.bench.engine.card.stains), key="trust stain",
                                     default=crop.bench.engine.card.stains[0], required=True)  # fmt: skip
    found = cached.outcome(model, weights_sha256, place, name, tuple(strengths.items()))
    index = list(crop.bench.engine.card.stains).index(str(stain))
    with right:
        parts.verdict_box(found.verdict)
        _figures(found, index)
        _pictures(crop, found, index)
    low, high = st.columns(2, gap="medium")
    with low:
        st.markdown("**What is measured** in the crop")
        _measures(crop, found, index)
    with high:
        st.markdown("**Operating envelope**: blue is where the model's numbers hold")
        if trust is None:
            st.info("This model keeps no envelope; train it anew.")
        else:
            st.plotly_chart(
                curves.envelope_bars(trust.envelope, strengths, live.SLIDERS), config=plots.PLAIN_CONFIG,
                key="envelope", alt="strengths tried, strengths that hold, and where the sliders stand",
            )  # fmt: skip


def _slider(kind: str, label: str) -> float:
    low, high = live.ends_of(kind)
    step = {"defocus": 0.25, "lamp": 0.05, "contrast": 0.1, "brightness": 10.0}[kind]
    return float(st.slider(label, low, high, live.neutral()[kind], step, key=f"slider-{kind}"))


def _reset() -> None:
    for kind, strength in live.neutral().items():
        st.session_state[f"slider-{kind}"] = strength


def _figures(found: live.Outcome, index: int) -> None:
    verdict = found.verdict or {}
    columns = st.columns(4)
    pcc = found.pcc[index] if found.pcc else None
    columns[0].metric("PCC with the real stain", "–" if pcc is None else f"{pcc:.3f}")
    columns[1].metric("Expected PCC, all stains", _two(verdict.get("expected_pcc")))
    columns[2].metric("at least (90 %)", _two(verdict.get("pcc_at_least")))
    columns[3].metric("Saturated pixels", f"{found.saturated:.1%}")


def _pictures(crop: live.Crop, found: live.Outcome, index: int) -> None:
    colour = crop.bench.known[index].stain.colour
    usual = pictures.STAINED
    ends = usual.limits(crop.truth[index]) if crop.truth else usual.limits(found.stains[index])
    same = pictures.Contrast(*ends, by_hand=True)
    as_it_was = pictures.Contrast(*pictures.LABEL_FREE.limits(crop.plane), by_hand=True)
    shown = [
        plots.Shown("label-free, now", pictures.data_url(pictures.grey(found.plane, as_it_was))),
        plots.Shown("predicted", pictures.data_url(pictures.stained(found.stains[index], same, colour))),
    ]
    if crop.truth:
        shown.append(
            plots.Shown("real", pictures.data_url(pictures.stained(crop.truth[index], same, colour)))
        )
    st.plotly_chart(
        plots.linked(shown, crop.plane.shape, width_px=880), config=CROP_CONFIG, key="crop",
        alt="the crop, its predicted and its real stain",
    )  # fmt: skip


def _measures(crop: live.Crop, found: live.Outcome, index: int) -> None:
    predicted, real = live.measured(crop, found, index)
    rows = [
        {"measurement": name, "predicted": predicted[name], "real": None if real is None else real[name]}
        for name in MEASURES
    ]
    table = pd.DataFrame(rows)
    if real is not None:
        table["difference"] = [_relative(row) for row in rows]
    st.dataframe(table.style.format(precision=4, na_rep="–"), hide_index=True, width="stretch")


def _relative(row: dict[str, Any]) -> str:
    predicted, real = row["predicted"], row["real"]
    return "–" if predicted is None or not real else f"{(predicted - real) / real:+.1%}"


def _curves(trust: Trust | None) -> None:
    if trust is None:
        st.info("This model keeps no envelope; train it anew.")
        return
    by_kind: dict[str, dict[str, Any]] = {}
    for stain, of_stain in trust.envelope.curves.items():
        for curve in of_stain:
            by_kind.setdefault(curve.kind, {})[stain] = curve
    st.markdown(
        f"How far each stain's PCC falls, tried on {trust.envelope.fields} fields. A stain holds above"
        f" the dotted line: {1 - trust.envelope.tolerance:.0%} of what it is on clean fields."
    )
    usual = [kind for kind in live.SLIDERS if kind in by_kind]
    chosen = st.multiselect(
        "Corruptions", list(by_kind), default=usual, key="curve kinds",
        format_func=lambda kind: kind.replace("_", " "),
    )  # fmt: skip
    columns = st.columns(2)
    for index, kind in enumerate(chosen):
        now = st.session_state.get(f"slider-{kind}")
        with columns[index % 2]:
            st.plotly_chart(
                curves.stability_curves(by_kind[kind], trust.envelope.tolerance, now),
                config=plots.PLAIN_CONFIG, key=f"curve-{kind}", alt=f"PCC by strength of {kind}",
            )  # fmt: skip


def _drift(opened: Opened, model: Listed) -> None:
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("**This plate** against the fields that the model was made from")
        _check(opened, model)
    with right:
        st.markdown("**A folder** that a microscope writes images into")
        folder = st.text_input("Folder of images", key="watched", placeholder="/scope/today")
        if st.button("Watch it", key="watch", icon=":material/visibility:", disabled=not folder.strip()):
            watched_folder = Path(folder.strip()).expanduser().resolve()
            own = short_hash(str(watched_folder), str(model.card.weights_sha256))
            out = session.home() / "watches" / f"{watched_folder.name or 'folder'}-{own}"
            words = ["drift", "watch", folder.strip(), "--model", str(model.path), "--out", str(out)]
            jobs.begin(session.jobs_folder(), WATCH, words, out)
            st.rerun()
    parts.jobs_panel(WATCH, CHECK)
    _history()


def _check(opened: Opened, model: Listed) -> None:
    if opened.source is None:
        st.caption("The recorded plate isn't there any more.")
        return
    out = session.home() / "checks" / f"{opened.slug}-{model.card.weights_sha256[:8]}.json"
    if st.button("Check it", key="check", icon=":material/fact_check:"):
        words = ["drift", "check", str(opened.source.path), "--model", str(model.path), "--out", str(out),
                 "--overwrite"]  # fmt: skip
        jobs.begin(session.jobs_folder(), CHECK, words, out)
        st.rerun()
    if out.exists():
        told = json.loads(out.read_text(encoding="utf-8"))
        box = st.warning if told.get("drifted") or told.get("harmful") else st.success
        box(told["says"])
        p_value = told.get("p_value")
        st.caption(
            f"{told['fields']} fields of {told['wells']} wells, "
            + ("not tested" if p_value is None else f"p = {p_value:.4f}")
            + "".join(
                f"; {in_words(name)} moved by {far:+.1f}" for name, far in told.get("moved", {}).items()
            )
        )


def _history() -> None:
    """Draw what watches have found: the score of every image, the threshold, alarms with their cause."""
    folder = session.home() / "watches"
    own = sorted(path.parent for path in folder.glob(f"*/{RECORD}")) if folder.is_dir() else []
    other = st.text_input(
        "Folder that `unstained drift watch --out` wrote", key="watch folder", placeholder="watch",
        value=str(own[-1]) if own else "",
    )  # fmt: skip
    if not other.strip():
        st.info(
            "No folder was watched yet: watch one above, or name what the command wrote.",
            icon=":material/timeline:",
        )
        return
    rows = watched(Path(other.strip()))
    if not rows:
        st.info(f"{other} holds no {RECORD} with images yet.")
        return
    st.plotly_chart(curves.drift_history(rows), key="history", config=plots.PLAIN_CONFIG,
                    alt="drift score by image, its threshold, alarms")  # fmt: skip
    alarms = [row for row in rows if row.get("alarm")]
    for row in alarms[-3:]:
        harm = "predictions are expected to suffer" if row.get("harmful") else "predictions should hold"
        st.warning(f"alarm at {row['image']}: {row.get('cause', 'cause not known')}; {harm}")
    if not alarms:
        st.success(f"{len(rows)} images, no alarm")


def watched(folder: Path) -> list[dict[str, Any]]:
    """Read what a watch wrote down, one row an image; nothing where it wrote nothing."""
    return recorded(folder.expanduser())


def _two(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
