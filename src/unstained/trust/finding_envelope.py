"""Find how strong a corruption may be before a model's predictions and measurements suffer."""

from collections.abc import Mapping, Sequence

import numpy as np

from unstained.imaging.corruptions import find_kind
from unstained.measurement.downstream import MEASURES, pearson
from unstained.plates.regions import Region
from unstained.trust.envelope import TOLERANCE, Curve, Envelope
from unstained.trust.examples import CLEAN, Example

FEWEST_FIELDS = 8
"""From so many fields on, measurements are held against the real stain's, too; fewer don't correlate."""

FOLLOWS = 0.8
"""Correlation from which a measurement of clean fields is said to follow the real stain."""


def find_envelope(stains: Sequence[str], examples: Sequence[Example]) -> Envelope:
    """Find the envelope from clean and corrupted examples of the same fields."""
    clean = [each for each in examples if each.kind == CLEAN]
    kinds = [kind for kind in dict.fromkeys(each.kind for each in examples) if kind != CLEAN]
    curves = {
        stain: tuple(
            _curve(kind, index, clean, [each for each in examples if each.kind == kind]) for kind in kinds
        )
        for index, stain in enumerate(stains)
    }
    return Envelope(fields=len({each.region.field for each in clean}), curves=curves)


def _curve(kind: str, index: int, clean: Sequence[Example], corrupted: Sequence[Example]) -> Curve:
    described = find_kind(kind)
    by_strength: dict[float, list[Example]] = {described.neutral: list(clean)}
    for example in corrupted:
        by_strength.setdefault(example.strength, []).append(example)
    strengths = sorted(by_strength)
    before = {example.region: example for example in clean}
    pcc = [_share(by_strength[strength], before, index) for strength in strengths]
    followed = _followed(clean, index)
    lost = [_lost_correlation(by_strength[strength], before, index, followed) for strength in strengths]
    inside = [
        share is not None and share >= 1 - TOLERANCE and (loss or 0.0) <= TOLERANCE
        for share, loss in zip(pcc, lost, strict=True)
    ]
    return Curve(
        kind=kind,
        unit=described.unit,
        strengths=tuple(strengths),
        pcc=tuple(pcc),
        downstream=tuple(lost) if any(loss is not None for loss in lost) else (),
        saturated=tuple(
            float(np.mean([example.saturated for example in by_strength[strength]])) for strength in strengths
        ),
        holds=_run_around(strengths, inside, strengths.index(described.neutral)),
    )


def _share(examples: Sequence[Example], before: Mapping[Region, Example], index: int) -> float | None:
    """Give the mean PCC over that of the same regions when clean."""
    pairs = [(each.pcc[index] or 0.0, before[each.region].pcc[index] or 0.0) for each in examples]
    whole = sum(clean for _, clean in pairs)
    return sum(found for found, _ in pairs) / whole if whole > 0 else None


def _followed(clean: Sequence[Example], index: int) -> tuple[str, ...]:
    """Name the measurements that follow the real stain's over clean fields: only these can be lost."""
    found = {measure: _correlation(clean, index, measure) for measure in MEASURES}
    return tuple(measure for measure, value in found.items() if value is not None and value >= FOLLOWS)


def _lost_correlation(
    examples: Sequence[Example], before: Mapping[Region, Example], index: int, measures: Sequence[str]
) -> float | None:
    """Give by how much correlations fall against the same fields when clean, mean over measurements."""
    same = [before[each.region] for each in examples]
    losses = []
    for measure in measures:
        clean, now = (_correlation(each, index, measure) for each in (same, examples))
        if clean is not None:
            losses.append(clean - (now or 0.0))
    return float(np.mean(losses)) if losses else None


def _correlation(examples: Sequence[Example], index: int, measure: str) -> float | None:
    """Correlate a measurement of the predicted with the real stain; None with too few fields."""
    known = [each for each in examples if each.real]
    if len({each.region.field for each in known}) < FEWEST_FIELDS:
        return None
    pairs = [(each.real[index][measure], each.predicted[index][measure]) for each in known]
    real, predicted = np.array([pair for pair in pairs if None not in pair], dtype=float).reshape(-1, 2).T
    return pearson(real, predicted)


def _run_around(strengths: Sequence[float], inside: Sequence[bool], start: int) -> tuple[float, float]:
    """Give the ends of the run of strengths inside the envelope that holds the neutral one."""
    low = high = start
    while low > 0 and inside[low - 1]:
        low -= 1
    while high + 1 < len(strengths) and inside[high + 1]:
        high += 1
    return strengths[low], strengths[high]
