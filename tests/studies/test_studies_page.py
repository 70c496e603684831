"""The page of studies: chapters that are given replace those of the same study and plate; others stay."""

import pytest
import studies_page

from unstained.studies.catalogue import STUDIES
from unstained.studies.figures import dots
from unstained.studies.study import Study, write_study


@pytest.fixture
def page(tmp_path, monkeypatch):
    """Give what writes the page from folders and returns its text; all of it in a scratch folder."""
    monkeypatch.setattr(studies_page, "PAGE", tmp_path / "studies.md")
    monkeypatch.setattr(studies_page, "PICTURES", tmp_path / "pictures" / "studies")

    def written(*folders):
        monkeypatch.setattr("sys.argv", ["studies_page.py", *map(str, folders)])
        studies_page.main()
        return studies_page.PAGE.read_text(encoding="utf-8")

    return written


def _left(folder, name, plate, said):
    rows = [{"variant": "a", "pcc": 0.5}]
    study = Study(
        name=name, title=STUDIES[name].title, data=f"plate {plate}, simulated: 2 test fields", steps=1,
        seeds=(0,), tables={"table": rows}, findings=(said,),
    )  # fmt: skip
    write_study(folder / name, study, {"split": dots(rows, ("pcc",))})
    return folder


def test_chapters_stay_until_their_own_study_and_plate_come_again(tmp_path, page):
    first = _left(tmp_path / "one", "split", "cho", "first finding")
    _left(first, "downstream", "cho", "another study")
    page(first)
    both = page(_left(tmp_path / "two", "split", "hela", "other plate"))
    assert [said in both for said in ("first finding", "another study", "other plate")] == [True] * 3
    again = page(_left(tmp_path / "three", "split", "cho", "second finding"))
    assert "first finding" not in again
    assert again.index("another study") < again.index("second finding") < again.index("other plate")


def test_pictures_that_no_chapter_shows_go(tmp_path, page):
    page(_left(tmp_path / "one", "split", "cho", "said"))
    stale = studies_page.PICTURES / "split-gone-split.png"
    stale.write_bytes(b"")
    page()
    assert [each.name for each in studies_page.PICTURES.iterdir()] == ["split-cho-split.png"]
