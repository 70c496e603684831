"""The first screen: drop an image, or open a plate."""

import streamlit as st

from unstained.app import parts, session, uploads


def show() -> None:
    """Draw the first screen."""
    st.title("See the stain that isn't there", anchor=False)
    st.markdown(
        "**unstained** predicts fluorescent stains from label-free images, measures the cells in them,"
        " and says how far that can be believed."
    )
    left, right = st.columns(2, gap="large")
    with left.container(border=True, height="stretch"):
        st.subheader("Label an image", anchor=False)
        drop_zone("first")
        if st.button("Try the example image", icon=":material/image:", key="example image"):
            session.go("label", image=uploads.EXAMPLE_IMAGE, well=None, field=None)
            st.rerun()
    with right.container(border=True, height="stretch"):
        st.subheader("Look at a plate", anchor=False)
        st.markdown("A plate that `unstained` imported, predicted or screened; or begin with **Screen**.")
        parts.open_plate_form()
    parts.jobs_panel()


def drop_zone(key: str) -> None:
    """Take an image; it is kept, and shown in the Label view."""
    dropped = st.file_uploader(
        "Drop a label-free image here: TIFF, OME-TIFF, PNG, nd2, …",
        type=list(uploads.TYPES),
        key=f"drop-{key}-{st.session_state.get('drops', 0)}",
    )
    if dropped is None:
        return
    kept = uploads.keep(dropped.name, dropped.getvalue(), session.home() / uploads.FOLDER)
    st.session_state["drops"] = st.session_state.get("drops", 0) + 1  # an empty zone, for the next one
    place = kept.relative_to(session.home() / uploads.FOLDER).as_posix()
    session.go("label", image=place, well=None, field=None)
    st.rerun()
