"""Several processes make the plate that one makes, whatever becomes of them on the way."""

import os
import signal
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from distributed import Client, LocalCluster, WorkerPlugin

from unstained.errors import (
    BadInput,
    BadSettings,
    MissingExtra,
    OutputFailed,
    UnstainedError,
    UnstainedWarning,
)
from unstained.plates import storage
from unstained.plates.listing import committed_fields, field_path
from unstained.plates.plate import FieldName, Plate, create_plate, open_plate
from unstained.prediction.backends import Running
from unstained.prediction.labeller import Labeller
from unstained.prediction.plates import _Job, _Work, predict_plate
from unstained.prediction.workers import Workers

FIELDS = tuple(FieldName(well, number) for well in ("A01", "B03", "C12") for number in range(4))


def make_plate(path: Path, pixel_size_um: float | None = 0.5) -> Plate:
    """Make a plate whose fields tell in their first pixel which they are."""
    writer = create_plate(path, name="P1", channels=("TL",), pixel_size_um=pixel_size_um)
    for index, field in enumerate(FIELDS):
        planes = np.random.default_rng(index).integers(300, 4000, (1, 40, 50)).astype(np.uint16)
        planes[0, 0, 0] = index
        writer.write_field(field, planes, place=f"place of {field.well}")
    return writer.finish()


@pytest.fixture(scope="module")
def plate(tmp_path_factory) -> Plate:
    return make_plate(tmp_path_factory.mktemp("plates") / "in.zarr")


@pytest.fixture(scope="module")
def labeller(random_model) -> Labeller:
    return Labeller(random_model())


def local_cluster(**options) -> LocalCluster:
    return LocalCluster(threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=50, **options)


@pytest.fixture(scope="module")
def cluster():
    with local_cluster(n_workers=2) as cluster:
        yield cluster


@pytest.fixture
def workers(cluster) -> Workers:
    return Workers(scheduler=cluster.scheduler_address, device="cpu")


@pytest.fixture(scope="module")
def near():
    """Give workers that are threads of this process, which are there at once."""
    with local_cluster(n_workers=2, processes=False) as cluster:
        yield Workers(scheduler=cluster.scheduler_address, device="cpu")


def logging_judge(folder: Path, seconds: float = 0.0):
    """Make a judge that leaves a file when it begins with a field, and one when it ends."""
    folder.mkdir()

    def judge(card, plane, prediction):
        import os
        import time

        name = f"{plane[0, 0]}-{os.getpid()}"
        (folder / f"begun-{name}").touch(exist_ok=False)
        time.sleep(seconds)
        (folder / f"ended-{name}").touch()
        return {
            "verdict": "trust",
            "reason": f"{prediction.stains.mean():.9f}",
            "dissent": float(plane.std()),
        }

    return judge


def logged(folder: Path, what: str) -> list[tuple[int, int]]:
    """Name the fields that were begun or ended, and in which process."""
    return sorted(tuple(map(int, path.name.split("-")[1:])) for path in folder.glob(f"{what}-*"))


def committed_when_quiet(out: Path, log: Path) -> set[FieldName]:
    """Wait until no worker begins or commits anything any more; gives the fields that are committed."""
    before: tuple[int, int] | None = None
    for _ in range(60):
        time.sleep(1)
        begun, committed = len(logged(log, "begun")), committed_fields(out)
        if (begun, len(committed)) == before and begun == len(committed):
            return committed
        before = begun, len(committed)
    raise AssertionError(f"{before}: some fields were begun and never committed")


def content(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


@pytest.mark.slow
def test_processes_of_this_machine_make_the_same_plate_to_the_last_bit(plate, labeller, tmp_path):
    seen: list[tuple[int, int]] = []
    alone = predict_plate(plate, labeller, tmp_path / "a.zarr", judge=logging_judge(tmp_path / "alone"))
    judge = logging_judge(tmp_path / "log", 0.2)
    together = predict_plate(
        plate, labeller, tmp_path / "b.zarr", judge=judge,
        workers=Workers(2), progress=lambda *now: seen.append(now),
    )  # fmt: skip
    assert together.fields == alone.fields == FIELDS
    assert content(tmp_path / "a.zarr") == content(tmp_path / "b.zarr")
    assert seen == [(done, len(FIELDS)) for done in range(1, len(FIELDS) + 1)]
    begun = logged(tmp_path / "log", "begun")
    assert [field for field, _ in begun] == list(range(len(FIELDS)))
    pids = {pid for _, pid in begun}
    assert len(pids) == 2
    assert os.getpid() not in pids


def test_cores_are_shared_among_processes(monkeypatch):
    monkeypatch.setattr("dask.system.CPU_COUNT", 8)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    assert [Workers(number).threads for number in (1, 3, 8, 20)] == [8, 2, 1, 1]
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)  # OMP_NUM_THREADS=2: no more than was allowed
    assert Workers(1).threads == 2


@pytest.mark.slow
def test_a_killed_workers_fields_are_done_again_and_none_twice(plate, labeller, workers, tmp_path):
    log = tmp_path / "log"
    killed: list[tuple[int, int]] = []

    def kill_one(done: int, _: int) -> None:
        while done >= 3 and not killed:
            newest = max(log.glob("begun-*"), key=lambda path: path.stat().st_mtime)
            if time.time() - newest.stat().st_mtime < 0.1:  # of the half second that it works on a field
                killed.append(tuple(map(int, newest.name.split("-")[1:])))
                os.kill(killed[0][1], signal.SIGKILL)
            time.sleep(0.01)

    out = tmp_path / "out.zarr"
    judge = logging_judge(log, 0.5)
    predicted = predict_plate(plate, labeller, out, judge=judge, workers=workers, progress=kill_one)
    field, pid = killed[0]
    assert predicted.fields == FIELDS
    records = [storage.attributes(storage.join(out, field_path(each)))[storage.OURS] for each in FIELDS]
    assert [record["committed"] for record in records] == [True] * len(FIELDS)
    # The killed one began with its last field, another process did it; each other field was done once.
    ended = logged(log, "ended")
    assert (field, pid) not in ended
    assert [index for index, _ in ended] == list(range(len(FIELDS)))
    assert [index for index, _ in logged(log, "begun")].count(field) == 2
    alone = logging_judge(tmp_path / "alone")
    predict_plate(plate, labeller, tmp_path / "alone.zarr", judge=alone)
    assert content(out) == content(tmp_path / "alone.zarr")


@pytest.mark.slow
def test_a_worker_that_is_lost_while_the_work_is_sent_does_not_end_it(
    plate, labeller, cluster, workers, tmp_path, monkeypatch
):
    pid = next(iter(cluster.workers.values())).pid
    os.kill(pid, signal.SIGSTOP)  # it takes the message, and never answers
    sent: list[str] = []

    def send(client: Client, plugin: WorkerPlugin) -> None:
        sent.append(plugin.name)
        register(client, plugin)

    async def tell_workers(*args: Any, **options: Any) -> Any:
        if len(sent) == 1:  # from now on the scheduler waits for it
            threading.Timer(0.5, os.kill, (pid, signal.SIGKILL)).start()
        return await broadcast(*args, **options)

    register, broadcast = Client.register_plugin, cluster.scheduler.broadcast
    monkeypatch.setattr(Client, "register_plugin", send)
    monkeypatch.setattr(cluster.scheduler, "broadcast", tell_workers)
    assert predict_plate(plate, labeller, tmp_path / "out.zarr", workers=workers).fields == FIELDS
    assert len(sent) > 1, "otherwise it was lost too early or too late"


def test_a_cluster_that_is_lost_is_one_line_and_the_run_can_go_on(plate, labeller, tmp_path):
    out, log = tmp_path / "out.zarr", tmp_path / "log"
    with local_cluster(n_workers=1, processes=False) as lost:
        workers = Workers(scheduler=lost.scheduler_address, device="cpu")
        with pytest.raises(UnstainedError, match="is lost; the same command goes on") as caught:
            predict_plate(
                plate, labeller, out, judge=logging_judge(log), workers=workers,
                progress=lambda done, _: lost.close() if done == 3 else None,
            )  # fmt: skip
    assert "\n" not in str(caught.value)
    assert 3 <= len(committed_fields(out)) < len(FIELDS)
    assert predict_plate(plate, labeller, out).fields == FIELDS


@pytest.mark.slow
def test_a_second_run_goes_on_where_workers_stopped(plate, labeller, workers, tmp_path):
    class Interrupted(Exception):
        pass

    def interrupt(done: int, _: int) -> None:
        if done == 4:
            raise Interrupted

    out, log = tmp_path / "out.zarr", tmp_path / "log"
    with pytest.raises(Interrupted):
        predict_plate(
            plate, labeller, out, judge=logging_judge(log, 0.3), workers=workers, progress=interrupt
        )
    with pytest.raises(BadInput, match="isn't finished"):
        open_plate(out)
    already = committed_when_quiet(out, log)  # what was being worked on is finished all the same
    assert 4 <= len(already) < len(FIELDS)
    again = logging_judge(tmp_path / "again")
    assert predict_plate(plate, labeller, out, judge=again, workers=workers).fields == FIELDS
    left = [index for index, field in enumerate(FIELDS) if field not in already]
    assert [index for index, _ in logged(tmp_path / "again", "begun")] == left


def test_work_that_is_done_already_is_not_done_again(plate, labeller, near, tmp_path):
    """A worker that is lost between its commit and its word to the driver costs nothing."""
    out, log = tmp_path / "out.zarr", tmp_path / "log"
    job = _Job(plate, {labeller: "TL"}, 0.5)
    work = _Work(job, job.begun(out, overwrite=False), logging_judge(log))
    with near.gathered() as each:
        for fields in (FIELDS[:2], FIELDS[:3]):
            assert sorted(each(work, fields)) == sorted(fields)
    assert [index for index, _ in logged(log, "ended")] == [0, 1, 2]


def test_what_is_wrong_with_a_field_is_said_as_in_one_process(labeller, near, tmp_path):
    plate = make_plate(tmp_path / "in.zarr")
    (next(iter((tmp_path / "in.zarr" / "B" / "03" / "1" / "0").rglob("c/0/0/0")))).unlink()
    with pytest.raises(BadInput, match=r"B03/1.*damaged") as caught:
        predict_plate(plate, labeller, tmp_path / "out.zarr", workers=near)
    assert type(caught.value) is BadInput


@pytest.mark.slow
def test_an_unknown_pixel_size_is_told_once(labeller, workers, tmp_path):
    plate = make_plate(tmp_path / "in.zarr", None)
    with pytest.warns(UnstainedWarning, match="1:1") as caught:
        predict_plate(plate, labeller, tmp_path / "out.zarr", workers=workers)
    assert len(caught) == 1


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:9", "nonsense://host:1", "127.0.0.1:notaport"])
def test_a_wrong_address_is_one_line_and_nothing_is_written(plate, labeller, tmp_path, monkeypatch, address):
    monkeypatch.setattr("unstained.prediction.workers.PATIENCE_S", 0.5)
    with pytest.raises(BadSettings, match="no Dask scheduler answers at") as caught:
        predict_plate(plate, labeller, tmp_path / "out.zarr", workers=Workers(scheduler=address))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out.zarr").exists()


@pytest.mark.slow
def test_another_version_on_a_worker_is_refused(plate, labeller, workers, tmp_path, monkeypatch):
    monkeypatch.setattr("unstained.prediction.worker_side.__version__", "0.0.1")
    with pytest.raises(UnstainedError, match=r"this machine 0\.0\.1; install the same"):
        predict_plate(plate, labeller, tmp_path / "out.zarr", workers=workers)


def test_fields_that_workers_wrote_elsewhere_are_missed(tmp_path):
    writer = create_plate(tmp_path / "p.zarr", name="P", channels=("TL",), pixel_size_um=0.5)
    writer.write_field(FIELDS[0], np.zeros((1, 8, 8), np.uint16))
    with pytest.raises(OutputFailed, match=r"1 fields.*A01/1.*same disk"):
        writer.finish(needed=FIELDS[:2])
    with pytest.raises(BadInput, match="isn't finished"):
        open_plate(tmp_path / "p.zarr")
    assert writer.finish(needed=FIELDS[:1]).fields == FIELDS[:1]


def test_what_is_left_to_auto_is_measured_once_for_all_workers(plate, random_model, near, tmp_path):
    undecided = Labeller(random_model(), running=Running(precision="auto"))
    with pytest.raises(BadSettings, match="measures this machine alone"):
        predict_plate(plate, undecided, tmp_path / "out.zarr", workers=near)
    assert not (tmp_path / "out.zarr").exists()
    here = replace(near, device=None)  # workers are as this machine
    assert predict_plate(plate, undecided, tmp_path / "out.zarr", workers=here).fields == FIELDS
    taken = undecided.engine.taken
    assert taken is not None
    decided = Labeller(random_model(), running=taken.running)
    alone = predict_plate(plate, decided, tmp_path / "alone.zarr")
    whole, apart = content(alone.path), content(tmp_path / "out.zarr")
    assert whole.pop("zarr.json") != apart.pop("zarr.json")  # says what was asked for: auto
    assert whole == apart


def test_either_a_number_or_a_scheduler_is_said():
    for wrong in ({}, {"number": 2, "scheduler": "tcp://host:8786"}, {"number": 0}):
        with pytest.raises(BadSettings, match="--workers"):
            Workers(**wrong)


def test_without_dask_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtra, match=r"unstained\[cluster\]"):
        Workers(2)
