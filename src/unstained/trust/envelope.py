"""Where a model's numbers hold: how strong a corruption may be before predictions and measurements suffer."""

from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import Field

from unstained.imaging.corruptions import find_kind
from unstained.measurement.downstream import MEASURES, pearson
from unstained.plates.regions import Region
from unstained.settings import Settings
from unstained.trust.examples import CLEAN, Example

TOLERANCE = 0.05
"""A prediction holds as long as its correlations stay within this of those of clean fields."""

FEWEST_FIELDS = 8
"""From so many fields on, measurements are held against the real stain's, too; fewer don't correlate."""


class Curve(Settings):
    """What one corruption does to one stain, by strength; the neutral one is among them."""

    kind: str
    unit: str
    strengths: tuple[float, ...] = Field(description="from least to most")
    pcc: tuple[float | None, ...] = Field(description="mean over fields, as a share of that of clean ones")
    downstream: tuple[float | None, ...] = Field(
        (), description="least correlation of count, area and intensity over fields; () = too few fields"
    )
    saturated: tuple[float, ...] = Field(description="mean share of pixels at the camera's limits")
    holds: tuple[float, float] = Field(description="between these strengths, all stays within the tolerance")


class Envelope(Settings):
    """A model's operating envelope; the content of `envelope.json`."""

    fields: int = Field(description="so many fields it was found on")
    tolerance: float = TOLERANCE
    curves: dict[str, tuple[Curve, ...]] = Field(description="by stain")

    def limits(self, kind: str) -> tuple[float, float] | None:
        """Give the strengths between which every stain holds; None where the corruption wasn't tried."""
        found = [curve.holds for curves in self.curves.values() for curve in curves if curve.kind == kind]
        return (max(each[0] for each in found), min(each[1] for each in found)) if found else None


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
    before = {example.region: example.pcc[index] or 0.0 for example in clean}
    pcc = [_share(by_strength[strength], before, index) for strength in strengths]
    measured = [_least_correlation(by_strength[strength], index) for strength in strengths]
    start = strengths.index(described.neutral)
    inside = [
        share is not None
        and share >= 1 - TOLERANCE
        and (least is None or measured[start] is None or least >= measured[start] - TOLERANCE)
        for share, least in zip(pcc, measured, strict=True)
    ]
    return Curve(
        kind=kind,
        unit=described.unit,
        strengths=tuple(strengths),
        pcc=tuple(pcc),
        downstream=tuple(measured) if any(measured) else (),
        saturated=tuple(
            float(np.mean([example.saturated for example in by_strength[strength]])) for strength in strengths
        ),
        holds=_run_around(strengths, inside, start),
    )


def _share(examples: Sequence[Example], before: Mapping[Region, float], index: int) -> float | None:
    """Give the mean PCC over that of the same regions when clean."""
    pairs = [(each.pcc[index] or 0.0, before[each.region]) for each in examples if each.region in before]
    whole = sum(clean for _, clean in pairs)
    return sum(found for found, _ in pairs) / whole if whole > 0 else None


def _least_correlation(examples: Sequence[Example], index: int) -> float | None:
    """Give the least correlation over fields of what is measured; None with too few fields."""
    known = [each for each in examples if each.real]
    if len(known) < FEWEST_FIELDS:
        return None
    found = []
    for measure in MEASURES:
        pairs = [(each.real[index][measure], each.predicted[index][measure]) for each in known]
        real, predicted = np.array([pair for pair in pairs if None not in pair], dtype=float).reshape(-1, 2).T
        found.append(pearson(real, predicted) if len(real) >= FEWEST_FIELDS else None)
    return min((each for each in found if each is not None), default=None)


def _run_around(strengths: Sequence[float], inside: Sequence[bool], start: int) -> tuple[float, float]:
    """Give the ends of the run of strengths inside the envelope that holds the neutral one."""
    low = high = start
    while low > 0 and inside[low - 1]:
        low -= 1
    while high + 1 < len(strengths) and inside[high + 1]:
        high += 1
    return strengths[low], strengths[high]
