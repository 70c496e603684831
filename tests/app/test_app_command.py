"""`unstained app` serves the pages with nothing sent anywhere, and says what is missing."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

pytest.importorskip("streamlit", reason="the extra [app] isn't installed")

from unstained.app import session
from unstained.cli import app as commands
from unstained.cli import web_app


def test_the_server_keeps_to_itself():
    words = web_app.server("localhost", 8600, 64)
    assert Path(words[4]).name == "page.py"
    assert Path(words[4]).is_file()
    for option in ("--browser.gatherUsageStats=false", "--server.headless=true", "--server.maxUploadSize=64",
                   "--server.address=localhost", "--server.port=8600"):  # fmt: skip
        assert option in words


def test_light_and_dark_are_the_systems_choice():
    # A colour for the theme as a whole would make it one of its own, which is always light.
    names = [word[2:].partition("=")[0] for word in web_app.server("localhost", 8600, 64)[5:]]
    assert [name for name in names if name.startswith("theme.") and name.count(".") == 1] == []


def test_every_option_is_one_that_streamlit_knows():
    from streamlit import config

    names = [word[2:].partition("=")[0] for word in web_app.server("localhost", 8600, 64)[5:]]
    known = config.get_config_options()
    assert [name for name in names if name not in known] == []


def test_command_and_pages_mean_the_same_by_the_same_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = web_app.environment("plate.zarr", Path("work"))
    assert told[session.PLATE] == str(tmp_path / "plate.zarr")
    assert told[session.WORKSPACE] == str(tmp_path / "work")
    assert web_app.environment("s3://bucket/p.zarr", Path())[session.PLATE] == "s3://bucket/p.zarr"
    assert web_app.environment(None, Path())[session.PLATE] == ""


def test_without_the_extra_one_line_says_which(monkeypatch):
    monkeypatch.setattr(web_app, "find_spec", lambda name: None if name == "streamlit" else object())
    found = CliRunner().invoke(commands, ["app"])
    assert found.exit_code == 1
    assert "pip install 'unstained[app]'" in found.output
