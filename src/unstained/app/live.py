"""The Trust view's experiment: a crop made worse on purpose, and what becomes of prediction and numbers."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from unstained.arrays import Plane, Planes, RawPlane
from unstained.imaging.corruptions import KINDS, corrupt
from unstained.measurement.image_metrics import Moments
from unstained.plates.plate import FieldName, Plate
from unstained.plates.regions import Region
from unstained.prediction.engine import Engine
from unstained.prediction.labeller import Labeller
from unstained.prediction.verdicts import Verdict
from unstained.trust.examples import Bench, Measures
from unstained.trust.kept import judge_of, trust_of
from unstained.trust.verdict import Trust

CROP_PX = 512

SLIDERS = {
    "defocus": "Defocus, µm",
    "lamp": "Light left (noise)",
    "contrast": "Gain, ×",
    "brightness": "Bias, of 255",
}
"""Corruptions that sliders act by, in the order in which light meets them: lens, photons, camera."""


@dataclass(frozen=True)
class Crop:
    """A part of a field, ready to be made worse."""

    bench: Bench
    region: Region
    plane: RawPlane  # (Y X), label-free, as recorded
    truth: tuple[Plane, ...]  # per stain, what the model learnt of the real one; () = not known


@dataclass(frozen=True)
class Outcome:
    """What becomes of a crop at some strengths."""

    plane: RawPlane  # (Y X), as the camera would have recorded it
    stains: Planes  # (stain Y X)
    saturated: float
    pcc: tuple[float | None, ...]  # per stain; () where the truth isn't known
    verdict: Verdict | None


def neutral() -> dict[str, float]:
    """Give the strengths that change nothing."""
    return {kind: KINDS[kind].neutral for kind in SLIDERS}


def ends_of(kind: str) -> tuple[float, float]:
    """Give the least and the most strength that a corruption is tried at."""
    known = KINDS[kind]
    strengths = (known.neutral, *known.severities.values())
    return float(min(strengths)), float(max(strengths))


def cut(labeller: Labeller, plate: Plate, name: FieldName) -> Crop:
    """Take the middle of a field, at most `CROP_PX` a side.

    Raises
    ------
    MissingChannel, UnknownField, BadInput
        The plate lacks the model's channel, or the field.
    """
    rows, columns = (_middle(side) for side in plate.shape(name))
    region = Region(name, rows, columns)
    bench = Bench.of(labeller.engine, plate, [region])
    has_truth = set(bench.targets) <= set(plate.channels)
    plane = np.ascontiguousarray(bench.label_free(region))
    return Crop(bench, region, plane, tuple(bench.truth(region)) if has_truth else ())


def try_out(labeller: Labeller, crop: Crop, strengths: Mapping[str, float]) -> Outcome:
    """Make a crop worse, one corruption after the other, predict it, and judge it."""
    plane, saturated = worsened(crop, strengths)
    engine: Engine = labeller.engine
    prediction = engine.predict_with_embedding(plane, crop.bench.plate.pixel_size_um)
    judge = judge_of([labeller], real=not crop.bench.plate.info.get("simulated"))
    verdict = None if judge is None else judge(labeller.card, plane, prediction)
    pcc = tuple(
        Moments.of(stain, real).pcc for stain, real in zip(prediction.stains, crop.truth, strict=False)
    )
    return Outcome(plane, prediction.stains, saturated, pcc, verdict)


def worsened(crop: Crop, strengths: Mapping[str, float]) -> tuple[RawPlane, float]:
    """Make a crop (Y X) worse as its camera would have recorded it; give the share of saturated pixels, too.

    Chance is the same every time, so that a slider that is moved back gives the same image.
    """
    plane: RawPlane = crop.plane
    saturated = 0.0
    for kind in SLIDERS:
        strength = strengths.get(kind, KINDS[kind].neutral)
        if strength != KINDS[kind].neutral:
            found = corrupt(plane, kind, strength, crop.bench.view, np.random.default_rng(0))
            plane, saturated = found.plane, found.saturated
    whole = np.issubdtype(crop.plane.dtype, np.integer) and plane is not crop.plane
    return (np.rint(plane).astype(crop.plane.dtype) if whole else plane), saturated


def measured(crop: Crop, outcome: Outcome, index: int) -> tuple[Measures, Measures | None]:
    """Measure a stain's objects as predicted, and as real where that is known."""
    predicted = crop.bench.measures(index, outcome.stains[index], predicted=True)
    return predicted, crop.bench.real_measures(crop.region)[index] if crop.truth else None


def trust_in(labeller: Labeller) -> Trust | None:
    """Give what a model knows of its limits; None where it knows nothing."""
    return trust_of(labeller.name, labeller.extras)


def _middle(side: int) -> tuple[int, int]:
    start = max(0, (side - CROP_PX) // 2)
    return start, min(side, start + CROP_PX)
