"""Prices: those that come with the package are whole and dated, and a file of one's own is checked."""

import datetime

import pytest
import yaml

from unstained.cost.prices import load_prices, shipped_prices
from unstained.errors import BadSettings


def test_shipped_prices_are_dated_and_say_where_they_come_from():
    prices = load_prices()
    assert datetime.date(2026, 1, 1) <= prices.date <= datetime.date(2027, 12, 31)
    assert "us-east-1" in prices.region
    assert {each.kind for each in prices.machines.values()} == {"cpu", "gpu"}
    assert all(each.source for each in prices.machines.values())
    assert all(each.spot_per_hour < each.on_demand_per_hour for each in prices.machines.values())
    assert "assumption" in prices.staining.source


def test_staining_costs_reagents_hands_and_microscope(prices):
    assert prices.staining.per_plate == 100 + 2 * 50 + 1 * 40


def test_a_machine_computes_a_share_of_its_peak(prices):
    assert prices.machines["fast"].flop_per_s == pytest.approx(0.1e12 * 0.5)


def edited(tmp_path, change):
    values = yaml.safe_load(shipped_prices().read_text(encoding="utf-8"))
    change(values)
    path = tmp_path / "prices.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


def test_an_edited_copy_is_taken(tmp_path):
    path = edited(tmp_path, lambda values: values["staining"].update(reagents_per_plate=1))
    assert load_prices(path).staining.reagents_per_plate == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda values: values.update(discount=0.3), "discount: Extra inputs"),
        (lambda values: values["machines"]["g5.xlarge"].update(price=1), "machines.g5.xlarge.price: Extra"),
        (lambda values: values["machines"]["g5.xlarge"].update(share=1.5), "machines.g5.xlarge.share"),
        (lambda values: values["staining"].update(hands_on_hours=-1), "staining.hands_on_hours"),
        (lambda values: values.pop("date"), "date: Field required"),
    ],
)
def test_what_is_wrong_in_a_file_is_named_in_one_line(tmp_path, change, said):
    path = edited(tmp_path, change)
    with pytest.raises(BadSettings) as caught:
        load_prices(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_an_error_of_the_users(tmp_path):
    with pytest.raises(BadSettings, match=r"no\.yaml"):
        load_prices(tmp_path / "no.yaml")
