"""Wells and clones in order: scores, what is certain of them, and what follows for the next step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from unstained.errors import BadInput, BadSettings, listed
from unstained.plates.fields import well_name
from unstained.prediction.verdicts import VERDICTS
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

RESERVED = (
    "plate", "name", "rank", "score", "expected", "error", "model_error", "fields", "verdict", "stained",
    "wells", "which", "tie", "rank_low", "rank_high", "chance_of_top", "worth_of_staining",
)  # fmt: skip
"""Columns of the tables of ranks; those of a plate map that are called so don't come along."""

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
    leave_out: tuple[Literal["trust", "caution", "refuse"], ...] = Field(
        (), description="verdicts whose wells aren't ranked"
    )
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
    at least three of them, all wells) have median 0 and wells spread 1, multiplied with its agreement with
    the real stain where the models know it, and weighed. Sampling errors come from drawing the fields of each
    well anew; what the model doesn't tell is added to them. Plates without controls of their own are taken as
    comparable.

    Raises
    ------
    BadSettings
        A column of the score was not measured on a plate.
    BadInput
        Fewer than two wells can be ranked, or `day` isn't a number.
    """
    rng = np.random.default_rng(settings.seed)
    score, plates = settings.score, _with_own_names(plates)
    parts = [columns_of(each.tables, each.name, each.places) for each in plates]
    for plate, part in zip(plates, parts, strict=True):
        if missing := score.missing(part.values.columns):
            raise BadSettings(f"score {score.title}", f"{listed(missing)} not measured on {plate.name};"
                              f" there are: {listed(part.values.columns, 60)}")  # fmt: skip
    everything = joined(parts)
    every_well = _described(everything.wells, plates)
    left_out = every_well["verdict"].isin(settings.leave_out)
    wells = every_well[~left_out].reset_index(drop=True)
    if len(wells) < 2:
        why = ": the others were left out by their verdict" if left_out.any() else ""
        raise BadInput(f"fewer than two wells can be ranked{why}")
    columns = everything.of_wells(wells)
    found = estimate(plates, columns, wells, score, settings.correct, rng)
    table, notes = _scored(wells, found, score), list(found.notes)
    usable = table["score"].notna().to_numpy()
    if usable.sum() < 2:
        raise BadInput("fewer than two wells can be ranked: the others hold no cells")
    if not table["error"].notna().any():
        notes.append("one field a well: the error of sampling isn't known, so wells have no intervals")
    if not usable.all():
        notes.append(f"not ranked, as they hold no cells: {listed(table.loc[~usable, 'well'])}")
    if left_out.any():
        notes.append(f"left out by their verdict: {listed(every_well.loc[left_out, 'well'])}")
    ordered = _ordered(table[usable], settings, rng)
    ordered = pd.concat([ordered, table[~usable], every_well[left_out]], ignore_index=True)
    by_clone = _rank_clones(table[usable], settings, rng)
    return Ranking(
        settings=settings,
        wells=ordered,
        clones=by_clone.clones,
        over_time=by_clone.over_time,
        dropping=by_clone.dropping,
        next_to_stain=_next(ordered if by_clone.clones is None else by_clone.clones, table),
        corrections=found.corrections,
        notes=(*notes, *by_clone.notes),
    )


@dataclass(frozen=True)
class _Clones:
    clones: pd.DataFrame | None = None
    over_time: pd.DataFrame | None = None
    dropping: pd.DataFrame | None = None
    notes: tuple[str, ...] = ()


def _rank_clones(wells: pd.DataFrame, settings: RankSettings, rng: np.random.Generator) -> _Clones:
    """Rank the clones that the plate map names, on the last day; with several days also over time."""
    if CLONE not in wells or wells[CLONE].isna().all():
        return _Clones()
    known, notes = wells[wells[CLONE].notna()], []
    if DAY in known and known[DAY].isna().all():
        known = known.drop(columns=DAY)
    elif DAY in known:
        known = known[known[DAY].notna()]
    if missing := len(wells) - len(known):
        notes.append(f"wells without a clone or a day stand among the wells alone: {missing}")
    units, replicated = _by_clone(known)
    if not replicated and wells["error"].notna().any():
        notes.append("no clone stands in enough wells: intervals hold the sampling of fields alone")
    if DAY not in units or units[DAY].nunique() < 2:
        return _Clones(_ordered(units, settings, rng), notes=tuple(notes))
    last = units[units[DAY] == units[DAY].max()]
    if gone := sorted({str(name) for name in units[CLONE]} - {str(name) for name in last[CLONE]}):
        notes.append(f"not on the last day, so not ranked: {listed(gone)}")
    dropping = _dropping(units, settings, rng)
    told = () if dropping is None else _dropping_notes(dropping)
    return _Clones(_ordered(last, settings, rng), _trends(units), dropping, (*notes, *told))


def _scored(wells: pd.DataFrame, found: Estimates, score: Score) -> pd.DataFrame:
    """Score wells, with the sampling error of each and with what the model doesn't tell."""
    weights = score.weights
    table = wells.assign(score=found.z @ weights)
    table["error"] = _field_errors(found.drawn @ weights, found.fields)
    table["stained"] = found.stained
    table["model_error"] = np.sqrt(found.unknown @ np.square(weights))
    for index, name in enumerate(score.terms):
        table[f"z {name}"] = found.z[:, index]
    if found.corrections:
        table["score_uncorrected"] = found.uncorrected @ weights
    return table


def _field_errors(drawn: NDArray[np.float64], number: Vector) -> Vector:
    """Give every well's standard error from resampled scores (draw well); NaN where no well has two fields.

    Resampling F fields gives (F − 1) / F of the variance of a mean. Few fields tell little of their own
    spread, so it is drawn towards that of all wells.
    """
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
    """Sort units and say what is certain of their ranks.

    With errors the order is that of `expected`, the scores drawn towards their mean by their errors: one well
    with few fields doesn't come first by luck. Without, it is that of the scores.
    """
    table = table.sort_values("score", ascending=False, kind="stable").reset_index(drop=True)
    known = _known(table, rng)
    if known is not None:
        table["rank_low"], table["rank_high"] = rank_intervals(known)
        table["chance_of_top"] = chance_of_top(known, settings.best_of(len(table)))
        table["tie"] = tie_groups(known)
        after = known.sampling if (table["model_error"] > 0).any() else np.zeros(len(table))
        table["worth_of_staining"] = worth_of_staining(known, after, settings.best_of(len(table)))
        table.insert(list(table).index("score") + 1, "expected", known.mean)
        table = table.sort_values("expected", ascending=False, kind="stable").reset_index(drop=True)
    table.insert(0, "rank", np.arange(1, len(table) + 1))
    if "score_uncorrected" in table:
        table["rank_uncorrected"] = table["score_uncorrected"].rank(ascending=False, method="first")
    return table


def _by_clone(wells: pd.DataFrame) -> tuple[pd.DataFrame, bool]:
    """Average wells by clone (and day); says whether the spread between wells of one clone is known."""
    keys = [CLONE, *([DAY] if DAY in wells else [])]
    groups = wells.groupby(keys, sort=True)
    apart = (*keys, "fields", "verdict", "stained")
    numeric = [name for name in wells.select_dtypes("number").columns if name not in apart]
    units = groups[numeric].mean()
    units["wells"] = groups.size()
    units["which"] = groups["name"].agg(", ".join)
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


def _trends(units: pd.DataFrame) -> pd.DataFrame | None:
    """Fit a line through each clone's scores over days, by weighted least squares; None without any."""
    rows = []
    for clone, group in units.groupby(CLONE):
        if len(group) < 2:
            continue
        day, score = (group[name].to_numpy(dtype=np.float64) for name in (DAY, "score"))
        known = bool(group["error"].notna().all() and (group["error"] > 0).all())
        weight = 1 / np.square(group["error"].to_numpy(dtype=np.float64)) if known else np.ones(len(group))
        middle = (weight @ day) / weight.sum()
        spread = weight @ np.square(day - middle)
        slope = (weight * (day - middle)) @ score / spread
        rows.append({CLONE: clone, "days": len(group), "score_first": score[0], "score_last": score[-1],
                     "per_30_days": 30 * slope,
                     "per_30_days_error": 30 / np.sqrt(spread) if known else np.nan})  # fmt: skip
    if not rows:
        return None
    return pd.DataFrame(rows).sort_values("per_30_days", ascending=False, ignore_index=True)


def _dropping(units: pd.DataFrame, settings: RankSettings, rng: np.random.Generator) -> pd.DataFrame | None:
    """Say for every day which clones can go, and what dropping half of them then would have cost.

    Of each day those clones count that are there on the last day, too. None where errors aren't known.
    """
    blocks: list[pd.DataFrame] = []
    days = sorted(units[DAY].unique())
    for day in days[:-1]:
        then = units[units[DAY] == day].copy()
        last = units[(units[DAY] == days[-1]) & units[CLONE].isin(then[CLONE])].set_index(CLONE)
        then = then[then[CLONE].isin(last.index)].copy()
        known, final = _known(then, rng), _known(last, rng)
        if known is None or final is None:
            continue
        best = settings.best_of(len(then))
        then["can_go"] = safe_to_drop(known, best, settings.risk)
        then["chance_of_top"] = chance_of_top(known, best)
        then["lower_half"] = np.argsort(np.argsort(known.mean)) < len(then) // 2
        at = last.index.get_indexer(then.loc[then["lower_half"], CLONE])
        then["risk_of_half"] = (final.ranks[:, at] <= best).any(axis=1).mean() if len(at) else 0.0
        blocks.append(then[[DAY, CLONE, "score", "chance_of_top", "can_go", "lower_half", "risk_of_half"]])
    return pd.concat(blocks, ignore_index=True) if blocks else None


def _known(units: pd.DataFrame, rng: np.random.Generator) -> Known | None:
    """Say what is known of units' true scores; None without errors."""
    if units["error"].isna().any() or len(units) < 2:
        return None
    score, error, model = (
        units[name].to_numpy(dtype=np.float64) for name in ("score", "error", "model_error")
    )
    return known_scores(score, error, model, rng)


def _dropping_notes(dropping: pd.DataFrame) -> tuple[str, ...]:
    notes = []
    for day, rows in dropping.groupby(DAY):
        can_go = sorted(str(name) for name in rows.loc[rows["can_go"], CLONE])
        notes.append(
            f"day {day:g}: can be dropped: {listed(can_go) if can_go else 'none'}; the lower half then held"
            f" one of the best of the last day with a probability of {rows['risk_of_half'].iloc[0]:.0%}"
        )
    return tuple(notes)


def _next(units: pd.DataFrame, wells: pd.DataFrame, most: int = 5) -> tuple[str, ...]:
    """Name the wells whose real stain would change the choice most, the most telling first.

    They are those of the units that tell most and aren't stained yet; of several plates as `plate/well`.
    """
    if "worth_of_staining" not in units:
        return ()
    best = units[units["worth_of_staining"] > 0].nlargest(most, "worth_of_staining")
    asked = best["which"].str.split(", ").explode() if "which" in best else best["name"]
    open_wells = set(wells.loc[~wells["stained"], "name"])
    return tuple(dict.fromkeys(name for name in asked if name in open_wells))[: 2 * most]


def _with_own_names(plates: Sequence[RankedPlate]) -> list[RankedPlate]:
    """Give plates that are called the same a number."""
    seen: dict[str, int] = {}
    named = []
    for plate in plates:
        seen[plate.name] = seen.get(plate.name, 0) + 1
        again = f" ({seen[plate.name]})" if seen[plate.name] > 1 else ""
        named.append(replace(plate, name=plate.name + again))
    return named


def _described(wells: pd.DataFrame, plates: Sequence[RankedPlate]) -> pd.DataFrame:
    """Put the plate map's columns, the verdict and a name that no other well has beside each well."""
    known = []
    for plate in plates:
        names = [well_name(str(well)) for well in plate.conditions["well"]]
        further = plate.conditions.drop(columns=[name for name in RESERVED if name in plate.conditions])
        verdicts = pd.Series([plate.verdicts.get(name) for name in names], index=further.index, dtype=object)
        known.append(further.assign(plate=plate.name, well=names, verdict=verdicts))
    conditions: pd.DataFrame = pd.concat(known, ignore_index=True)
    merged: pd.DataFrame = wells.merge(conditions, on=WELL, how="left", validate="one_to_one")
    if DAY in merged:
        days = pd.to_numeric(merged[DAY], errors="coerce")
        if (days.isna() & merged[DAY].notna()).any():
            raise BadInput(f"the plate map's {DAY!r} must be a number, not {merged[DAY].dropna().iloc[0]!r}")
        merged[DAY] = days.astype(float)
    several = len(plates) > 1
    merged["name"] = merged["plate"] + "/" + merged["well"] if several else merged["well"]
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
