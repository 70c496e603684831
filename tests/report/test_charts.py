"""Charts are numbers: where a dot or a well stands can be checked without looking."""

import numpy as np
import pytest

from unstained.plates.fields import row_name, well_place
from unstained.report.charts import (
    SIDE,
    Point,
    compact,
    plate_map,
    ramp,
    round_axis,
    scatter,
)


def test_equal_values_lie_on_the_line_and_higher_ones_above():
    chart = scatter([Point(10, 10, "a"), Point(50, 50, "b"), Point(20, 40, "c")], "count", "")
    for dot in chart.dots[:2]:
        assert dot.x + dot.y == pytest.approx(SIDE, abs=0.2)
    above = chart.dots[2]
    assert above.x + above.y < SIDE - 10
    assert chart.dots[0].x < above.x < chart.dots[1].x


def test_ticks_stand_where_their_value_is():
    chart = scatter([Point(0, 0, ""), Point(100, 100, "")], "count", "")
    places = {tick.text: tick.at for tick in chart.ticks}
    assert places["0"] == pytest.approx(chart.dots[0].x, abs=0.2)
    assert places["100"] == pytest.approx(chart.dots[1].x, abs=0.2)
    assert places["50"] == pytest.approx((places["0"] + places["100"]) / 2, abs=0.2)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3, 7), (0.001, 0.0011), (1e6, 9e6), (5, 5), (0, 0)])
def test_an_axis_holds_its_values_and_some_round_ticks(low, high):
    start, stop, ticks = round_axis(low, high)
    assert start < low <= high < stop
    assert 2 <= len(ticks) <= 8
    assert all(start <= tick <= stop for tick in ticks)


def test_wells_stand_in_their_row_and_column():
    found = plate_map({"A01": 1.0, "H12": 3.0, "C05": 2.0}, {"C05": "said of C05"}, "count")
    present = {(well.row, well.column): well for well in found.wells if well.present}
    assert set(present) == {(0, 0), (7, 11), (2, 4)}
    assert len(found.wells) == 96
    assert present[2, 4].title == "said of C05"
    assert present[0, 0].colour == f"rgb{ramp(0)}"
    assert present[7, 11].colour == f"rgb{ramp(1)}"
    assert (found.low, found.high) == ("1", "3")


@pytest.mark.parametrize(("well", "wells"), [("H12", 96), ("P24", 384), ("AF48", 1536), ("B13", 384)])
def test_a_plate_has_the_smallest_format_that_fits(well, wells):
    assert len(plate_map({well: 1.0}, {}, "").wells) == wells


def test_a_well_without_a_value_is_there_without_colour_of_the_scale():
    found = plate_map({"A01": None, "A02": 5.0}, {}, "count")
    first = next(well for well in found.wells if well.present)
    assert first.text == "–"
    assert found.low is None


def test_names_of_rows_go_beyond_z():
    assert [row_name(row) for row in (0, 25, 26, 31)] == ["A", "Z", "AA", "AF"]
    assert [well_place(name) for name in ("A01", "Z02", "AA03", "AF48", "tumour")] == [
        (0, 0), (25, 1), (26, 2), (31, 47), None,
    ]  # fmt: skip


def test_the_ramp_grows_lighter():
    lightness = [np.dot(ramp(share), (0.3, 0.6, 0.1)) for share in np.linspace(0, 1, 30)]
    assert (np.diff(lightness) > 0).all()


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.94321, "0.943"), (12.34, "12.3"), (999.0, "999"), (4130.0, "4130"), (41300.0, "41.3k"),
     (2.2e6, "2.2M"), (None, "–"), (float("nan"), "–"), (0, "0")],
)  # fmt: skip
def test_numbers_are_short(value, text):
    assert compact(value) == text
