"""Plate maps in the forms that laboratories draw them."""

from pathlib import Path

import pandas as pd
import pytest

from unstained.errors import BadInput
from unstained.plates.plate_map import read_plate_map


def written(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "wells.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_a_list_keeps_its_conditions_and_sorts_its_wells(tmp_path: Path) -> None:
    path = written(
        tmp_path, "Well , clone,titre,control,plasmid\nB2,K-2,1.5,yes,007\na10,K-1,,no,010\n\nA9,,3,,1\n"
    )
    expected = pd.DataFrame(
        {
            "well": ["A09", "A10", "B02"],
            "clone": [None, "K-1", "K-2"],
            "titre": [3.0, None, 1.5],
            "control": [None, "no", "yes"],
            "plasmid": ["1", "010", "007"],
        }
    )
    pd.testing.assert_frame_equal(read_plate_map(path), expected)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_every_spreadsheets_csv_is_read(tmp_path: Path, encoding: str, delimiter: str) -> None:
    text = "well,Phänotyp,day\nA1,groß,3\n".replace(",", delimiter)
    table = read_plate_map(written(tmp_path, text, encoding))
    assert table.to_dict("records") == [{"well": "A01", "Phänotyp": "groß", "day": 3}]


@pytest.mark.parametrize(("rows", "columns"), [(8, 12), (16, 24)])
def test_a_drawn_plate_is_read_well_by_well(tmp_path: Path, rows: int, columns: int) -> None:
    letters = "ABCDEFGHIJKLMNOP"[:rows]
    lines = ["," + ",".join(str(column) for column in range(1, columns + 1))]
    lines += [f"{row}," + ",".join(f"{row}{column}x" for column in range(1, columns + 1)) for row in letters]
    lines[2] = lines[2].replace("B3x", "")
    table = read_plate_map(written(tmp_path, "\n".join(lines)))
    assert list(table.columns) == ["well", "clone"]
    assert len(table) == rows * columns - 1
    by_well = dict(zip(table["well"], table["clone"], strict=True))
    assert (by_well["A01"], by_well[f"{letters[-1]}{columns}"]) == ("A1x", f"{letters[-1]}{columns}x")
    assert "B03" not in by_well


def test_the_corner_cell_names_the_condition(tmp_path: Path) -> None:
    table = read_plate_map(written(tmp_path, "phenotype,1,2\nA,G1,G2\nAA,S,\n"))
    assert table.to_dict("list") == {"well": ["A01", "A02", "AA01"], "phenotype": ["G1", "G2", "S"]}


def test_a_workbook_has_a_condition_per_sheet(tmp_path: Path) -> None:
    path = tmp_path / "Belegung März.xlsx"
    with pd.ExcelWriter(path) as book:
        pd.DataFrame([["", 1, 2], ["A", "K1", "K2"], ["B", "K3", ""]]).to_excel(
            book, sheet_name="clone", header=False, index=False
        )
        pd.DataFrame([["", 1, 2], ["A", 0, 14], ["B", 7, 3]]).to_excel(
            book, sheet_name="day", header=False, index=False
        )
        pd.DataFrame({"well": ["A1", "A2"], "control": ["yes", "no"]}).to_excel(
            book, sheet_name="Sheet3", index=False
        )
        pd.DataFrame().to_excel(book, sheet_name="empty")
    expected = pd.DataFrame(
        {
            "well": ["A01", "A02", "B01", "B02"],
            "clone": ["K1", "K2", "K3", None],
            "day": [0, 14, 7, 3],
            "control": ["yes", "no", None, None],
        }
    )
    pd.testing.assert_frame_equal(read_plate_map(path), expected, check_dtype=False)


def test_a_single_unnamed_sheet_is_the_clones(tmp_path: Path) -> None:
    path = tmp_path / "wells.xlsx"
    pd.DataFrame([["", 1], ["C", "K1"]]).to_excel(path, sheet_name="Tabelle1", header=False, index=False)
    assert read_plate_map(path).to_dict("list") == {"well": ["C01"], "clone": ["K1"]}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("name,clone\nx,y\n", "neither a column 'well' nor rows"),
        ("well,clone\nA1,x\nA01,y\n", "names well A01 twice"),
        ("well,clone\n7,x\n", "'7' is no well"),
        ("", "is empty"),
        ("Well,well\nA1,x\n", "two columns 'well'"),
        ("well,clone,clone\nA1,x,y\n", "two columns 'clone'"),
    ],
)
def test_a_bad_plate_map_is_refused_in_one_line(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(BadInput, match=reason) as caught:
        read_plate_map(written(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_plate_map_that_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.xlsx").write_bytes(b"PK but no workbook")
    pd.DataFrame({"well": ["A1"], "clone": ["K1"]}).to_excel(tmp_path / "cut.xlsx", index=False)
    (tmp_path / "cut.xlsx").write_bytes((tmp_path / "cut.xlsx").read_bytes()[:-200])
    for name in ("broken.xlsx", "cut.xlsx", "absent.csv"):
        with pytest.raises(BadInput, match=name):
            read_plate_map(tmp_path / name)
