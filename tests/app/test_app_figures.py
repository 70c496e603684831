"""Figures put things where they are: linked axes, wells, outlines, envelopes."""

import numpy as np
import pandas as pd
import pytest

from unstained.app import curves, plots
from unstained.app.plots import Shown, clicked, linked, outline_of, plate_map
from unstained.trust.envelope import Curve, Envelope

URL = "data:image/jpeg;base64,AA=="


def test_pictures_share_their_axes_and_the_field_fills_them():
    figure = linked([Shown("a", URL), Shown("b", URL), Shown("c", URL)], (40, 60))
    assert [image.sizex for image in figure.layout.images] == [60, 60, 60]
    assert [image.sizey for image in figure.layout.images] == [40, 40, 40]
    assert [figure.layout[f"xaxis{n}"].matches for n in ("2", "3")] == ["x", "x"]
    assert [figure.layout[f"yaxis{n}"].matches for n in ("2", "3")] == ["y", "y"]
    assert tuple(figure.layout.yaxis.range) == (40, 0)  # rows run down


def test_objects_are_dots_on_the_last_picture_that_name_their_label():
    objects = pd.DataFrame({"label": [7], "x": [3.0], "y": [4.0], "told": ["object 7"]})
    figure = linked([Shown("a", URL), Shown("b", URL)], (10, 10), objects=objects)
    (dots,) = [trace for trace in figure.data if trace.name == "objects"]
    assert (dots.xaxis, list(dots.customdata)) == ("x2", [7])


def test_the_outline_of_an_object_surrounds_it():
    labels = np.zeros((20, 30), np.int32)
    labels[4:9, 10:16] = 3
    (line,) = outline_of(labels, 3)
    assert (line[:, 0].min(), line[:, 0].max()) == (pytest.approx(4, abs=0.51), pytest.approx(9, abs=0.51))
    assert (line[:, 1].min(), line[:, 1].max()) == (pytest.approx(10, abs=0.51), pytest.approx(16, abs=0.51))
    assert outline_of(labels, 99) == ()


def test_wells_stand_where_they_are_and_say_what_they_hold():
    values = pd.Series({"A01": 1.0, "B12": 3.0})
    figure = plate_map(values, "count", {"B12": ["clone K7"]}, "A01")
    wells = next(trace for trace in figure.data if trace.customdata is not None)
    assert list(zip(wells.x, wells.y, wells.customdata, strict=True)) == [(0, 0, "A01"), (11, 1, "B12")]
    assert "clone K7" in wells.text[1]
    empty, ring = figure.data[0], figure.data[-1]
    assert len(empty.x) == 94
    assert (ring.x, ring.y) == ((0,), (0,))


def test_verdicts_have_their_own_colour_and_form():
    values = pd.Series({"A01": "trust", "A02": "refuse", "A03": None}, dtype=object)
    figure = plate_map(values, "verdict", {}, None)
    named = {trace.name: trace.marker for trace in figure.data if trace.name}
    assert list(named) == ["trust", "refuse"]
    assert named["trust"].color != named["refuse"].color
    assert named["trust"].symbol != named["refuse"].symbol


def test_clicks_are_read_from_what_the_page_tells():
    assert list(clicked(None)) == []
    event = {"selection": {"points": [{"customdata": "A01"}, {"customdata": [5]}, {"x": 1}]}}
    assert list(clicked(event)) == ["A01", 5]


def envelope(holds: tuple[float, float]) -> Envelope:
    curve = Curve(kind="defocus", unit="µm", strengths=(0, 1, 5), pcc=(1, 0.9, 0.2), saturated=(0, 0, 0),
                  holds=holds)  # fmt: skip
    return Envelope(fields=8, curves={"nuclei": (curve,)})


def test_a_slider_outside_of_the_envelope_is_marked():
    for now, symbol in ((0.5, "diamond"), (3.0, "x")):
        figure = curves.envelope_bars(envelope((0, 1)), {"defocus": now}, {"defocus": "Defocus"})
        assert figure.data[-1].marker.symbol == symbol


def test_stability_shows_the_tolerance_and_where_the_slider_stands():
    figure = curves.stability_curves({"nuclei": envelope((0, 1)).curves["nuclei"][0]}, 0.05, 2.0)
    lines = [(shape.x0, shape.y0) for shape in figure.layout.shapes]
    assert (0, 0.95) in lines
    assert any(x == 2.0 for x, _ in lines)


def test_an_alarm_of_the_drift_history_stands_at_its_image():
    rows = [{"image": "a", "score": 0.1, "threshold": 1.0, "alarm": False},
            {"image": "b", "score": 2.0, "threshold": 1.0, "alarm": True, "cause": "texture"}]  # fmt: skip
    alarm = curves.drift_history(rows).data[-1]
    assert (alarm.x, alarm.y, alarm.text) == ((2,), (2.0,), ("texture",))
    assert len(curves.drift_history(rows[:1]).data) == 2


def test_a_map_of_crops_gives_the_rows_of_what_is_lassoed():
    table = pd.DataFrame({"x": [0, 1, 2], "y": [0, 1, 0], "well": ["A01", "A02", "A01"], "field": 0,
                          "kind": "clean", "cluster": [0, 1, 0]})  # fmt: skip
    figure = curves.crops_map(table, "well")
    assert {trace.name: list(trace.customdata) for trace in figure.data} == {"A01": [0, 2], "A02": [1]}


def test_predicted_stands_over_real():
    table = pd.DataFrame({"well": ["A01"], "field": [2], "real": [3.0], "predicted": [4.0]})
    dots = plots.agreement(table, "count").data[-1]
    assert (dots.x[0], dots.y[0], dots.customdata[0]) == (3.0, 4.0, "A01/2")
