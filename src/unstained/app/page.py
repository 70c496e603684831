"""The script that Streamlit runs, from top to bottom, for every user and every click."""

from unstained.app.shell import show

show()
