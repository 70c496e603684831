"""Clean and corrupted fields whose truth is known: what a model's trust is learnt from, and tried on."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from unstained.arrays import Plane, RawPlane
from unstained.imaging.corruptions import KINDS, Rng, View, corrupt, find_kind
from unstained.measurement.downstream import MEASURES
from unstained.measurement.image_metrics import Moments, image_agreement
from unstained.measurement.known import KnownStain, described_stain
from unstained.measurement.scoring import OBJECT_MEASURES, measured
from unstained.plates.plate import Plate
from unstained.plates.regions import Region
from unstained.prediction.engine import Engine
from unstained.prediction.plates import summarised
from unstained.segmentation.recipes import segment
from unstained.trust.features import LARGEST_PX, FieldFeatures, field_features

CLEAN = "clean"

MOVES_CELLS = ("shear_angle", "magnification")
"""Corruptions that turn or stretch the field: the real stain goes with them."""

UNSEEN = ("stage_shift",)
"""Corruptions that no label-free image shows: the stain lies elsewhere, the image is as good as ever."""

LIGHT_RANGE = 1.5
"""The scale of 8 bits ends at so many times a data set's brightest light (99.9 %)."""

Measures = Mapping[str, float | None]


@dataclass(frozen=True)
class Example:
    """One field, or a part of it, as it is or corrupted, and what the model makes of it."""

    region: Region
    kind: str  # `clean`, or of which corruption
    severity: int
    strength: float  # in the corruption's unit
    saturated: float  # share of pixels at the limits
    features: FieldFeatures
    pcc: tuple[float | None, ...]  # per stain, with what the model learnt of it; None = undefined
    ssim: tuple[float | None, ...] = ()  # per stain; this and what follows only where it was measured
    predicted: tuple[Measures, ...] = ()  # per stain: count and means or sums over its objects
    real: tuple[Measures, ...] = ()

    @property
    def well(self) -> str:
        return self.region.field.well


@dataclass(frozen=True)
class Change:
    """A corruption of a strength."""

    kind: str = CLEAN
    severity: int = 0
    strength: float = 0.0

    @classmethod
    def of(cls, kind: str, severity: int) -> "Change":
        return cls(kind, severity, find_kind(kind).severities[severity])


UNCHANGED = Change()


@dataclass(frozen=True)
class Bench:
    """A plate with truth, a model ready to predict it, and what is known of the plate's images."""

    engine: Engine
    plate: Plate
    input: str
    view: View
    known: tuple[KnownStain, ...]
    targets: tuple[str, ...]
    _real: dict[Region, list[Measures]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, engine: Engine, plate: Plate, regions: Sequence[Region]) -> "Bench":
        """Take the model's own channels; the light of `regions` fixes the scale of 8 bits."""
        card = engine.card
        summary = summarised(card)
        known = tuple(described_stain(summary, name) for name in card.stains)
        planes = [plate.read(region.field, card.input) for region in regions]
        return cls(engine, plate, card.input, view_of(planes, plate.pixel_size_um), known, card.targets)

    def label_free(self, region: Region) -> RawPlane:
        """Read the label-free plane (Y X) of a region."""
        return _within(self.plate.read(region.field, self.input), region)

    def truth(self, region: Region) -> list[Plane]:
        """Make what the model learnt of each real stain (Y X) in a region."""
        planes = []
        for known, channel in zip(self.known, self.targets, strict=True):
            whole = known.learnt(self.plate.read(region.field, channel), self.plate.pixel_size_um)
            planes.append(np.asarray(_within(whole, region), dtype=np.float32))
        return planes

    def real_measures(self, region: Region) -> list[Measures]:
        """Measure the objects of each real stain in a region, once."""
        if region not in self._real:
            truth = enumerate(self.truth(region))
            self._real[region] = [self.measures(index, plane, predicted=False) for index, plane in truth]
        return self._real[region]

    def measures(self, index: int, plane: Plane, *, predicted: bool) -> Measures:
        """Find and measure the objects of a stain (Y X), as `evaluate` does it."""
        size_um = self.plate.pixel_size_um
        recipe = self.known[index].recipe(size_um, predicted=predicted)
        objects = measured(segment(plane, recipe, pixel_size_um=size_um), plane, size_um)
        area, total, mean = (objects[name].to_numpy(dtype=float) for name in OBJECT_MEASURES)
        mean_of_all = float(mean @ area / area.sum()) if len(objects) else None
        sums = (float(len(objects)), float(area.sum()), float(total.sum()), mean_of_all)
        return dict(zip(MEASURES, sums, strict=True))


def view_of(planes: Sequence[RawPlane], pixel_size_um: float | None) -> View:
    """Fix a data set's scale of 8 bits, from 0 or its darkest light to beyond its brightest."""
    ends = np.array([np.percentile(plane, (0.1, 99.9)) for plane in planes], dtype=np.float64)
    dark = float(min(ends[:, 0].min(), 0.0))
    bright = float(dark + LIGHT_RANGE * max(ends[:, 1].max() - dark, 1e-6))
    usual = View()
    camera = usual.camera.updated(offset=max(0.0, min(usual.camera.offset, float(ends[:, 0].min()) / 2)))
    return View(dark, bright, pixel_size_um or usual.pixel_um, camera=camera)


def all_changes(kinds: Sequence[str] = ()) -> list[Change]:
    """List every corruption that an image shows, or those named, at every severity."""
    chosen = kinds or [name for name in KINDS if name not in UNSEEN]
    return [Change(name, severity, strength) for name in chosen
            for severity, strength in KINDS[name].severities.items()]  # fmt: skip


def make_examples(
    bench: Bench,
    pairs: Sequence[tuple[Region, Change]],
    rng: Rng,
    *,
    measure: bool = False,
    tell: Callable[[int, int], None] = lambda _done, _all: None,
) -> Iterator[Example]:
    """Predict regions as they are or corrupted, and hold them against their truth.

    With `measure`, objects are found and measured in both stains, as `evaluate` does it.
    """
    for done, (region, change) in enumerate(pairs, start=1):
        yield _example(bench, region, change, rng, measure=measure)
        tell(done, len(pairs))


def parts_of(region: Region) -> list[Region]:
    """Cut a region into parts no longer or wider than those that large fields are looked at in."""

    def cuts(limits: tuple[int, int]) -> list[tuple[int, int]]:
        number = -(-(limits[1] - limits[0]) // LARGEST_PX)
        ends = np.linspace(*limits, number + 1).round().astype(int).tolist()
        return list(itertools.pairwise(ends))

    return [region._replace(rows=rows, columns=columns)
            for rows in cuts(region.rows) for columns in cuts(region.columns)]  # fmt: skip


def _example(bench: Bench, region: Region, change: Change, rng: Rng, *, measure: bool) -> Example:
    plane, saturated = corrupted(bench.label_free(region), change, bench.view, rng)
    truth = [_moved(real, change, bench.view, rng) for real in bench.truth(region)]
    prediction = bench.engine.predict_with_embedding(plane, bench.plate.pixel_size_um)
    pcc = tuple(Moments.of(stain, real).pcc for stain, real in zip(prediction.stains, truth, strict=True))
    features = field_features(bench.engine.card, plane, prediction)
    found = Example(region, change.kind, change.severity, change.strength, saturated, features, pcc)
    if not measure:
        return found
    stains = enumerate(prediction.stains)
    predicted = [bench.measures(index, stain, predicted=True) for index, stain in stains]
    if change.kind in MOVES_CELLS:
        real = [bench.measures(index, plane, predicted=False) for index, plane in enumerate(truth)]
    else:
        real = bench.real_measures(region)
    ssim = (image_agreement(*pair)["ssim"] for pair in zip(prediction.stains, truth, strict=True))
    return replace(found, ssim=tuple(ssim), predicted=tuple(predicted), real=tuple(real))


def corrupted(plane: RawPlane, change: Change, view: View, rng: Rng) -> tuple[RawPlane, float]:
    """Corrupt a plane (Y X) as its camera would have recorded it; give the share of saturated pixels, too."""
    if change.kind == CLEAN:
        return plane, 0.0
    found = corrupt(plane, change.kind, change.strength, view, rng)
    whole = np.issubdtype(plane.dtype, np.integer)
    return (np.rint(found.plane) if whole else found.plane), found.saturated


def _moved(real: Plane, change: Change, view: View, rng: Rng) -> Plane:
    if change.kind not in MOVES_CELLS:
        return real
    return KINDS[change.kind].function(real, change.strength, view, rng)


def _within(plane: RawPlane, region: Region) -> RawPlane:
    return plane[slice(*region.rows), slice(*region.columns)]
