"""A watched folder gives a verdict for every image, alarms with a cause, and goes on where it stopped."""

import json
import os
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import tifffile

from unstained.errors import BadInput, BadSettings
from unstained.trust.drift import DriftSettings, calibrate_drift
from unstained.trust.watch import RECORD, Watcher, begin_anew, detectors, follow, recorded

NAMES = ("level", "spectrum_1", "nuclei_share")


class FakeReference:
    """Sixty fields of twenty wells, three features."""

    names = NAMES
    plain = np.random.default_rng(0).normal(size=(60, 3))
    wells = tuple(f"A{index // 3:02}" for index in range(60))

    own_unusual = plain

    @staticmethod
    def compressed(plain):
        return np.asarray(plain)

    unusual = compressed


class FakeTrust:
    reference = FakeReference()

    @staticmethod
    def suffers(plain):
        return bool(abs(plain[0]) >= 3)


def images(folder, levels):
    folder.mkdir(parents=True, exist_ok=True)
    for number, level in enumerate(levels):
        tifffile.imwrite(folder / f"i{number:03}.tif", np.full((8, 8), level, np.uint16))


def watcher(out, levels_of=lambda plane: (float(plane[0, 0]) - 100) / 10, ert=64):
    """Make a watcher whose first feature is how far an image's level is off 100, the others chance."""
    rng = np.random.default_rng(5)

    def measure(plane, size_um):
        plain = np.array([levels_of(plane), *rng.normal(0, 0.3, 2)])
        word = "trust" if abs(plain[0]) < 3 else "refuse"
        return plain, {"verdict": word, "reason": "as told"}

    reference = FakeReference()
    known = calibrate_drift(
        reference.plain, reference.wells, DriftSettings(ert=ert), np.random.default_rng(0)
    )
    found = Watcher(measure, FakeTrust(), out, *detectors(reference, known, None))
    found.resume()
    return found


def test_every_image_gets_a_verdict_and_drift_an_alarm_that_names_its_cause(tmp_path):
    images(tmp_path / "in", [100, 103, 98, 101, 99, 160, 165, 158, 162])
    watched = watcher(tmp_path / "out")
    found = [watched.take(path) for path in follow(tmp_path / "in", once=True)]
    assert [each["image"] for each in found] == [f"i{number:03}.tif" for number in range(9)]
    assert not any(each["alarm"] for each in found[:5])
    alarm = next(each for each in found if each["alarm"])
    assert alarm["image"] in {"i005.tif", "i006.tif"}
    assert alarm["harmful"]
    assert alarm["cause"] == f"brightness since {'i005.tif'}"
    written = [json.loads(line) for line in (tmp_path / "out" / RECORD).read_text("utf-8").splitlines()]
    assert written == json.loads(json.dumps(found))


def test_an_alarm_without_a_loss_of_quality_is_no_harm_though_no_field_is_trusted(tmp_path):
    images(tmp_path / "in", [160, 165, 158])
    watched = watcher(tmp_path / "out", lambda plane: 2.9)
    before = watched.measure
    watched.measure = lambda *given: (before(*given)[0], {"verdict": "caution", "reason": "few fields"})
    for number in range(60):
        images(tmp_path / "in", [160] * (number + 1))
        found = watched.take(tmp_path / "in" / f"i{number:03}.tif")
        if found["alarm"]:
            break
    assert found["alarm"]
    assert found["harmful"] is False


def test_images_of_one_name_in_folders_of_their_own_are_two_images(tmp_path):
    for well in ("A01", "A02"):
        images(tmp_path / "in" / well, [100])
    watched = watcher(tmp_path / "out")
    watched.folder = tmp_path / "in"
    found = [watched.take(path)["image"] for path in follow(tmp_path / "in", once=True)]
    assert found == ["A01/i000.tif", "A02/i000.tif"]
    assert watched.done == set(found)


def test_begun_again_it_goes_on_as_if_it_had_never_stopped(tmp_path):
    images(tmp_path / "in", [100, 101, 99, 112, 113, 111, 112, 114, 113, 112])
    paths = list(follow(tmp_path / "in", once=True))
    straight = watcher(tmp_path / "a")
    whole = [straight.take(path) for path in paths]
    first = watcher(tmp_path / "b")
    parts = [first.take(path) for path in paths[:5]]
    second = watcher(tmp_path / "b")
    assert second.done == {path.name for path in paths[:5]}
    second.measure = first.measure
    parts += [second.take(path) for path in paths[5:]]
    assert [each["alarm"] for each in parts] == [each["alarm"] for each in whole]
    assert [each["score"] for each in parts] == pytest.approx([each["score"] for each in whole])
    begin_anew(tmp_path / "b")
    assert watcher(tmp_path / "b").done == set()


def test_begun_again_with_another_run_time_it_counts_by_that(tmp_path):
    images(tmp_path / "in", [100, 101])
    first = watcher(tmp_path / "out")
    for path in follow(tmp_path / "in", once=True):
        first.take(path)
    assert watcher(tmp_path / "out").detector.state()["progress"][0] == 2
    other = watcher(tmp_path / "out", ert=32)
    assert other.detector.calibration.ert == 32
    assert other.detector.state()["progress"][0] == 0
    assert len(other.done) == 2, "images judged before stay judged"


def test_without_a_reference_of_enough_fields_nothing_is_promised(tmp_path):
    assert detectors(FakeReference(), None, None) == (None, None)
    images(tmp_path / "in", [100, 900])
    plain = watcher(tmp_path / "out")
    plain.detector = None
    found = [plain.take(path) for path in follow(tmp_path / "in", once=True)]
    assert [each["verdict"] for each in found] == ["trust", "refuse"]
    assert not any(each["alarm"] for each in found)
    assert "threshold" not in found[0]


def test_a_half_written_image_is_waited_for(tmp_path):
    folder = tmp_path / "in"
    images(folder, [100])
    whole = (folder / "i000.tif").read_bytes()
    (folder / "i000.tif").write_bytes(whole[: len(whole) // 2])

    def finish():
        time.sleep(0.5)
        (folder / "i000.tif").write_bytes(whole)

    writer = threading.Thread(target=finish)
    writer.start()
    (path,) = follow(folder, idle_s=1.0)
    writer.join()
    assert tifffile.imread(path)[0, 0] == 100


def test_images_that_come_later_are_seen_and_other_files_are_not(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "notes.txt").write_text("no image")

    def write():
        time.sleep(0.3)
        images(folder, [100, 101])

    writer = threading.Thread(target=write)
    writer.start()
    found = [path.name for path in follow(folder, idle_s=1.5)]
    writer.join()
    assert found == ["i000.tif", "i001.tif"]


def test_what_can_never_be_read_is_given_for_others_to_say_so(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "broken.tif").write_bytes(b"no TIFF at all")
    (path,) = follow(folder, once=True)
    with pytest.raises(BadInput, match=r"broken\.tif"):
        watcher(tmp_path / "out").take(path)
    with pytest.raises(BadInput, match="no folder at"):
        next(follow(tmp_path / "nowhere"))


def test_images_of_another_folder_are_not_taken_for_those_judged_before(tmp_path):
    for day in ("monday", "tuesday"):
        images(tmp_path / day, [100])
    first = replace(watcher(tmp_path / "a"), folder=tmp_path / "monday", out=tmp_path / "out")
    first.resume()
    first.take(tmp_path / "monday" / "i000.tif")
    first.resume()
    other = replace(first, folder=tmp_path / "tuesday", done=set())
    with pytest.raises(BadInput, match=r"is of a watch of .*monday; choose another --out"):
        other.resume()
    begin_anew(tmp_path / "out")
    other.resume()
    assert other.done == set()


def test_a_line_that_was_cut_off_hides_nothing_of_the_others(tmp_path):
    images(tmp_path / "in", [100, 101])
    first = watcher(tmp_path / "out")
    for path in follow(tmp_path / "in", once=True):
        first.take(path)
    record = tmp_path / "out" / RECORD
    record.write_text(record.read_text("utf-8")[:-9], encoding="utf-8")
    again = watcher(tmp_path / "out")
    assert again.done == {"i000.tif"}
    again.take(tmp_path / "in" / "i001.tif")
    assert [found["image"] for found in recorded(tmp_path / "out")] == ["i000.tif", "i001.tif"]


def test_waiting_for_images_is_idle_judging_them_is_not(tmp_path):
    folder, found = tmp_path / "in", []
    folder.mkdir()
    threading.Timer(0.2, images, (folder, [100, 101, 102])).start()
    for path in follow(folder, idle_s=0.6):
        found.append(path.name)
        time.sleep(0.7)  # judging takes longer than that
    assert found == ["i000.tif", "i001.tif", "i002.tif"]


def test_what_lies_there_unreadable_since_long_is_not_waited_for(tmp_path):
    old = tmp_path / "in" / "old.tif"
    old.parent.mkdir()
    old.write_bytes(b"no TIFF at all")
    os.utime(old, (time.time() - 3600,) * 2)
    began = time.monotonic()
    assert next(follow(old.parent, idle_s=0.1)) == old
    assert time.monotonic() - began < 5


def test_a_run_time_of_one_field_is_no_promise():
    reference = FakeReference()
    known = calibrate_drift(
        reference.plain, reference.wells, DriftSettings(ert=64), np.random.default_rng(0)
    )
    with pytest.raises(BadSettings, match="--ert"):
        detectors(reference, known, 1)
