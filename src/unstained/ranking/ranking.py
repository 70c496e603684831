"""Wells and clones in order: scores, what is certain of them, and what follows for the next step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from unstained.errors import BadInput, BadSettings, listed
from unstained.prediction.plates import VERDICTS
from unstained.ranking.columns import WELL, Columns, columns_of, joined
from unstained.ranking.corrections import Correction, corrected
from unstained.ranking.order import (
    Known,
    chance_of_top,
    known_scores,
    rank_intervals,
    safe_to_drop,
    tie_groups,
    worth_of_staining,
)
from unstained.ranking.score import Score, Vector, robust_scale
from unstained.settings import Settings

CLONE, DAY, CONTROL = "clone", "day", "control"
"""Columns of the plate map that are looked for."""

MOST_BEST = 5
FEWEST_CONTROLS = 3
RESAMPLINGS = 200
PRIOR_FIELDS = 4
"""A well's own spread between fields counts beside that of all wells as if the latter had so many fields."""

FEWEST_REPLICATES = 3
"""Degrees of freedom from which the spread between wells of one clone is believed."""


class RankSettings(Settings):
    """How wells are ranked."""

    score: Score
    top: int | None = Field(
        None, ge=1, description="how many best are looked for; null = 5, of fewer than 20 a quarter"
    )
    correct: tuple[Literal["edge", "confluence"], ...] = Field(
        (), description="take away what a well's place on the plate, or its number of cells, explains"
    )
    leave_out: tuple[str, ...] = Field((), description="verdicts whose wells aren't ranked")
    risk: float = Field(0.1, gt=0, lt=1, description="of losing one of the best when clones are dropped")
    seed: int = 0


    def best_of(self, units: int) -> int:
        """Say how many best are looked for among so many units."""
        return min(self.top or min(MOST_BEST, max(1, units // 4)), units)


@dataclass(frozen=True)
class RankedPlate:
    """What ranking needs to know of one measured plate."""

    name: str
    tables: Mapping[str, pd.DataFrame]
    conditions: pd.DataFrame  # `well` and the plate map's columns
    verdicts: Mapping[str, str] = field(default_factory=dict)  # well → its worst
    agreement: Mapping[str, float] = field(default_factory=dict)  # column → Pearson with the real stain
    real: Mapping[str, pd.DataFrame] | None = None  # tables of the real stains, where there are any


@dataclass(frozen=True)
class Ranking:
    """Wells and clones in order; tables are sorted by rank."""

    settings: RankSettings
    wells: pd.DataFrame
    clones: pd.DataFrame | None  # on the last day
    over_time: pd.DataFrame | None  # trends by clone
    dropping: pd.DataFrame | None  # clone by day: can it go?
    next_to_stain: tuple[str, ...]
    corrections: tuple[Correction, ...]
    notes: tuple[str, ...]

    @property
    def units(self) -> str:
        """Say what is put in order: clones where the plate map names them, else wells."""
        return "wells" if self.clones is None else "clones"


def rank_plates(plates: Sequence[RankedPlate], settings: RankSettings) -> Ranking:
    """Put the wells of one or several plates in order, and the clones that their plate maps name.

    Every column of the score is brought to a scale on which the controls (plate map column `control`; without
    at least three of them, all wells) have median 0 and spread 1, multiplied with its agreement with the real
    stain where the model knows it, and weighed. Sampling errors come from drawing the fields of each well
    anew; what the model doesn't tell is added to them.

    Raises
    ------
    BadSettings
        A column of the score was not measured.
    BadInput
        Fewer than two wells can be ranked.
    """
    rng = np.random.default_rng(settings.seed)
    score = settings.score
    columns = joined([columns_of(each.tables) for each in plates])
    if missing := score.missing(columns.values.columns):
        raise BadSettings(f"score {score.title}", f"{listed(missing)} not measured; there are: "
                          f"{listed(columns.values.columns, 60)}")  # fmt: skip
    wells = _described(columns.wells, plates)
    scored = _score(columns, wells, plates, settings, rng)
    table, notes = scored.table, list(scored.notes)
    usable = table["score"].notna().to_numpy() & ~table["verdict"].isin(settings.leave_out).to_numpy()
    if usable.sum() < 2:
        raise BadInput("fewer than two wells can be ranked: the others hold no cells or were left out")
    if len(left := table.loc[~usable, "well"]):
        notes.append(f"not ranked, without cells or left out by their verdict: {listed(left)}")
    ordered = _ordered(table[usable], scored.model_error, settings, rng)
    ordered = pd.concat([ordered, table[~usable]], ignore_index=True)
    clones = over_time = dropping = None
    if CLONE in table and table[CLONE].notna().any():
        units, replicated = _by_clone(table[usable])
        if not replicated and table["error"].notna().any():
            notes.append("no clone stands in enough wells: intervals hold the sampling of fields alone")
        last = units[units[DAY] == units[DAY].max()] if DAY in units else units
        clones = _ordered(last, scored.model_error, settings, rng)
        if DAY in units and units[DAY].nunique() > 1:
            over_time = _trends(units)
            dropping = _dropping(units, scored.model_error, settings, rng)
            notes += _dropping_notes(dropping)
    return Ranking(
        settings=settings,
        wells=ordered,
        clones=clones,
        over_time=over_time,
        dropping=dropping,
        next_to_stain=_next(ordered if clones is None else clones, table),
        corrections=scored.corrections,
        notes=tuple(notes),
    )


@dataclass(frozen=True)
class _Scored:
    table: pd.DataFrame
    model_error: float
    corrections: tuple[Correction, ...]
    notes: tuple[str, ...]


def _score(
    columns: Columns,
    wells: pd.DataFrame,
    plates: Sequence[RankedPlate],
    settings: RankSettings,
    rng: np.random.Generator,
) -> _Scored:
    """Score wells, with the sampling error of each."""
    score = settings.score
    names = list(score.terms)
    agreement = _agreement(plates, score)
    notes = _notes_on_agreement(agreement, names)
    reference = _reference(wells)
    notes.append(
        f"scale: {int(reference.sum())} controls" if not reference.all() else "scale: all wells (no controls)"
    )
    raw = _transformed(columns.by_well(names), score)
    values, corrections = corrected(raw, names, wells, settings.correct)
    scales = [robust_scale(values[reference, index]) for index in range(len(names))]
    weights = score.weights * np.array([agreement.get(name, 1.0) for name in names])
    for index, (_, width) in enumerate(scales):
        if not width > 0:
            notes.append(f"{names[index]} doesn't vary between wells: left out")
            weights[index] = 0.0
    centre = np.array([middle for middle, _ in scales])
    unit = np.array([spread if spread > 0 else 1.0 for _, spread in scales])
    counted = weights != 0

    def total(of: NDArray[np.float64]) -> Vector:
        found: Vector = ((of - centre) / unit)[:, counted] @ weights[counted]
        return found

    z = (values - centre) / unit
    drawn = [_transformed(columns.by_well(names, columns.resampled(rng)), score) for _ in range(RESAMPLINGS)]
    shift = values - raw  # what was corrected doesn't change by resampling
    table = wells.assign(score=total(values))
    table["error"] = _field_errors(np.array([total(each + shift) for each in drawn]), table["fields"])
    if not table["error"].notna().any():
        notes.append("one field a well: the error of sampling isn't known, so wells have no intervals")
    for index, name in enumerate(names):
        table[f"z {name}"] = z[:, index]
    if corrections:
        table["score_uncorrected"] = total(raw)
    table = _with_real(table, plates, score, weights)
    unknown = np.array([1 - agreement.get(name, 1.0) ** 2 for name in names])
    model_error = float(np.sqrt(np.sum(np.square(score.weights) * unknown)))
    return _Scored(table, model_error, corrections, tuple(notes))


def _agreement(plates: Sequence[RankedPlate], score: Score) -> dict[str, float]:
    """Take how well each column follows the real stain: the least of what the plates' models know."""
    known: dict[str, float] = {}
    for plate in plates:
        for name, found in plate.agreement.items():
            if name in score.terms:
                known[name] = min(known.get(name, 1.0), max(found, 0.0))
    return known


def _notes_on_agreement(agreement: Mapping[str, float], names: Sequence[str]) -> list[str]:
    unknown = [name for name in names if name not in agreement]
    if unknown:
        return [f"how well {listed(unknown)} follow the real stain isn't known: intervals don't hold that"]
    said = ", ".join(f"{name} {agreement[name]:.2f}" for name in names)
    return [f"agreement with the real stain, by well, on other plates: {said}; columns count by it"]


def _reference(wells: pd.DataFrame) -> NDArray[np.bool_]:
    """Say which wells are controls: what the plate map's column `control` marks; all where too few are."""
    if CONTROL in wells:
        marked = wells[CONTROL].map(lambda value: bool(value) and not pd.isna(value)
                                    and str(value).lower() not in ("no", "false", "0", "none", "")).to_numpy()
        if FEWEST_CONTROLS <= marked.sum() < len(wells):
            return np.asarray(marked, dtype=bool)
    return np.ones(len(wells), dtype=bool)


def _transformed(values: NDArray[np.float64], score: Score) -> NDArray[np.float64]:
    terms = score.terms.values()
    return np.stack([term.transformed(values[:, index]) for index, term in enumerate(terms)], axis=1)


def _field_errors(drawn: NDArray[np.float64], fields: pd.Series[int]) -> Vector:
    """Give every well's standard error from resampled scores (draw well); NaN where no well has two fields.

    Resampling F fields gives (F − 1) / F of the variance of a mean. Few fields tell little of their own
    spread, so it is drawn towards that of all wells.
    """
    number = fields.to_numpy(dtype=float)
    several = number > 1
    if not several.any():
        return np.full(len(number), np.nan)
    variance = np.array([np.var(each[np.isfinite(each)] if np.isfinite(each).any() else np.nan)
                         for each in drawn.T])  # fmt: skip
    own = np.where(several, variance * number * number / np.maximum(number - 1, 1), np.nan)  # of one field
    freedom = np.where(several & np.isfinite(own), number - 1, 0.0)
    common = float(np.nansum(np.nan_to_num(own) * freedom) / max(freedom.sum(), 1.0))
    one_field = (PRIOR_FIELDS * common + freedom * np.nan_to_num(own)) / (PRIOR_FIELDS + freedom)
    error: Vector = np.sqrt(one_field / number)
    return error


def _ordered(
    table: pd.DataFrame, model_error: float, settings: RankSettings, rng: np.random.Generator
) -> pd.DataFrame:
    """Sort units by score and say what is certain of their ranks."""
    table = table.sort_values("score", ascending=False, kind="stable").reset_index(drop=True)
    table.insert(0, "rank", np.arange(1, len(table) + 1))
    if "score_uncorrected" in table:
        table["rank_uncorrected"] = table["score_uncorrected"].rank(ascending=False, method="first")
    if "score_real" in table:
        table["rank_real"] = table["score_real"].rank(ascending=False, method="min")
    if table["error"].isna().any():
        return table
    error = table["error"].to_numpy(dtype=np.float64)
    known = known_scores(table["score"].to_numpy(dtype=np.float64), error, model_error, rng)
    table["rank_low"], table["rank_high"] = rank_intervals(known)
    table["chance_of_top"] = chance_of_top(known, settings.best_of(len(table)))
    table["tie"] = tie_groups(known)
    after = known_scores(table["score"].to_numpy(dtype=np.float64), error, 0.0, rng).deviation
    after = after if model_error > 0 else np.zeros(len(table))
    table["worth_of_staining"] = worth_of_staining(known, after, settings.best_of(len(table)))
    return table


def _by_clone(wells: pd.DataFrame) -> tuple[pd.DataFrame, bool]:
    """Average wells by clone (and day); says whether the spread between wells of one clone is known."""
    keys = [CLONE, *([DAY] if DAY in wells else [])]
    groups = wells.groupby(keys, sort=True)
    apart = (*keys, "fields", "verdict")
    numeric = [name for name in wells.select_dtypes("number").columns if name not in apart]
    units = groups[numeric].mean()
    units["wells"] = groups.size()
    units["which"] = groups["well"].agg(", ".join)
    units["verdict"] = groups["verdict"].agg(_worst)
    freedom = float((units["wells"] - 1).sum())
    between = groups["score"].var(ddof=1).fillna(0.0) * (units["wells"] - 1)
    replicated = freedom >= FEWEST_REPLICATES
    if replicated:
        units["error"] = np.sqrt(between.sum() / freedom / units["wells"])
    else:
        variance = groups["error"].agg(lambda each: float(np.square(each).mean()))
        units["error"] = np.sqrt(variance / units["wells"])
    return units.reset_index(), replicated


def _worst(verdicts: pd.Series[Any]) -> str | float:
    known = [str(each) for each in verdicts.dropna()]
    return max(known, key=VERDICTS.index) if known else np.nan


def _trends(units: pd.DataFrame) -> pd.DataFrame:
    """Fit a line through each clone's scores over days, by weighted least squares."""
    rows = []
    for clone, group in units.groupby(CLONE):
        if len(group) < 2:
            continue
        day, score = (group[name].to_numpy(dtype=np.float64) for name in (DAY, "score"))
        error = group["error"].fillna(1.0).to_numpy(dtype=np.float64)
        weight = 1 / np.square(np.maximum(error, 1e-9))
        middle = (weight @ day) / weight.sum()
        spread = weight @ np.square(day - middle)
        slope = (weight * (day - middle)) @ score / spread
        known = bool(group["error"].notna().all())
        rows.append({CLONE: clone, "days": len(group), "score_first": score[0], "score_last": score[-1],
                     "per_30_days": 30 * slope,
                     "per_30_days_error": 30 / np.sqrt(spread) if known else np.nan})  # fmt: skip
    return pd.DataFrame(rows).sort_values("per_30_days", ascending=False, ignore_index=True)


def _dropping(
    units: pd.DataFrame, model_error: float, settings: RankSettings, rng: np.random.Generator
) -> pd.DataFrame:
    """Say for every day which clones can go, and what dropping half of them then would have cost."""
    blocks: list[pd.DataFrame] = []
    days = sorted(units[DAY].unique())
    last = units[units[DAY] == days[-1]].set_index(CLONE)
    final = _known(last, model_error, rng)
    for day in days[:-1]:
        then = units[(units[DAY] == day) & units[CLONE].isin(last.index)].copy()
        known = _known(then, model_error, rng)
        if known is None or final is None:
            return pd.DataFrame()
        best = settings.best_of(len(then))
        then["can_go"] = safe_to_drop(known, best, settings.risk)
        then["chance_of_top"] = chance_of_top(known, best)
        then["lower_half"] = then["score"].rank(ascending=True) <= len(then) // 2
        at = last.index.get_indexer(then.loc[then["lower_half"], CLONE])
        lost = (final.ranks[:, at] <= best).any(axis=1).mean() if len(at) else 0.0
        then["risk_of_half"] = lost
        blocks.append(then[[DAY, CLONE, "score", "chance_of_top", "can_go", "lower_half", "risk_of_half"]])
    return pd.concat(blocks, ignore_index=True)


def _known(units: pd.DataFrame, model_error: float, rng: np.random.Generator) -> Known | None:
    if units["error"].isna().any() or len(units) < 2:
        return None
    score, error = (units[name].to_numpy(dtype=np.float64) for name in ("score", "error"))
    return known_scores(score, error, model_error, rng)


def _dropping_notes(dropping: pd.DataFrame) -> list[str]:
    notes = []
    for day, rows in dropping.groupby(DAY) if len(dropping) else ():
        can_go = sorted(rows.loc[rows["can_go"], CLONE])
        notes.append(
            f"day {day:g}: can be dropped: {listed(can_go) if can_go else 'none'}; the lower half then held"
            f" one of the best of the last day with a probability of {rows['risk_of_half'].iloc[0]:.0%}"
        )
    return notes


def _next(units: pd.DataFrame, wells: pd.DataFrame, most: int = 5) -> tuple[str, ...]:
    """Name the wells whose real stain would change the choice most, the most telling first."""
    if "worth_of_staining" not in units:
        return ()
    best = units[units["worth_of_staining"] > 0].nlargest(most, "worth_of_staining")
    which = best["which"].str.split(", ").explode() if "which" in best else best["well"]
    return tuple(dict.fromkeys(name for name in which if name in set(wells["well"])))[: 2 * most]


def _described(wells: pd.DataFrame, plates: Sequence[RankedPlate]) -> pd.DataFrame:
    """Put the plate map's columns and the verdict beside each well."""
    known = [
        each.conditions.assign(plate=each.name,
                               verdict=each.conditions["well"].map(dict(each.verdicts)))
        for each in plates
    ]  # fmt: skip
    conditions: pd.DataFrame = pd.concat(known, ignore_index=True)
    merged: pd.DataFrame = wells.merge(conditions, on=WELL, how="left", validate="one_to_one")
    return merged


def _with_real(
    table: pd.DataFrame, plates: Sequence[RankedPlate], score: Score, weights: Vector
) -> pd.DataFrame:
    """Add what the real stain gives for the wells that have one, on a scale of its own."""
    real = [columns_of(each.real) for each in plates if each.real is not None]
    if not real:
        return table
    columns, names = joined(real), list(score.terms)
    values = _transformed(columns.by_well(names), score)
    scales = [robust_scale(values[:, index]) for index in range(len(names))]
    z = np.stack([(values[:, index] - middle) / (spread or 1.0)
                  for index, (middle, spread) in enumerate(scales)], axis=1)  # fmt: skip
    counted = weights != 0
    found = columns.wells[WELL].assign(score_real=z[:, counted] @ score.weights[counted])
    return table.merge(found, on=WELL, how="left", validate="one_to_one")


def agreement_by_well(
    predicted: Mapping[str, pd.DataFrame], real: Mapping[str, pd.DataFrame], score: Score
) -> dict[str, float]:
    """Correlate every column of a score, transformed, between predicted and real stain, well by well."""
    names = list(score.terms)
    sides = []
    for tables in (predicted, real):
        columns = columns_of(tables)
        values = _transformed(columns.by_well(names), score)
        sides.append(columns.wells[WELL].join(pd.DataFrame(values, columns=names)))
    both = sides[0].merge(sides[1], on=WELL, suffixes=("", " real"))
    found: dict[str, float] = {}
    for name in names:
        pair = both[[name, f"{name} real"]].dropna()
        if len(pair) >= FEWEST_CONTROLS and (pair.std() > 0).all():
            found[name] = float(np.corrcoef(pair.to_numpy().T)[0, 1])
    return found


def to_json(ranking: Ranking) -> dict[str, Any]:
    """Say a ranking in plain values, without its tables."""
    return {
        "schema": "unstained.ranking/1",
        "settings": ranking.settings.model_dump(mode="json"),
        "units": ranking.units,
        "next_to_stain": list(ranking.next_to_stain),
        "corrections": [each._asdict() for each in ranking.corrections],
        "notes": list(ranking.notes),
    }
