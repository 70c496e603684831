"""Records of runs, and folders of results that are whole or marked as unfinished."""

import errno
import json
from pathlib import Path

import pytest

from unstained.errors import OutputExists, OutputFailed
from unstained.measurement.evaluation import EvaluationSettings
from unstained.provenance import (
    UNFINISHED,
    begin_folder,
    finish_folder,
    keep_if_same,
    read_json,
    refuse_output,
    run_path,
    run_record,
    sha256_of,
    to_json,
    write_json,
)

ASKED = {"source": Path("somewhere"), "n": (1, 2)}


def test_a_record_says_what_ran_on_what_by_which_versions():
    record = run_record("predict", {"fields": None}, {"plate": "p.zarr"})
    assert (record["command"], record["settings"], record["inputs"]) == (
        "predict",
        {"fields": None},
        {"plate": "p.zarr"},
    )
    assert record["packages"]["numpy"].startswith("2")
    assert record["date"].endswith("+00:00")


def test_settings_and_paths_become_plain_values():
    written = json.loads(to_json({"settings": EvaluationSettings(), "path": Path("a"), "name": "µ"}))
    assert written["settings"]["light_my_cells"] is False
    assert (written["path"], written["name"]) == ("a", "µ")


def test_where_records_lie(tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "p.zarr").mkdir()
    (tmp_path / "p.zarr" / "zarr.json").write_text("{}", encoding="utf-8")
    assert run_path(tmp_path / "results") == tmp_path / "results" / "run.json"
    assert run_path(tmp_path / "p.zarr") == tmp_path / "p.zarr.run.json"
    assert run_path(tmp_path / "page.html") == tmp_path / "page.html.run.json"


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    out = tmp_path / "new" / "record.json"
    write_json(out, {"a": 1})

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputFailed, match="No space left on device"):
        write_json(out, {"a": 2})
    assert read_json(out) == {"a": 1}
    assert [path.name for path in out.parent.iterdir()] == ["record.json"]


def test_a_folder_is_unfinished_until_its_record_is_written(tmp_path):
    out = tmp_path / "out"
    begin_folder(out, ASKED, overwrite=False)
    assert (out / UNFINISHED).exists()
    finish_folder(out, {"command": "screen"})
    assert [path.name for path in out.iterdir()] == ["run.json"]


def test_the_same_request_goes_on_and_another_is_refused(tmp_path):
    out = tmp_path / "out"
    begin_folder(out, ASKED, overwrite=False)
    (out / "half").write_text("done", encoding="utf-8")
    begin_folder(out, ASKED, overwrite=False)
    assert (out / "half").exists()
    with pytest.raises(OutputExists):
        begin_folder(out, {**ASKED, "n": (1, 3)}, overwrite=False)
    begin_folder(out, {**ASKED, "n": (1, 3)}, overwrite=True)
    assert not (out / "half").exists()


def test_overwrite_replaces_results_but_nothing_else(tmp_path):
    out = tmp_path / "out"
    begin_folder(out, ASKED, overwrite=False)
    finish_folder(out, {})
    with pytest.raises(OutputExists):
        begin_folder(out, ASKED, overwrite=False)
    begin_folder(out, ASKED, overwrite=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious", encoding="utf-8")
    with pytest.raises(OutputFailed, match="wasn't made by unstained"):
        begin_folder(tmp_path / "mine", ASKED, overwrite=True)
    assert (tmp_path / "mine" / "thesis.txt").exists()


def test_a_folder_of_another_command_or_that_holds_what_is_read_is_never_replaced(tmp_path):
    out = tmp_path / "screened"
    asked = {"source": str(tmp_path / "p.zarr"), "plate": {"path": str(tmp_path / "q.zarr")}}
    begin_folder(out, asked, overwrite=False, command="screen")
    (out / "plate.zarr").mkdir()
    with pytest.raises(OutputFailed, match="`unstained screen` made what is there"):
        begin_folder(out, asked, overwrite=True, command="evaluate")
    finish_folder(out, run_record("screen", {}, asked))
    for other in ("evaluate", "measure"):
        with pytest.raises(OutputFailed, match="`unstained screen` made what is there"):
            begin_folder(out, asked, overwrite=True, command=other)
        with pytest.raises(OutputFailed, match="`unstained screen` made what is there"):
            refuse_output(out, True, other)
    for inside in ({"source": str(out / "plate.zarr")}, {"plate": {"path": str(out / "plate.zarr")}}):
        with pytest.raises(OutputFailed, match=r"it holds .*plate\.zarr, which is to be read"):
            begin_folder(out, inside, overwrite=True, command="screen")
    assert (out / "plate.zarr").exists()
    refuse_output(out, True, "screen")
    begin_folder(out, asked, overwrite=True, command="screen")
    assert [path.name for path in out.iterdir()] == [UNFINISHED]


def test_an_interrupted_state_is_kept_for_the_same_request_alone(tmp_path):
    folder = tmp_path / ".m.unfinished"
    keep_if_same(folder, ASKED)
    (folder / "last.ckpt").write_bytes(b"state")
    keep_if_same(folder, ASKED)
    assert (folder / "last.ckpt").exists()
    keep_if_same(folder, {"n": 3})
    assert not (folder / "last.ckpt").exists()


def test_an_output_is_refused_before_any_work(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(OutputExists):
        refuse_output(tmp_path / "file", overwrite=False)
    with pytest.raises(OutputFailed, match="is a file, not a folder"):
        refuse_output(tmp_path / "file" / "a" / "b", overwrite=False)
    refuse_output(tmp_path / "a" / "b", overwrite=False)
    assert not (tmp_path / "a").exists()


def test_hash_of_a_file(tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    # SHA-256 of nothing, FIPS 180-4
    assert sha256_of(tmp_path / "empty") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
