"""How far the figures of studies move when they are run again.

Usage: python benchmarks/studies_repeat.py PAGE FOLDER …, where PAGE is docs/studies.md as the first run wrote
it and each FOLDER holds a study.json of the second. Rows are paired by their words: where a run chose
something else, they aren't compared. Writes results/studies-repeat.json.
"""

import argparse
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from record import write_result
from unstained.studies.study import Study, as_text

FIGURES = ("pcc", "pearson", "spearman", "f1")
"""Columns that are compared."""
NEAR = 0.01

Cells = dict[str, str]


class Moved(NamedTuple):
    """A figure of both runs."""

    study: str
    figure: str
    row: str
    first: float
    again: float

    @property
    def by(self) -> float:
        """How far it moved; both runs are known to three digits."""
        return round(abs(self.again - self.first), 3)


def main() -> None:
    """Compare, and write the share of figures that stay."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("page", type=Path)
    parser.add_argument("folders", type=Path, nargs="+")
    given = parser.parse_args()
    chapters = re.split(r"^## ", given.page.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    moved, data = [], ""
    for folder in given.folders:
        study = Study.model_validate(json.loads((folder / "study.json").read_text(encoding="utf-8")))
        again = re.sub("^#", "##", as_text(study), flags=re.MULTILINE)
        head = f"{study.title}\n\nData: {study.data}."
        first = [chapter for chapter in chapters if chapter.startswith(head)]
        if not first:
            parser.error(f"{given.page} has no chapter of {study.name} on the plate of {folder}")
        moved += [Moved(study.name, *rest) for rest in compared(first[0], again)]
        data = study.data
    write_result(
        "studies-repeat",
        title=f"share of PCC that moves by at most {NEAR} when the studies are run again",
        value=share_near([each for each in moved if each.figure == "pcc"]),
        goal=None,
        comparison=None,
        against={name: share_near([each for each in moved if each.figure == name]) for name in FIGURES[1:]},
        data=data,
        command="git show aa5f816:docs/studies.md > F.md; python benchmarks/studies_repeat.py F.md FOLDER/*/",
        seed=0,
        issue=4,
        notes=f"the same seeds on another machine; the most: {furthest(moved)}",
    )


def compared(first: str, again: str) -> Iterator[tuple[str, str, float, float]]:
    """Give the figures that two texts of a study share: figure, row, value in each."""
    before, after = (dict(_rows(text)) for text in (first, again))
    for key in before.keys() & after.keys():
        for name in FIGURES:
            values = [_number(rows[key].get(name, "")) for rows in (before, after)]
            if None not in values:
                yield name, " ".join((key[0], *key[1])), *values


def _rows(text: str) -> Iterator[tuple[tuple[str, tuple[str, ...], int], Cells]]:
    """Give a study's rows by table, words and, where these come again, how often they came before."""
    seen: Counter[tuple[str, tuple[str, ...]]] = Counter()
    for part in re.split(r"^### ", text, flags=re.MULTILINE)[1:]:
        title, *lines = part.splitlines()
        names, _, *rows = [_cells(line) for line in lines if line.startswith("|")] or [[], []]
        for cells in rows:
            words = title, tuple(cell for cell in cells if re.search("[a-z]", cell, re.IGNORECASE))
            yield (*words, seen[words]), dict(zip(names, cells, strict=True))
            seen[words] += 1


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _number(cell: str) -> float | None:
    return float(cell) if re.fullmatch(r"[-+]?\d+\.\d+", cell) else None


def share_near(moved: Sequence[Moved]) -> float:
    """Give the share of figures that move by at most `NEAR`."""
    return float(np.mean([each.by <= NEAR for each in moved]))


def furthest(moved: Sequence[Moved]) -> str:
    """Say for each study and figure which row moves the most."""
    most = {}
    for each in sorted(moved, key=lambda each: each.by):
        most[each.study, each.figure] = each
    return "; ".join(
        f"{each.study}, {each.figure} {each.first:.3f} and {each.again:.3f} ({each.row})"
        for _, each in sorted(most.items())
    )


if __name__ == "__main__":
    main()
