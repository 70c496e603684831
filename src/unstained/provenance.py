"""Where a result came from: a record beside every output; each number leads back to image, model and code."""

import hashlib
import json
import os
import platform
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unstained.errors import OutputExists, OutputFailed, refuse_existing
from unstained.settings import Settings
from unstained.version import __version__

if TYPE_CHECKING:
    from unstained.plates.plate import Plate

RUN = "run.json"
UNFINISHED = "unfinished.json"
"""In a folder of results that is being filled: what was asked for; gone when all is there."""

_TRACED = ("numpy", "scipy", "scikit-image", "torch", "lightning", "ngio", "zarr", "tifffile")


def run_record(command: str, settings: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Describe a run: what was called with what, on which inputs (with hashes), by which versions."""
    return {
        "command": command,
        "settings": dict(settings),
        "inputs": dict(inputs),
        "version": __version__,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": {name: _version(name) for name in _TRACED},
    }


def run_path(out: Path) -> Path:
    """Where the record of `out` lies: in a folder of results, beside a plate or a file."""
    if out.is_dir() and not (out / "zarr.json").exists():
        return out / RUN
    return out.with_name(f"{out.name}.{RUN}")


def plate_record(plate: "Plate", *channels: str) -> dict[str, Any]:
    """Say which plate it is: by its path, and by the pixels of some channels where their hashes are known."""
    named = list(dict.fromkeys(channels))
    known = [plate.field_info(name).get("fingerprints", {}) for name in plate.fields]
    prints = [str(found.get(channel)) for found in known for channel in named]
    return {
        "path": str(plate.path.resolve() if isinstance(plate.path, Path) else plate.path),
        "fields": len(plate.fields),
        "channels": named,
        "sha256": None if "None" in prints else digest(prints),
    }


def record_in_plate(plate: "Plate", record: Mapping[str, Any]) -> None:
    """Keep a run's record in a plate, and beside it where it is a local folder."""
    plate.update_info(runs={**plate.info.get("runs", {}), record["command"]: json.loads(to_json(record))})
    if isinstance(plate.path, Path):
        write_json(run_path(plate.path), record)


def write_json(path: Path, content: Any) -> Path:
    """Write JSON whole or not at all, with its folders.

    Raises
    ------
    OutputFailed
        No permission or no space.
    """
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(to_json(content))
        unfinished.replace(path)
    except OSError as error:
        if unfinished.is_file():
            unfinished.unlink()
        raise OutputFailed(path, error.strerror or error) from error
    return path


def to_json(content: Any) -> bytes:
    """Write a record as JSON; settings become their values, paths texts."""
    return (json.dumps(content, indent=1, ensure_ascii=False, default=_plain) + "\n").encode("utf-8")


def read_json(path: Path) -> dict[str, Any] | None:
    """Read a record; None where there is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def refuse_output(out: Path, overwrite: bool, command: str | None = None) -> None:
    """Say before any work that an output is there already, or that nothing can be written where it would be.

    A folder is replaced only where the same `command` made it: what it holds else may be a plate or a model.

    Raises
    ------
    OutputExists, OutputFailed
    """
    refuse_existing(out, overwrite)
    if command is not None and not _is_empty(out):
        _refuse_others(out, command)
    above = next(folder for folder in out.absolute().parents if folder.exists())
    if not above.is_dir():
        raise OutputFailed(out, f"{above} is a file, not a folder")
    if not os.access(above, os.W_OK):
        raise OutputFailed(out, f"no permission to write in {above}")


def begin_folder(
    out: Path, request: Mapping[str, Any], *, overwrite: bool, command: str | None = None
) -> None:
    """Make a folder for results, or go on with one that the same request left unfinished.

    Raises
    ------
    OutputExists
        `out` holds something else, and may not be replaced.
    OutputFailed
        It may be replaced, but another command made it, or what is asked for comes from it; no permission or
        no space.
    """
    asked = json.loads(to_json(request if command is None else {"command": command, **request}))
    if read_json(out / UNFINISHED) == asked and not overwrite:
        return
    if not _is_empty(out):
        if not overwrite:
            raise OutputExists(out)
        _refuse_others(out, command)
        if within := [path for path in _paths_in(asked) if out.resolve() in Path(path).resolve().parents]:
            raise OutputFailed(out, f"it holds {within[0]}, which is to be read; choose another name")
        remove(out)
    write_json(out / UNFINISHED, asked)


def _is_empty(out: Path) -> bool:
    return not out.exists() or (out.is_dir() and not any(out.iterdir()))


def _refuse_others(out: Path, command: str | None) -> None:
    """Refuse to replace a folder that holds anything but the results of the same command."""
    found = read_json(out / UNFINISHED)
    made = read_json(out / RUN) if found is None else {"command": command, **found}
    if made is None:
        raise OutputFailed(
            out, "what is there wasn't made by unstained, so it isn't replaced; choose another name"
        )
    if made.get("command") != command:
        made_by = f"`unstained {made.get('command')}` made what is there"
        raise OutputFailed(out, f"{made_by}, so it isn't replaced; choose another name")


def _paths_in(request: Any) -> list[str]:
    """List the files and plates that a request names."""
    if not isinstance(request, dict):
        return []
    own = [value for name, value in request.items() if name in ("path", "source") and isinstance(value, str)]
    return own + [path for value in request.values() for path in _paths_in(value)]


def keep_if_same(unfinished: Path, request: Mapping[str, Any]) -> None:
    """Keep what an interrupted run left in a folder if it was asked for the same, else empty the folder."""
    asked = json.loads(to_json(request))
    if unfinished.exists() and read_json(unfinished / UNFINISHED) != asked:
        remove(unfinished)
    write_json(unfinished / UNFINISHED, asked)


def finish_folder(out: Path, record: Mapping[str, Any]) -> None:
    """Write a folder's record, and so say that all is there."""
    write_json(out / RUN, record)
    (out / UNFINISHED).unlink(missing_ok=True)


@contextmanager
def results_folder(
    out: Path, command: str, settings: Mapping[str, Any], inputs: Mapping[str, Any], *, overwrite: bool
) -> Iterator[None]:
    """Fill a folder with the results of a run; it counts as whole when the block ends without an error."""
    begin_folder(out, inputs, overwrite=overwrite, command=command)
    yield
    finish_folder(out, run_record(command, settings, inputs))


def remove(folder: Path) -> None:
    """Delete a folder of ours.

    Raises
    ------
    OutputFailed
        It can't be deleted.
    """
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise OutputFailed(folder, error.strerror or error) from error


def sha256_of(path: Path) -> str:
    """Hash a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(texts: Iterable[str]) -> str:
    """Hash a list of texts, such as the fingerprints of a plate's fields."""
    return hashlib.sha256("\n".join(texts).encode("utf-8")).hexdigest()


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, Settings) else str(value)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
