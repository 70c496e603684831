"""The page holds all it shows, loads nothing, and says what is and isn't known."""

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from imagecodecs import webp_decode

from unstained.errors import OutputFailed
from unstained.measurement.evaluation import evaluate_plate
from unstained.measurement.plates import measure_plate
from unstained.plates.plate import FieldName, Plate, create_plate, fingerprint
from unstained.report import strips
from unstained.report.content import choose_fields
from unstained.report.page import write_report

SIDE = 80
NASTY = "<script>alert('clone')</script>"
WELLS = ["A01", "A02", "B07", "H12"]


class Elements(HTMLParser):
    """Every tag of a page with its attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += f"{data} "

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def drawn(seed: int) -> np.ndarray:
    grid, rng = np.mgrid[:SIDE, :SIDE], np.random.default_rng(seed)
    plane = rng.normal(100, 5, (SIDE, SIDE))
    for y, x in [(14, 14), (14, 46), (46, 14), (46, 46), (66, 66)][: 2 + seed]:
        plane += 900 * np.exp(-((grid[0] - y) ** 2 + (grid[1] - x) ** 2) / 50)
    return plane


@pytest.fixture(scope="module")
def plates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Plate, Plate]:
    folder = tmp_path_factory.mktemp("plates")
    conditions = pd.DataFrame({"well": WELLS, "clone": [NASTY, "K1", "K2", "K3"]})
    made = {"pixel_size_um": 0.5, "conditions": conditions}
    writer = create_plate(folder / "t.zarr", name=f"plate {NASTY}", channels=["TL", "DNA"], **made)
    for seed, well in enumerate(WELLS):
        light = np.gradient(drawn(seed))[0] + 2000
        writer.write_field(FieldName(well, 0), np.stack([light, drawn(seed)]).astype(np.uint16))
    truth = writer.finish()
    seen = fingerprint(truth.read(FieldName("A02", 0), "TL"))
    card = {
        "name": "drawn-nuclei",
        "stains": ["nuclei"],
        "targets": ["DNA"],
        "input": "TL",
        "pixel_size_um": 0.5,
        "object_diameter_px": 14,
        "licence": "MIT",
        "attribution": "Copyright Ä. Müller",
        "weights_sha256": "f" * 64,
        "fingerprints": {"train": {"A02/0": seen}},
        "split": {"level": "field", "warnings": ["one well only, so fields were parted"]},
    }
    info = {"kind": "predicted", "source": str(folder / "t.zarr"), "input": "TL", "models": [card]}
    writer = create_plate(folder / "p.zarr", name=f"plate {NASTY}", channels=["nuclei"], info=info, **made)
    for seed, name in enumerate(truth.fields):
        plane = 0.9 * drawn(seed) + np.random.default_rng(9).normal(0, 20 * (seed + 1), (SIDE, SIDE))
        verdict = {"verdict": "caution", "reason": "few reference fields"} if seed == 3 else None
        prints = {"TL": fingerprint(truth.read(name, "TL"))}
        record = {"input_fingerprints": prints, "verdict": verdict}
        writer.write_field(name, plane[None].astype(np.float32), info=record)
    return writer.finish(), truth


@pytest.fixture(scope="module")
def evaluation(plates: tuple[Plate, Plate]) -> dict[str, Any]:
    return evaluate_plate(*plates, stain="nuclei").to_json()


@pytest.fixture(scope="module")
def page(plates, evaluation, tmp_path_factory) -> str:
    predicted, truth = plates
    run = {
        "command": "predict",
        "version": "0.1.0",
        "packages": {"torch": "2.13.0"},
        "settings": {"device": "cpu"},
    }
    out = write_report(
        predicted, tmp_path_factory.mktemp("page") / "page.html", truth=truth, evaluation=evaluation, run=run
    )
    return out.read_text(encoding="utf-8")


def assert_loads_nothing(page: str) -> None:
    for tag, attributes in Elements(page).found:
        for name in ("src", "href", "data", "action", "poster", "srcset", "xlink:href"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#")), (tag, name, value)
    assert not re.search(r"url\(|@import|https?://|fetch\(|XMLHttpRequest", page)


def test_the_page_loads_nothing(page):
    assert_loads_nothing(page)
    assert len(page) < 3_000_000


def test_user_text_can_not_become_code(page):
    assert NASTY not in page
    assert page.count("&lt;script&gt;alert(") >= 2
    assert len(Elements(page).of("script")) == 2  # the strips, as JSON, and the page's own


def test_every_scored_field_is_shown_in_four_pictures(page):
    elements = Elements(page)
    pictures = [image for image in elements.of("img") if image.get("src")]
    assert len(pictures) == 3 * 4
    assert all(image["src"].startswith("data:image/webp;base64,") for image in pictures)
    for well in ("A01", "B07", "H12"):
        assert sum(f"{well}/0, " in image["alt"] for image in pictures) == 4
    assert "20 µm" in elements.text or "5 µm" in elements.text


def test_every_figure_of_the_evaluation_is_on_the_page(page, evaluation):
    text = Elements(page).text
    for name in ("pcc", "ssim", "nrmse"):
        assert f"{evaluation['mean'][name]:.3f}" in text
        low, high = evaluation["intervals"][name]
        assert f"{low:.3f}\u00a0to\u00a0{high:.3f}" in text
    for name in ("f1_iou50", "precision_iou50", "recall_iou50"):
        assert f"{evaluation['objects'][name]:.3f}" in text
    for floor in ("blurred_input", "linear_filter"):
        assert f"{evaluation['floor'][floor]['pcc']:.3f}" in text
    assert f"{evaluation['pooled']['pcc']:.3f}" in text
    for found in evaluation["downstream"].values():
        assert f"{found['pearson']:.3f}" in text
        assert "\u00a0to\u00a0".join(f"{end:.3f}" for end in found["interval"]) in text


def test_headline_says_in_words_what_was_found(page, evaluation):
    text = " ".join(Elements(page).text.split())
    assert "On 3 fields of 3 wells that the model never saw, predicted and real nuclei agree" in text
    assert f"Of {evaluation['objects']['real']} nuclei seen in the real stain" in text


def test_warnings_come_before_the_figures_and_all_notes_are_there(page, evaluation):
    text = " ".join(Elements(page).text.split())
    warning = text.index("Read this before you believe the figures")
    assert warning < text.index("one well only, so fields were parted") < text.index("structural similarity")
    for note in evaluation["notes"]:
        assert note in text


def test_verdicts_are_shown_or_said_to_be_missing(page):
    text = Elements(page).text
    assert "caution: few reference fields" in text
    assert text.count("not judged") >= 2


def test_charts_have_a_dot_for_every_field_and_object(page, evaluation):
    matched = evaluation["objects"]["matched"]
    assert page.count("<circle") == 4 * 3 + 3 * matched
    assert "B07/0: real" in page


def test_every_dot_and_well_leads_to_its_pictures(page):
    elements = Elements(page)
    known = json.loads(re.search(r'id="strips">(.*?)</script>', page, re.DOTALL)[1])["nuclei"]
    assert set(known) == {f"{well}/0" for well in WELLS}
    assert {dot.get("data-of") for dot in elements.of("circle")} >= {"A01/0", "B07/0", "H12/0"}  # scored
    assert {group["data-of"] for group in elements.of("g")} == {"A01", "B07", "H12"}
    strip = webp_decode(base64.b64decode(known["A02/0"]))
    assert strip.shape[:2] == (SIDE, 3 * SIDE + 4)  # label-free, predicted, real, and two gaps


def test_a_plate_of_many_wells_has_one_strip_each(plates, monkeypatch):
    predicted, truth = plates
    monkeypatch.setattr(strips, "MOST_STRIPS", 2)
    assert list(strips.strips(predicted, truth, None)["nuclei"]) == ["A01/0", "B07/0"]


def test_origin_leads_back_to_plates_model_and_versions(page, plates):
    text = Elements(page).text
    for known in (
        str(plates[0].path),
        str(plates[1].path),
        "drawn-nuclei",
        "f" * 64,
        "Copyright Ä. Müller",
        "torch 2.13.0",
    ):
        assert known in text
    assert fingerprint(plates[1].read(FieldName("A01", 0), "TL")) in text


def test_without_truth_it_says_that_nobody_knows(plates, tmp_path):
    predicted, _ = plates
    measure_plate(predicted, overwrite=True)
    out = write_report(predicted, tmp_path / "bare ä.html")
    page = out.read_text(encoding="utf-8")
    assert_loads_nothing(page)
    text = Elements(page).text
    assert "nothing on this page says how right the prediction is" in text
    assert "<circle" not in page
    assert "clone K2" in page
    assert "4 fields predicted and" in text
    assert sum(bool(image.get("src")) for image in Elements(page).of("img")) == 4 * 3
    assert [path.name for path in tmp_path.iterdir()] == ["bare ä.html"]


def test_a_gone_source_leaves_out_the_label_free_picture(plates, tmp_path):
    predicted, _ = plates
    gone = Plate(
        predicted.path,
        predicted.name,
        predicted._paths,
        {**predicted.info, "source": str(tmp_path / "gone.zarr")},
    )
    page = write_report(gone, tmp_path / "page.html").read_text(encoding="utf-8")
    assert "label-free, " not in page
    assert sum(bool(image.get("src")) for image in Elements(page).of("img")) == 4 * 2


def test_figures_that_are_missing_become_a_dash(plates, tmp_path):
    predicted, truth = plates
    found = evaluate_plate(predicted, truth, stain="nuclei").to_json()
    found["mean"] = dict.fromkeys(found["mean"])
    found["fields"] = [{**found["fields"][0], "pcc": None, "count_true": None}]
    found["objects"]["f1_iou50"] = None
    text = Elements(
        write_report(predicted, tmp_path / "p.html", truth=truth, evaluation=found).read_text("utf-8")
    ).text
    assert "can't be correlated" in text
    assert "None" not in text
    assert "nan" not in text.split()


def test_best_median_and_worst_are_among_the_fields_shown(plates):
    predicted, _ = plates
    scored = [{"well": "A01", "field": number, "pcc": number / 20, "region": None} for number in range(20)]
    shown = choose_fields(predicted, {"fields": scored})
    assert [each.name.field for each in shown] == [19, 15, 10, 5, 0]
    assert shown[0].remark == "best of 20, PCC 0.950"
    assert shown[2].remark.startswith("median of 20")
    assert shown[4].remark == "worst of 20, PCC 0.000"


def test_only_the_scored_part_of_a_field_is_shown(plates, evaluation, tmp_path):
    predicted, truth = plates
    row = {**evaluation["fields"][0], "region": f"A01/0 [0:{SIDE}, 30:{SIDE}]"}
    page = write_report(
        predicted, tmp_path / "p.html", truth=truth, evaluation={**evaluation, "fields": [row]}
    )
    text = page.read_text(encoding="utf-8")
    assert f"{SIDE - 30} × {SIDE} px as shown" in text
    assert "the part that was scored" in text


def test_a_page_that_can_not_be_written_is_one_clear_error(plates, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(OutputFailed, match="can't write"):
        write_report(plates[0], tmp_path / "file" / "page.html")
    assert not Path(tmp_path / "file" / "page.html").exists()
