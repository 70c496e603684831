"""Two runs of a study are compared row by row, by the words of the rows."""

import pytest

from studies_repeat import Moved, compared, furthest, share_near

HEAD = "Title\n\n### table\n\n| train | augmented | pcc | n |\n|---|---|---|---|\n"
FIRST = HEAD + "| 0.700 | no | 0.917 | 8 |\n| 1.000 | no | 0.850 | 8 |\n| 1.000 | yes | 0.800 | 8 |\n"
AGAIN = HEAD + "| 0.700 | no | 0.918 | 9 |\n| 1.000 | no | 0.830 | 9 |\n| 1.000 | other | – | 9 |\n"


def test_rows_are_paired_by_words_and_order_and_only_figures_of_both_count():
    found = sorted(compared(FIRST, AGAIN))
    assert found == [("pcc", "table no", 0.85, 0.83), ("pcc", "table no", 0.917, 0.918)]


def test_a_figure_that_moves_by_a_hundredth_stays_near():
    moved = [
        Moved("split", "pcc", "a", 0.9, 0.91), Moved("split", "pcc", "b", 0.9, 0.889),
        Moved("gfp", "f1", "c", 0.5, 0.5), Moved("gfp", "f1", "d", 0.5, 0.25),
    ]  # fmt: skip
    assert share_near(moved) == pytest.approx(0.5)
    assert furthest(moved) == "gfp, f1 0.500 and 0.250 (d); split, pcc 0.900 and 0.889 (b)"
