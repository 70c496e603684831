"""The ranking as a lab head reads it: who is first, how certain that is, who can go, what to stain next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from unstained.errors import listed
from unstained.ranking.ranking import Ranking
from unstained.report.charts import PlateMap, compact, plate_map

MOST_ROWS = 24

HEADINGS = {
    "rank": "rank",
    "clone": "clone",
    "well": "well",
    "day": "day",
    "score": "score",
    "expected": "expected",
    "rank_low": "rank, 90 % from",
    "rank_high": "to",
    "chance_of_top": "chance of the best",
    "tie": "tied group",
    "rank_uncorrected": "rank, uncorrected",
    "wells": "wells",
    "which": "in wells",
    "fields": "fields",
    "titre_g_per_l": "titre, g/L",
    "verdict": "verdict",
}
"""Columns of the table of ranks, in order, and what they are called."""


@dataclass(frozen=True)
class Ranked:
    """What the page says of a ranking."""

    title: str
    lead: list[str]
    maps: list[PlateMap]
    rows: list[dict[str, str]]
    more: int  # rows that aren't shown
    trends: list[dict[str, str]]
    dropping: list[dict[str, str]]
    notes: list[str]


def ranked(ranking: Ranking) -> Ranked:
    """Collect what the page says of a ranking."""
    table = ranking.wells if ranking.clones is None else ranking.clones
    table = table[table["rank"].notna()]
    told = table.dropna(axis="columns", how="all")
    rows = [_row(row) for row in _rows(told)]
    return Ranked(
        title=f"Ranking: {ranking.settings.score.title}",
        lead=_lead(ranking, table),
        maps=[_map(plate, wells) for plate, wells in ranking.wells.groupby("plate", sort=False)],
        rows=rows[:MOST_ROWS],
        more=max(0, len(rows) - MOST_ROWS),
        trends=[] if ranking.over_time is None else [_trend(row) for row in _rows(ranking.over_time)],
        dropping=[] if ranking.dropping is None else _dropping(ranking.dropping),
        notes=[*_terms(ranking), *_corrections(ranking), *ranking.notes],
    )


def _lead(ranking: Ranking, table: pd.DataFrame) -> list[str]:
    name = "well" if ranking.clones is None else "clone"
    top = ranking.settings.best_of(len(table))
    first = list(table[name].astype(str)[:top])
    said = [f"The best {top} of {len(table)} {ranking.units}: {', '.join(first)}."]
    if "tie" in table:
        tied = table.loc[table["tie"] == table["tie"].min(), name].astype(str)
        said.append(
            f"{tied.iloc[0]} is clearly ahead."
            if len(tied) == 1
            else f"The first {len(tied)} can't be told apart with 90 % certainty: {listed(tied)}."
        )
    if ranking.next_to_stain:
        said.append(f"A real stain would change the choice most in {', '.join(ranking.next_to_stain)}.")
    return said


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _row(row: dict[str, Any]) -> dict[str, str]:
    return {told: _shown(row[name], name) for name, told in HEADINGS.items() if name in row}


def _shown(value: Any, name: str) -> str:
    if value is None or pd.isna(value):
        return "–"
    if name == "chance_of_top":
        return f"{value:.0%}"
    if isinstance(value, str):
        return value
    if name in ("score", "expected"):
        return f"{value:+.2f}"
    return f"{value:.3g}" if name == "titre_g_per_l" else f"{value:g}"


def _map(plate: Any, wells: pd.DataFrame) -> PlateMap:
    scores = {
        str(row["well"]): None if pd.isna(row["score"]) else round(float(row["score"]), 2)
        for row in _rows(wells)
    }
    titles = {
        str(row["well"]): f"{row['well']}: rank {_shown(row['rank'], 'rank')}"
        + (f", clone {row['clone']}" if pd.notna(row.get("clone")) else "")
        for row in _rows(wells)
    }
    return plate_map(scores, titles, f"score, {plate}")


def _trend(row: dict[str, Any]) -> dict[str, str]:
    error = row["per_30_days_error"]
    return {
        "clone": str(row["clone"]),
        "days": f"{row['days']:g}",
        "first score": f"{row['score_first']:+.2f}",
        "last score": f"{row['score_last']:+.2f}",
        "change in 30 days": f"{row['per_30_days']:+.2f}" + ("" if pd.isna(error) else f" ± {error:.2f}"),
    }


def _dropping(table: pd.DataFrame) -> list[dict[str, str]]:
    rows = []
    for day, group in table.groupby("day"):
        can_go = sorted(group.loc[group["can_go"].astype(bool), "clone"].astype(str))
        lower = group.loc[group["lower_half"].astype(bool), "clone"].astype(str)
        rows.append(
            {
                "day": f"{day:g}",
                "can be dropped then": ", ".join(can_go) or "none",
                "lower half then": ", ".join(lower),
                "risk that it held one of the last day's best": f"{group['risk_of_half'].iloc[0]:.0%}",
            }
        )
    return rows


def _terms(ranking: Ranking) -> list[str]:
    terms = [
        f"{name} ({term.direction}, weight {term.weight:g}"
        + ("" if term.transform == "none" else f", {term.transform}")
        + ")"
        for name, term in ranking.settings.score.terms.items()
    ]
    return [f"score: {'; '.join(terms)}"]


def _corrections(ranking: Ranking) -> list[str]:
    return [
        f"{each.kind} effect taken from {each.column}: {compact(each.size)}" for each in ranking.corrections
    ]
