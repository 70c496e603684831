"""The pages, run without a browser: each view draws, empty states say what to do, choices are kept."""

from pathlib import Path

import pytest

pytest.importorskip("streamlit", reason="the extra [app] isn't installed")
pytest.importorskip("psutil", reason="the extra [app] isn't installed")

from streamlit.testing.v1 import AppTest

import unstained
from unstained.app import session, uploads

PAGE = Path(unstained.__file__).parent / "app" / "page.py"

pytestmark = [
    pytest.mark.filterwarnings("ignore::unstained.errors.UnstainedWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture
def page(tmp_path, monkeypatch):
    """Open the app as a browser does that follows an address: view and what else is asked for."""
    monkeypatch.setenv(session.WORKSPACE, str(tmp_path))
    monkeypatch.setenv(session.PLATE, "")

    def run(view: str, **asked: str) -> AppTest:
        app = AppTest.from_file(str(PAGE), default_timeout=120)
        for name, value in {"me": "tester", "view": view, **asked}.items():
            app.query_params[name] = value
        return app.run()

    return run


def said(app: AppTest) -> str:
    """Join all boxes that say something."""
    return "\n".join(str(box.value) for box in (*app.info, *app.warning, *app.error, *app.success))


@pytest.mark.parametrize("view", ["plate", "trust", "map", "train"])
def test_without_a_plate_the_page_says_how_to_open_one(page, view):
    app = page(view)
    assert not app.exception
    assert "No plate is open yet" in said(app)
    assert {button.label for button in app.button} >= {"Open", "Make the example plate"}


def test_the_first_screen_has_a_drop_zone_and_the_examples(page):
    app = page("start")
    assert not app.exception
    assert len(app.file_uploader) == 1
    assert {button.key for button in app.button} >= {"example image", "example"}


def test_a_wrong_path_is_one_line_and_another_can_be_opened(page, tmp_path):
    app = page("plate", plate=str(tmp_path / "nothing.zarr"))
    assert not app.exception
    assert said(app) == f"{tmp_path / 'nothing.zarr'} doesn't exist"
    assert "Open" in {button.label for button in app.button}


def test_an_unknown_view_is_the_first_screen(page):
    assert len(page("nonsense").file_uploader) == 1


def test_a_field_is_shown_with_its_verdict_its_objects_and_its_files(page, app_results):
    app = page("label", plate=str(app_results), well="A02", field="0")
    assert not app.exception
    assert any(f"**{word}**" in said(app) for word in ("trust", "caution", "refuse"))
    objects = next(metric for metric in app.metric if metric.label == "Objects")
    assert int(objects.value) == len(app.dataframe[0].value) > 5
    assert len(app.get("download_button")) == 3


def test_the_chosen_object_is_the_first_row(page, app_results):
    app = page("label", plate=str(app_results), well="A02", field="0", object="4")
    assert app.dataframe[0].value["label"].iloc[0] == 4
    assert sorted(app.dataframe[0].value["label"]) == list(range(1, len(app.dataframe[0].value) + 1))


def test_one_steps_from_field_to_field(page, app_results):
    app = page("label", plate=str(app_results), well="A02", field="0")
    app.button(key="Next").click().run()
    assert app.query_params["well"] in ("B01", ["B01"])
    app.button(key="Previous").click().run()
    app.button(key="Previous").click().run()
    assert app.query_params["well"] in ("A01", ["A01"])
    assert app.button(key="Previous").disabled


def test_a_model_is_chosen_by_its_card(page):
    app = page("label", image=uploads.EXAMPLE_IMAGE)
    assert not app.exception
    assert not app.dataframe
    app.button(key="card-hela-rpe1-nuclei").click().run()
    assert not app.exception
    assert "caution" in said(app)
    assert len(app.dataframe[0].value) > 10


def test_a_dropped_file_that_is_damaged_is_one_line(page, tmp_path):
    kept = uploads.keep("odd.tif", b"no image", tmp_path / "tester" / uploads.FOLDER)
    app = page("label", image=f"{kept.parent.name}/{kept.name}")
    assert not app.exception
    assert "can't read" in said(app)
    assert "\n" not in said(app)


def test_another_users_image_is_not_shown(page, tmp_path):
    kept = uploads.keep("a.tif", b"x", tmp_path / "somebody" / uploads.FOLDER)
    app = page("label", image=f"../../somebody/{uploads.FOLDER}/{kept.parent.name}/{kept.name}")
    assert "isn't there any more" in said(app)


def test_a_plate_shows_its_wells_and_leads_to_a_field(page, app_results):
    app = page("plate", plate=str(app_results), well="B01")
    assert not app.exception
    assert app.selectbox(key="measure").options[0] == "verdict"
    app.selectbox(key="measure").select("nuclei count").run()
    assert not app.exception
    app.button(key="look-B01/0").click().run()
    assert not app.exception
    assert {metric.label for metric in app.metric} >= {"Objects", "PCC with the real stain"}


def test_predicted_and_real_are_compared(page, app_results):
    app = page("plate", plate=str(app_results))
    app.segmented_control(key="plate section").set_value("Predicted against real").run()
    assert not app.exception
    assert {metric.label for metric in app.metric} == {"PCC of pixels", "Pearson", "Bias"}


def test_moving_the_defocus_slider_changes_the_verdict(page, app_results, app_model, tmp_path):
    models = tmp_path / "tester" / "models"
    models.mkdir(parents=True)
    (models / "blobs").symlink_to(app_model)
    app = page("trust", plate=str(app_results))
    assert not app.exception
    before = said(app)
    pcc = {metric.label: metric.value for metric in app.metric}["PCC with the real stain"]
    app.slider(key="slider-defocus").set_value(5.0).run()
    assert not app.exception
    assert said(app) != before
    assert float({metric.label: metric.value for metric in app.metric}["PCC with the real stain"]) < float(
        pcc
    )
    next(button for button in app.button if button.label == "Back to as it was").click().run()
    assert said(app) == before


@pytest.mark.parametrize("section", ["Stability curves", "Drift"])
def test_the_other_sections_of_trust_draw(page, app_results, app_model, tmp_path, section):
    models = tmp_path / "tester" / "models"
    models.mkdir(parents=True)
    (models / "blobs").symlink_to(app_model)
    app = page("trust", plate=str(app_results))
    app.segmented_control(key="trust section").set_value(section).run()
    assert not app.exception
    if section == "Drift":
        assert "No folder was watched yet" in said(app)


@pytest.mark.parametrize("view", ["map", "screen", "train", "models"])
def test_the_other_views_draw(page, app_results, app_plate, view):
    place = app_plate.path if view in ("screen", "train") else app_results
    app = page(view, plate=str(place), model="hela-rpe1-nuclei")
    assert not app.exception
    assert not app.error


def test_a_model_is_exported_by_a_job_and_then_downloaded(page, tmp_path, monkeypatch):
    from unstained.app import jobs

    begun = []
    monkeypatch.setattr(jobs, "begin", lambda folder, what, words, out: begun.append((words, out)))
    app = page("models", model="hela-rpe1-nuclei")
    before = len(app.get("download_button"))
    app.button(key="export onnx").click().run()
    ((words, out),) = begun
    assert words[0] == "export"
    assert Path(words[1]).name == "hela-rpe1-nuclei"
    assert words[2:] == ["--to", "onnx", "--out", str(out)]
    assert out.is_relative_to(tmp_path / "tester")
    out.parent.mkdir(parents=True)
    out.write_bytes(b"onnx")
    app.run()
    assert not app.exception
    assert len(app.get("download_button")) == before + 1
    assert "export onnx" not in {button.key for button in app.button}


def test_training_begins_with_the_words_of_the_form(page, app_plate, monkeypatch):
    from unstained.app import jobs

    begun = []
    monkeypatch.setattr(jobs, "begin", lambda folder, what, words, out: begun.append((what, words)))
    app = page("train", plate=str(app_plate.path))
    app.number_input(key="train minutes").set_value(3)
    app.multiselect(key="train test").set_value(["B01"])
    next(button for button in app.button if button.label == "Train").click().run()
    ((what, words),) = begun
    assert what == "train"
    assert words[:8] == [
        "train",
        str(app_plate.path),
        "--stain",
        "nuclei",
        "--input",
        "TL",
        "--target",
        "DNA",
    ]
    assert words[-4:] == ["--minutes", "3", "--test", "B01"]


def test_the_wizard_finds_how_files_are_named(page, tmp_path):
    from unstained.app.screen_view import images_in, likely_preset

    folder = tmp_path / "images"
    folder.mkdir()
    for well in ("A01", "A02"):
        (folder / f"plate_{well}_s1_w1.tif").write_bytes(b"x")
    (folder / "notes.txt").write_text("x")
    assert images_in(folder) == ["plate_A01_s1_w1.tif", "plate_A02_s1_w1.tif"]
    assert likely_preset(images_in(folder)) == "imagexpress"
    assert likely_preset(["a.tif"]) is None
    app = page("screen", source=str(folder))
    assert not app.exception
    assert app.selectbox(key="scheme").value == "imagexpress"


def test_a_running_job_survives_a_reload_and_is_nobody_elses(page, tmp_path, monkeypatch):
    import subprocess
    import sys

    from unstained.app import jobs

    slow = [sys.executable, "-c", "import time; print('predict: 1 of 4', flush=True); time.sleep(600)"]
    real = subprocess.Popen
    monkeypatch.setattr(jobs.subprocess, "Popen", lambda _command, **more: real(slow, **more))
    job = jobs.begin(tmp_path / "tester" / "jobs", "screen", ["screen"], tmp_path / "out")
    try:
        for _ in range(2):  # opened, and loaded anew
            app = page("start")
            assert not app.exception
            assert "Stop" in {button.label for button in app.button}
        assert "Stop" not in {button.label for button in page("start", me="somebody").button}
        next(button for button in app.button if button.label == "Stop").click().run()
        assert job.state == "stopped"
        assert "Go on" in {button.label for button in app.button}
    finally:
        job.stop()


def test_what_a_map_lays_out_is_shown_and_cut_from_its_field(page, app_results, app_plate, tmp_path):
    import numpy as np
    import pandas as pd

    from unstained.app.map_view import crop_of
    from unstained.app.opened import open_place

    folder = tmp_path / "tester" / "maps" / open_place(str(app_results)).slug / "pca-blobs"
    folder.mkdir(parents=True)
    row = {"well": "A01", "plate": "blobs", "field": 0, "top_px": 8, "left_px": 16, "side_px": 32,
           "kind": "clean", "severity": 0, "strength": 0.0, "saturated": 0.0, "confluence": 0.5,
           "x": 0.0, "y": 1.0, "cluster": 0}  # fmt: skip
    table = pd.DataFrame([row, {**row, "well": "B01", "x": 1.0, "cluster": 1}])
    table.to_parquet(folder / "points.parquet")
    app = page("map", plate=str(app_results))
    assert not app.exception
    assert {"cluster", "well", "verdict"} >= set(app.selectbox(key="map colour").options) - {"kind"}
    plane = app_plate.read(app_plate.fields[0], "TL")
    np.testing.assert_array_equal(crop_of(plane, row), plane[8:40, 16:48])
