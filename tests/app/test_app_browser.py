"""The app in a real browser: an image is dropped, looked at, made worse; a well is opened; a table is kept.

Screenshots go to the folder that UNSTAINED_SCREENSHOTS names, where it does.
"""

import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest

import unstained
from unstained.cli import web_app

CHROMIUM = (
    os.environ.get("UNSTAINED_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
)
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
             "--disable-component-update", "--disable-sync", "--no-first-run"]  # fmt: skip
IMAGE = Path(unstained.__file__).parent / "samples" / "hela-rpe1-crop" / "images" / "A01_f2_TL.tif"
PATIENCE_MS = 300_000
SETTLED = "[data-testid=stApp][data-test-script-state=notRunning]"
NOTHING_IN_SIGHT_WAITS = """![...document.querySelectorAll('[data-testid=stSkeleton]')].some(
    waiting => waiting.getBoundingClientRect().top < innerHeight)"""
VERDICT = "[data-testid=stAlert] strong"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(2400),  # on a machine that is busy otherwise, too
    pytest.mark.skipif(find_spec("streamlit") is None, reason="the extra [app] isn't installed"),
    pytest.mark.skipif(find_spec("playwright") is None, reason="playwright isn't installed"),
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium; on Debian: apt-get install chromium"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture
def address(app_results, app_model, tmp_path) -> Iterator[str]:
    """Serve the app as the command does; gives the address of a user who has a model."""
    models = tmp_path / "work" / "tester" / "models"
    models.mkdir(parents=True)
    (models / "blobs").symlink_to(app_model)
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    environment = {**web_app.environment(str(app_results), tmp_path / "work"), "OMP_NUM_THREADS": "1"}
    with (tmp_path / "server.log").open("wb") as log:
        server = subprocess.Popen(
            web_app.server("localhost", port, 64), env=environment, stdout=log, stderr=log
        )
        try:
            _wait_for(f"http://localhost:{port}/_stcore/health", tmp_path / "server.log")
            yield f"http://localhost:{port}/?me=tester"
        finally:
            server.terminate()
            server.wait(30)


def _wait_for(url: str, log: Path) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.3)
    pytest.fail(f"the server didn't begin: {log.read_text(errors='replace')[-2000:]}")


class Visitor:
    """Somebody before a screen of 1280 px, who notes whom the page asks for anything."""

    def __init__(self, browser, address: str, folder: Path, scheme: str = "light") -> None:
        context = browser.new_context(
            viewport={"width": 1280, "height": 1000}, color_scheme=scheme, accept_downloads=True
        )
        self.page = context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.asked: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.address, self.folder, self.scheme = address, folder, scheme

    def visit(self, **asked: str) -> None:
        more = "".join(f"&{name}={value}" for name, value in asked.items())
        self.page.goto(self.address + more)
        self.page.wait_for_selector("[data-testid=stSegmentedControl], [data-testid=stButtonGroup]")
        self.settle()

    def settle(self) -> None:
        """Wait until nothing runs, and nothing is still being drawn."""
        self.page.wait_for_timeout(400)
        self.page.wait_for_selector(SETTLED, state="attached")
        self.page.wait_for_function(NOTHING_IN_SIGHT_WAITS)

    def keep(self, name: str) -> None:
        """Keep a screenshot, and hold the page against tracebacks."""
        self.settle()
        self.page.wait_for_timeout(1500)
        assert self.page.locator("[data-testid=stException]").count() == 0
        suffix = "" if self.scheme == "light" else f"-{self.scheme}"
        self.page.screenshot(path=self.folder / f"{name}{suffix}.png", timeout=PATIENCE_MS)

    def outside(self) -> list[str]:
        own = ("http://localhost", "ws://localhost", "data:", "blob:")
        return [url for url in self.asked if not url.startswith(own)]


@pytest.fixture
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        found = play.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield found
        found.close()


@pytest.fixture
def folder(tmp_path) -> Path:
    kept = Path(os.environ.get("UNSTAINED_SCREENSHOTS") or tmp_path / "screenshots")
    kept.mkdir(parents=True, exist_ok=True)
    return kept


def test_a_first_visit(browser, address, folder, tmp_path):
    visitor = Visitor(browser, address, folder)
    visitor.visit()
    visitor.keep("start")
    drop_an_image(visitor)
    move_the_slider_until_the_verdict_changes(visitor)
    open_a_well(visitor)
    keep_the_table(visitor, tmp_path)
    assert visitor.outside() == []
    dark = Visitor(browser, address, folder, "dark")
    dark.visit(view="plate", well="B01")
    dark.keep("plate")
    assert dark.page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor") != (
        visitor.page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor")
    )
    assert dark.outside() == []


def drop_an_image(visitor: Visitor) -> None:
    """Drop an image, choose the model by its card, see the overlay with its verdict; a reload keeps it."""
    page = visitor.page
    page.locator("input[type=file]").first.set_input_files(IMAGE)
    page.locator(".st-key-card-hela-rpe1-nuclei button").wait_for()
    visitor.keep("label-cards")
    page.locator(".st-key-card-hela-rpe1-nuclei button").click()
    page.locator(".js-plotly-plot image").nth(2).wait_for(state="attached")
    visitor.keep("label")
    assert page.locator(VERDICT).first.inner_text() == "caution"
    titles = page.locator(".js-plotly-plot .annotation-text").all_text_contents()
    assert titles == ["label-free", "predicted", "overlay"]
    page.reload()
    page.locator(".js-plotly-plot image").nth(2).wait_for(state="attached")


def move_the_slider_until_the_verdict_changes(visitor: Visitor) -> None:
    page = visitor.page
    visitor.visit(view="trust")
    slider = page.locator(".st-key-slider-defocus input[type=range]")
    slider.wait_for(state="attached")  # it is there for keys and readers; what is drawn is another element
    page.locator(VERDICT).first.wait_for()
    visitor.settle()
    visitor.keep("trust")
    before = page.locator(VERDICT).first.inner_text()
    for _ in range(20):
        slider.focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(700)
        visitor.settle()
        if page.locator(VERDICT).first.inner_text() != before:
            break
    visitor.keep("trust-defocused")
    assert page.locator(VERDICT).first.inner_text() != before


def open_a_well(visitor: Visitor) -> None:
    """Click a well on the heat map, and open its field."""
    page = visitor.page
    visitor.visit(view="plate")
    wells = page.locator(".js-plotly-plot .scatterlayer .trace").nth(1).locator("path.point")
    wells.first.wait_for(state="attached")
    visitor.settle()
    box = wells.nth(0).bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_timeout(500)
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    look = page.get_by_role("button", name="Look at ")
    look.first.wait_for()
    visitor.keep("plate")
    well = look.first.inner_text().split()[-1]
    look.first.click()
    page.get_by_role("button", name="Table of nuclei (CSV)").wait_for()
    assert f"well={well.split('/')[0]}" in page.url


def keep_the_table(visitor: Visitor, folder: Path) -> None:
    page = visitor.page
    visitor.settle()
    with page.expect_download() as kept:
        page.get_by_role("button", name="Table of nuclei (CSV)").click()
    path = folder / kept.value.suggested_filename
    kept.value.save_as(path)
    table = pd.read_csv(path)
    assert len(table) > 5
    assert {"label", "area_um2", "intensity_mean"} <= set(table)
    visitor.keep("label-field")
