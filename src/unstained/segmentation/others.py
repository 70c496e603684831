"""Segmenters that others wrote (Cellpose, StarDist, InstanSeg, ...), behind one function.

The function takes a plane (Y X, float32, camera units) and the side of a pixel (µm, or None), and gives its
labels (Y X): whole numbers, 0 for background.
"""

import sys
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import numpy as np
from pydantic import Field, field_validator

from unstained.arrays import Labels, Plane
from unstained.errors import BadInput, BadSettings, one_line
from unstained.segmentation.regions import renumbered
from unstained.settings import Settings


class OtherSettings(Settings):
    """Objects are found by a function that somebody else wrote."""

    method: Literal["other"] = "other"
    function: str = Field(pattern=".:.", description="module:function, or file.py:function")

    @field_validator("function")
    @classmethod
    def _is_found_from_any_folder(cls, name: str) -> str:
        module, _, function = name.rpartition(":")
        return f"{Path(module).expanduser().resolve()}:{function}" if module.endswith(".py") else name


def segment_by_other(plane: Plane, settings: OtherSettings, *, pixel_size_um: float | None) -> Labels:
    """Label the objects of a plane (Y X) by the function that `settings` name; objects run 1..N.

    Raises
    ------
    BadSettings
        There is no such function.
    BadInput
        It failed, or what it gave aren't labels of the plane.
    """
    function = find_function(settings.function)
    try:
        found = np.asarray(function(plane.copy(), pixel_size_um))
    except Exception as error:
        kind = type(error).__name__
        raise BadInput(f"{settings.function} failed: {kind}: {one_line(error)}") from error
    if found.shape != plane.shape or found.dtype.kind not in "bui" or (found.size and found.min() < 0):
        raise BadInput(
            f"{settings.function} gave {found.dtype} of shape {found.shape}; labels of a plane {plane.shape}"
            " are whole numbers of the same shape, 0 for background"
        )
    return renumbered(found.astype(np.int32))


@lru_cache(maxsize=8)
def find_function(name: str) -> Callable[..., Any]:
    """Find `module:function`, or `file.py:function`.

    Raises
    ------
    BadSettings
        There is none, or it can't be called.
    """
    module, _, function = name.rpartition(":")
    try:
        found = getattr(_loaded(module), function)
    except Exception as error:  # whatever a module does when it is imported
        raise BadSettings("segmenter", f"{name} can't be loaded: {one_line(error)}") from error
    if not callable(found):
        raise BadSettings("segmenter", f"{name} is no function")
    called: Callable[..., Any] = found
    return called


def _loaded(module: str) -> ModuleType:
    if not module.endswith(".py"):
        return import_module(module)
    path = Path(module).expanduser().resolve()
    spec = spec_from_file_location(f"unstained_segmenter_{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ImportError(f"there is no file {path}")
    loaded = module_from_spec(spec)
    sys.modules[spec.name] = loaded
    spec.loader.exec_module(loaded)
    return loaded
