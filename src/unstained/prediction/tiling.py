"""Predict a field of any size in tiles that give what one pass over the whole field gives."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple, Self

import numpy as np
from pydantic import Field, model_validator

from unstained.arrays import Plane, Planes
from unstained.networks.normalisation import Indices
from unstained.networks.unet import UNetSettings
from unstained.settings import Settings


class Tiling(Settings):
    """How a field is cut into windows, of which the middle is kept."""

    tile: int = Field(1024, gt=0, description="side of a window, px")
    halo: int = Field(112, ge=0, description="border of a window that is predicted but not kept, px")
    multiple: int = Field(16, ge=1, description="what the network needs side lengths to be multiples of, px")
    mode: Literal["exact", "centre"] = Field(
        "exact", description="exact: equal to one pass; centre: windows anywhere, as in the thesis"
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.step <= 0:
            raise ValueError(f"tile ({self.tile} px) must be larger than two halos ({self.halo} px each)")
        if self.tile % self.multiple:
            raise ValueError(f"tile ({self.tile} px) must be a multiple of {self.multiple} px")
        if self.mode == "exact" and self.halo % self.multiple:
            raise ValueError(f"halo ({self.halo} px) must be a multiple of {self.multiple} px")
        return self

    @property
    def step(self) -> int:
        """From one window to the next, which is also the side of what is kept, px."""
        return self.tile - 2 * self.halo

    @classmethod
    def for_network(cls, network: UNetSettings, tile: int) -> Self:
        """Make an exact tiling for a network, with windows of about `tile` px, or as its halo needs."""
        side = max(tile, 4 * network.halo)
        return cls(tile=side - side % network.multiple, halo=network.halo, multiple=network.multiple)


THESIS_TILING = Tiling(tile=256, halo=15, mode="centre")
"""The thesis' windows of 256 px, overlapping by 30 px; only centres are kept (its Figs. 4 and 5)."""


class Window(NamedTuple):
    """One window along one axis, px of the padded plane: what is predicted, and what of it is kept."""

    start: int
    stop: int
    first: int
    last: int


def predict_tiled(plane: Plane, predict: Callable[[Planes], Planes], tiling: Tiling) -> Planes:
    """Predict a plane (Y X) of any size in tiles; gives (stain Y X), same Y and X.

    `predict` takes (1 Y X) with sides that are multiples of `tiling.multiple`, and gives (stain Y X). In mode
    `exact` the result is that of one pass over the whole plane, if `tiling.halo` is at least half the
    network's receptive field: windows begin at multiples of `tiling.multiple`, so pooling falls on the same
    pixels, and what is kept lies a halo away from every cut.
    """
    return predict_outputs(plane, lambda window: [predict(window)], tiling)[0]


def predict_outputs(
    plane: Plane, predict: Callable[[Planes], Sequence[Planes]], tiling: Tiling
) -> list[Planes]:
    """Do as `predict_tiled` with several outputs of one pass.

    Each output is (C Y/n X/n) of its window, where n divides `tiling.multiple`, and becomes (C Y/n X/n) of
    the plane, rounded up. Outputs with n > 1 join up in mode `exact` alone.
    """
    return predict_windows(plane.shape, lambda rows, columns: plane[np.ix_(rows, columns)], predict, tiling)


def predict_windows(
    shape: tuple[int, ...],
    window: Callable[[Indices, Indices], Plane],
    predict: Callable[[Planes], Sequence[Planes]],
    tiling: Tiling,
) -> list[Planes]:
    """Do as `predict_outputs` for a plane of `shape` (Y X) that needn't ever be there as a whole.

    `window` gives the pixels of some rows and columns; beyond the edges, those that lie mirrored.
    """
    margin = tiling.halo if tiling.mode == "centre" else 0
    unit = tiling.step if tiling.mode == "centre" else tiling.multiple
    sides = [side + -side % unit + 2 * margin for side in shape]
    mirrored = [np.pad(np.arange(side), (margin, padded - side - margin), mode="reflect")
                for side, padded in zip(shape, sides, strict=True)]  # fmt: skip
    joined: list[Planes] = []
    for row, column in itertools.product(*(list(_windows(side, margin, tiling)) for side in sides)):
        taken = window(mirrored[0][row.start : row.stop], mirrored[1][column.start : column.stop])
        outputs = predict(taken[None])
        if not joined:
            strides = [(row.stop - row.start) // output.shape[1] for output in outputs]
            joined = [_empty(*pair, shape) for pair in zip(outputs, strides, strict=True)]
        for whole, output, n in zip(joined, outputs, strides, strict=True):
            to = tuple(_place(part, margin, n, side)
                       for part, side in zip((row, column), whole.shape[1:], strict=True))  # fmt: skip
            rows, columns = (_kept(part, n, place) for part, place in zip((row, column), to, strict=True))
            whole[:, to[0], to[1]] = output[:, rows, columns]
    return joined


def _windows(side: int, margin: int, tiling: Tiling) -> Iterator[Window]:
    for first in range(margin, side - margin, tiling.step):
        last = min(first + tiling.step, side - margin)
        yield Window(max(0, first - tiling.halo), min(side, last + tiling.halo), first, last)


def _place(window: Window, margin: int, stride: int, side: int) -> slice:
    """Find where what is kept of a window lies in an output that is `side` px long."""
    first, last = ((end - margin) // stride for end in (window.first, window.last))
    return slice(first, min(last, side))


def _kept(window: Window, stride: int, place: slice) -> slice:
    first = (window.first - window.start) // stride
    return slice(first, first + place.stop - place.start)


def _empty(output: Planes, stride: int, shape: tuple[int, ...]) -> Planes:
    return np.empty((len(output), *(-(-side // stride) for side in shape)), output.dtype)
