"""Each row of a table leads back to model, plate, run and settings, also where the table travels alone."""

import re
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pandas as pd
import pytest

from unstained.measurement.lineage import LINEAGE, with_lineage
from unstained.measurement.wells import write_tables

RUN = {
    "command": "predict",
    "settings": {"strict": False},
    "inputs": {"plate": {"path": "s3://bucket/p.zarr", "sha256": "ab12"}},
    "version": "0.1.0",
    "date": "2026-01-02T03:04:05+00:00",
}
TABLE = pd.DataFrame({"well": ["A01", "A02", "A01"], "stain": ["er", "nuclei", "er"], "count": [3, 4, 5]})


def plate(**info):
    models = [
        {"name": "one", "weights_sha256": "11", "stains": ["nuclei"]},
        {"name": "two", "weights_sha256": "22", "stains": ["er", "golgi"]},
    ]
    return SimpleNamespace(info={"runs": {"predict": RUN}, "models": models, "measured": {"er": {}}, **info})


def test_a_row_names_the_model_of_its_stain():
    found = with_lineage(TABLE, plate())
    assert list(found.columns) == [*TABLE.columns, *LINEAGE]
    assert found["model"].tolist() == ["two", "one", "two"]
    assert found["model_sha256"].tolist() == ["22", "11", "22"]
    assert set(found["source"]) == {"s3://bucket/p.zarr"}
    assert set(found["source_sha256"]) == {"ab12"}
    assert set(found["run_date"]) == {RUN["date"]}
    assert TABLE.columns.tolist() == ["well", "stain", "count"]


def test_a_row_of_several_stains_names_all_models():
    found = with_lineage(TABLE.drop(columns="stain"), plate())
    assert set(found["model"]) == {"one,two"}
    assert set(found["model_sha256"]) == {"11,22"}


def test_another_run_or_other_settings_are_told_apart():
    first = with_lineage(TABLE, plate()).iloc[0]
    other_run = with_lineage(TABLE, plate(runs={"predict": {**RUN, "date": "2026-02-02"}})).iloc[0]
    other_recipe = with_lineage(TABLE, plate(measured={"er": {"radius": 2}})).iloc[0]
    assert first["run_id"] != other_run["run_id"]
    assert first["settings_sha256"] == other_run["settings_sha256"] != other_recipe["settings_sha256"]
    assert first["run_id"] == other_recipe["run_id"]
    assert len(first["run_id"]) == 64


def test_what_is_not_known_is_missing():
    found = with_lineage(TABLE, SimpleNamespace(info={}))
    missing = set(LINEAGE) - {"settings_sha256"}
    assert found[list(missing)].isna().all(axis=None)


@pytest.mark.parametrize("info", [{}, {"runs": {}, "models": []}])
def test_duckdb_queries_what_was_written(tmp_path, info):
    for name in ("p1", "p2"):
        traced = plate(**(info if name == "p2" else {}))
        tables = {"wells": TABLE.assign(plate=name)}
        write_tables(tmp_path / name, tables, lineage=lambda table, of=traced: with_lineage(table, of))
    assert "model" not in pd.read_csv(tmp_path / "p1" / "wells.csv").columns
    asked = (
        f"select model, sum(count) as cells from '{(tmp_path / '*' / 'wells.parquet').as_posix()}'"
        " where stain = 'er' group by model order by model nulls last"
    )
    expected = [("two", 16)] if info == {} else [("two", 8), (None, 8)]
    assert [(model, int(cells)) for model, cells in duckdb.sql(asked).fetchall()] == expected


def test_the_query_of_the_page_runs(tmp_path, monkeypatch):
    page = Path(__file__).resolve().parents[2] / "docs" / "scale.md"
    (query,) = re.findall(r"```sql\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    for name in ("p1", "p2"):
        wells = TABLE.assign(plate=name, **({"clone": "k7"} if name == "p2" else {}))
        write_tables(
            tmp_path / "tables" / name, {"wells": wells}, lineage=lambda table: with_lineage(table, plate())
        )
    monkeypatch.chdir(tmp_path)
    assert duckdb.sql(query).fetchall() == [("p1", "one", "11", 1, 4), ("p2", "one", "11", 1, 4)]
