"""Wells and clones in order: scores, what is certain of them, and what follows for the next step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from unstained.errors import BadInput, BadSettings, listed
from unstained.prediction.plates import VERDICTS
from unstained.ranking.columns import WELL, columns_of, joined
from unstained.ranking.corrections import Correction
from unstained.ranking.estimates import Estimates, RankedPlate, estimate
from unstained.ranking.order import (
    Known,
    chance_of_top,
    known_scores,
    rank_intervals,
    safe_to_drop,
    tie_groups,
    worth_of_staining,
)
from unstained.ranking.score import Score, Vector
from unstained.settings import Settings

CLONE, DAY = "clone", "day"
"""Columns of the plate map that are looked for."""

MOST_BEST = 5
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
    found = estimate(plates, columns, wells, score, settings.correct, rng)
    table, notes = _scored(wells, found, score), list(found.notes)
    if not table["error"].notna().any():
        notes.append("one field a well: the error of sampling isn't known, so wells have no intervals")
    usable = table["score"].notna().to_numpy() & ~table["verdict"].isin(settings.leave_out).to_numpy()
    if usable.sum() < 2:
        raise BadInput("fewer than two wells can be ranked: the others hold no cells or were left out")
    if len(left := table.loc[~usable, "well"]):
        notes.append(f"not ranked, without cells or left out by their verdict: {listed(left)}")
    ordered = _ordered(table[usable], settings, rng)
    ordered = pd.concat([ordered, table[~usable]], ignore_index=True)
    clones = over_time = dropping = None
    if CLONE in table and table[CLONE].notna().any():
        units, replicated = _by_clone(table[usable])
        if not replicated and table["error"].notna().any():
            notes.append("no clone stands in enough wells: intervals hold the sampling of fields alone")
        last = units[units[DAY] == units[DAY].max()] if DAY in units else units
        clones = _ordered(last, settings, rng)
        if DAY in units and units[DAY].nunique() > 1:
            over_time = _trends(units)
            dropping = _dropping(units, settings, rng)
            notes += _dropping_notes(dropping)
    return Ranking(
        settings=settings,
        wells=ordered,
        clones=clones,
        over_time=over_time,
        dropping=dropping,
        next_to_stain=_next(ordered if clones is None else clones, table),
        corrections=found.corrections,
        notes=tuple(notes),
    )


def _scored(wells: pd.DataFrame, found: Estimates, score: Score) -> pd.DataFrame:
    """Score wells, with the sampling error of each and with what the model doesn't tell."""
    weights = score.weights
    table = wells.assign(score=found.z @ weights)
    table["error"] = _field_errors(found.drawn @ weights, table["fields"])
    table["model_error"] = np.sqrt(found.unknown @ np.square(weights))
    for index, name in enumerate(score.terms):
        table[f"z {name}"] = found.z[:, index]
    if found.corrections:
        table["score_uncorrected"] = found.uncorrected @ weights
    return table


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


def _ordered(table: pd.DataFrame, settings: RankSettings, rng: np.random.Generator) -> pd.DataFrame:
    """Sort units by score and say what is certain of their ranks."""
    table = table.sort_values("score", ascending=False, kind="stable").reset_index(drop=True)
    table.insert(0, "rank", np.arange(1, len(table) + 1))
    if "score_uncorrected" in table:
        table["rank_uncorrected"] = table["score_uncorrected"].rank(ascending=False, method="first")
    known = _known(table, rng)
    if known is None:
        return table
    table["rank_low"], table["rank_high"] = rank_intervals(known)
    table["chance_of_top"] = chance_of_top(known, settings.best_of(len(table)))
    table["tie"] = tie_groups(known)
    after = known.sampling if (table["model_error"] > 0).any() else np.zeros(len(table))
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


def _dropping(units: pd.DataFrame, settings: RankSettings, rng: np.random.Generator) -> pd.DataFrame:
    """Say for every day which clones can go, and what dropping half of them then would have cost."""
    blocks: list[pd.DataFrame] = []
    days = sorted(units[DAY].unique())
    last = units[units[DAY] == days[-1]].set_index(CLONE)
    final = _known(last, rng)
    for day in days[:-1]:
        then = units[(units[DAY] == day) & units[CLONE].isin(last.index)].copy()
        known = _known(then, rng)
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


def _known(units: pd.DataFrame, rng: np.random.Generator) -> Known | None:
    """Say what is known of units' true scores; None without errors."""
    if units["error"].isna().any() or len(units) < 2:
        return None
    score, error, model = (
        units[name].to_numpy(dtype=np.float64) for name in ("score", "error", "model_error")
    )
    return known_scores(score, error, model, rng)


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
