"""What every model is given after training: reference, expected quality, causes, envelope."""

from collections.abc import Callable, Sequence

import numpy as np
from pydantic import Field

from unstained.errors import BadInput
from unstained.networks.bundle import Model
from unstained.plates.plate import Plate
from unstained.plates.regions import Region
from unstained.plates.splitting import Split
from unstained.prediction.engine import Engine
from unstained.settings import Settings
from unstained.trust.drift import DriftDetector, DriftSettings, calibrate_drift
from unstained.trust.examples import (
    CLEAN,
    UNCHANGED,
    Bench,
    Change,
    Example,
    all_changes,
    make_examples,
    parts_of,
)
from unstained.trust.expected_quality import COUNT_ERRORS_TO, ExpectedQuality
from unstained.trust.features import Vector, feature_names
from unstained.trust.finding_envelope import FEWEST_FIELDS, find_envelope
from unstained.trust.forest import Forest
from unstained.trust.reference import Reference
from unstained.trust.verdict import FEWEST_TRIED, Trust

ENVELOPE_KINDS = ("defocus", "magnification")
"""Corruptions that the envelope is found for on as many fields as measurements need to correlate."""

USUAL = 0.99


class TrustSettings(Settings):
    """How much is tried out to learn when a model may be believed."""

    each: int = Field(2, ge=0, description="fields that every corruption is tried on; 0 = no trust is made")
    measured: int = Field(8, ge=0, description="the same for those whose measurements make the envelope")
    most_clean: int = Field(100, ge=1, description="clean fields that are looked at, of each role")
    seed: int = 0


AS_USUAL = TrustSettings()


def make_trust(
    model: Model,
    plate: Plate,
    split: Split,
    settings: TrustSettings = AS_USUAL,
    tell: Callable[[int, int], None] = lambda _done, _all: None,
) -> Trust | None:
    """Try a model on clean and corrupted fields of the plate it comes from; None where none may be used.

    Quality is learnt on validation regions; where there are too few, on training ones, too, whose stain the
    network has seen: what is expected then is somewhat too good. Test regions are never looked at.
    """
    tried = split.validation if len(split.validation) >= FEWEST_TRIED else (*split.validation, *split.train)
    if not tried or not settings.each:
        return None
    rng = np.random.default_rng(settings.seed)
    known = _some(split.train, settings.most_clean)
    bench = Bench.of(Engine(model, quiet=True), plate, _some(tried, settings.most_clean))
    parts = [part for region in _some(tried, settings.most_clean) for part in parts_of(region)]
    parts = _some(parts, settings.most_clean)
    pairs = [*((part, UNCHANGED) for part in parts), *planned(parts, settings)]
    examples = list(make_examples(bench, pairs, rng, measure=len(parts) >= FEWEST_FIELDS, tell=tell))
    seen = [(part, UNCHANGED) for region in known for part in parts_of(region)[:1] if part not in parts]
    clean = [*(example for example in examples if example.kind == CLEAN), *make_examples(bench, seen, rng)]
    return learnt(model, examples, clean)


def planned(parts: Sequence[Region], settings: TrustSettings) -> list[tuple[Region, Change]]:
    """Give every corruption at every severity to as many parts as set, all parts in turn."""
    plan: list[tuple[Region, Change]] = []
    for change in all_changes():
        number = max(settings.measured, settings.each) if change.kind in ENVELOPE_KINDS else settings.each
        for _ in range(min(number, len(parts))):
            plan.append((parts[len(plan) % len(parts)], change))
    return plan


def learnt(model: Model, examples: Sequence[Example], clean: Sequence[Example]) -> Trust:
    """Learn trust from examples, and from clean fields whose quality needn't be known."""
    stains = model.card.stains
    plain = np.stack([example.features.plain for example in examples])
    reference = Reference.of(
        feature_names(stains),
        [str(example.region.field) for example in clean],
        [example.features for example in clean],
        plain,
    )
    points, wells = reference.compressed(plain), [example.well for example in examples]
    kinds = tuple(dict.fromkeys(example.kind for example in examples if example.kind != CLEAN))
    severities = np.array([[(each.kind == kind) * each.severity for kind in kinds] for each in examples])
    truth = np.stack([quality_of(example) for example in examples])
    is_clean = np.array([example.kind == CLEAN for example in examples])
    tried = np.vstack([points, reference.compressed(reference.plain)])
    fields = [*(str(each.region.field) for each in examples), *reference.fields]
    return Trust(
        reference=reference,
        quality=ExpectedQuality.fitted(points, truth, len(stains), wells, reference.drift(plain)),
        causes=Forest.fitted(points, severities.astype(float)),
        kinds=kinds,
        tried=tried,
        usual=_usual_distance(tried, fields),
        clean_pcc=float(truth[is_clean, : len(stains)].mean()),
        calibration_wells=len(set(wells)),
        envelope=find_envelope(stains, examples),
        detector=_detector(reference),
    )


def _detector(reference: Reference) -> DriftDetector | None:
    """Calibrate what watches fields as they come; None where there are too few to promise anything."""
    rng = np.random.default_rng(0)
    try:
        return calibrate_drift(reference.own_unusual, reference.wells, DriftSettings(), rng)
    except BadInput:
        return None


def quality_of(example: Example) -> Vector:
    """Give an example's PCC of each stain (undefined: 0); where measured, each count error, drawn in."""
    errors = []
    for real, predicted in zip(example.real, example.predicted, strict=True):
        number, found = real["count"] or 0.0, predicted["count"] or 0.0
        errors.append(min(abs(found - number) / max(number, 1.0), COUNT_ERRORS_TO))
    return np.array([*(value or 0.0 for value in example.pcc), *errors])


def _usual_distance(tried: Vector, fields: Sequence[str]) -> float:
    """Give the distance within which 99 % of examples find one of another field."""
    own = np.asarray(fields)
    if len(set(fields)) < 2:
        return float("inf")
    nearest = []
    for point, field in zip(tried, fields, strict=True):
        others = tried[own != field]
        nearest.append(float(np.sqrt(np.mean((others - point) ** 2, axis=1)).min()))
    return max(float(np.quantile(nearest, USUAL)), 1e-6)


def _some(regions: Sequence[Region], most: int) -> list[Region]:
    return list(regions[:: -(-len(regions) // most)]) if regions else []
