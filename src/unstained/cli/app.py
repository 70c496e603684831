"""`unstained app`: the web app, served on this machine by Streamlit, in a process of its own."""

import os
import subprocess
import sys
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from unstained.cli.options import Json, SettingsFile
from unstained.cli.task import task

PLATE, WORKSPACE = "UNSTAINED_APP_PLATE", "UNSTAINED_APP_WORKSPACE"
"""By these the pages learn which plate is open, and where they may write; `app/session.py` reads them."""

SAME_ALWAYS = {
    "server.headless": "true",
    "server.fileWatcherType": "none",
    "server.showEmailPrompt": "false",
    "browser.gatherUsageStats": "false",
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "type",
    "client.showErrorLinks": "false",
    "theme.light.primaryColor": "#0072B2",
    "theme.dark.primaryColor": "#56B4E9",
}
"""No usage statistics, no request to any other machine, no search of a traceback.

A colour for `theme` as a whole would make it a theme of its own, light on every system.
"""


def app(
    plate: Annotated[
        str | None, typer.Option(metavar="P.zarr", help="Open this plate, or folder of results, at first.")
    ] = None,
    port: Annotated[int, typer.Option(metavar="N", min=1, max=65535, help="Port to listen on.")] = 8501,
    address: Annotated[
        str, typer.Option(metavar="HOST", help="0.0.0.0 lets other machines in; there are no passwords.")
    ] = "localhost",
    workspace: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder for uploads, jobs, models and results.")
    ] = Path("unstained-app"),
    upload_mb: Annotated[
        int, typer.Option("--upload-mb", metavar="N", min=1, help="Largest file that may be dropped, MB.")
    ] = 1024,
    settings: SettingsFile = None,
    json: Json = False,
) -> None:
    """Look at images, predictions and plates in a browser, and decide; Ctrl-C ends it.

    Example: unstained app --plate screened
    """
    with task("app", json=json) as told:
        words = server(address, port, upload_mb)
        told.say(f"the app: http://{address}:{port} (Ctrl-C ends it)")
        code = subprocess.call(words, env=environment(plate, workspace))
        told.found(address=address, port=port, workspace=workspace)
    if code:
        raise typer.Exit(1)


def server(address: str, port: int, upload_mb: int) -> list[str]:
    """Give the command line of the server.

    Raises
    ------
    MissingExtra
        Streamlit isn't installed.
    """
    from unstained.errors import MissingExtra

    for module in ("streamlit", "psutil"):
        if find_spec(module) is None:
            raise MissingExtra(module, "app")
    page = Path(str(files("unstained"))) / "app" / "page.py"
    own = {"server.address": address, "server.port": port, "server.maxUploadSize": upload_mb}
    options = [f"--{name}={value}" for name, value in {**SAME_ALWAYS, **own}.items()]
    return [sys.executable, "-m", "streamlit", "run", str(page), *options]


def environment(plate: str | None, workspace: Path) -> dict[str, str]:
    """Give the environment that tells the pages what is open, and where they may write."""
    place = plate or ""
    if place and "://" not in place:
        place = str(Path(place).expanduser().resolve())
    return {**os.environ, PLATE: place, WORKSPACE: str(workspace.expanduser().resolve())}
