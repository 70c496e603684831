"""Long work runs apart from the page: it is found again, told of, stopped, and begun again."""

import json
import subprocess
import sys
import time

import pytest

pytest.importorskip("psutil", reason="the extra [app] isn't installed")

from unstained.app import jobs
from unstained.app.jobs import LOG, RECORD, Job, begin, jobs_in


def written(folder, *lines: str, **record) -> Job:
    """Write a job that has ended, whose process number is nobody's."""
    folder.mkdir(parents=True)
    known = {"what": "train", "arguments": ["train"], "out": "x", "pid": 2**22 + 1, "process_created": 0.0}
    (folder / RECORD).write_text(json.dumps({**known, **record}), encoding="utf-8")
    (folder / LOG).write_text("\n".join(lines), encoding="utf-8")
    return Job(folder)


def wait_for(job: Job, *states: str, s: float = 60.0) -> None:
    until = time.monotonic() + s
    while job.state not in states:
        assert time.monotonic() < until, f"{job.state} after {s} s: {job.lines()}"
        time.sleep(0.1)


def test_a_command_runs_by_itself_and_tells_what_it_found(tmp_path):
    job = begin(tmp_path / "jobs", "models", ["models"], tmp_path / "out")
    wait_for(job, "done")
    assert "hela-rpe1-nuclei" in {each["model"] for each in job.result()["models"]}
    (found,) = jobs_in(tmp_path / "jobs", "models")  # as another page, or another server, finds it
    assert found == job
    assert found.out == tmp_path / "out"
    assert jobs_in(tmp_path / "jobs", "train") == []


def test_what_goes_wrong_is_told_in_its_own_words(tmp_path):
    job = begin(tmp_path, "check", ["check", str(tmp_path / "nothing.zarr")], tmp_path / "out")
    wait_for(job, "failed")
    assert job.fault() == f"{tmp_path / 'nothing.zarr'} doesn't exist"


def test_a_running_command_is_stopped_with_all_it_began_and_goes_on(tmp_path, monkeypatch):
    slow = [sys.executable, "-c", "import time; print('predict: 1 of 4', flush=True); time.sleep(600)"]
    real = subprocess.Popen
    monkeypatch.setattr(jobs.subprocess, "Popen", lambda _command, **more: real(slow, **more))
    job = begin(tmp_path, "predict", ["predict"], tmp_path / "out")
    assert job.state == "running"
    until = time.monotonic() + 30
    while not job.lines() and time.monotonic() < until:
        time.sleep(0.05)
    assert job.progress() == (0.25, "predict: 1 of 4")
    job.stop()
    assert job.state == "stopped"
    before = job.record
    job.again()
    assert job.state == "running"
    assert job.record["arguments"] == before["arguments"]
    assert job.record["pid"] != before["pid"]
    job.stop()


def test_a_process_number_that_was_given_anew_is_not_taken_for_the_job(tmp_path):
    import os

    assert written(tmp_path / "a", "predict: 1 of 4", pid=os.getpid()).state == "failed"


def test_a_long_last_line_still_counts(tmp_path):
    last = json.dumps({"command": "evaluate", "out": "x" * 300_000})
    job = written(tmp_path / "a", "nuclei: PCC 0.9", last)
    assert job.state == "done"
    assert len(job.result()["out"]) == 300_000


def test_the_newest_line_that_counts_says_how_far(tmp_path):
    job = written(
        tmp_path / "a", "import: 2 of 8", "train: something", "step 30 of 120, loss 0.5, PCC –, 3 c/s"
    )
    assert job.progress().share == 0.25
    assert written(tmp_path / "b", "on cpu").progress() == (None, "on cpu")


def test_the_course_of_a_training_is_read_from_what_it_says(tmp_path):
    lines = (
        "step 5 of 100, loss 0.512, PCC –, 24 crops/s",
        "caution: little light",
        "step 10 of 100, loss 0.300, PCC 0.871, 24 crops/s",
    )
    assert written(tmp_path / "a", *lines).course() == [(5, 0.512, None), (10, 0.3, 0.871)]
