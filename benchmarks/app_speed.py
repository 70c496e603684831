"""How long a user of the app waits: for a field's pictures, and for a slider.

Usage: OMP_NUM_THREADS=2 python benchmarks/app_speed.py [--rounds 5]
Needs `unstained[app]`, playwright and chromium (UNSTAINED_CHROMIUM is its path where it isn't on PATH). A
simulated plate of fields of 2048² px is predicted by cho-four. Overlay: from the click on a field that nobody
looked at yet, predicted before, until the browser has its label-free, predicted and overlaid picture; and
until the objects are found and outlined in them.
Slider: from the key that moves defocus until the browser has the new predicted picture of the 512² crop,
with PCC, verdict and measurements.
Writes results/app-overlay.json and results/app-slider.json.
"""

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from record import write_result
from unstained import pipeline
from unstained.cli import web_app
from unstained.prediction.labeller import load_model
from unstained.twin.wells import TwinSettings

COMMAND = "OMP_NUM_THREADS=2 python benchmarks/app_speed.py"
CHROMIUM = (
    os.environ.get("UNSTAINED_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
)
MODEL, SIDE_PX, SEED = "cho-four", 2048, 33
MOST_OVERLAY_S, MOST_SLIDER_S = 3.0, 1.0
PATIENCE_MS = 120_000

SETTLED = "[data-testid=stApp][data-test-script-state=notRunning]"
PICTURES = """number => [...document.querySelectorAll('.js-plotly-plot image')].filter(
    picture => (picture.href?.baseVal || '').length > 1000).length >= number"""
PREDICTED = "() => document.querySelectorAll('.js-plotly-plot image')[1]?.href.baseVal ?? ''"
CHANGED = (
    "before => (document.querySelectorAll('.js-plotly-plot image')[1]?.href.baseVal ?? before) !== before"
)


@contextmanager
def served(results: Path, work: Path) -> Iterator[str]:
    """Serve a folder of results as `unstained app` does; gives the address."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    log = (work.parent / "server.log").open("wb")
    server = subprocess.Popen(
        web_app.server("localhost", port, 64),
        env=web_app.environment(str(results), work),
        stdout=log,
        stderr=log,
    )
    try:
        for _ in range(400):
            try:
                urllib.request.urlopen(f"http://localhost:{port}/_stcore/health", timeout=5).close()
                break
            except OSError:
                time.sleep(0.3)
        yield f"http://localhost:{port}/?me=bench"
    finally:
        server.terminate()
        server.wait(30)
        log.close()


def settle(page: Page) -> None:
    """Wait until the app has nothing to do."""
    page.wait_for_timeout(1500)
    page.wait_for_selector(SETTLED, state="attached")


def overlay_seconds(page: Page, address: str, fields: int) -> tuple[list[float], list[float]]:
    """Go from field to field, none of which was looked at before: until pictures are there, and outlines."""
    page.goto(f"{address}&view=label&well=A01&field=0")
    page.wait_for_function(PICTURES, arg=3)
    settle(page)
    seconds, outlined = [], []
    for _ in range(fields - 1):
        before = page.evaluate(PREDICTED)
        begun = time.perf_counter()
        page.get_by_role("button", name="Next").click()
        page.wait_for_function(CHANGED, arg=before)
        page.wait_for_function(PICTURES, arg=3)
        seconds.append(time.perf_counter() - begun)
        page.wait_for_function(CHANGED, arg=page.evaluate(PREDICTED))
        outlined.append(time.perf_counter() - begun)
        settle(page)
        print(f"overlay {seconds[-1]:.2f} s, outlined {outlined[-1]:.2f} s", flush=True)
    return seconds, outlined


def slider_seconds(page: Page, address: str, rounds: int) -> list[float]:
    """Move the slider of defocus, step by step."""
    page.goto(f"{address}&view=trust&well=A01&field=0")
    slider = page.locator(".st-key-slider-defocus input[type=range]")
    slider.wait_for(state="attached")
    page.wait_for_function(PICTURES, arg=3)
    settle(page)
    slider.focus()
    for _ in range(4):  # less than a micrometre hardly shows
        page.keyboard.press("ArrowRight")
        settle(page)
    seconds = []
    for _ in range(rounds):
        before = page.evaluate(PREDICTED)
        slider.focus()
        begun = time.perf_counter()
        page.keyboard.press("ArrowRight")
        page.wait_for_function(CHANGED, arg=before)
        page.wait_for_selector(SETTLED, state="attached")
        seconds.append(time.perf_counter() - begun)
        settle(page)
        print(f"slider {seconds[-1]:.2f} s", flush=True)
    return seconds


def main() -> None:
    """Make a plate, be its user, write what the waiting was."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results"
        twin = TwinSettings(wells=1, fields=options.rounds + 1, side_px=SIDE_PX, seed=SEED)
        plate = pipeline.simulate(results / "plate.zarr", twin)
        pipeline.predict(plate, [load_model(MODEL, "cpu")], results / "predicted.zarr")
        with served(results / "predicted.zarr", Path(folder) / "work") as address, sync_playwright() as play:
            browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
            page = browser.new_page(viewport={"width": 1280, "height": 1000})
            page.set_default_timeout(PATIENCE_MS)
            overlay, outlined = overlay_seconds(page, address, options.rounds + 1)
            slider = slider_seconds(page, address, options.rounds)
            browser.close()
    same: dict[str, Any] = {
        "comparison": "<=", "command": f"{COMMAND} --rounds {options.rounds}", "seed": SEED,
        "issue": 7, "notes": "by the clock, in headless Chromium on the same machine; interval: all rounds",
    }  # fmt: skip
    write_result(
        "app-overlay", title="from the click on a predicted field to its overlay in the browser, s",
        value=statistics.median(overlay), interval=[min(overlay), max(overlay)], goal=MOST_OVERLAY_S,
        data=f"simulated fields of {SIDE_PX}² px, {MODEL}; outlined as nuclei are found",
        against={"objects outlined, s": statistics.median(outlined)}, **same,
    )  # fmt: skip
    write_result(
        "app-slider", title="from moving the slider of defocus to its picture and verdict, s",
        value=statistics.median(slider), interval=[min(slider), max(slider)], goal=MOST_SLIDER_S,
        data=f"a crop of 512² px of a simulated field, {MODEL}: four stains predicted, judged, one measured",
        against={}, **same,
    )  # fmt: skip


if __name__ == "__main__":
    main()
