"""What `make studies` takes: all studies are in it, and their times add up as two at a time do."""

import pytest

import studies_time
from unstained.studies.catalogue import STUDIES


def test_make_runs_every_study_once():
    assert sorted(studies_time.all_studies()) == sorted(STUDIES)


@pytest.mark.parametrize(
    ("hours", "expected"),
    [([3.0, 2.0, 2.0], 4.0), ([1.0, 1.0, 1.0, 1.0], 2.0), ([5.0, 1.0, 1.0], 5.0), ([0.5], 0.5)],
)
def test_two_run_at_a_time_each_as_soon_as_it_can(hours, expected):
    assert studies_time.makespan(hours) == pytest.approx(expected)


def test_a_part_of_the_studies_is_no_figure(monkeypatch):
    written = {}
    monkeypatch.setattr(studies_time, "write_result", lambda name, **record: written.update(record))
    every = dict.fromkeys(studies_time.all_studies(), 0.1)
    studies_time.record({"plate": 0.0, **every})
    assert written["goal"] == 4.0
    assert written["value"] == pytest.approx(0.1 * len(every) / 2)
    del every["recipes"]
    studies_time.record({"plate": 0.0, **every})
    assert written["goal"] is None
    assert written["title"].endswith("without recipes")
