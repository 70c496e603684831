"""Models: cards of those at hand, where each comes from, where it holds, and its files."""

import io
import zipfile
from pathlib import Path

import pandas as pd
import streamlit as st

from unstained.app import cached, curves, jobs, live, parts, plots, session
from unstained.networks.bundle import ModelCard
from unstained.prediction.catalogue import Listed

EXPORT = "export"
EXPORTED = {"onnx": ("as ONNX", ".onnx"), "bioimageio": ("for the BioImage Model Zoo", ".zip")}
"""What `unstained export` makes: what it is called, and its ending."""

MAKING = ("recipe", "steps", "minutes", "seed", "loss", "optimiser", "seconds")


def show() -> None:
    """Draw the view."""
    found = cached.models(parts.models_folder())
    if not found:
        st.info("No model is at hand; train one in **Train**.")
        return
    model = parts.model_cards(found, "models", session.asked("model"))
    if model is None:
        st.info("Choose a model to see where it comes from and where it holds.", icon=":material/touch_app:")
        return
    st.subheader(model.card.name, anchor=False)
    if model.card.simulated:
        st.warning(
            "It has only seen simulated images; on real ones it is never trusted.",
            icon=parts.ICONS["caution"],
        )
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown("**Provenance**")
        st.dataframe(provenance(model.card), hide_index=True, height=420)
    with right:
        _envelope(model)
        course = Path(model.path) / "curves.png"
        if course.exists():
            st.markdown("**Training**")
            st.image(str(course), width="stretch", alt="loss and validation PCC over the training")
    _files(model)


def provenance(card: ModelCard) -> pd.DataFrame:
    """Say where a model comes from: one row a fact."""
    roles = {role: len(prints) for role, prints in card.fingerprints.items()}
    facts: dict[str, object] = {
        "reads": card.input,
        "predicts": ", ".join(card.stains),
        "learnt from": ", ".join(card.targets),
        "pixel size, µm": "not known" if card.pixel_size_um is None else f"{card.pixel_size_um:g}",
        "images": "simulated" if card.simulated else "real",
        "fields": ", ".join(f"{number} {role}" for role, number in roles.items()),
        "split by": card.split.get("level", "not told"),
        **{
            name.replace("_", " "): f"{value:.3f}"
            for name, value in card.metrics.items()
            if value is not None
        },
        **{name: card.training[name] for name in MAKING if card.training.get(name) is not None},
        "licence": card.licence or "not told",
        "credit": card.attribution or "not told",
        "made by": f"unstained {card.version}",
        "weights, SHA-256": card.weights_sha256[:16] + "…",
    }
    return pd.DataFrame({"fact": list(facts), "value": [str(value) for value in facts.values()]})


def _envelope(model: Listed) -> None:
    st.markdown("**Where its numbers hold** (blue)")
    trust = live.trust_in(cached.labeller(str(model.path), model.card.weights_sha256))
    if trust is None:
        st.info("This model keeps no envelope; train it anew.")
        return
    tried = [curve.kind for of_stain in trust.envelope.curves.values() for curve in of_stain]
    kinds = {kind: kind.replace("_", " ") for kind in tried}
    st.plotly_chart(
        curves.envelope_bars(trust.envelope, {}, dict(list(kinds.items())[:10])), config=plots.PLAIN_CONFIG,
        key="model envelope", alt="strengths of corruptions within which the model holds",
    )  # fmt: skip
    st.caption(trust.promises())


def _files(model: Listed) -> None:
    columns = st.columns(1 + len(EXPORTED))
    columns[0].download_button(
        "Download the model (.zip)", lambda: packed(Path(model.path)), f"{model.card.name}.zip",
        "application/zip", on_click="ignore", icon=":material/download:", width="stretch",
    )  # fmt: skip
    for column, (to, (what, suffix)) in zip(columns[1:], EXPORTED.items(), strict=True):
        with column:
            _exported(model, to, what, suffix)
    st.caption(f"The command takes it as: --model {model.name}. Exports are compared with the model first.")
    parts.jobs_panel(EXPORT)


def _exported(model: Listed, to: str, what: str, suffix: str) -> None:
    """Draw what exports a model for other programs, or what downloads it where that is done."""
    out = session.home() / "exports" / f"{model.card.name}-{model.card.weights_sha256[:8]}-{to}{suffix}"
    if out.exists():
        st.download_button(
            f"Download {what}", out.read_bytes, f"{model.card.name}{suffix}", on_click="ignore",
            icon=":material/download:", width="stretch", key=f"download {to}",
        )  # fmt: skip
    elif st.button(f"Export {what}", icon=":material/output:", width="stretch", key=f"export {to}"):
        words = [EXPORT, str(model.path), "--to", to, "--out", str(out)]
        jobs.begin(session.jobs_folder(), EXPORT, words, out)
        st.rerun()


def packed(path: Path) -> bytes:
    """Give a model as one .zip, which every command takes as it is."""
    if path.is_file():
        return path.read_bytes()
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in sorted(path.iterdir()):
            if part.is_file():
                archive.write(part, part.name)
    return held.getvalue()
