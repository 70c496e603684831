"""The table of results says what the records say, the missed goals included."""

import json

import results_table

RECORD = {
    "id": "one-pcc", "title": "PCC", "value": 0.91234, "goal": 0.9, "comparison": ">=", "holds": True,
    "interval": [0.9, 0.92], "against": {"frm": 0.5}, "data": "hela-rpe1 A01/2",
    "command": "python benchmarks/one.py",
    "seed": 0,
    "machine": "2 cores",
    "version": "0.1.0", "date": "2026-01-01", "notes": "One field | only.",
}  # fmt: skip


def _cells(page: str, line: int) -> list[str]:
    rows = [row for row in page.splitlines() if row.startswith("|")]
    return [cell.strip() for cell in rows[line].replace("\\|", "¦").strip("|").split("|")]


def test_a_row_says_what_its_record_says():
    page = results_table.rendered([RECORD])
    assert _cells(page, 2) == [
        "PCC", "**0.912**", "0.9 to 0.92", "≥ 0.9", "✓", "frm 0.5", "hela-rpe1 A01/2", "2 cores; seed 0",
        "2026-01-01",
    ]  # fmt: skip
    assert "- `one-pcc` (0.1.0): `python benchmarks/one.py`. One field | only." in page


def test_missed_goals_ranges_and_figures_without_a_goal_are_shown():
    missed = {
        **RECORD,
        "title": "a|b",
        "goal": [0.95, 1],
        "comparison": "in",
        "holds": False,
        "interval": None,
    }
    plain = {
        **RECORD,
        "value": 21840,
        "goal": None,
        "comparison": None,
        "holds": None,
        "against": {},
        "seed": None,
    }
    page = results_table.rendered([missed, plain])
    assert _cells(page, 2)[:5] == ["a¦b", "**0.912**", "", "0.95 to 1", "✗"]
    assert _cells(page, 3)[1:8] == ["**21840**", "0.9 to 0.92", "", "", "", "hela-rpe1 A01/2", "2 cores"]


def test_every_record_of_a_folder_gets_a_row(tmp_path, capsys):
    for name in ("b", "a"):
        (tmp_path / f"{name}.json").write_text(
            json.dumps({**RECORD, "id": name, "title": name}), encoding="utf-8"
        )
    results_table.main(tmp_path, tmp_path / "docs" / "results.md")
    page = (tmp_path / "docs" / "results.md").read_text(encoding="utf-8")
    assert [_cells(page, line)[0] for line in (2, 3)] == ["a", "b"]
    assert "2 figures, 0 of them short" in capsys.readouterr().out


def test_no_records_no_table():
    assert "Nothing has been measured yet" in results_table.rendered([])
