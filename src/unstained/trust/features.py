"""What a field and its prediction say about how far to believe them: plain figures with plain names."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.fft import fftfreq, rfft2, rfftfreq
from scipy.ndimage import laplace

from unstained.arrays import Plane, RawPlane
from unstained.networks.bundle import ModelCard
from unstained.networks.light import Light, find_light
from unstained.prediction.engine import Prediction

Vector: TypeAlias = NDArray[np.float64]

BANDS = 8
"""Octaves of spatial frequency, from half a cycle per px of the working grid down."""

PERCENTILES = (1, 5, 25, 75, 95, 99)
"""Of the field as the network sees it, where its median is 0."""

BLOCKS = 8
"""A field's light is looked at in so many rows and columns of blocks."""

LARGEST_PX = 768
"""Fields with longer sides are looked at in parts: what is known of parts is learnt on small ones."""

BRIGHT = 0.25
"""Network units (0 background, 1 bright) above which a predicted pixel counts as signal."""

TINY = 1e-6

LIGHT_NAMES = ("level", "contrast", "saturated", "corner_light", "side_light")
SEEN_NAMES = (
    *(f"spectrum_{band}" for band in range(BANDS)),
    "laplacian",
    *(f"percentile_{share}" for share in PERCENTILES),
)
RELIEF_NAMES = ("relief", "relief_along", "relief_across")
STAIN_NAMES = ("share", "brightness", "texture", "dissent")
"""Of each predicted stain."""


@dataclass(frozen=True)
class FieldFeatures:
    """What is known of one field when it was predicted."""

    plain: Vector  # (feature), in the order of `feature_names`
    pooled: Vector  # (256): the bottleneck's mean over the field


def feature_names(stains: Sequence[str]) -> tuple[str, ...]:
    """Name the plain features of a model's fields: of the image, then of each predicted stain."""
    of_stains = (f"{stain}_{name}" for stain in stains for name in STAIN_NAMES)
    return (*LIGHT_NAMES, *SEEN_NAMES, *RELIEF_NAMES, *of_stains)


def field_features(card: ModelCard, plane: RawPlane, prediction: Prediction) -> FieldFeatures:
    """Measure a label-free field (Y X) as recorded, and what a model made of it; large ones by parts."""
    image = image_features(card, plane, prediction.seen, prediction.turns, prediction.light)
    rows, columns = _cuts(plane)
    stains = [
        figure
        for index, stain in enumerate(_in_units(card, prediction))
        for figure in (
            *_mean(_stain_features, _parts(stain, rows, columns)),
            _logarithm(float(prediction.dissent[index])),
        )
    ]
    return FieldFeatures(np.array([*image, *stains]), prediction.embedding.astype(np.float64))


def image_features(
    card: ModelCard, plane: RawPlane, seen: Plane, turns: int, light: Light | None
) -> list[float]:
    """Measure a label-free field (Y X) as recorded and as the network sees it; no prediction is needed."""
    rows, columns = _cuts(plane)
    turned = (columns, rows) if turns % 2 else (rows, columns)
    recorded = _mean(light_features, _parts(plane, rows, columns))
    return [*recorded, *_mean(seen_features, _parts(seen, *turned)), *_relief(card, seen, light)]


def light_features(plane: RawPlane) -> list[float]:
    """Measure the light of a field (Y X) as recorded, in the order of `LIGHT_NAMES`.

    The logarithms of median and of spread (1 % to 99 %) in grey values, of the share of pixels at the two
    ends of what the field holds, and how much darker than the middle the corners and one side are, as shares
    of the median.
    """
    values = np.asarray(plane, dtype=np.float32)
    low, middle, high = (float(value) for value in np.percentile(values, (1, 50, 99)))
    at_ends = float(np.mean((values <= values.min()) | (values >= values.max())))
    shading = _shading(values, max(abs(middle), TINY))
    return [_logarithm(abs(middle)), _logarithm(high - low), _logarithm(at_ends), *shading]


def seen_features(plane: Plane) -> list[float]:
    """Measure a field (Y X) as the network sees it, in the order of `SEEN_NAMES`.

    The radial power spectrum (Hann window) is summed by octaves and given as logarithms of shares of the
    whole, the Laplacian's variance as the logarithm of its ratio to the field's: a gain changes neither.
    """
    return [*_octaves(plane), _roughness(plane), *map(float, np.percentile(plane, PERCENTILES))]


def _octaves(plane: Plane) -> list[float]:
    """Give the logarithm of each octave's share of the power, finest first."""
    window, octave = _octaves_of(plane.shape)
    power = np.abs(rfft2((plane - plane.mean()) * window)) ** 2
    sums = np.bincount(octave, power.ravel(), minlength=BANDS)
    return [_logarithm(float(part)) for part in sums / max(float(sums.sum()), TINY)]


@lru_cache(maxsize=4)
def _octaves_of(shape: tuple[int, int]) -> tuple[Plane, NDArray[np.intp]]:
    """Give a plane's Hann window (Y X), and in which octave each entry of its spectrum lies, flat."""
    rows, columns = shape
    window = np.outer(np.hanning(rows + 2)[1:-1], np.hanning(columns + 2)[1:-1]).astype(np.float32)
    frequency = np.hypot(fftfreq(rows)[:, None], rfftfreq(columns)[None])
    octave = np.clip(np.floor(-np.log2(np.maximum(frequency, TINY))) - 1, 0, BANDS - 1).astype(np.intp)
    return window, octave.ravel()


def _shading(values: Plane, light: float) -> tuple[float, float]:
    """Fit a bowl and a slope to medians of blocks: loss from middle to corner and from side to side."""
    rows, columns = (np.array_split(np.arange(side), min(BLOCKS, side)) for side in values.shape)
    blocks = np.array([[np.median(values[np.ix_(row, column)]) for column in columns] for row in rows])
    y, x = np.meshgrid(*(np.linspace(-1, 1, side) for side in blocks.shape), indexing="ij")
    terms = np.stack([np.ones(blocks.size), y.ravel(), x.ravel(), (y**2 + x**2).ravel()], axis=1)
    _, down, across, bowl = np.linalg.lstsq(terms, blocks.ravel(), rcond=None)[0] / light
    return float(-2 * bowl), float(2 * np.hypot(down, across))


def _relief(card: ModelCard, seen: Plane, light: Light | None) -> list[float]:
    """Give relief's strength, and its parts along and across the light of the model's training fields."""
    if light is None or card.light_deg is None:
        return [find_light(seen).strength, 0.0, 0.0]
    away = np.deg2rad(light.angle_deg - card.light_deg)
    return [light.strength, light.strength * float(np.cos(away)), light.strength * float(np.sin(away))]


def _in_units(card: ModelCard, prediction: Prediction) -> list[Plane]:
    """Give the predicted stains (Y X) in network units, where background is 0 and what is bright 1."""
    pairs = zip(prediction.stains, card.scales, strict=True)
    return [(stain - np.float32(scale.offset)) / np.float32(scale.gain) for stain, scale in pairs]


def _stain_features(units: Plane) -> list[float]:
    """Give a predicted stain's bright share, how bright that is, and its texture."""
    bright = units > BRIGHT
    height = float(units[bright].mean()) if bright.any() else 0.0
    return [float(bright.mean()), height, _roughness(units)]


def _cuts(plane: RawPlane) -> tuple[int, int]:
    """Say into how many rows and columns of parts a field (Y X) is cut."""
    rows, columns = (-(-side // LARGEST_PX) for side in plane.shape)
    return rows, columns


def _parts(plane: RawPlane, rows: int, columns: int) -> list[RawPlane]:
    """Cut a plane (Y X) into about equal parts."""
    return [part for band in np.array_split(plane, rows) for part in np.array_split(band, columns, axis=1)]


def _mean(measure: Callable[[RawPlane], list[float]], parts: Sequence[RawPlane]) -> list[float]:
    return [float(value) for value in np.mean([measure(part) for part in parts], axis=0)]


def _roughness(plane: Plane) -> float:
    """Give the logarithm of the Laplacian's variance over the plane's own."""
    return _logarithm(float(laplace(plane, mode="nearest").var()) / max(float(plane.var()), TINY))


def _logarithm(value: float) -> float:
    return float(np.log(max(value, 0.0) + TINY))
