"""What the pages say is true: their Python runs, their commands exist, their links lead somewhere."""

import re
import shlex
import warnings
from pathlib import Path

import commands_page
import numpy as np
import pytest
import tifffile

from unstained.errors import UnstainedWarning

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)[^)]*\)")


def _blocks(page: Path, language: str) -> list[str]:
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


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
def test_commands_of_the_pages_exist(page):
    known = commands_page.commands()
    for line in "\n".join(_blocks(page, "sh")).splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["unstained"]:
            name = next(name for name in (" ".join(words[1:3]), words[1]) if name in known)
            asked = {word.partition("=")[0] for word in words if word.startswith("-")}
            needed = {each.opts[0] for each in known[name].params if each.required and each.opts[0][0] == "-"}
            assert needed <= asked <= commands_page.options(known[name]), line


def test_the_page_of_commands_is_current():
    assert commands_page.PAGE.read_text(encoding="utf-8") == commands_page.rendered(), "run: make docs"


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
