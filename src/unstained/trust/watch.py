"""Watch a folder that a microscope writes into: a verdict for each image, an alarm when images drift."""

import json
import queue
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unstained.arrays import RawPlane
from unstained.errors import BadInput
from unstained.plates.images import IMAGE_SUFFIXES, read_image
from unstained.provenance import read_json, write_json
from unstained.trust.drift import DriftDetector, DriftSettings, calibrate_drift
from unstained.trust.features import Vector
from unstained.trust.moved import FeatureWatch, watch_features
from unstained.trust.reference import Reference
from unstained.trust.verdict import Trust, in_words

RECORD, STATE, WATCHED = "verdicts.jsonl", "state.npz", "watched.json"

PATIENCE_S = 30.0
"""An image that can't be read is taken for half-written so long after it last grew."""

POLL_S = 0.2
MOST_NAMED = 3
REMEMBERED = 200
"""So many newest fields are looked at for what moved, and since when."""

Measure = Callable[[RawPlane, float | None], tuple[Vector, dict[str, Any]]]
"""Takes an image (Y X) and its pixel size, gives its plain features and its verdict."""


@dataclass
class Watcher:
    """Judges image after image and keeps what it found in a folder; begun again, it goes on."""

    measure: Measure
    trust: Trust
    out: Path
    detector: DriftDetector | None  # None: the reference is too small to promise anything
    features: FeatureWatch | None = None
    seen: dict[str, Vector] = field(default_factory=dict)  # the newest fields' compressed features
    done: set[str] = field(default_factory=set)
    folder: Path | None = None  # images are called by their place in it; None = by their file's name

    def name(self, path: Path) -> str:
        """Call an image by its place in the watched folder: wells have folders of their own, names repeat."""
        return path.name if self.folder is None else path.relative_to(self.folder).as_posix()

    def resume(self) -> None:
        """Go on with what the folder holds of an earlier watch.

        Where the detector is another by now, by its run time or its reference, its window starts anew.

        Raises
        ------
        BadInput
            The earlier watch was of another folder, whose images may be called the same.
        """
        watched = {"folder": None if self.folder is None else str(self.folder.resolve())}
        if (earlier := read_json(self.out / WATCHED)) not in (None, watched):
            raise BadInput(
                f"{self.out} is of a watch of {earlier['folder']}; choose another --out, or --overwrite"
            )
        write_json(self.out / WATCHED, watched)
        self.done |= {str(found["image"]) for found in recorded(self.out)}
        record = self.out / RECORD
        if record.exists() and not record.read_bytes().endswith(b"\n"):  # cut off; the next line is its own
            with record.open("a", encoding="utf-8") as lines:
                lines.write("\n")
        if self.detector is not None and (self.out / STATE).exists():
            with np.load(self.out / STATE, allow_pickle=False) as state:
                known = DriftDetector.restored({name: state[name] for name in state.files})
            if known.calibration.is_that_of(self.detector.calibration):
                self.detector = known

    def take(self, path: Path) -> dict[str, Any]:
        """Judge one image, and say whether images drift; written down before it is given back.

        Raises
        ------
        BadInput
            It can't be read as one plane.
        """
        plane, size_um = read_image(path)
        plain, verdict = self.measure(plane, size_um)
        name = self.name(path)
        self.seen[name] = self.trust.reference.compressed(plain)
        for old in list(self.seen)[:-REMEMBERED]:
            del self.seen[old]
        found = {"image": name, **verdict, "alarm": False, **self._alarm(plain)}
        self.out.mkdir(parents=True, exist_ok=True)
        with (self.out / RECORD).open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(found, ensure_ascii=False) + "\n")
        if self.detector is not None:
            unfinished = self.out / f".unfinished-{STATE}"
            np.savez(unfinished, **self.detector.state())  # type: ignore[arg-type]
            unfinished.replace(self.out / STATE)
        self.done.add(name)
        return found

    def _alarm(self, plain: Vector) -> dict[str, Any]:
        """Say what the detector makes of a field: of an alarm also whether it harms, and what moved."""
        if self.detector is None:
            return {}
        reading = self.detector.update(self.trust.reference.unusual(plain))
        told: dict[str, Any] = {"score": reading.score, "threshold": reading.threshold}
        if not reading.alarm:
            return told
        return {**told, "alarm": True, "harmful": self.trust.suffers(plain), "cause": self._cause()}

    def _cause(self) -> str:
        """Name what moved, and since which image."""
        if self.features is None:
            return "not told"
        names, known = list(self.seen), self.trust.reference.names
        looked_at = [known.index(name) for name in self.features.names]
        moved = self.features.moved(np.stack(list(self.seen.values()))[:, looked_at])[:MOST_NAMED]
        told = {in_words(each.name): names[each.since] for each in reversed(moved)}
        return "; ".join(f"{word} since {name}" for word, name in told.items()) or "no single feature"


def detectors(
    reference: Reference, known: DriftDetector | None, ert: int | None
) -> tuple[DriftDetector | None, FeatureWatch | None]:
    """Give what raises alarms, and what names the cause; nothing where the reference promises nothing.

    `ert`, the number of clean fields between false alarms, calibrates anew in place of the bundle's own.
    """
    if known is None:
        return None, None
    points, rng = reference.compressed(reference.plain), np.random.default_rng(0)
    if ert is not None:
        settings = DriftSettings.checked({"ert": ert}, "--ert")
        known = calibrate_drift(reference.own_unusual, reference.wells, settings, rng)
    varying = np.flatnonzero(np.ptp(points, axis=0) > 0)
    names = [reference.names[index] for index in varying]
    return known, watch_features(points[:, varying], reference.wells, names, known.calibration.ert, rng)


def begin_anew(out: Path) -> None:
    """Forget an earlier watch: its verdicts and the detector's state are removed."""
    for name in (RECORD, STATE, WATCHED):
        (out / name).unlink(missing_ok=True)


def recorded(out: Path) -> list[dict[str, Any]]:
    """Read what a watch has found so far; a last line that isn't whole is being written, or never was."""
    found = []
    path = out / RECORD
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return found


def follow(folder: Path, *, once: bool = False, idle_s: float | None = None) -> Iterator[Path]:
    """Give images of a folder as soon as they are whole: those that are there, then those that come.

    With `once` only the former; with `idle_s` it ends when nothing came for so long. An image is whole when
    it can be read; one that can't is tried again as long as it grows, and `PATIENCE_S` beyond.

    Raises
    ------
    BadInput
        There is no such folder.
    """
    from watchdog.events import FileSystemEvent, FileSystemEventHandler
    from watchdog.observers import Observer

    if not folder.is_dir():
        raise BadInput(f"no folder at {folder}")
    given: set[Path] = set()
    if once:
        for path in sorted(folder.rglob("*")):
            yield from _whole(path, given, patience_s=0.0)
        return
    arrived: queue.Queue[Path] = queue.Queue()

    class Arrivals(FileSystemEventHandler):
        def on_any_event(self, event: FileSystemEvent) -> None:
            arrived.put(Path(str(event.dest_path or event.src_path)))

    observer = Observer()
    observer.schedule(Arrivals(), str(folder), recursive=True)
    observer.start()
    try:
        for path in sorted(folder.rglob("*")):
            age_s = max(0.0, time.time() - path.stat().st_mtime) if path.is_file() else 0.0
            yield from _whole(path, given, patience_s=max(0.0, PATIENCE_S - age_s))
        last = time.monotonic()
        while True:
            try:
                path = arrived.get(timeout=POLL_S)
            except queue.Empty:
                if idle_s is not None and time.monotonic() - last >= idle_s:
                    return
                continue
            for each in _whole(path, given, patience_s=PATIENCE_S):
                yield each
                last = time.monotonic()  # judging it takes its time
    finally:
        observer.stop()
        observer.join()


def _whole(path: Path, given: set[Path], *, patience_s: float) -> Sequence[Path]:
    """Wait until an image is whole; nothing for other files, those given before, and those that never are."""
    if path.suffix.lower() not in IMAGE_SUFFIXES or path.name.startswith(".") or path in given:
        return ()
    size, since = -1, time.monotonic()
    while path.is_file():
        if path.stat().st_size != size:
            size, since = path.stat().st_size, time.monotonic()
        elif _can_be_read(path):
            given.add(path)
            return (path,)
        if time.monotonic() - since > patience_s:
            given.add(path)
            return (path,)  # whoever takes it says what is wrong with it
        time.sleep(POLL_S / 4)
    return ()


def _can_be_read(path: Path) -> bool:
    try:
        read_image(path)
    except BadInput:
        return False
    return True
