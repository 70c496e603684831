"""From camera values to what a network sees, and back to camera values."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.ndimage import gaussian_filter

from unstained.arrays import Plane, RawPlane
from unstained.settings import Settings

BAND_PX = 2**20
"""So many pixels of a field are worked on at once, that none of its size is needed beside it."""

Indices: TypeAlias = NDArray[np.intp]
"""Rows or columns of a plane, px."""


class Contrasts(NamedTuple):
    """Spread of a field between two percentiles, as a share of its median: over the training fields."""

    least: float
    typical: float
    most: float


class Normalisation(Settings):
    """How a label-free plane is brought to one scale, each field by itself.

    The field's own median becomes 0 and the spread between two percentiles becomes 1, so lamp and camera
    gain and offset cancel (up to saturation). Light that varies slowly over the field is taken away first.

    A field full of cells has a wider spread than one with few, though each cell is as bright. Where the
    training fields' `contrasts` are known, a field whose contrast lies among theirs is therefore scaled by
    its median alone, so that the typical one's spread becomes 1; one of less or more contrast than any of
    them (another microscope, another light) is first brought to the nearest. Gain still cancels; the camera's
    offset does as long as it is that of training, or the contrast is brought to the nearest.
    """

    lower: float = Field(1.0, ge=0, lt=50, description="percentile that marks the dark end")
    upper: float = Field(99.0, gt=50, le=100, description="percentile that marks the bright end")
    flatten: float = Field(
        0.125, ge=0, le=1, description="blur of the light's shape, in field sides; 0 = off"
    )
    contrasts: Contrasts | None = Field(None, description="of the training fields; null = not used")

    def apply(self, plane: RawPlane) -> Plane:
        """Normalise one field (Y X), any number type; a constant plane becomes 0."""
        return self.of(plane).whole()

    def of(self, plane: RawPlane) -> "NormalisedField":
        """Measure one field (Y X), any number type, so that any part of it can be normalised."""
        slow = SlowLight(plane, self.flatten * min(plane.shape)) if self.flatten else None
        middle, spread = self._measured(plane, slow)
        scale = max(spread, float(np.finfo(np.float32).tiny))
        if self.contrasts is not None:
            least, typical, most = self.contrasts
            scale *= typical / min(max(_contrast(plane, spread), least), most)
        return NormalisedField(plane, slow, middle, scale)

    def contrast(self, plane: RawPlane) -> float:
        """Give a field's (Y X) spread as a share of its median."""
        slow = SlowLight(plane, self.flatten * min(plane.shape)) if self.flatten else None
        return _contrast(plane, self._measured(plane, slow)[1])

    def knowing(self, fields: Iterable[RawPlane]) -> Self:
        """Give this normalisation with the contrasts of training fields (Y X); dark ones have none."""
        found = [each for plane in fields if np.isfinite(each := self.contrast(plane)) and each > 0]
        if not found:
            return self.model_copy(update={"contrasts": None})
        known = Contrasts(min(found), float(np.median(found)), max(found))
        return self.model_copy(update={"contrasts": known})

    def _measured(self, plane: RawPlane, slow: "SlowLight | None") -> tuple[float, float]:
        """Give the median and the spread of a field, slow light removed."""
        field = NormalisedField(plane, slow)
        low, middle, high = percentiles(field.bands, plane.size, (self.lower, 50.0, self.upper))
        return middle, high - low


class NormalisedField:
    """A field in network units, computed where it is looked at: nothing is kept beside the field itself."""

    def __init__(
        self, plane: RawPlane, slow: "SlowLight | None", middle: float = 0.0, scale: float = 1.0
    ) -> None:
        self.shape = plane.shape
        self._plane, self._slow, self._middle, self._scale = plane, slow, middle, scale

    def window(self, rows: Indices, columns: Indices) -> Plane:
        """Give the pixels of some rows and columns (Y X)."""
        return self._scaled(self._plane[np.ix_(rows, columns)], rows, columns)

    def whole(self) -> Plane:
        """Give all of the field (Y X)."""
        normalised = np.empty(self.shape, np.float32)
        first = 0
        for band in self.bands():
            normalised[first : first + len(band)] = band
            first += len(band)
        return normalised

    def bands(self) -> Iterator[Plane]:
        """Give the field by bands of rows, from the top."""
        columns = np.arange(self.shape[1])
        for rows in bands_of(self.shape):
            yield self._scaled(self._plane[rows], np.arange(rows.start, rows.stop), columns)

    def _scaled(self, part: RawPlane, rows: Indices, columns: Indices) -> Plane:
        flat = part.astype(np.float32)
        if self._slow is not None:
            flat -= self._slow.window(rows, columns)
        flat -= np.float32(self._middle)
        flat /= np.float32(self._scale)
        return flat


class SlowLight:
    """The slow part of a plane (Y X): a Gaussian blur, on a coarse grid as nothing in it is finer."""

    def __init__(self, plane: RawPlane, sigma_px: float) -> None:
        self._step = step = max(1, int(sigma_px // 8))
        rows, columns = plane.shape
        across = np.minimum(np.arange(columns + -columns % step), columns - 1)
        means = []
        for band in bands_of((rows + -rows % step, columns), step):
            down = np.minimum(np.arange(band.start, band.stop), rows - 1)
            part = plane[np.ix_(down, across)].astype(np.float32)
            means.append(part.reshape(len(down) // step, step, -1, step).mean(axis=(1, 3)))
        self._coarse = gaussian_filter(np.concatenate(means), sigma_px / step, mode="nearest")

    def window(self, rows: Indices, columns: Indices) -> Plane:
        """Give the slow light of some rows and columns (Y X), linear between the coarse grid's centres."""
        across = _between(self._coarse.T.astype(np.float64), columns, self._step)
        return _between(across.T, rows, self._step).astype(np.float32)


class StainScale(Settings):
    """Camera units of a stain = offset + gain · network units; fixed for all training fields together."""

    offset: float = 0.0
    gain: float = Field(1.0, gt=0)

    def apply(self, plane: RawPlane) -> Plane:
        """Bring a stained plane to network units."""
        scaled: Plane = ((np.asarray(plane, dtype=np.float32) - self.offset) / self.gain).astype(np.float32)
        return scaled

    def undo(self, plane: Plane) -> Plane:
        """Bring network units back to camera units."""
        scaled: Plane = (plane * np.float32(self.gain) + np.float32(self.offset)).astype(np.float32)
        return scaled


def _contrast(plane: RawPlane, spread: float) -> float:
    (light,) = percentiles(NormalisedField(plane, None).bands, plane.size, (50.0,))
    return spread / light if light > 0 else np.inf


def slow_light(plane: Plane, sigma_px: float) -> Plane:
    """Find the slow part of a plane (Y X), see `SlowLight`."""
    return SlowLight(plane, sigma_px).window(*(np.arange(side) for side in plane.shape))


def percentiles(
    bands: Callable[[], Iterable[Plane]], size: int, percents: Sequence[float]
) -> tuple[float, ...]:
    """Give percentiles of `size` values that come in bands (float32), as `numpy.percentile` does: exactly.

    Values aren't sorted and needn't be there at once: they are counted by the upper half of their bits, and
    where a percentile lies, by the lower.
    """
    places = [(size - 1) * percent / 100 for percent in percents]
    ranks = sorted({rank for place in places for rank in (math.floor(place), math.ceil(place))})
    upper = np.zeros(2**16, np.intp)
    for band in bands():
        upper += np.bincount(_keys(band) >> 16, minlength=2**16)
    until = np.cumsum(upper)
    halves = {rank: int(np.searchsorted(until, rank, side="right")) for rank in ranks}
    lower = dict.fromkeys(halves.values(), np.zeros(2**16, np.intp))
    for band in bands():
        keys = _keys(band)
        for half in lower:
            within = keys[keys >> 16 == half] & 0xFFFF
            lower[half] = lower[half] + np.bincount(within, minlength=2**16)
    value = {}
    for rank, half in halves.items():
        before = int(until[half - 1]) if half else 0
        rest = int(np.searchsorted(np.cumsum(lower[half]), rank - before, side="right"))
        value[rank] = _value(half << 16 | rest)
    return tuple(
        value[math.floor(place)] + (value[math.ceil(place)] - value[math.floor(place)]) * (place % 1)
        for place in places
    )


def bands_of(shape: tuple[int, ...], multiple: int = 1) -> Iterator[slice]:
    """Cut a plane's rows into bands of about `BAND_PX` pixels, but for the last of `multiple` rows each."""
    height = max(1, BAND_PX // (shape[1] * multiple)) * multiple
    return (slice(first, min(first + height, shape[0])) for first in range(0, shape[0], height))


def _between(values: NDArray[np.float64], at: Indices, step: int) -> NDArray[np.float64]:
    """Give rows of `values`, each the middle of `step` px, at pixels `at`, linearly between them."""
    place = np.clip((at + 0.5) / step - 0.5, 0, len(values) - 1)
    first = np.minimum(place.astype(np.intp), max(len(values) - 2, 0))
    last = np.minimum(first + 1, len(values) - 1)
    share = (place - first)[:, None]
    between: NDArray[np.float64] = values[first] * (1 - share) + values[last] * share
    return between


def _keys(band: Plane) -> NDArray[np.uint32]:
    """Give whole numbers in the order of the values (float32) that they stand for, flat."""
    bits = np.ascontiguousarray(band).view(np.uint32).ravel()
    return np.where(bits >> 31, ~bits, bits | np.uint32(2**31))


def _value(key: int) -> float:
    bits = key ^ 2**31 if key >> 31 else key ^ (2**32 - 1)
    return float(np.uint32(bits).view(np.float32))
