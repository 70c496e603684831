"""What the pages say is true: their Python runs, their commands exist, their links lead somewhere."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import tifffile

from unstained.errors import UnstainedWarning

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)[^)]*\)")


def _blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def _named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


PYTHON = [(page, number) for page in PAGES for number in range(len(_blocks(page, "python")))]


@pytest.mark.parametrize(("page", "number"), PYTHON, ids=[f"{_named(page)}-{n}" for page, n in PYTHON])
def test_python_of_the_pages_runs(page, number, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    tifffile.imwrite(tmp_path / "field.tif", rng.integers(900, 1100, (96, 80)).astype(np.uint16))
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnstainedWarning)        # an unknown pixel size
        exec(compile(_blocks(page, "python")[number], _named(page), "exec"), {})


@pytest.mark.parametrize("page", PAGES, ids=_named)
def test_links_lead_somewhere(page):
    links = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=_named)
def test_pages_keep_to_the_glossary(page):
    text = page.read_text(encoding="utf-8")
    told = "\n".join(line for line in text.splitlines() if not line.startswith("|"))     # the table of words
    assert re.findall(r"\b(?:FOV|checkpoint|infer(?:ence|s)?)\b", told, re.IGNORECASE) == []


def test_readme_is_short_and_shows_before_it_tells():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 120
    assert lines[0].startswith("![")
