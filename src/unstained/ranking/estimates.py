"""What is known of the real columns of every well: from predicted stains, and real ones if there are any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unstained.errors import listed
from unstained.ranking.columns import WELL, Columns, columns_of, joined
from unstained.ranking.corrections import CONFLUENCE, Correction, corrected
from unstained.ranking.score import ROUNDING, Score, robust_scale

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
    places: Mapping[tuple[str, int], str] = field(default_factory=dict)  # (well, field) → the place it shows


@dataclass(frozen=True)
class Estimates:
    """The columns of a score on their scale: the reference has median 0, all wells spread 1."""

    z: Matrix  # (well column)
    uncorrected: Matrix  # the same without taking effects away
    drawn: NDArray[np.float64]  # (draw well column): with the fields of each well drawn anew
    unknown: Matrix  # (well column): variance that the predicted stain doesn't tell
    fields: NDArray[np.float64]  # (well): how many fields are behind its values
    stained: NDArray[np.bool_]  # (well): has a real stain that counts
    corrections: tuple[Correction, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Raw:
    """Transformed columns before they are brought to scale."""

    values: Matrix  # (well column)
    drawn: NDArray[np.float64]  # (draw well column)
    unknown: Matrix  # (well column): variance
    counts_as: NDArray[np.float64]  # (column): share of a deviation that is believed
    fields: NDArray[np.float64]  # (well)
    stained: NDArray[np.bool_]  # (well)
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Scale:
    """Centre (well column) and unit (column) of transformed values; where the unit is 0 nothing varies."""

    centre: Matrix
    unit: NDArray[np.float64]

    def of(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Bring values (… well column) to scale; what doesn't vary is 0."""
        unit = np.where(self.unit > 0, self.unit, 1.0)
        return np.where(self.unit > 0, (values - self.centre) / unit, 0.0)


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
    leads from the predicted to the real columns of the others; what it leaves stays unknown.
    """
    names = list(score.terms)
    raw = _with_real(_predicted(columns, plates, score, rng), plates, wells, score, rng)
    full = None
    if CONFLUENCE in columns.values:
        full = np.log(np.maximum(columns.by_well([CONFLUENCE])[:, 0], 0.5))
    values, corrections = corrected(raw.values, names, wells, full, kinds)
    scale, notes = _scale_of(values, raw.unknown, wells, names)
    untaken = [kind for kind in kinds if kind not in {each.kind for each in corrections}]
    if untaken:
        notes.append(f"{listed(untaken)}: nothing was taken away, for want of wells or of numbers of nuclei")
    varies = scale.unit > 0
    unit = np.where(varies, scale.unit, 1.0)
    return Estimates(
        z=raw.counts_as * scale.of(values),
        uncorrected=raw.counts_as * _scale_of(raw.values, raw.unknown, wells, names)[0].of(raw.values),
        drawn=raw.counts_as * scale.of(raw.drawn + (values - raw.values)),  # effects aren't drawn anew
        unknown=np.where(varies, raw.unknown / unit**2 + 1 - raw.counts_as**2, 0.0),
        fields=raw.fields,
        stained=raw.stained,
        corrections=corrections,
        notes=(*raw.notes, *notes),
    )


def _scale_of(
    values: Matrix, unknown: Matrix, wells: pd.DataFrame, names: Sequence[str]
) -> tuple[_Scale, list[str]]:
    """Centre each column on its reference; its unit is the spread of all wells around that.

    Where every plate has controls, each is centred on its own. A few controls tell where the middle is, not
    how widely clones are spread, and columns have to be weighed by the latter.
    """
    marked = marked_wells(wells)
    plates = wells["plate"].to_numpy()
    own = all(marked[plates == plate].sum() >= FEWEST_CONTROLS for plate in np.unique(plates))
    notes = []
    if not own and 0 < marked.sum() < FEWEST_CONTROLS:
        notes.append(f"{int(marked.sum())} controls are too few: the middle of all wells is 0")
    elif own or marked.sum() >= FEWEST_CONTROLS:
        each = " of each plate" if own and len(np.unique(plates)) > 1 else ""
        notes.append(f"scale: 0 is the middle of the {int(marked.sum())} controls{each}")
    else:
        notes.append("scale: 0 is the middle of all wells (no controls)")
    reference = marked if own or marked.sum() >= FEWEST_CONTROLS else np.ones(len(wells), dtype=bool)
    groups = [plates == plate for plate in np.unique(plates)] if own else [np.ones(len(wells), dtype=bool)]
    centre, unit = np.zeros_like(values), np.zeros(len(names))
    for index, name in enumerate(names):
        for group in groups:
            middle, _ = robust_scale(values[reference & group, index])
            if not np.isfinite(middle) and not reference.all():
                notes.append(f"the controls have no {name}: the middle of all wells is 0")
                middle, _ = robust_scale(values[group, index])
            centre[group, index] = middle
        _, spread = robust_scale(values[:, index] - centre[:, index])
        spread = spread if np.isfinite(spread) and not _is_rounding(values[:, index], spread) else 0.0
        unit[index] = float(np.sqrt(spread**2 + unknown[:, index].mean()))
        if unit[index] == 0:
            notes.append(f"{name} doesn't vary between wells: left out")
    return _Scale(np.nan_to_num(centre), unit), notes


def marked_wells(wells: pd.DataFrame) -> NDArray[np.bool_]:
    """Say which wells the plate map's column `control` marks."""
    if CONTROL not in wells:
        return np.zeros(len(wells), dtype=bool)
    return np.array([_is_marked(value) for value in wells[CONTROL]], dtype=bool)


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
    """Take what predicted stains tell, each column as far as its agreement with the real stain is known.

    It is known where the models of all plates know it; the least counts.
    """
    names = list(score.terms)
    known = {
        name: min(max(plate.agreement[name], 0.0) for plate in plates)
        for name in names
        if all(name in plate.agreement for plate in plates)
    }
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
        fields=columns.wells["fields"].to_numpy(dtype=np.float64),
        stained=np.zeros(len(values), dtype=bool),
        notes=(note,),
    )


def _with_real(
    raw: _Raw, plates: Sequence[RankedPlate], wells: pd.DataFrame, score: Score, rng: np.random.Generator
) -> _Raw:
    """Take real stains where there are any, and lead predicted columns to real ones by a line."""
    tables = [columns_of(each.real, each.name, each.places) for each in plates if each.real is not None]
    if not tables:
        return raw
    real = joined(tables).of_wells(wells)
    if len(real.wells) < FEWEST_STAINED:
        few = f"{len(real.wells)} stained wells are too few to learn from: {FEWEST_STAINED} are needed"
        return replace(raw, notes=(*raw.notes, few))
    names = list(score.terms)
    rows = pd.MultiIndex.from_frame(wells[WELL]).get_indexer(pd.MultiIndex.from_frame(real.wells[WELL]))
    truth, again = transformed(real.by_well(names), score), _drawn(real, score, rng)
    values, drawn, fields = raw.values.copy(), raw.drawn.copy(), raw.fields.copy()
    unknown = np.zeros_like(values)
    for index in range(len(names)):
        line = _Line.through(raw.values[rows, index], truth[:, index])
        values[:, index], drawn[..., index] = line.at(raw.values[:, index]), line.at(raw.drawn[..., index])
        unknown[:, index] = line.variance(raw.values[:, index])
    values[rows], drawn[:, rows], unknown[rows] = truth, again, 0.0
    fields[rows] = real.wells["fields"].to_numpy(dtype=np.float64)
    stained = np.isin(np.arange(len(values)), rows)
    said = f"real stains of {len(rows)} wells count as they are; a line through these leads to the others'"
    return _Raw(values, drawn, unknown, np.ones(len(names)), fields, stained, (said,))


@dataclass(frozen=True)
class _Line:
    """y = offset + slope·x by least squares, slope at least 0."""

    slope: float
    offset: float
    left: float  # variance around it
    number: int
    middle: float  # of x
    spread: float  # sum of squares of x about its middle

    @classmethod
    def through(cls, x: NDArray[np.float64], y: NDArray[np.float64]) -> _Line:
        """Fit a line; pairs with a gap are left out."""
        known = np.isfinite(x) & np.isfinite(y)
        x, y = x[known], y[known]
        if not len(x):
            return cls(0.0, np.nan, np.nan, 0, 0.0, 0.0)
        middle = float(x.mean())
        spread = float(np.square(x - middle).sum())
        slope = max(float((x - middle) @ (y - y.mean())) / spread, 0.0) if spread > 0 else 0.0
        offset = float(y.mean() - slope * middle)
        left = float(np.square(y - offset - slope * x).sum()) / max(len(x) - 2, 1)
        return cls(slope, offset, left, len(x), middle, spread)

    def at(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.offset + self.slope * x

    def variance(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give the variance of a new y at x: that around the line, and that of the line itself."""
        away = np.square(x - self.middle) / self.spread if self.spread > 0 else 0.0
        found: NDArray[np.float64] = self.left * (1 + 1 / max(self.number, 1) + np.nan_to_num(away))
        return found


def _drawn(columns: Columns, score: Score, rng: np.random.Generator) -> NDArray[np.float64]:
    names = list(score.terms)
    return np.array(
        [transformed(columns.by_well(names, columns.resampled(rng)), score) for _ in range(RESAMPLINGS)]
    )


def _is_rounding(values: NDArray[np.float64], spread: float) -> bool:
    known = values[np.isfinite(values)]
    return not len(known) or spread <= ROUNDING * float(np.abs(known).max())


def _is_marked(value: object) -> bool:
    if value is None or value != value:  # NaN
        return False
    return str(value).strip().lower() not in ("", "no", "false", "0", "0.0", "none")
