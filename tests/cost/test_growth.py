"""The pipeline on paper against cases whose answer is known, and against its own simulation."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unstained.cost.growth import Fleet, Stage, Store, growth, pipeline_s, simulated_s, slowest, stages_of


def test_one_stage_that_dominates_sets_the_pace():
    stages = (Stage("read", 0.001), Stage("network", 2.0), Stage("write", 0.001))
    assert pipeline_s(stages, 1000) == pytest.approx(1000 * 2.0 + 0.002)
    assert slowest(stages).name == "network"


def test_two_equal_stages_work_at_the_same_time():
    stages = (Stage("a", 1.0), Stage("b", 1.0))
    assert pipeline_s(stages, 100) == simulated_s(stages, 100) == pytest.approx(101.0)  # not 200


def test_latency_is_hidden_by_requests_that_are_open_at_once():
    one = (Stage("wait", 0.5), Stage("compute", 0.1))
    five = (Stage("wait", 0.5, 5), Stage("compute", 0.1))
    assert simulated_s(one, 100) == pytest.approx(100 * 0.5 + 0.1)
    assert simulated_s(five, 100) == pytest.approx(0.5 + 100 * 0.1)
    assert pipeline_s(five, 100) == pytest.approx(simulated_s(five, 100))


def test_nothing_takes_no_time_and_one_field_takes_all_stages():
    stages = (Stage("a", 1.0, 3), Stage("b", 2.0, 7))
    assert pipeline_s(stages, 0) == simulated_s(stages, 0) == 0
    assert pipeline_s(stages, 1) == simulated_s(stages, 1) == 3.0


@settings(deadline=None)
@given(
    stages=st.lists(st.tuples(st.floats(0.01, 5), st.integers(1, 6)), min_size=1, max_size=5),
    fields=st.integers(1, 60),
)
def test_the_formula_is_the_simulation_to_the_time_of_one_field(stages, fields):
    line = [Stage(str(number), *stage) for number, stage in enumerate(stages)]
    one = sum(stage.seconds for stage in line)
    assert abs(pipeline_s(line, fields) - simulated_s(line, fields)) <= one + 1e-6
    alone = [stage._replace(workers=1) for stage in line]
    assert pipeline_s(alone, fields) == pytest.approx(simulated_s(alone, fields))


def test_stages_are_what_was_measured_shared_out(times, prices):
    store, fleet = Store(latency_s=0.16, at_once=16, megabytes_per_s=100), Fleet(cores=4)
    stages = {each.name: each for each in stages_of(times, prices.machines["fast"], store, fleet, 3)}
    assert stages["read"] == ("read", pytest.approx(4 * 0.01 + 0.01), 3)
    assert stages["write"] == ("write", pytest.approx(10 * 0.01 + 0.02), 3)
    assert stages["network"] == ("network", pytest.approx(2e10 / 5e10 + 0.04), 3)
    assert stages["objects"] == ("objects", pytest.approx(1.5), 12)
    assert stages["store writes"].fields_per_s == pytest.approx(3500 / 10)


def test_the_bottleneck_moves_from_starting_over_the_machines_to_the_store(times, prices):
    machine, fleet = prices.machines["fast"], Fleet(most_machines=100_000)
    found = [growth(times, machine, 10**power, fleet=fleet) for power in range(1, 9)]
    names = [row["bottleneck"] for row in found]
    assert names[0] == "starting"
    assert "network" in names
    assert names[-1] == "store writes"
    assert [row["hours"] < 24.5 for row in found[:6]] == [True] * 6


def test_machines_are_added_until_a_day_is_enough(times, prices):
    machine = prices.machines["fast"]
    row = growth(times, machine, 1_000_000)
    assert row["machines"] == math.ceil(1_000_000 * 0.44 / (24 * 3600 - 180)) == 6
    assert row["hours"] == pytest.approx((180 + 1_000_000 * 0.44 / 6) / 3600, rel=1e-3)
    assert row["rent"] == pytest.approx(row["machines"] * row["hours"] * 2.0)
    assert row["money"] == pytest.approx(row["rent"] + row["requests"] + row["kept_a_month"])
