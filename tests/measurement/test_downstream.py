"""Agreement of measurements, and the intervals from resampling wells."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from unstained.measurement.agreement import agreement, downstream, mean_interval

WELLS = [f"A{well:02d}" for well in range(1, 9) for _ in range(3)]


@pytest.fixture
def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    count = rng.integers(20, 200, len(WELLS)).astype(float)
    return pd.DataFrame(
        {
            "well": WELLS,
            "count": count,
            "area_um2": 150 * count + rng.normal(0, 500, len(WELLS)),
            "intensity_total": 1e5 * count,
            "intensity_mean": rng.normal(600, 30, len(WELLS)),
        }
    )


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def test_a_table_agrees_with_itself(table):
    found = downstream(table, table, rng=rng())
    assert list(found) == ["count", "area_um2", "intensity_total", "intensity_mean"]
    for each in found.values():
        assert (each.pearson, each.spearman, each.bias, each.n) == (pytest.approx(1), pytest.approx(1), 0, 24)
        assert each.interval == pytest.approx((1, 1))


def test_correlations_are_those_of_scipy(table):
    noisy = table.assign(count=table["count"] + np.random.default_rng(1).normal(0, 40, len(table)).round())
    found = downstream(table, noisy, rng=rng())["count"]
    assert found.pearson == pytest.approx(stats.pearsonr(table["count"], noisy["count"]).statistic)
    assert found.spearman == pytest.approx(stats.spearmanr(table["count"], noisy["count"]).statistic)


def test_bias_says_by_how_much_and_to_which_side(table):
    more, less = table.assign(count=1.1 * table["count"]), table.assign(count=0.8 * table["count"])
    assert downstream(table, more, rng=rng())["count"].bias == pytest.approx(0.1)
    assert downstream(table, less, rng=rng())["count"].bias == pytest.approx(-0.2)
    assert downstream(table, more, rng=rng())["count"].pearson == pytest.approx(1)


def test_fields_without_a_real_object_dont_break_the_bias():
    found = agreement(np.array([0.0, 10, 10]), np.array([3.0, 12, 12]), ["A01", "A02", "A03"], rng())
    assert found.bias == pytest.approx(0.2)


def test_an_interval_holds_its_figure_and_is_reproducible(table):
    noisy = table.assign(count=table["count"] + np.random.default_rng(1).normal(0, 40, len(table)))
    found = downstream(table, noisy, rng=rng())["count"]
    low, high = found.interval
    assert low < found.pearson < high
    assert found.bias_interval[0] < found.bias < found.bias_interval[1]
    assert downstream(table, noisy, rng=rng())["count"] == found
    assert downstream(table, noisy, rng=np.random.default_rng(8))["count"].interval != found.interval


def test_intervals_resample_wells_not_fields():
    """Copies of a well's field add nothing that is known, so the interval must not shrink by them."""
    values = np.random.default_rng(2).normal(0, 1, 10)
    wells = [f"B{well:02d}" for well in range(1, 11)]
    once = mean_interval(wells, values, rng())
    ninefold = mean_interval(wells * 9, np.tile(values, 9), rng())
    assert ninefold == pytest.approx(once, abs=1e-9)
    as_fields = mean_interval([str(row) for row in range(90)], np.tile(values, 9), rng())
    assert np.ptp(as_fields) < np.ptp(once) / 2


def test_an_interval_of_a_mean_has_the_known_width():
    """For many wells it is the normal one: ± 1.96 · σ / √n."""
    values = np.random.default_rng(3).normal(5, 2, 400)
    low, high = mean_interval([str(well) for well in range(400)], values, rng())
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)


@pytest.mark.parametrize("wells", [["A01"] * 6, ["A01", "A02"] * 3])
def test_fewer_than_three_wells_give_no_interval(wells):
    found = agreement(np.arange(6.0), np.arange(6.0) ** 2, wells, rng())
    assert found.pearson is not None
    assert found.interval is None


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_two_points_are_no_correlation(rows):
    values = np.arange(1.0, rows + 1)
    found = agreement(values, 2 * values, [f"A{row:02d}" for row in range(rows)], rng())
    assert (found.pearson, found.spearman, found.n) == (None, None, rows)
    assert found.bias == (1 if rows else None)


def test_a_measure_that_does_not_vary_has_no_correlation():
    found = agreement(np.full(5, 0.1 + 0.2), np.arange(5.0), list("abcde"), rng())
    assert (found.pearson, found.spearman, found.interval) == (None, None, None)


def test_missing_values_are_left_out_and_area_may_be_in_px(table):
    real = table.rename(columns={"area_um2": "area_px"})
    predicted = real.copy()
    predicted.loc[[0, 5], "intensity_mean"] = np.nan
    found = downstream(real, predicted, rng=rng())
    assert (found["intensity_mean"].n, found["area_um2"].n) == (22, 24)
    assert found["area_um2"].pearson == pytest.approx(1)
