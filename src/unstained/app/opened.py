"""Plates that belong together: the recorded one, the one predicted from it, its tables, its ranking."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from unstained.errors import BadInput, UnstainedError
from unstained.measurement.downstream import MEASURES
from unstained.measurement.evaluation_files import read_evaluations
from unstained.measurement.plates import stored_tables
from unstained.plates.plate import FieldName, Plate, open_plate
from unstained.prediction.verdicts import VERDICTS, Verdict, worse
from unstained.ranking.files import RANKING, read_ranking
from unstained.ranking.ranking import Ranking

PREDICTED = "predicted.zarr"
"""What `screen` and `demo` call the predicted plate in the folder of their results."""

VERDICT, SCORE, RANK = "verdict", "ranking score", "rank"
_WHERE = {"plate", "well", "row", "column", "field", "fields", "label", "stain", "verdict"}


@dataclass(frozen=True)
class Opened:
    """What was opened; at least one of both plates is there."""

    place: str
    predicted: Plate | None
    source: Plate | None  # the recorded plate: label-free, maybe real stains
    ranking: Ranking | None = None
    folder: Path | None = None  # of the results that the predicted plate is one of

    @property
    def plate(self) -> Plate:
        """The predicted plate, else the recorded one."""
        found = self.predicted or self.source
        assert found is not None
        return found

    @property
    def slug(self) -> str:
        """Name what is made of this plate: many are called alike, and one may be predicted anew."""
        models = [str(each.get("weights_sha256")) for each in self.plate.info.get("models", ())]
        return f"{self.plate.name}-{short_hash(str(self.plate.path), *models)}"

    @property
    def fields(self) -> tuple[FieldName, ...]:
        """Name the fields, sorted."""
        return self.plate.fields

    def in_well(self, well: str) -> list[FieldName]:
        """Name the fields of a well."""
        return [name for name in self.fields if name.well == well]

    def verdict(self, name: FieldName) -> Verdict | None:
        """Give a field's verdict; None where nobody judged."""
        told = None if self.predicted is None else self.predicted.field_info(name).get("verdict")
        return told if isinstance(told, dict) else None


def short_hash(*texts: str) -> str:
    """Tell apart what has the same name."""
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:8]


def open_place(place: str) -> Opened:
    """Open a plate, a predicted plate with what it comes from, or a folder of `screen`'s or `demo`'s results.

    Raises
    ------
    BadInput
        There is nothing, or no plate.
    """
    path: Path | str = place if "://" in place else Path(place).expanduser()
    folder = None
    if isinstance(path, Path):
        if (path / PREDICTED).exists():
            path, folder = path / PREDICTED, path
        elif path.name == PREDICTED:
            folder = path.parent
    plate = open_plate(path)
    if plate.info.get("kind") != "predicted":
        return Opened(place, None, plate)
    return Opened(place, plate, _source_of(plate, folder), _ranking_in(folder), folder)


def stamp_of(place: str) -> str:
    """Tell by when its files were written whether what lies at a place is still what it was."""
    if "://" in place:
        return ""
    path = Path(place).expanduser()
    known = ("zarr.json", ".zattrs", f"{PREDICTED}/zarr.json", f"ranking/{RANKING}", "tables/wells.parquet")
    found = [path / name for name in known] + [path.parent / name for name in known[3:]]
    return ",".join(str(each.stat().st_mtime_ns) for each in found if each.exists())


def _source_of(predicted: Plate, folder: Path | None) -> Plate | None:
    """Find the plate that was predicted from: where it was, else beside it; None where it is gone."""
    told = str(predicted.info.get("source", ""))
    beside = [] if folder is None else [str(folder / Path(told).name), str(folder / "plate.zarr")]
    for place in (told, *beside):
        try:
            found = open_plate(place)
        except (UnstainedError, OSError):
            continue
        if set(predicted.fields) & set(found.fields):
            return found
    return None


def _ranking_in(folder: Path | None) -> Ranking | None:
    if folder is None or not (folder / "ranking" / RANKING).exists():
        return None
    try:
        return read_ranking(folder / "ranking")
    except BadInput:
        return None


def measures_of(opened: Opened) -> dict[str, pd.Series]:
    """Give all that can be shown on a map of the plate: name → value by well; numbers, or words.

    What was measured of each stain, verdicts, the ranking, and the conditions of the wells.
    """
    found: dict[str, pd.Series] = {}
    if opened.predicted is not None:
        found |= dict(_measured(opened))
        verdicts = _verdicts(opened)
        if len(verdicts):
            found[VERDICT] = verdicts
    if opened.ranking is not None:
        wells = opened.ranking.wells.set_index("well")
        found |= {SCORE: wells["score"], RANK: wells["rank"]}
    conditions = opened.plate.conditions.set_index("well")
    found |= {str(name): conditions[name] for name in conditions if conditions[name].notna().any()}
    return found


def evaluations_in(folder: Path | None, stains: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Read the evaluations in a folder, by stain; none where there is no such folder."""
    if folder is None or not folder.is_dir():
        return {}
    try:
        return {str(each["stain"]): each for each in read_evaluations(folder, stains)}
    except BadInput:
        return {}


def _measured(opened: Opened) -> Iterator[tuple[str, pd.Series]]:
    assert opened.predicted is not None
    conditions = set(opened.predicted.conditions.columns)
    tables = _tables(opened)
    parts = [] if "wells" not in tables else list(tables["wells"].groupby("stain", sort=False))
    parts += [("cells", tables["cells_by_well"])] if "cells_by_well" in tables else []
    for what, table in parts:
        by_well = table.set_index("well")
        for name in by_well:
            if name not in _WHERE | conditions and pd.api.types.is_numeric_dtype(by_well[name]):
                yield f"{what} {name}", by_well[name]


def _tables(opened: Opened) -> Mapping[str, pd.DataFrame]:
    """Read the tables of wells: from the folder of results where there is one, else from the plate."""
    assert opened.predicted is not None
    if opened.folder is not None and (opened.folder / "tables" / "wells.parquet").exists():
        paths = [opened.folder / "tables" / f"{name}.parquet" for name in ("wells", "cells_by_well")]
        return {path.stem: pd.read_parquet(path) for path in paths if path.exists()}
    return stored_tables(opened.predicted) or {}


def _verdicts(opened: Opened) -> pd.Series:
    worst: dict[str, str] = {}
    for name in opened.fields:
        told = opened.verdict(name)
        if told is not None:
            worst[name.well] = worse(worst.get(name.well, VERDICTS[0]), str(told["verdict"]))
    return pd.Series(worst, dtype=object)


def compared(evaluation: Mapping[str, Any]) -> dict[str, pd.DataFrame]:
    """Put predicted beside real measurements of an evaluation: by measure, one row a field.

    Columns are `well`, `field`, `predicted`, `real`; fields where one is missing are left out.
    """
    found: dict[str, pd.DataFrame] = {}
    for measure in MEASURES:
        rows = []
        for row in evaluation["fields"]:
            pair = _pair(row, measure)
            if None not in pair:
                rows.append((row["well"], row["field"], *pair))
        if rows:
            found[measure] = pd.DataFrame(rows, columns=["well", "field", "real", "predicted"])
    return found


def _pair(row: Mapping[str, Any], measure: str) -> tuple[float | None, float | None]:
    if measure == "count":
        return row.get("count_true"), row.get("count_predicted")
    real, predicted = row.get("measured", {}).get(measure, (None, None))
    return real, predicted
