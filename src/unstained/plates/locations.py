"""Where things lie: local paths, and URLs that fsspec knows (`s3://…`); and how their failures are told."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fsspec.core import url_to_fs
from ngio import NgioError

from unstained.errors import BadInput, MissingExtra, OutputFailed, one_line


@contextmanager
def reading(what: object) -> Iterator[None]:
    """Turn whatever goes wrong while reading `what` into one line.

    Raises
    ------
    BadInput
        Always, in place of the library's own error.
    """
    try:
        yield
    except (NgioError, OSError, KeyError, ValueError, RuntimeError) as error:
        raise BadInput(f"can't read {what}: {one_line(error)}; it is damaged or not what it seems") from error
    except failures() as error:
        raise BadInput(f"can't read {what}: {one_line(error)}") from error


@contextmanager
def writing(what: object) -> Iterator[None]:
    """Turn a refused or full disk, or a store that fails, into one line.

    Raises
    ------
    OutputFailed
        In place of an `OSError`, and of what cloud libraries raise.
    """
    try:
        yield
    except failures() as error:
        raise OutputFailed(what, getattr(error, "strerror", None) or one_line(error)) from error


def failures() -> tuple[type[Exception], ...]:
    """Name what is raised where a disk fails, and where a store doesn't answer or nobody logged in."""
    botocore: Any = sys.modules.get("botocore.exceptions")  # there as soon as a store was asked for anything
    return (OSError,) if botocore is None else (OSError, botocore.BotoCoreError, botocore.ClientError)


def located(path: Path | str) -> Path | str:
    """Give a local path as a `Path`, however it was written (`file://…` too); other URLs stay as they are.

    Raises
    ------
    MissingExtra, BadInput
        What a URL needs isn't installed, or nobody knows such URLs.
    """
    if isinstance(path, str) and path.startswith("file:"):
        return Path(url_to_fs(path)[1])
    if "://" not in str(path):
        return Path(path)
    try:
        files_of(str(path))
    except ImportError as error:
        if str(path).startswith("s3:"):
            raise MissingExtra("s3fs", "cloud") from error
        raise BadInput(f"{path} can't be opened: {one_line(error)}") from error
    except ValueError as error:
        raise BadInput(f"{path} can't be opened: {one_line(error)}") from error
    return path


def wherever(path: Path | str) -> Path | str:
    """Give a path that another process can use, wherever it was started."""
    return path.resolve() if isinstance(path, Path) else path


def join(root: Path | str, *parts: str) -> str:
    """Name something below `root`, a path or a URL."""
    return "/".join((Path(root).as_posix() if isinstance(root, Path) else root.rstrip("/"), *parts))


def exists(path: Path | str) -> bool:
    """Say whether anything is at `path`."""
    if isinstance(path, Path):
        return path.exists()
    files, inner = files_of(path)
    try:
        files.info(inner)
    except FileNotFoundError:
        return False
    except failures() as error:  # `files.exists` would say no, and a plate be written over
        raise BadInput(f"can't read {path}: {one_line(error)}") from error
    return True


def folders(path: Path | str, *parts: str) -> list[str]:
    """Name the folders in a folder of a plate."""
    inside = join(path, *parts)
    if isinstance(path, Path):
        return [child.name for child in Path(inside).iterdir() if child.is_dir()]
    files, inner = files_of(inside)
    return [
        entry["name"].rstrip("/").rpartition("/")[2]
        for entry in files.ls(inner, detail=True)
        if entry["type"] == "directory"
    ]


def files_of(url: str) -> tuple[Any, str]:
    """Give the file system of a URL and the place within it, as others have left it by now."""
    files, inner = url_to_fs(url)
    files.invalidate_cache()  # else fsspec lists from memory what another process has changed since
    return files, inner
