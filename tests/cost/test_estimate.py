"""Hours and money by hand: price times hours, parts that add up, break-even."""

import csv
import json

import pytest

from unstained.cost.estimate import (
    HERE,
    TABLE_FIELDS,
    TABLE_STEPS,
    Costs,
    Plans,
    break_even,
    find_costs,
    labelling_rows,
    training_rows,
)  # fmt: skip
from unstained.cost.files import write_costs
from unstained.cost.times import Training, Work, labelling_work, total, training_work
from unstained.trust.making import TrustSettings

UNTRUSTED = TrustSettings(each=0)


def costs(times, prices, **plans):
    return find_costs(times, prices, Plans(100, **plans), plate="p", model=None)


# Times


def test_a_field_takes_the_sum_of_its_stages(times):
    assert total(labelling_work(times)).seconds_here == pytest.approx(0.1 + 2.5 + 0.4 + 0.3 + 0.2)


def test_on_another_machine_the_network_goes_by_flop_and_the_rest_takes_as_long_as_here(times, prices):
    # rest: 3.5 s − 2.0 s of the network; 4 mirror images of 0.5 Mpx, 1e10 FLOP a Mpx, 5e10 FLOP/s; 4 waits
    seconds = total(labelling_work(times)).seconds_on(prices.machines["fast"])
    assert seconds == pytest.approx(1.5 + 4 * 0.5 * 1e10 / 5e10 + 4 * 0.01)


def test_a_trainings_parts_are_what_they_are_by_hand(times):
    parts = training_work(times, Training(9, 1, 100, UNTRUSTED))
    seconds = {name: work.seconds_here for name, work in parts.items()}
    assert seconds == pytest.approx(
        {
            "prepare": 10 * 3.0,
            "steps": 100 * 0.5,
            "validate": (10 + 1) * 1 * 0.5,  # ten validations and a last one, of one field of 0.5 Mpx
            "finish": (8 * 4 + 9 + 1 * 4) * 0.5,  # eight fields for batch norm, nine for gain, one for offset
            "trust": 0,
        }
    )


def test_trust_counts_what_is_tried(times):
    # one of four fields validates: 4 fields of 2 parts (768 px at most), seen clean and in turn corrupted
    none = total(training_work(times, Training(3, 1, 100, UNTRUSTED))).seconds_here
    some = total(training_work(times, Training(3, 1, 100))).seconds_here
    more = total(training_work(times, Training(3, 1, 100, TrustSettings(each=4)))).seconds_here
    assert none < some < more


def test_steps_and_fields_are_paid_for_as_they_grow(times):
    def seconds(train, steps):
        return total(training_work(times, Training(train, 1, steps, UNTRUSTED))).seconds_here

    assert seconds(50, 200) - seconds(50, 100) == pytest.approx(100 * 0.5)
    assert seconds(60, 100) - seconds(50, 100) == pytest.approx(10 * 3.0)  # preparing alone grows


def test_a_training_without_validation_isnt_validated(times):
    assert training_work(times, Training(2, 0, 100, UNTRUSTED))["validate"].seconds_here == 0


def test_fields_of_another_size_take_time_by_their_area(times):
    larger = times.for_fields_of((2000, 1000))
    here, there = (total(labelling_work(each)).seconds_here for each in (times, larger))
    assert there == pytest.approx(4 * here)
    assert larger.step_s == times.step_s


def test_work_adds_up_and_multiplies():
    assert Work(1, 2, 3, 4).plus(Work(1, 1, 1, 1)).times(2) == (4, 6, 8, 10)


# Money


def test_money_is_price_times_hours(times, prices):
    here, fast = training_rows(times, prices, 10, 500)
    hours = total(training_work(times, Training.of(10, 500))).seconds_here / 3600
    assert here.model_dump() == pytest.approx(
        {**here.model_dump(), "hours": hours, "on_demand": hours * 0.5, "spot": None}
    )
    assert (fast.on_demand, fast.spot) == pytest.approx((fast.hours * 2.0, fast.hours * 1.0))


def test_in_the_cloud_a_plates_stains_are_brought_back_for_money(times, prices):
    here, fast = labelling_rows(times, prices, 100)
    assert here.on_demand == pytest.approx(100 * 3.5 / 3600 * 0.5)
    assert fast.on_demand == pytest.approx(fast.hours * 2.0 + 100 * 2e6 / 1e9 * 0.1)


@pytest.mark.parametrize(
    ("beginning", "per_plate", "staining", "plates"),
    [
        (1000, 50, 250, 5),  # 1000 + 5 · 50 = 5 · 250
        (1001, 50, 250, 6),
        (1000, 250, 250, None),
        (1000, 300, 250, None),
        (0, 50, 250, 0),
    ],
)
def test_break_even_is_the_first_number_of_plates_that_is_no_dearer(beginning, per_plate, staining, plates):
    assert break_even(beginning, per_plate, staining) == plates


def test_break_even_counts_stained_plates_hours_and_controls(times, prices):
    found = costs(times, prices, steps=500, plates=20)
    here = found.break_even[0]
    training = next(row for row in found.rows if (row.machine, row.fields, row.steps) == (HERE, 100, 500))
    assert here.beginning == pytest.approx(240 + 4 * 50 + training.on_demand)
    assert here.per_plate == pytest.approx(100 * 3.5 / 3600 * 0.5 + 0.1 * 240)
    assert here.plates == break_even(here.beginning, here.per_plate, 240) == 3
    assert here.saved == pytest.approx(20 * (240 - here.per_plate) - here.beginning)


# What is written


def test_all_trainings_of_the_table_are_costed_on_every_machine(times, prices):
    rows = [row for row in costs(times, prices).rows if row.what == "training"]
    told = {(row.machine, row.fields, row.steps) for row in rows}
    wanted = {(m, f, s) for m in (HERE, "fast") for f in TABLE_FIELDS for s in TABLE_STEPS}
    assert wanted <= told
    assert len(told) == len(rows)


def test_files_hold_what_was_found(times, prices, tmp_path):
    found = costs(times, prices)
    write_costs(tmp_path, found)
    stored = json.loads((tmp_path / "cost.json").read_text(encoding="utf-8"))
    assert stored["schema"] == "unstained.cost/1"
    assert Costs.model_validate(stored) == found
    with (tmp_path / "cost.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(found.rows)
    assert [float(row["hours"]) for row in rows] == pytest.approx([row.hours for row in found.rows])
    assert (tmp_path / "cost.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_a_picture_is_drawn_where_staining_stays_cheaper(times, prices, tmp_path):
    cheap = prices.updated(
        staining={**prices.staining.model_dump(), "reagents_per_plate": 0, "hands_on_hours": 0,
                  "microscope_hours": 0}
    )  # fmt: skip
    found = costs(times, cheap)
    assert [each.plates for each in found.break_even] == [None, None]
    write_costs(tmp_path, found)
    assert (tmp_path / "cost.png").exists()
