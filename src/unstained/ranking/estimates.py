"""What is known of the real columns of every well: from predicted stains, and real ones if there are any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unstained.errors import listed
from unstained.ranking.columns import WELL, Columns, columns_of, joined
from unstained.ranking.corrections import Correction, corrected
from unstained.ranking.score import Score, robust_scale

RESAMPLINGS = 200
FEWEST_CONTROLS = 3
FEWEST_STAINED = 6
"""From so many stained wells a line is fitted that leads from predicted to real columns."""

CONTROL = "control"
"""Column of the plate map that marks controls."""

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class RankedPlate:
    """What ranking needs to know of one measured plate."""

    name: str
    tables: Mapping[str, pd.DataFrame]
    conditions: pd.DataFrame  # `well` and the plate map's columns
    verdicts: Mapping[str, str] = field(default_factory=dict)  # well → its worst
    agreement: Mapping[str, float] = field(default_factory=dict)  # column → Pearson with the real stain
    real: Mapping[str, pd.DataFrame] | None = None  # tables of the wells that have a real stain


@dataclass(frozen=True)
class Estimates:
    """The columns of a score on the scale of the reference: median 0, spread 1."""

    z: Matrix  # (well column)
    uncorrected: Matrix  # the same before effects were taken away
    drawn: NDArray[np.float64]  # (draw well column): with the fields of each well drawn anew
    unknown: Matrix  # (well column): variance that the predicted stain doesn't tell
    corrections: tuple[Correction, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Raw:
    """Transformed columns before they are brought to scale."""

    values: Matrix  # (well column)
    drawn: NDArray[np.float64]  # (draw well column)
    unknown: Matrix  # (well column): variance
    counts_as: NDArray[np.float64]  # (column): share of a deviation that is believed
    notes: tuple[str, ...]


def estimate(
    plates: Sequence[RankedPlate],
    columns: Columns,
    wells: pd.DataFrame,
    score: Score,
    kinds: Sequence[str],
    rng: np.random.Generator,
) -> Estimates:
    """Estimate the real columns of every well.

    Without real stains a column counts by its agreement with them, where the models know it: of two variables
    of one scale that correlate by r, the best guess of one is r times the other, and 1 − r² of its variance
    stays unknown. With real stains of enough wells these are taken as they are, and a line fitted on them
    leads from the predicted to the real columns of the others; its residual variance stays unknown.
    """
    names = list(score.terms)
    raw = _with_real(_predicted(columns, plates, score, rng), plates, wells, score, rng)
    values, corrections = corrected(raw.values, names, wells, kinds)
    reference = reference_wells(wells)
    centre, unit = np.zeros(len(names)), np.ones(len(names))
    counts_as, notes = raw.counts_as.copy(), list(raw.notes)
    for index, name in enumerate(names):
        middle, spread = robust_scale(values[reference, index])
        whole = float(np.sqrt(spread**2 + raw.unknown[reference, index].mean()))
        if whole > 0:
            centre[index], unit[index] = middle, whole
        else:
            counts_as[index] = 0.0
            notes.append(f"{name} doesn't vary between wells: left out")
    notes.append(
        "scale: all wells (no controls)" if reference.all() else f"scale: {int(reference.sum())} controls"
    )

    def scaled(of: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(counts_as > 0, counts_as * (of - centre) / unit, 0.0)

    return Estimates(
        z=scaled(values),
        uncorrected=scaled(raw.values),
        drawn=scaled(raw.drawn + (values - raw.values)),  # what was taken away doesn't change by resampling
        unknown=np.where(counts_as > 0, raw.unknown / unit**2 + 1 - counts_as**2, 0.0),
        corrections=corrections,
        notes=tuple(notes),
    )


def reference_wells(wells: pd.DataFrame) -> NDArray[np.bool_]:
    """Say which wells are controls: what the plate map's column `control` marks; all where too few are."""
    if CONTROL in wells:
        marked = np.array([_is_marked(value) for value in wells[CONTROL]])
        if FEWEST_CONTROLS <= marked.sum() < len(wells):
            return marked
    return np.ones(len(wells), dtype=bool)


def transformed(values: Matrix, score: Score) -> Matrix:
    """Transform columns (row column) as the score's terms say."""
    terms = score.terms.values()
    return np.stack([term.transformed(values[:, index]) for index, term in enumerate(terms)], axis=1)


def agreement_by_well(
    predicted: Mapping[str, pd.DataFrame], real: Mapping[str, pd.DataFrame], score: Score
) -> dict[str, float]:
    """Correlate every column of a score, transformed, between predicted and real stain, well by well."""
    names = list(score.terms)
    sides = []
    for tables in (predicted, real):
        columns = columns_of(tables)
        values = transformed(columns.by_well(names), score)
        sides.append(columns.wells[WELL].join(pd.DataFrame(values, columns=names)))
    both = sides[0].merge(sides[1], on=WELL, suffixes=("", " real"))
    found: dict[str, float] = {}
    for name in names:
        pair = both[[name, f"{name} real"]].dropna()
        if len(pair) >= FEWEST_CONTROLS and (pair.std() > 0).all():
            found[name] = float(np.corrcoef(pair.to_numpy().T)[0, 1])
    return found


def _predicted(
    columns: Columns, plates: Sequence[RankedPlate], score: Score, rng: np.random.Generator
) -> _Raw:
    """Take what predicted stains tell, each column as far as its agreement with the real stain is known."""
    names = list(score.terms)
    known: dict[str, float] = {}
    for plate in plates:
        for name in (each for each in plate.agreement if each in names):
            known[name] = min(known.get(name, 1.0), max(plate.agreement[name], 0.0))
    values = transformed(columns.by_well(names), score)
    if missing := [name for name in names if name not in known]:
        note = f"how well {listed(missing)} follow the real stain isn't known: intervals don't hold that"
    else:
        said = ", ".join(f"{name} {known[name]:.2f}" for name in names)
        note = f"agreement with the real stain, by well, on other plates: {said}; columns count by it"
    return _Raw(
        values=values,
        drawn=_drawn(columns, score, rng),
        unknown=np.zeros_like(values),
        counts_as=np.array([known.get(name, 1.0) for name in names]),
        notes=(note,),
    )


def _with_real(
    raw: _Raw, plates: Sequence[RankedPlate], wells: pd.DataFrame, score: Score, rng: np.random.Generator
) -> _Raw:
    """Take real stains where there are any, and lead predicted columns to real ones by a line."""
    tables = [columns_of(each.real) for each in plates if each.real is not None]
    if not tables:
        return raw
    real = joined(tables)
    if len(real.wells) < FEWEST_STAINED:
        few = f"{len(real.wells)} stained wells are too few to learn from: {FEWEST_STAINED} are needed"
        return replace(raw, notes=(*raw.notes, few))
    names = list(score.terms)
    rows = pd.MultiIndex.from_frame(wells[WELL]).get_indexer(pd.MultiIndex.from_frame(real.wells[WELL]))
    truth, again = transformed(real.by_well(names), score), _drawn(real, score, rng)
    values, drawn = raw.values.copy(), raw.drawn.copy()
    unknown = np.zeros_like(values)
    for index in range(len(names)):
        slope, offset, left = _line(raw.values[rows, index], truth[:, index])
        values[:, index] = offset + slope * raw.values[:, index]
        drawn[..., index] = offset + slope * raw.drawn[..., index]
        unknown[:, index] = left
    values[rows], drawn[:, rows], unknown[rows] = truth, again, 0.0
    said = f"real stains of {len(rows)} wells count as they are; a line through these leads to the others'"
    return _Raw(values, drawn, unknown, np.ones(len(names)), (said,))


def _line(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float, float]:
    """Fit y = offset + slope·x by least squares, slope at least 0; gives also the variance that is left."""
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    spread = float(np.square(x - x.mean()).sum())
    slope = max(float((x - x.mean()) @ (y - y.mean())) / spread, 0.0) if spread > 0 else 0.0
    offset = float(y.mean() - slope * x.mean())
    left = float(np.square(y - offset - slope * x).sum()) / max(len(x) - 2, 1)
    return slope, offset, left


def _drawn(columns: Columns, score: Score, rng: np.random.Generator) -> NDArray[np.float64]:
    names = list(score.terms)
    return np.array(
        [transformed(columns.by_well(names, columns.resampled(rng)), score) for _ in range(RESAMPLINGS)]
    )


def _is_marked(value: object) -> bool:
    if value is None or value != value:  # NaN
        return False
    return str(value).strip().lower() not in ("", "no", "false", "0", "0.0", "none")
