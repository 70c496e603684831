"""The page in a real browser: a well lights up wherever it stands, a field's pictures move together."""

import os
import shutil
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest

from unstained.measurement.plates import measure_plate
from unstained.plates.plate import FieldName, create_plate
from unstained.report.page import write_report

CHROMIUM = os.environ.get("UNSTAINED_CHROMIUM") or shutil.which("chromium")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("playwright") is None, reason="playwright isn't installed"),
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium; on Debian: apt-get install chromium"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


def cells(number: int) -> np.ndarray:
    """Draw so many bright cells, of at most five, on one field (Y X)."""
    y, x = np.mgrid[:80, :80]
    plane = np.random.default_rng(number).normal(100, 5, (80, 80))
    for row, column in [(14, 14), (14, 46), (46, 14), (46, 46), (66, 66)][:number]:
        plane += 900 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / 50)
    return plane.astype(np.float32)


@pytest.fixture
def page(tmp_path):
    """Open the report on a plate of three wells; gives the browser's page, which asks nobody for anything."""
    from playwright.sync_api import sync_playwright

    conditions = pd.DataFrame({"well": ["A01", "A02", "B01"], "clone": ["K1", "K2", "K3"]})
    card = {"name": "cells", "stains": ["nuclei"], "object_diameters_px": [14]}
    writer = create_plate(
        tmp_path / "p.zarr", name="p", channels=["nuclei"], pixel_size_um=0.5, conditions=conditions,
        info={"kind": "predicted", "models": [card]},
    )  # fmt: skip
    for number, well in enumerate(conditions["well"], start=2):
        writer.write_field(FieldName(well, 0), cells(number)[None])
    plate = writer.finish()
    measure_plate(plate)
    out = write_report(plate, tmp_path / "page.html")
    asked = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        opened = browser.new_page(viewport={"width": 1280, "height": 900})
        opened.on("request", lambda request: asked.append(request.url))
        opened.on("pageerror", lambda error: asked.append(str(error)))
        opened.goto(out.as_uri())
        yield opened
        browser.close()
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


def test_a_well_lights_up_everywhere_and_shows_its_pictures(page):
    page.locator("g[data-of=A02]").first.hover()
    same = page.locator(".same").evaluate_all("all => all.map(each => each.dataset.of)")
    assert len(same) >= 3  # on both maps, and its row
    assert {name.split("/")[0] for name in same} == {"A02"}
    assert page.locator("#strip").is_visible()
    assert page.locator("#strip span").inner_text() == "A02/0"
    assert page.locator("#strip img").evaluate("image => image.naturalWidth") > 60
    page.mouse.move(2, 2)
    assert not page.locator("#strip").is_visible()


def test_pictures_of_a_field_are_enlarged_and_moved_together(page):
    page.locator("[data-shows='A01/0'] img").first.click()
    views = page.locator("#zoom .views img")
    assert views.count() == page.locator("[data-shows='A01/0'] img").count() > 1
    for key in ("+", "+", "ArrowRight"):
        page.keyboard.press(key)
    placed = views.evaluate_all("all => all.map(each => each.style.transform)")
    assert len(set(placed)) == 1
    assert "scale(1.5625)" in placed[0]
    page.keyboard.press("0")
    assert "scale(1)" in views.first.evaluate("each => each.style.transform")
    page.keyboard.press("Escape")
    assert not page.locator("#zoom").is_visible()


def test_a_click_on_a_heading_puts_a_table_in_order(page):
    table = page.locator("table", has=page.locator("th", has_text="number")).first
    heading = table.locator("th", has_text="number").first
    heading.click()
    column = heading.evaluate("each => each.cellIndex")

    def numbers():
        rows = table.locator("tbody tr")
        return [float(row.locator("td").nth(column).inner_text()) for row in rows.all()]

    assert numbers() == sorted(numbers())
    heading.click()
    assert numbers() == sorted(numbers(), reverse=True)
    assert len(set(numbers())) == 3
