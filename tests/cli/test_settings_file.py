"""`--settings F.yaml`: its values are defaults of the command, flags win, unknown names are refused."""

import pytest
import typer

from unstained.cli.models import training_settings
from unstained.cli.options import further_settings, named, place, take_settings
from unstained.plates.plate import open_plate


@pytest.fixture
def context():
    """Give the context of a command with the options `steps` and `input`, and the name of `train`."""

    def train(steps: int = 1, input: str = "TL") -> None: ...

    app = typer.Typer()
    app.command()(train)
    command = typer.main.get_command(app)
    return command.make_context("train", [])


def write(tmp_path, text):
    path = tmp_path / "settings.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_values_become_defaults_and_stage_settings_are_kept(context, tmp_path):
    take_settings(context, write(tmp_path, "steps: 7\nlearning-rate: 0.5\ncrops.side: 64\n"))
    assert context.default_map == {"steps": 7}
    assert further_settings(context) == {"learning_rate": 0.5, "crops.side": 64}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stepz: 7", ("'stepz'", "steps")),
        ("crops: {side: 64}", ("'crops'", "crops.side")),
        ("- 7", ("name: value",)),
        ("steps: [", ("settings.yaml",)),
        ("on: true", ("'True'", "steps")),
        ("1: 2", ("'1'",)),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line(run, tmp_path, text, said):
    found = run("train", "P.zarr", "--out", "M", "--settings", write(tmp_path, text))
    assert found.code == 1
    (line,) = found.err.splitlines()
    assert all(part in line for part in said)


def test_a_file_that_is_not_there_is_one_line(run, tmp_path):
    found = run("check", "P.zarr", "--settings", tmp_path / "no.yaml")
    assert (found.code, len(found.err.splitlines())) == (1, 1)


def test_flags_win_over_the_file_and_the_file_over_what_is_built_in(run, plate, model, tmp_path):
    path = write(tmp_path, f"model: [{model}]\nfields: A01/1\nout: {tmp_path / 'from-file.zarr'}\n")
    found = run("predict", plate, "--settings", path, "--out", tmp_path / "from-flag.zarr", "--json")
    assert (found.code, found.last["out"]) == (0, str(tmp_path / "from-flag.zarr"))
    assert [(row["well"], row["field"]) for row in found.last["fields"]] == [("A01", 1)]


def test_a_value_of_the_wrong_type_is_wrong_usage(run, tmp_path):
    found = run("train", "P.zarr", "--out", "M", "--settings", write(tmp_path, "steps: many"))
    assert found.code == 2


def test_dotted_names_change_values_of_the_recipe():
    changed = training_settings(
        "default", {"crops.side": 64, "network.width": 8, "steps": 5, "minutes": None}
    )
    assert (changed.crops.side, changed.network.width, changed.steps) == (64, 8, 5)
    untouched = training_settings("default", {})
    assert changed.crops.noise == untouched.crops.noise
    assert training_settings("frm", {}).optimiser == "adadelta"


def test_lists_and_places():
    assert named("A03, A01/2,") == ("A03", "A01/2")
    assert named(None) is None
    assert place("s3://bucket/p.zarr") == "s3://bucket/p.zarr"
    assert place("p.zarr").name == "p.zarr"


def test_lists_in_a_file_are_taken_as_options_have_them(run, tmp_path):
    text = "wells: 2\nfields: 1\nside-px: 64\ndays: [0, 30]\nlabel_free: [DIC, BF]\nbits: 12\n"
    settings = write(tmp_path, text)
    found = run("twin", "--out", tmp_path / "cho.zarr", "--settings", settings, "--json")
    assert found.last["channels"][:2] == ["DIC", "BF"]
    assert found.last["truth"] == str(tmp_path / "cho-truth.zarr")
    plate = open_plate(tmp_path / "cho.zarr")
    assert sorted(plate.conditions["day"]) == [0, 30]
    assert plate.info["twin"]["bits"] == 12
    assert plate.info["runs"]["twin"]["inputs"] == {"twin_version": 1}
