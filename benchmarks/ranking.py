"""Ranking clones from predicted stains: against true titre, and against ranking from real stains (simulated).

Usage: python benchmarks/ranking.py --out work/four [--plates 500] (after four_stains.py and bundle_cho.py)
Coverage and regret need hundreds of plates, more than can be imaged. So well tables are simulated: traits of
clones as in the twin, what of each column follows from them, how much it varies between wells and fields, and
how predicted follow real columns are fitted on an imaged plate of the twin (seed 404, 48 wells); the ranking
itself is the package's. One imaged plate of other clones (seed 202) is ranked as it is, beside.
Writes results/ranking-*.json.
"""

import argparse
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import kendalltau, spearmanr

from four_stains import plate_of
from record import write_result
from unstained import pipeline
from unstained.measurement.plates import measure_real, stored_tables
from unstained.plates.fields import row_name
from unstained.plates.plate import Plate, open_plate
from unstained.prediction.labeller import load_model
from unstained.ranking.columns import columns_of
from unstained.ranking.estimates import RankedPlate, transformed
from unstained.ranking.ranking import Ranking, RankSettings, rank_plates
from unstained.ranking.score import load_score, robust_scale
from unstained.twin.clones import Clone, make_clones
from unstained.twin.plate import truth_path

SCORE = load_score("productivity")
NAMES = list(SCORE.terms)
TRAITS = ("gfp", "er", "size", "golgi_compactness", "growth")
TOP = 5
DAYS = (0.0, 30.0, 60.0, 90.0)
ROUNDS, A_ROUND = 4, 10
"""Wells are stained in so many rounds of so many."""

DATA = "simulated well tables, fitted on a plate of the twin (seed 404, 48 wells, model cho-four)"


class World(NamedTuple):
    """How columns come about; arrays run over the columns of the score, transformed."""

    traits: np.ndarray  # (column, 1 + trait): what follows from logarithms of traits, and expression
    between: np.ndarray  # standard deviation between wells of equal traits
    within: np.ndarray  # between fields of a well
    slope: np.ndarray  # of predicted on real
    middle: np.ndarray  # predicted and real (2, column)
    error: np.ndarray  # of predicted given real, by clone
    shaky: np.ndarray  # of predicted, between fields of a well
    agreement: dict[str, float]


class Tried(NamedTuple):
    """What one ranking is worth."""

    spearman: float
    kendall: float
    recall: float
    ndcg: float
    titre: float  # mean of the five chosen, as a share of the mean of the five best
    covered: float


def predicted_plate(out: Path, name: str) -> Plate:
    """Predict and measure a plate with the bundled model, unless that is done."""
    path = out / f"ranked-{name}.zarr"
    if not path.exists():
        predicted = pipeline.predict(plate_of(out, name), [load_model("cho-four", "cpu")], path)
        pipeline.measure(predicted)
    return open_plate(path)


def design(rows: pd.DataFrame) -> np.ndarray:
    """Give what columns follow from (well, 1 + traits + expression)."""
    logs = np.log(rows[list(TRAITS)].to_numpy(dtype=float))
    expressing = 0.98 * 0.5 ** (rows["day"] / rows["half_life_days"]).to_numpy(dtype=float)
    return np.column_stack([np.ones(len(rows)), logs, expressing])


def fit_world(out: Path) -> World:
    """Fit how columns come about: traits and errors on 48 wells, the spread of fields on 24 wells of two."""
    truth, predicted = plate_of(out, "agreement"), predicted_plate(out, "agreement")
    hidden = open_plate(truth_path(truth.path)).conditions.set_index("well")
    sides = [columns_of(stored_tables(predicted)), columns_of(measure_real(truth, predicted))]
    ours, real = (transformed(each.by_well(NAMES), SCORE) for each in sides)
    x = design(hidden.loc[list(sides[0].wells["well"])])
    traits = np.linalg.lstsq(x, real, rcond=None)[0].T
    freedom = len(x) - x.shape[1]
    left = np.sqrt(np.sum((real - x @ traits.T) ** 2, axis=0) / freedom)
    slope = np.array([np.polyfit(real[:, i], ours[:, i], 1)[0] for i in range(len(NAMES))])
    middle = np.array([ours.mean(axis=0), real.mean(axis=0)])
    off = np.sqrt(np.sum((ours - middle[0] - slope * (real - middle[1])) ** 2, axis=0) / (len(x) - 2))
    other, theirs = plate_of(out, "test"), predicted_plate(out, "test")
    within_ours, within = (
        spread_within(columns_of(tables))
        for tables in (stored_tables(theirs), measure_real(other, theirs))
    )
    # one field a well here: what is left holds the spread between fields, too
    between = np.sqrt(np.maximum(left**2 - within**2, 0))
    shaky = np.sqrt(np.maximum(within_ours**2 - (slope * within) ** 2, 0))
    error = np.sqrt(np.maximum(off**2 - shaky**2, 0))
    agreement = load_model("cho-four", "cpu").card.well_agreement
    return World(traits, between, within, slope, middle, error, shaky, dict(agreement))


def spread_within(columns: object) -> np.ndarray:
    """Give the standard deviation between the fields of a well, of each transformed column."""
    values = pd.DataFrame(transformed(columns.values[NAMES].to_numpy(dtype=float), SCORE), columns=NAMES)
    groups = values.groupby([columns.places["plate"], columns.places["well"]])
    return np.sqrt(groups.var(ddof=1).mean().to_numpy())


def back(values: np.ndarray) -> np.ndarray:
    """Undo the transforms."""
    undo = [np.exp if term.transform == "log" else (lambda value: value) for term in SCORE.terms.values()]
    return np.stack([undo[index](values[:, index]) for index in range(len(NAMES))], axis=1)


class Made(NamedTuple):
    """One simulated plate: tables of both kinds, and what is true of its clones on the last day."""

    real: RankedPlate
    predicted: RankedPlate
    titre: pd.Series  # clone → on the last day
    visible: pd.Series  # clone → best guess of log titre from all traits that light shows, without any chance
    score: pd.Series  # clone → on the last day, of real columns on their scales, had chance no part


def make(world: World, clones: int, wells: int, fields: int, days: tuple[float, ...], seed: int) -> Made:
    """Simulate the tables of a plate on which each clone has so many wells a day."""
    rng = np.random.default_rng((606, seed))
    made = make_clones(clones, rng)
    rows = pd.DataFrame([
        {**clone._asdict(), "clone": clone.name, "day": day, "number": index}
        for clone in made for day in days for index in range(wells)
    ])  # fmt: skip
    places = rng.permutation(len(rows))
    rows["well"] = [f"{row_name(index // 24)}{index % 24 + 1:02d}" for index in places]
    titre = pd.Series({clone.name: clone.titre(days[-1], rng) for clone in made})
    exact = design(rows) @ world.traits.T
    well = exact + world.between * rng.standard_normal(exact.shape)
    own = {clone.name: world.error * rng.standard_normal(len(NAMES)) for clone in made}
    each = np.repeat(np.arange(len(rows)), fields)
    real = well[each] + world.within * rng.standard_normal((len(each), len(NAMES)))
    ours = (
        world.middle[0]
        + world.slope * (real - world.middle[1])
        + np.stack([own[name] for name in rows["clone"]])[each]
        + world.shaky * rng.standard_normal(real.shape)
    )
    conditions = rows[["well", "clone", "day"]]
    plates = []
    for values, agreement in ((real, {}), (ours, world.agreement)):
        tables = as_tables(rows["well"].to_numpy()[each], np.tile(np.arange(fields), len(rows)), back(values))
        plates.append(RankedPlate("p", tables, conditions, agreement=agreement))
    last = rows["day"] == days[-1]
    seen = transformed(columns_of(plates[0].tables).by_well(NAMES), SCORE)
    scales = [robust_scale(seen[:, index]) for index in range(len(NAMES))]
    z = np.stack([(exact[:, i] - middle) / spread for i, (middle, spread) in enumerate(scales)], axis=1)
    true = pd.Series((z @ SCORE.weights)[last], index=rows.loc[last, "clone"]).groupby(level=0).first()
    return Made(plates[0], plates[1], titre, seen_of(made) @ visible_weights(), true)


def seen_of(clones: list[Clone]) -> pd.DataFrame:
    """Give the logarithms of what light shows of clones: all traits but GFP."""
    rows = pd.DataFrame([clone._asdict() for clone in clones]).set_index("name")
    return np.log(rows[[name for name in TRAITS if name != "gfp"]])


@cache
def visible_weights() -> pd.Series:
    """Fit log titre on what light shows, over 4000 clones on day 60: no model can know more."""
    rng = np.random.default_rng(0)
    clones = make_clones(4000, rng)
    x = seen_of(clones)
    titre = np.log([clone.titre(60.0, rng) for clone in clones])
    weights = np.linalg.lstsq(np.column_stack([np.ones(len(x)), x]), titre, rcond=None)[0]
    return pd.Series(weights[1:], index=x.columns)


def titre_kept(order: pd.Series, titre: pd.Series) -> float:
    """Give the titre of the five first, as a share of that of the five best."""
    return float(titre[order.nlargest(TOP).index].mean() / titre.nlargest(TOP).mean())


def as_tables(wells: np.ndarray, fields: np.ndarray, values: np.ndarray) -> dict[str, pd.DataFrame]:
    """Put columns where a measured plate has them, one cell a field."""
    place = {"plate": "p", "well": wells, "field": fields}
    table, cells = pd.DataFrame({**place, "stain": "nuclei", "area_um2": 1.0}), pd.DataFrame(place)
    for index, name in enumerate(NAMES):
        stain, _, measure = name.partition(".")
        (cells if stain == "cells" else table)[measure] = values[:, index]
    return {"fields": table, "cells": cells}


def judge(ranking: Ranking, titre: pd.Series, score: pd.Series | None = None) -> Tried:
    """Hold an order of clones against their titre, and its intervals against the true order of scores."""
    order = ranking.clones.set_index("clone")
    true = titre.loc[order.index]
    best = set(true.nlargest(TOP).index)
    chosen = list(order.index[:TOP])
    covered = np.nan
    if score is not None and "rank_low" in order:
        rank = score.loc[order.index].rank(ascending=False)
        covered = float(((order["rank_low"] <= rank) & (rank <= order["rank_high"])).mean())
    gain = true.to_numpy() / np.log2(np.arange(2, len(true) + 2))
    ideal = np.sort(true.to_numpy())[::-1] / np.log2(np.arange(2, len(true) + 2))
    return Tried(
        spearman=float(spearmanr(order["score"], true).statistic),
        kendall=float(kendalltau(order["score"], true).statistic),
        recall=len(best & set(chosen)) / TOP,
        ndcg=float(gain[:TOP].sum() / ideal[:TOP].sum()),
        titre=titre_kept(order["score"], true),
        covered=covered,
    )


def mean_of(tried: list[Tried]) -> Tried:
    """Average what several rankings are worth."""
    return Tried(*np.nanmean(np.array(tried, dtype=float), axis=0))


def lost_by_dropping(ranking: Ranking, titre: pd.Series, day: float) -> bool:
    """Say whether one of the truly best is in the lower half of a day."""
    rows = ranking.dropping[ranking.dropping["day"] == day]
    return bool(set(titre.nlargest(TOP).index) & set(rows.loc[rows["lower_half"], "clone"]))


def main() -> None:
    """Fit, simulate, rank, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of four_stains.py")
    parser.add_argument("--plates", type=int, default=500)
    chosen = parser.parse_args()
    world = fit_world(chosen.out)
    for name, values in world._asdict().items():
        print(name, values if isinstance(values, dict) else np.round(values, 3).tolist(), flush=True)
    settings = RankSettings(score=SCORE, top=TOP)
    imaged(chosen.out, settings)
    same = {"data": DATA, "command": "python benchmarks/ranking.py --out work/four", "seed": 606, "issue": 4}
    by_fields = {}
    for fields in (1, 2, 8, 4):
        plates = chosen.plates if fields == 4 else max(50, chosen.plates // 5)
        found: dict[str, list[Tried]] = {"real": [], "predicted": []}
        limits = []
        for seed in range(plates):
            made = make(world, 48, 2, fields, (60.0,), seed)
            agrees = spearmanr(made.visible, made.titre.loc[made.visible.index]).statistic
            limits.append((titre_kept(made.visible, made.titre), agrees))
            for side in found:
                ranking = rank_plates([getattr(made, side)], settings)
                found[side].append(judge(ranking, made.titre, made.score))
        best_titre, best_spearman = np.mean(limits, axis=0)
        by_fields[fields] = {side: mean_of(tried) for side, tried in found.items()}
        print(fields, by_fields[fields], flush=True)
    real, ours = by_fields[4]["real"], by_fields[4]["predicted"]
    told = "; ".join(
        f"{fields} fields: Spearman {each['predicted'].spearman:.3f} (real {each['real'].spearman:.3f}),"
        f" top-5 recall {each['predicted'].recall:.2f} ({each['real'].recall:.2f})"
        for fields, each in by_fields.items()
    )
    write_result(
        "ranking-titre-kept",
        title="titre of the five clones chosen from predicted stains, as a share of those from real stains",
        value=ours.titre / real.titre, goal=0.98, comparison=">=",
        against={"real stain, of the best": real.titre, "predicted, of the best": ours.titre,
                 "all that light shows, of the best": float(best_titre)},
        notes=f"48 clones, 2 wells of 4 fields each; {told}", **same,
    )  # fmt: skip
    write_result(
        "ranking-spearman",
        title="Spearman of the order of 48 clones from predicted stains with true titre",
        value=ours.spearman, goal=None, comparison=None,
        against={"from real stains": real.spearman, "all that light shows": float(best_spearman)},
        notes=f"Kendall {ours.kendall:.3f} ({real.kendall:.3f}), NDCG at 5 {ours.ndcg:.3f} ({real.ndcg:.3f}),"
        f" top-5 recall {ours.recall:.2f} ({real.recall:.2f})", **same,
    )  # fmt: skip
    for side, tried in (("predicted", ours), ("real", real)):
        write_result(
            f"ranking-coverage-{side}",
            title=f"share of true ranks within their 90 % intervals, ranking from {side} stains",
            value=tried.covered, goal=[0.87, 0.93], comparison="in", against={"promised": 0.90},
            notes=f"{chosen.plates} plates of 48 clones; true: the score of the clones'"
            " traits without any chance", **same,
        )  # fmt: skip
    lost: dict[str, list[bool]] = {"real": [], "predicted": [], "titre of that day": []}
    for seed in range(max(100, chosen.plates // 2)):
        made = make(world, 24, 1, 4, DAYS, 10_000 + seed)
        for side in ("real", "predicted"):
            ranking = rank_plates([getattr(made, side)], settings)
            lost[side].append(lost_by_dropping(ranking, made.titre, 30.0))
        lost["titre of that day"].append(oracle_loses(seed))
    shares = {side: float(np.mean(each)) for side, each in lost.items()}
    print(shares)
    write_result(
        "ranking-dropping-half",
        title="plates on which dropping half of 24 clones at day 30 loses one of the five best of day 90",
        value=shares["predicted"], goal=0.10, comparison="<=",
        against={"from real stains": shares["real"], "from titre at day 30": shares["titre of that day"]},
        notes="one well of 4 fields a clone and day", **same,
    )  # fmt: skip
    write_staining(world, settings, max(50, chosen.plates // 5), same)


def with_stains(made: Made, wells: set[str]) -> RankedPlate:
    """Give the predicted plate with the real stains of some of its wells."""
    real = {name: table[table["well"].isin(wells)] for name, table in made.real.tables.items()}
    return replace(made.predicted, real=real if wells else None)


def stained_step_by_step(made: Made, settings: RankSettings, *, by_list: bool) -> list[float]:
    """Stain ten wells a round, as the list says or at random; give the titre kept before and after each."""
    rng, wells, kept = np.random.default_rng(0), set(), []
    all_wells = made.predicted.conditions["well"].to_numpy()
    for _ in range(ROUNDS + 1):
        ranking = rank_plates([with_stains(made, wells)], settings)
        kept.append(titre_kept(ranking.clones.set_index("clone")["score"], made.titre))
        chosen = [well for well in ranking.next_to_stain if well not in wells][:A_ROUND] if by_list else []
        left = rng.permutation([well for well in all_wells if well not in wells and well not in chosen])
        wells |= {*chosen, *left[: A_ROUND - len(chosen)]}
        assert len(wells) % A_ROUND == 0
    return kept


def write_staining(world: World, settings: RankSettings, plates: int, same: dict[str, object]) -> None:
    """Write what staining some wells adds, chosen by the list and at random."""
    kept: dict[bool, list[list[float]]] = {True: [], False: []}
    real = []
    for seed in range(plates):
        made = make(world, 48, 2, 4, (60.0,), 20_000 + seed)
        order = rank_plates([made.real], settings).clones.set_index("clone")["score"]
        real.append(titre_kept(order, made.titre))
        for by_list, found in kept.items():
            found.append(stained_step_by_step(made, settings, by_list=by_list))
    listed, random = (np.mean(kept[by_list], axis=0) / np.mean(real) for by_list in (True, False))
    steps = "; ".join(f"{A_ROUND * index} wells {one:.3f} (at random {two:.3f})"
                      for index, (one, two) in enumerate(zip(listed, random, strict=True)))  # fmt: skip
    print(steps, flush=True)
    write_result(
        "ranking-stain-next",
        title=f"titre kept, of ranking from real stains, once {A_ROUND * ROUNDS} of 96 wells are stained",
        value=float(listed[-1]), goal=float(random[-1]), comparison=">",
        against={"stained at random": float(random[-1]), "none stained": float(listed[0])},
        notes=f"{plates} plates, wells of the list, ten a round: {steps}", **same,
    )  # fmt: skip


def oracle_loses(seed: int) -> bool:
    """Say whether an assay of the product at day 30 would have lost one of the best of day 90."""
    rng = np.random.default_rng((606, 10_000 + seed))
    clones: list[Clone] = make_clones(24, rng)
    then, last = ({clone.name: clone.titre(day, rng) for clone in clones} for day in (30.0, 90.0))
    lower = pd.Series(then).nsmallest(12).index
    return bool(set(pd.Series(last).nlargest(TOP).index) & set(lower))


def imaged(out: Path, settings: RankSettings) -> None:
    """Rank one imaged plate as it is, from predicted and from real stains."""
    truth, predicted = plate_of(out, "test"), predicted_plate(out, "test")
    agreement = load_model("cho-four", "cpu").card.well_agreement
    known = truth.conditions
    titre = known[known["day"] == known["day"].max()].groupby("clone")["titre_g_per_l"].mean()
    found = {
        side: judge(rank_plates([RankedPlate("test", tables, known, agreement=agrees)], settings), titre)
        for side, tables, agrees in (
            ("predicted", stored_tables(predicted), agreement), ("real", measure_real(truth, predicted), {}),
        )
    }  # fmt: skip
    print("imaged", found)
    write_result(
        "ranking-imaged",
        title="Spearman of the order of 12 clones from predicted stains with true titre, one imaged plate",
        value=found["predicted"].spearman, goal=None, comparison=None,
        against={"from real stains": found["real"].spearman},
        data="twin, 48 fields of 512² of 24 held-out wells of 12 other clones, day 60",
        command="python benchmarks/ranking.py --out work/four", seed=202, issue=4,
        notes=f"titre of the five chosen, of the five best: {found['predicted'].titre:.3f}"
        f" ({found['real'].titre:.3f}); one plate says little",
    )  # fmt: skip


if __name__ == "__main__":
    main()
