"""`unstained cost`: what it says, what it writes, what it refuses; times are measured on small images."""

import json

import pytest
import yaml

from unstained.cost.estimate import Costs
from unstained.cost.prices import shipped_prices


@pytest.fixture(scope="module")
def costed(run, plate, model, tmp_path_factory):
    """Give the folder of costs of a small plate, and what was said."""
    out = tmp_path_factory.mktemp("costs") / "cost"
    words = ("--model", model, "--out", out, "--plates", 7, "--steps", 300, "--device", "cpu", "--json")
    return out, run("cost", plate, *words)


def test_costs_are_said_and_written(costed):
    out, found = costed
    assert found.code == 0
    assert {path.name for path in out.iterdir()} == {"cost.json", "cost.csv", "cost.png", "run.json"}
    assert all(
        word in found.out for word in ("measured here: ", "g5.xlarge", "staining costs 360 USD a plate")
    )
    stored = Costs.model_validate(json.loads((out / "cost.json").read_text(encoding="utf-8")))
    assert (stored.model, stored.plate_fields, stored.plates, stored.steps) == ("blobs", 4, 7, 300)
    assert found.last["command"] == "cost"
    assert found.last["rows"] == json.loads((out / "cost.json").read_text(encoding="utf-8"))["rows"]


def test_what_was_measured_can_be_true(costed):
    times = Costs.model_validate_json((costed[0] / "cost.json").read_text(encoding="utf-8")).times
    assert 0 < times.draw_s < times.step_s
    assert times.field_px == (96, 112)
    assert times.working_megapixels == pytest.approx(96 * 112 / 1e6)
    assert min(times.read_s, times.write_s, times.segment_s, times.measure_s, times.prepare_s) > 0
    assert times.written_bytes > 1000
    assert times.written_objects > times.read_objects >= 1


def test_what_is_there_is_not_replaced_unasked(costed, run, plate, model):
    found = run("cost", plate, "--model", model, "--out", costed[0])
    assert (found.code, len(found.err.splitlines())) == (1, 1)
    assert "--overwrite" in found.err


def test_without_a_model_the_dearest_is_costed_and_said_to_be(run, plate):
    found = run("cost", plate, "--device", "cpu", "--json")
    assert found.code == 0
    assert "caution: no model was given" in found.err
    assert (found.last["model"], found.last["out"]) == (None, None)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--model", "no-such"), "no model 'no-such'"),
        (("--prices", "no.yaml"), "no.yaml"),
        (("--device", "abacus"), "no device 'abacus'"),
    ],
)
def test_bad_input_is_one_line(run, plate, model, words, said):
    asked = () if "--model" in words else ("--model", model)
    found = run("cost", plate, *asked, *words)
    assert (found.code, found.out) == (1, "")
    (line,) = found.err.splitlines()
    assert said in line


def test_prices_with_an_unknown_entry_are_refused_before_anything_is_timed(run, plate, model, tmp_path):
    values = {**yaml.safe_load(shipped_prices().read_text(encoding="utf-8")), "discount": 0.5}
    path = tmp_path / "prices.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    found = run("cost", plate, "--model", model, "--prices", path)
    assert found.code == 1
    (line,) = found.err.splitlines()
    assert "discount: Extra inputs" in line


@pytest.mark.slow
def test_without_a_plate_built_in_images_are_timed_for_a_usual_plate(run):
    found = run("cost", "--model", "hela-rpe1-nuclei", "--device", "cpu", "--json")
    assert found.code == 0
    assert found.last["plate_fields"] == 384
    assert found.last["times"]["field_px"] == [2048, 2048]
