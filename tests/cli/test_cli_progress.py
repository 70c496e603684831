"""Progress: some twenty plain lines where there is no terminal, a bar where there is one."""

import io
import sys

import pytest

from unstained.cli.progress import Display, course_line
from unstained.training.fitting import Progress


@pytest.fixture
def lines():
    return []


def test_plain_lines_are_spread_evenly_and_the_last_is_told(lines):
    shown = Display(lines.append)
    for step in range(1, 1001):
        shown.training(Progress(step, 1000, 0.5, 24.0, 0.875))
    assert len(lines) == 20
    assert lines[0] == "step 50 of 1000, loss 0.500, PCC 0.875, 24 crops/s"
    assert lines[-1].startswith("step 1000 of 1000")


def test_little_work_tells_every_field(lines):
    shown = Display(lines.append)
    for done in (1, 2, 3):
        shown.count("predict", done, 3)
    for done in (1, 2):
        shown.count("measure", done, 2)
    assert lines == [
        "predict: 1 of 3",
        "predict: 2 of 3",
        "predict: 3 of 3",
        "measure: 1 of 2",
        "measure: 2 of 2",
    ]


def test_only_the_first_of_several_processes_speaks(lines, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    Display(lines.append).count("predict", 3, 3)
    assert lines == []


def test_a_bar_on_a_terminal(lines, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm")
    shown = Display(lines.append)
    shown.training(Progress(50, 200, 0.25, 24.0, None))
    shown.close()
    assert "50/200" in terminal.getvalue()
    assert "loss 0.250" in terminal.getvalue()
    assert lines == []


def test_what_is_not_known_yet_is_a_dash():
    assert course_line(Progress(1, 9, 2.0, 3.14159, None)) == "loss 2.000, PCC –, 3.14 crops/s"
