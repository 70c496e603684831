"""What every command promises: help with an example, its last line as JSON, exit codes, and a quick start."""

import json
import re
import subprocess
import sys
import time

import pytest
import typer

from unstained.cli import app
from unstained.version import __version__

HEAVY = {"torch", "ngio", "zarr", "pandas", "lightning", "skimage", "pydantic", "rich.progress"}


def commands() -> dict[str, object]:
    found = {}
    for name, command in typer.main.get_command(app).commands.items():
        inner = getattr(command, "commands", {})
        found |= {f"{name} {word}": each for word, each in inner.items()} if inner else {name: command}
    return found


def test_the_commands_of_the_path_are_there_in_its_order():
    assert list(commands()) == [
        "demo", "screen", "sample", "twin", "import", "check", "models", "train", "predict", "measure",
        "evaluate", "rank", "report", "study", "stability", "embed", "cost", "app", "export",
        "drift check", "drift watch",
    ]  # fmt: skip


@pytest.mark.parametrize("name", commands())
def test_every_command_has_help_with_an_example_and_the_common_options(name, run):
    command = commands()[name]
    assert re.search(rf"Example: unstained {name} ", command.help)
    options = {option for parameter in command.params for option in parameter.opts}
    assert {"--json", "--settings"} <= options
    assert ("--out" in options) == ("--overwrite" in options)
    shown = run(*name.split(), "--help")
    assert shown.code == 0
    assert "Example: unstained" in shown.out
    assert all(parameter.help for parameter in command.params), "an option without a word of help"


def test_examples_are_commands_that_parse():
    for name, command in commands().items():
        for example in re.findall(r"Example: unstained (.*)", command.help):
            words = example.removeprefix(name).split()
            command.make_context(name, words).close()


def test_help_and_version_take_less_than_a_second():
    # Wall time on a busy machine says little, hence the wide limit; what is imported is counted below.
    for option in ("--help", "--version"):
        begun = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-X", "utf8", "-m", "unstained", option],
            capture_output=True,
            text=True,
            check=True,
        )
        assert time.perf_counter() - begun < 10
        assert done.stderr == ""
    assert done.stdout.split() == ["unstained", __version__]


def test_the_command_line_imports_no_stage():
    told = f"import sys, unstained.cli; print(*sorted({HEAVY!r} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []


@pytest.mark.parametrize(
    "words",
    [["nonsense"], ["check"], ["train", "P.zarr"], ["predict", "P.zarr", "--out", "Q.zarr", "--depth", "3"]],
)
def test_wrong_usage_exits_with_2(run, words):
    found = run(*words)
    assert found.code == 2
    assert found.out == ""
    assert "Usage: " in found.err


def test_no_command_at_all_shows_the_help(run):
    assert "Commands" in run().out + run().err


def test_a_bug_keeps_its_traceback(run, plate, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("unstained.plates.plate.open_plate", broken)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        run("check", plate)


def test_ctrl_c_is_one_line_and_exits_with_130(run, plate, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("unstained.plates.plate.open_plate", interrupted)
    found = run("check", plate)
    assert found.code == 130
    assert found.err.splitlines() == [
        "interrupted; the same command goes on where it stopped, or begins anew"
    ]


def test_ctrl_c_in_lightning_which_makes_an_exit_of_it_is_the_same(run, plate, monkeypatch):
    def interrupted(*_):
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            sys.exit(1)

    monkeypatch.setattr("unstained.plates.plate.open_plate", interrupted)
    assert run("check", plate).code == 130


def test_the_last_line_is_json_also_where_a_number_is_not_finite():
    told = (
        "from unstained.cli.task import task\n"
        "from pathlib import Path\n"
        "with task('x', json=True) as t:\n"
        "    t.found(a=float('nan'), b=[float('inf'), 1.5], out=Path('o'))\n"
    )
    found = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    last = json.loads(found.stdout)
    assert (last["command"], last["out"], last["a"], last["b"]) == ("x", "o", None, [None, 1.5])
    assert last["version"] == __version__
    assert last["seconds"] >= 0


def test_warnings_of_libraries_stay_away_and_ours_are_one_line():
    told = (
        "import warnings\n"
        "from unstained.cli.task import task\n"
        "from unstained.errors import UnstainedWarning\n"
        "with task('x', json=False):\n"
        "    warnings.warn('a library mutters')\n"
        "    warnings.warn('know\\nthis', UnstainedWarning)\n"
    )
    quiet = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert quiet.stderr.splitlines() == ["caution: know this"]
    asked = subprocess.run(
        [sys.executable, "-W", "always", "-c", told], capture_output=True, text=True, check=True
    )
    assert "a library mutters" in asked.stderr
