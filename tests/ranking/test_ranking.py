"""Ranking of plates from tables with known answers: wells, clones, controls, effects, days, files."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from unstained.errors import BadInput, BadSettings
from unstained.ranking.columns import columns_of, joined
from unstained.ranking.corrections import corrected
from unstained.ranking.estimates import RankedPlate, agreement_by_well
from unstained.ranking.files import read_ranking, write_ranking
from unstained.ranking.ranking import RankSettings, rank_plates
from unstained.ranking.score import Score
from unstained.report.ranked import ranked

COUNT = Score(title="Number", terms={"nuclei.count": {}})
WELLS = [f"{row}{column:02d}" for row in "ABCDEFGH" for column in range(1, 13)]


def plate(levels, noise=0.0, fields=4, name="p", conditions=None, seed=0, **more):
    """One row a field: as many nuclei as the well's level says, with noise between fields."""
    rng = np.random.default_rng(seed)
    rows = [
        {"plate": name, "well": well, "field": field, "stain": "nuclei",
         "count": level + noise * rng.standard_normal(), "area_um2": 100.0, "intensity_total": 1e4,
         "intensity_mean": 100.0}
        for well, level in levels.items() for field in range(fields)
    ]  # fmt: skip
    known = pd.DataFrame({"well": list(levels), **(conditions or {})})
    return RankedPlate(name, {"fields": pd.DataFrame(rows)}, known, **more)


def levels(*values):
    return dict(zip(WELLS, values, strict=False))


def rank(*plates, score=COUNT, **settings):
    return rank_plates(plates, RankSettings(score=score, **settings))


def test_columns_weigh_fields_as_their_kind_says():
    table = pd.DataFrame({
        "plate": "p", "well": ["A01", "A01"], "field": [0, 1], "stain": "er", "count": [1, 3],
        "area_um2": [10.0, 30.0], "intensity_total": [100.0, 900.0], "intensity_mean": [10.0, 30.0],
    })  # fmt: skip
    cells = pd.DataFrame({
        "plate": "p", "well": "A01", "field": [0, 1, 1, 1], "label": [1, 1, 2, 3],
        "er_total": [1.0, 5.0, 5.0, 5.0], "er_positive": [True, False, False, False],
        "titre_g_per_l": 2.0,
    })  # fmt: skip
    columns = columns_of({"fields": table, "cells": cells})
    names = ["er.count", "er.intensity_total", "er.intensity_mean", "cells.er_total", "cells.er_positive"]
    np.testing.assert_allclose(columns.by_well(names), [[2, 500, 25, 4, 0.25]])
    assert "cells.titre_g_per_l" not in columns.values
    assert columns.wells["fields"].tolist() == [2]


def test_resampling_draws_each_wells_fields_within_the_well():
    columns = columns_of(plate(levels(1, 2, 3), fields=5).tables)
    counts = columns.resampled(np.random.default_rng(0))
    assert counts.sum() == 15
    assert counts.reshape(3, 5).sum(axis=1).tolist() == [5, 5, 5]


def test_the_order_is_that_of_the_levels_and_scores_are_robust_z():
    ranking = rank(plate(levels(10, 30, 20, 50, 40), noise=0.1))
    assert ranking.wells["well"].tolist() == ["A04", "A05", "A02", "A03", "A01"]
    assert ranking.wells["rank"].tolist() == [1, 2, 3, 4, 5]
    spread = ranking.wells["score"].iloc[0] - ranking.wells["score"].iloc[2]
    assert spread == pytest.approx(20 / (1.4826 * 10), rel=0.05)
    assert ranking.units == "wells"
    assert ranking.wells["tie"].tolist() == [1, 2, 3, 4, 5]


def test_less_is_better_where_the_score_says_so():
    down = Score(title="few", terms={"nuclei.count": {"direction": "down"}})
    assert rank(plate(levels(10, 30, 20)), score=down).wells["well"].tolist() == ["A01", "A03", "A02"]


def test_gain_of_the_light_changes_no_rank():
    # a plate twice as bright: robust z takes it out
    light = Score(title="light", terms={"nuclei.intensity_total": {"transform": "log"}})
    first = plate(levels(1, 2, 3, 4))
    table = first.tables["fields"].assign(intensity_total=[10.0 ** (i // 4) for i in range(16)])
    bright = table.assign(intensity_total=2 * table["intensity_total"])
    ranks = [
        rank(RankedPlate("p", {"fields": each}, first.conditions), score=light).wells
        for each in (table, bright)
    ]
    pd.testing.assert_frame_equal(ranks[0], ranks[1])


def test_the_standard_error_is_that_of_the_fields():
    ranking = rank(plate(levels(*np.linspace(50, 150, 60)), noise=8.0, fields=6, seed=3))
    spread = 1.4826 * np.median(np.abs(np.linspace(50, 150, 60) - 100))
    assert ranking.wells["error"].mean() == pytest.approx(8 / np.sqrt(6) / spread, rel=0.12)


def test_controls_are_the_scale_where_the_plate_map_names_three():
    marked = ["", "yes", "yes", "yes", None]
    ranking = rank(plate(levels(100, 10, 11, 12, 50), conditions={"control": marked}))
    by_well = ranking.wells.set_index("well")["score"]
    assert by_well["A03"] == pytest.approx(0)
    assert by_well["A01"] / by_well["A05"] == pytest.approx(89 / 39)
    assert any("middle of the 3 controls" in note for note in ranking.notes)
    alone = rank(plate(levels(100, 10, 11, 12, 50), conditions={"control": ["yes", "", "", "", ""]}))
    assert any("1 controls are too few" in note for note in alone.notes)


def test_one_field_a_well_gives_an_order_without_intervals_and_says_so():
    ranking = rank(plate(levels(1, 2, 3), fields=1))
    assert ranking.wells["well"].tolist() == ["A03", "A02", "A01"]
    assert "rank_low" not in ranking.wells
    assert any("one field a well" in note for note in ranking.notes)


def test_columns_count_by_their_agreement_with_the_real_stain():
    both = Score(title="both", terms={"nuclei.count": {}, "nuclei.area_um2": {}})
    base = plate(levels(1, 2, 3, 4, 5), noise=0.01)
    areas = np.repeat([5.0, 4, 3, 2, 1], 4)
    tables = {"fields": base.tables["fields"].assign(area_um2=areas)}

    def known(count, area):
        agreement = {"nuclei.count": count, "nuclei.area_um2": area}
        return RankedPlate("p", tables, base.conditions, agreement=agreement)

    ranking = rank(known(1.0, 0.2), score=both, top=2)
    assert ranking.wells["well"].iloc[0] == "A05"
    assert ranking.wells["rank_high"].iloc[0] > 1  # what the area doesn't tell stays unknown
    assert rank(known(0.2, 1.0), score=both).wells["well"].iloc[0] == "A01"


def test_wells_without_cells_or_with_a_bad_verdict_stand_at_the_end_unranked():
    area = Score(title="area", terms={"nuclei.area_um2": {"transform": "log"}})
    base = plate(levels(0, 20, 30, 40), verdicts={"A02": "trust", "A04": "refuse"})
    table = base.tables["fields"].assign(area_um2=np.repeat([np.nan, 1, 2, 3], 4))
    ranking = rank(replace(base, tables={"fields": table}), score=area, leave_out=("refuse",))
    assert ranking.wells["well"].tolist() == ["A03", "A02", "A01", "A04"]
    assert ranking.wells["rank"].isna().tolist() == [False, False, True, True]
    assert any("no cells: A01" in note for note in ranking.notes)
    assert any("verdict: A04" in note for note in ranking.notes)
    assert ranked(ranking).lead[0] == "The best 1 of 2 wells: A03."


def test_what_is_left_out_doesnt_set_the_scale():
    good = levels(10, 11, 12, 13, 14, 15)
    wild = {"B01": 900.0, "B02": -500.0, "B03": 2.0}
    refused = dict.fromkeys(wild, "refuse")
    left = rank(plate(good | wild, noise=0.1, verdicts=refused), leave_out=("refuse",))
    alone = rank(plate(good, noise=0.1))
    assert left.wells["score"][:6].tolist() == pytest.approx(alone.wells["score"].tolist(), abs=0.2)
    with pytest.raises(BadSettings, match="leave_out"):
        RankSettings.checked({"score": COUNT.model_dump(), "leave_out": ("refused",)})


def test_nothing_expressed_is_the_worst_not_unknown():
    light = Score(title="light", terms={"nuclei.intensity_mean": {"transform": "log"}})
    base = plate(levels(1, 2, 3, 4, 5, 6), conditions={"clone": ["c1", "c1", "c1", "c2", "c2", "c2"]})
    table = base.tables["fields"].assign(intensity_mean=np.repeat([20.0, -1, -1, 10, 10, 11], 4))
    ranking = rank(replace(base, tables={"fields": table}), score=light)
    assert ranking.clones["clone"].tolist() == ["c2", "c1"]
    assert ranking.clones["wells"].tolist() == [3, 3]


def test_a_column_that_doesnt_agree_says_nothing_and_leaves_everything_open():
    for found in (0.0, -0.3, 0.01):
        known = plate(levels(*range(10, 130, 10)), noise=0.1, agreement={"nuclei.count": found})
        ranking = rank(known)
        assert ranking.wells["model_error"].iloc[0] == pytest.approx(1, abs=0.01)
        assert ranking.wells["chance_of_top"].max() < 0.5


def test_controls_dont_make_the_model_surer_than_it_is():
    rng, held = np.random.default_rng(0), []
    marked = ["yes"] * 8 + [""] * 40
    for _ in range(25):
        true = np.concatenate([rng.normal(0, 0.1, 8), rng.normal(0, 1, 40)])
        seen = 0.6 * true + 0.8 * rng.standard_normal(48)
        values = dict(zip(WELLS, 1000 + 100 * seen, strict=False))
        one = plate(values, noise=1.0, conditions={"control": marked}, agreement={"nuclei.count": 0.6})
        table = rank(one).wells.set_index("well").loc[WELLS[:48]]
        place = np.argsort(np.argsort(-true)) + 1
        held.append(((table["rank_low"] <= place) & (place <= table["rank_high"])).mean())
    assert np.mean(held) > 0.8


def test_an_edge_effect_is_found_and_taken_away():
    rng = np.random.default_rng(0)
    rim = np.array([well[0] in "AH" or well[1:] in ("01", "12") for well in WELLS])
    values = rng.normal(100, 5, 96) + 20 * rim
    ranking = rank(plate(dict(zip(WELLS, values, strict=True)), noise=1.0), correct=("edge",))
    assert ranking.corrections[0].size == pytest.approx(20, abs=4)
    after = ranking.wells.set_index("well")["score"][np.array(WELLS)[rim]].median()
    assert abs(after) < 0.3
    assert (ranking.wells["rank_uncorrected"] != ranking.wells["rank"]).any()


def test_confluence_is_taken_from_the_other_columns_not_from_the_number():
    both = Score(title="both", terms={"nuclei.count": {}, "nuclei.area_um2": {"transform": "log"}})
    count = np.random.default_rng(0).uniform(50, 150, 24)
    base = plate(levels(*count))
    tables = {"fields": base.tables["fields"].assign(area_um2=np.repeat(count**1.5, 4))}
    ranking = rank(RankedPlate("p", tables, base.conditions), score=both, correct=("confluence",))
    assert [each.column for each in ranking.corrections] == ["nuclei.area_um2"]
    assert any("nuclei.area_um2 doesn't vary" in note for note in ranking.notes)


def test_wells_without_a_number_of_nuclei_stay_as_they_are_when_confluence_is_taken_away():
    count = np.random.default_rng(0).uniform(50, 150, 24)
    wells = pd.DataFrame({"plate": ["first"] * 24 + ["second"] * 24, "well": WELLS[:24] * 2})
    values = np.concatenate([2 * count, 300 - count])[:, None]
    full = np.concatenate([count, np.full(24, np.nan)])  # the second plate shows no nuclei
    found, told = corrected(values, ["er.area_um2"], wells, full, ("confluence",))
    assert np.ptp(found[:24]) == pytest.approx(0, abs=1e-9)
    np.testing.assert_array_equal(found[24:], values[24:])
    assert len(told) == 1


def test_a_day_that_nobody_filled_in_is_no_day():
    clones = {"clone": [f"C{index // 2}" for index in range(8)]}
    empty = rank(plate(levels(*range(10, 18)), noise=0.1, conditions={**clones, "day": [None] * 8}))
    without = rank(plate(levels(*range(10, 18)), noise=0.1, conditions=clones))
    assert empty.clones["clone"].tolist() == without.clones["clone"].tolist() == ["C3", "C2", "C1", "C0"]


def test_the_same_cells_at_other_times_are_no_further_sample():
    base = plate(levels(*range(10, 18)), noise=3.0, fields=4)
    again = {(well, field): f"{well}/{field // 2}" for well in base.conditions["well"] for field in range(4)}
    one = {(well, field): well for well, field in again}
    assert rank(base).wells["fields"].eq(4).all()
    assert rank(replace(base, places=again)).wells["fields"].eq(2).all()
    still = rank(replace(base, places=one))
    assert still.wells["error"].isna().all()
    assert sorted(still.wells["score"]) == sorted(rank(base).wells["score"])
    drawn = columns_of(base.tables, places=again).resampled(np.random.default_rng(0)).reshape(-1, 2)
    assert (drawn[:, 0] == drawn[:, 1]).all()
    assert drawn.sum() == 8 * 4


def test_clones_are_means_of_their_wells_with_the_spread_between_them():
    clones = [f"C{index // 3:02d}" for index in range(36)]
    rng = np.random.default_rng(0)
    true = np.repeat(np.linspace(0, 110, 12), 3)
    ranking = rank(plate(levels(*(true + rng.normal(0, 6, 36))), noise=0.1, conditions={"clone": clones}))
    assert ranking.units == "clones"
    assert ranking.clones["clone"].tolist()[0] == "C11"
    spread = 1.4826 * np.median(np.abs(true - np.median(true)))
    assert ranking.clones["error"].iloc[0] == pytest.approx(6 / np.sqrt(3) / spread, rel=0.35)
    assert ranking.clones["wells"].eq(3).all()


def test_days_give_trends_and_say_who_can_go():
    clones = [f"C{index:02d}" for index in range(12)]
    wells = iter(WELLS)
    values, conditions = {}, {"clone": [], "day": []}
    for day in (0.0, 30.0, 60.0):
        for index, clone in enumerate(clones):
            level = 100 + 10 * index - (60 * day / 30 if clone == "C11" else 0)  # the best one fails
            values[next(wells)] = level
            conditions["clone"].append(clone)
            conditions["day"].append(day)
    ranking = rank(plate(values, noise=2.0, conditions=conditions), top=3)
    assert ranking.clones["day"].eq(60).all()
    assert ranking.clones["clone"].iloc[0] == "C10"
    worst = ranking.over_time.iloc[-1]
    assert worst["clone"] == "C11"
    spread = 1.4826 * np.median(np.abs(np.array(list(values.values())) - np.median(list(values.values()))))
    assert worst["per_30_days"] == pytest.approx(-60 / spread, rel=0.1)
    first = ranking.dropping[ranking.dropping["day"] == 0]
    assert set(first.loc[first["lower_half"], "clone"]) == set(clones[:6])
    assert first["risk_of_half"].iloc[0] == 0  # the last day's best are C10, C09, C08
    assert any(note.startswith("day 0") for note in ranking.notes)


def test_days_that_are_text_and_clones_that_are_gone():
    values, conditions = levels(10, 20, 30, 40), {"clone": ["a", "b", "c", "d"], "day": [0, 0, 30, 30]}
    ranking = rank(plate(values, noise=0.1, conditions=conditions))
    assert ranking.over_time is None  # no clone on two days
    assert ranking.dropping is None
    assert set(ranking.clones["clone"]) == {"c", "d"}
    assert any("not on the last day, so not ranked: a, b" in note for note in ranking.notes)
    assert ranked(ranking).trends == []
    with pytest.raises(BadInput, match="must be a number"):
        rank(plate(values, conditions={"clone": list("abcd"), "day": ["d0", "d0", "d30", "d30"]}))


def test_several_plates_are_ranked_together():
    ranking = rank(plate(levels(10, 30), noise=0.1), plate(levels(20, 40), noise=0.1, name="q"))
    assert ranking.wells["name"].tolist() == ["q/A02", "p/A02", "q/A01", "p/A01"]
    assert len(joined([columns_of(plate(levels(1)).tables)] * 2).places) == 8


def test_plates_of_one_name_stay_apart_and_each_has_its_own_controls_and_rim():
    marked = {"control": ["yes"] * 3 + [""] * 3}
    dim = plate(levels(10, 11, 12, 13, 20, 30), noise=0.01, conditions=marked)
    bright = plate(levels(20, 22, 24, 26, 40, 60), noise=0.01, conditions=marked)
    ranking = rank(dim, bright)
    by_name = ranking.wells.set_index("name")["score"]
    assert by_name["p/A02"] == pytest.approx(by_name["p (2)/A02"], abs=0.01)
    assert any("6 controls of each plate" in note for note in ranking.notes)


def test_real_stains_count_as_they_are_and_lead_from_predicted_to_real_ones():
    # predicted numbers are half as high as real ones, and one stained well is predicted quite wrong
    real = dict(zip(WELLS, (100, 110, 120, 130, 140, 150, 160), strict=False))
    ours = {well: 10 + level / 2 for well, level in real.items()} | {"A07": 10.0, "A08": 95.0, "A09": 60.0}
    stained = plate(real, noise=0.01, fields=2).tables
    ranking = rank(plate(ours, noise=0.01, real=stained))
    order = ranking.wells.set_index("well")
    assert ranking.wells["well"].iloc[0] == "A07" or order.loc["A07", "rank"] <= 2
    assert (order.loc[list(real), "model_error"] == 0).all()
    assert (order.loc[["A08", "A09"], "model_error"] > 0).all()
    assert any("real stains of 7 wells" in note for note in ranking.notes)
    assert not set(ranking.next_to_stain) & set(real)
    few = {well: level for well, level in real.items() if well < "A04"}
    doubted = rank(plate(ours, noise=0.01, real=plate(few, fields=2).tables))
    assert any("3 stained wells are too few" in note for note in doubted.notes)


def test_without_a_wrong_one_the_line_is_exact():
    real = {well: 100 + 10 * index for index, well in enumerate(WELLS[:8])}
    ours = {well: 7 + level / 2 for well, level in real.items()} | {"A09": 7 + 95.0}
    ranking = rank(plate(ours, real=plate(real).tables))
    by_well = ranking.wells.set_index("well")
    step = by_well.loc["A08", "score"] - by_well.loc["A07", "score"]
    assert by_well.loc["A09", "score"] - by_well.loc["A08", "score"] == pytest.approx(2 * step, rel=1e-6)
    assert by_well.loc["A09", "model_error"] == pytest.approx(0, abs=1e-6)


def test_agreement_is_found_well_by_well():
    found = agreement_by_well(plate(levels(1, 2, 3)).tables, plate(levels(2, 4, 6)).tables, COUNT)
    assert found == {"nuclei.count": pytest.approx(1)}


def test_a_missing_column_and_too_few_wells_are_one_clear_line():
    with pytest.raises(BadSettings, match=r"cells.gfp_mean not measured on p; there are: nuclei.count"):
        rank(plate(levels(1, 2)), score=Score(title="t", terms={"cells.gfp_mean": {}}))
    with pytest.raises(BadInput, match=r"fewer than two wells can be ranked$"):
        rank(plate(levels(1)))


def test_what_is_written_reads_back_and_the_page_says_the_same(tmp_path):
    clones = [f"00{index // 2}" for index in range(8)]
    ranking = rank(plate(levels(*range(10, 90, 10)), noise=1.0, conditions={"clone": clones}))
    write_ranking(tmp_path, ranking)
    assert {"ranking.csv", "ranking.xlsx", "wells.csv", "heat-map.png", "ranking.json"} <= {
        path.name for path in tmp_path.iterdir()
    }
    again = read_ranking(tmp_path)
    pd.testing.assert_frame_equal(again.clones, ranking.clones, check_dtype=False)
    page = ranked(again)
    assert page.rows[0]["clone"] == "003"
    assert page.lead[0] == "The best 1 of 4 clones: 003."
    book = pd.read_excel(tmp_path / "ranking.xlsx", sheet_name=None)
    assert list(book) == ["ranking", "wells", "notes"]
    with pytest.raises(BadInput, match="no ranking in"):
        read_ranking(tmp_path / "elsewhere")
