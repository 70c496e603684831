"""A ranking as files: tables, a workbook for the lab, a heat map of the plate, and what was assumed."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from unstained.errors import BadInput, OutputFailed
from unstained.plates.fields import plate_format, row_name, well_place
from unstained.provenance import read_json, write_json
from unstained.ranking.corrections import Correction
from unstained.ranking.ranking import Ranking, RankSettings, to_json

RANKING = "ranking.json"
NAMES = ("plate", "well", "name", "clone", "which", "verdict")


def tables_of(ranking: Ranking) -> dict[str, pd.DataFrame]:
    """Give the tables that there are; `ranking` holds what is put in order."""
    first = ranking.wells if ranking.clones is None else ranking.clones
    found = {"ranking": first, "wells": ranking.wells, "over_time": ranking.over_time,
             "dropping": ranking.dropping}  # fmt: skip
    return {name: table for name, table in found.items() if table is not None and len(table)}


def write_ranking(folder: Path, ranking: Ranking) -> None:
    """Write `ranking.csv` and `.xlsx`, `wells.csv`, trends, `heat-map.png` and `ranking.json`.

    Raises
    ------
    OutputFailed
        A file can't be written.
    """
    tables = tables_of(ranking)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with pd.ExcelWriter(folder / "ranking.xlsx") as book:
            for name, table in tables.items():
                table.to_csv(folder / f"{name}.csv", index=False, float_format="%.8g", lineterminator="\n")
                table.to_excel(book, index=False, sheet_name=name)
            pd.DataFrame({"notes": list(ranking.notes)}).to_excel(book, index=False, sheet_name="notes")
        heat_map(ranking.wells, ranking.settings.score.title).savefig(folder / "heat-map.png", dpi=110)
        write_json(folder / RANKING, to_json(ranking))
    except OSError as error:
        raise OutputFailed(folder, error.strerror or error) from error


def read_ranking(folder: Path) -> Ranking:
    """Read what `write_ranking` wrote.

    Raises
    ------
    BadInput
        There is no ranking in the folder, or it can't be read.
    """
    told = read_json(folder / RANKING)
    if told is None:
        raise BadInput(f"no ranking in {folder}; make one: unstained rank")
    try:
        tables = {path.stem: _read(path) for path in folder.glob("*.csv")}
        clones = tables["ranking"] if told["units"] == "clones" else None
        return Ranking(
            settings=RankSettings.checked(told["settings"], RANKING),
            wells=tables["wells"],
            clones=clones,
            over_time=tables.get("over_time"),
            dropping=tables.get("dropping"),
            next_to_stain=tuple(told["next_to_stain"]),
            corrections=tuple(Correction(**each) for each in told["corrections"]),
            notes=tuple(told["notes"]),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise BadInput(f"the ranking in {folder} can't be read: {error}") from error


def _read(path: Path) -> pd.DataFrame:
    """Read a table; what names something stays text, whatever it looks like."""
    return pd.read_csv(path, dtype=dict.fromkeys(NAMES, str), keep_default_na=False, na_values=[""])


def heat_map(wells: pd.DataFrame, title: str) -> Figure:
    """Draw every plate with its wells coloured by score, their ranks written in."""
    plates = list(dict.fromkeys(wells["plate"]))
    figure = Figure(figsize=(7.5, 4.6 * len(plates)), layout="constrained")
    for axes, plate in zip(figure.subplots(len(plates), 1, squeeze=False)[:, 0], plates, strict=True):
        shown = wells[wells["plate"] == plate]
        at = [well_place(str(well)) or (0, 0) for well in shown["well"]]
        rows, columns = plate_format(at)
        grid = np.full((rows, columns), np.nan)
        for place, score in zip(at, shown["score"], strict=True):
            grid[place] = score
        image = axes.imshow(grid, cmap="cividis", interpolation="nearest")
        for (y, x), rank in zip(at, shown["rank"], strict=True):
            if pd.notna(rank):
                middle = np.nanmean(grid)
                axes.text(x, y, f"{rank:g}", ha="center", va="center", fontsize=7,
                          color="black" if grid[y, x] > middle else "white")  # fmt: skip
        axes.set_xticks(np.arange(columns), [str(number + 1) for number in range(columns)], fontsize=6)
        axes.set_yticks(np.arange(rows), [row_name(row) for row in range(rows)], fontsize=6)
        axes.set_title(f"{title}: {plate} (numbers are ranks)", fontsize=9)
        figure.colorbar(image, ax=axes, shrink=0.7, label="score, spreads over the reference")
    return figure
