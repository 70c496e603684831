"""How fast drift detection is beside alibi-detect 0.11.4 (Apache-2.0), and how much memory its test takes.

Usage: python benchmarks/drift_speed.py [--peer FOLDER]
The peer needs numpy 1, so it gets an environment of its own in FOLDER (made once; in the folder for temporary
files unless named) and answers over pipes. Both take turns in one run, on the same vectors, one thread each:
one window, every field a well of its own, PyTorch backend on CPU, else the peer's defaults. Counted are
seconds of the processor, which other work on the machine disturbs less than those of the clock.
Writes results/drift-speed.json and results/drift-speed-memory.json.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from record import write_result
from unstained.trust.drift import DriftSettings, calibrate_drift
from unstained.trust.mmd import median_squared_distance, mmd2, permutation_test

COMMAND = "python benchmarks/drift_speed.py"
SEED = 910
NEEDS = ("alibi-detect==0.11.4", "numpy==1.24.4", "numba==0.57.1", "scipy==1.11.4", "torch==2.13.0")
FEATURES, REFERENCE, SAMPLE, STREAM = 32, 500, 500, 1000
WINDOW, ERT, PERMUTATIONS = 10, 128, 1000
BOOTSTRAPS = 100 * ERT
ROUNDS = 3
GOALS = {"calibration": 25.0, "update": 4.0, "replay": 60.0, "permutation test": 45.0}
"""How many times faster than the peer."""
MOST_MB = 200.0

PEER = """
import json, sys, time, warnings
warnings.filterwarnings("ignore")
answers, sys.stdout = sys.stdout, sys.stderr
import numpy as np, torch
torch.set_num_threads(1)
from alibi_detect.cd import MMDDrift, MMDDriftOnline

rng = np.random.default_rng(json.loads(sys.stdin.readline())["seed"])
given = json.loads(sys.stdin.readline())
reference, sample, stream = (
    rng.normal(size=(rows, given["features"])).astype(np.float32)
    for rows in (given["reference"], given["sample"], given["stream"])
)
online = None

def calibrate():
    global online
    online = MMDDriftOnline(reference, ert=given["ert"], window_size=given["window"], backend="pytorch",
                            n_bootstraps=given["bootstraps"], device="cpu", verbose=False)

def update():
    return [online.predict(field)["data"]["test_stat"] for field in stream]

def test():
    found = MMDDrift(reference, backend="pytorch", n_permutations=given["permutations"], device="cpu")
    return found.predict(sample)["data"]["distance"]

for line in sys.stdin:
    asked = line.strip()
    begun = time.process_time()
    value = {"calibrate": calibrate, "update": update, "test": test}[asked]()
    answer = {"seconds": time.process_time() - begun, "value": np.asarray(value, dtype=float).tolist()
              if value is not None else None}
    if asked == "calibrate":
        answer["kept"] = online._detector.ref_inds.tolist()
    print(json.dumps(answer), file=answers, flush=True)
"""

MEMORY = """
import numpy as np
from unstained.trust.mmd import permutation_test
rng = np.random.default_rng(0)
both = rng.normal(size=(1000, 32))
permutation_test(both[:500], both[500:], range(500), range(500, 1000), rng, 10_000)
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


class Peer:
    """The other library, in an environment and a process of its own."""

    def __init__(self, folder: Path) -> None:
        python = folder / "bin" / "python"
        if not (folder / "installed").exists():
            venv.create(folder, with_pip=True, clear=True)
            subprocess.run([python, "-m", "pip", "install", "--quiet", *NEEDS], check=True)
            (folder / "installed").touch()
        alone = {**os.environ, "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [python, "-c", PEER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True, env=alone,
        )  # fmt: skip
        sizes = {"features": FEATURES, "reference": REFERENCE, "sample": SAMPLE, "stream": STREAM, "ert": ERT,
                 "window": WINDOW, "bootstraps": BOOTSTRAPS, "permutations": PERMUTATIONS}  # fmt: skip
        self._write({"seed": SEED})
        self._write(sizes)

    def ask(self, what: str) -> dict[str, Any]:
        """Let the peer do something; gives seconds and what came out."""
        self._write(what)
        return json.loads(self.process.stdout.readline())

    def _write(self, value: object) -> None:
        self.process.stdin.write((value if isinstance(value, str) else json.dumps(value)) + "\n")
        self.process.stdin.flush()


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Give the processor's seconds and what came out."""
    begun = time.process_time()
    value = work()
    return time.process_time() - begun, value


def race(peer: Peer) -> tuple[dict[str, list[float]], float]:
    """Take turns; gives how many times faster we are in each round, and how far statistics differ."""
    rng = np.random.default_rng(SEED)
    reference, sample, stream = (
        rng.normal(size=(rows, FEATURES)).astype(np.float32).astype(np.float64)
        for rows in (REFERENCE, SAMPLE, STREAM)
    )
    settings = DriftSettings(ert=ERT, windows=(WINDOW,), bootstraps=BOOTSTRAPS)
    faster: dict[str, list[float]] = {name: [] for name in GOALS}
    off = 0.0
    for _ in range(ROUNDS):
        ours, detector = timed(lambda: calibrate_drift(reference, range(REFERENCE), settings, rng))
        theirs = peer.ask("calibrate")
        kept = reference[theirs["kept"]]
        faster["calibration"].append(theirs["seconds"] / ours)
        ours, _ = timed(lambda: [detector.update(field) for field in stream])  # noqa: B023 - called at once
        replayed, _ = timed(lambda: detector.calibration.replay(stream))  # noqa: B023
        theirs = peer.ask("update")
        faster["update"].append(theirs["seconds"] / ours)
        faster["replay"].append(theirs["seconds"] / replayed)
        scale = median_squared_distance(reference)
        windows = [stream[end - WINDOW : end] for end in range(WINDOW, 200)]
        same = [mmd2(kept, window, scale) for window in windows]
        off = max(off, np.abs(np.array(same) - theirs["value"][WINDOW - 1 : 199]).max())
        ours, found = timed(
            lambda: permutation_test(
                reference, sample, range(REFERENCE), range(REFERENCE, REFERENCE + SAMPLE), rng, PERMUTATIONS
            )
        )
        theirs = peer.ask("test")
        faster["permutation test"].append(theirs["seconds"] / ours)
        off = max(off, abs(found.mmd2 - theirs["value"]))
        print({name: round(times[-1], 1) for name, times in faster.items()}, off, flush=True)
    return faster, float(off)


def peak_mb() -> float:
    """Measure the most that a process takes to permute 1000 rows 10,000 times, with Python and NumPy."""
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}
    told = subprocess.run(
        [sys.executable, "-c", MEMORY], check=True, capture_output=True, text=True, env=alone
    )
    return int(told.stdout) / 1024


def main() -> None:
    """Race, measure memory, write."""
    if os.environ.get("OMP_NUM_THREADS") != "1":
        sys.exit(f"one thread each is compared; run: OMP_NUM_THREADS=1 {COMMAND}")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", type=Path, default=Path(tempfile.gettempdir()) / "unstained-drift-peer")
    faster, off = race(Peer(parser.parse_args().peer))
    if off > 1e-6:
        sys.exit(f"the two compute different statistics: they differ by {off:g}")
    medians = {name: float(np.median(times)) for name, times in faster.items()}
    least = min(GOALS, key=lambda name: medians[name] / GOALS[name])
    each = "; ".join(
        f"{name} {medians[name]:.1f}× ({min(times):.1f}–{max(times):.1f}; goal {GOALS[name]:.0f}×)"
        for name, times in faster.items()
    )
    same = {"command": f"OMP_NUM_THREADS=1 {COMMAND}", "issue": 5}
    data = (
        f"Gaussian vectors of {FEATURES} features: reference of {REFERENCE}, window {WINDOW}, ERT {ERT},"
        f" {BOOTSTRAPS} bootstraps, stream of {STREAM}; test of {REFERENCE} against {SAMPLE}, {PERMUTATIONS}"
        " permutations; processor seconds, one thread each"
    )
    write_result(
        "drift-speed",
        title="drift detection, times faster than alibi-detect 0.11.4 ÷ times asked for, the least of four",
        value=medians[least] / GOALS[least], goal=1.0, comparison=">=",
        interval=[min(faster[least]) / GOALS[least], max(faster[least]) / GOALS[least]],
        against={f"{name}, times faster": value for name, value in medians.items()}, data=data, seed=SEED,
        notes=f"medians of {ROUNDS} rounds: {each}. The interval is that of the rounds. Statistics differ by"
        f" {off:.0e} at most. The peer replays a stream by updating, as it has no other way", **same,
    )  # fmt: skip
    write_result(
        "drift-speed-memory",
        title="peak memory of a permutation test of 1000 rows, 10,000 permutations, MB",
        value=peak_mb(), goal=MOST_MB, comparison="<", against={}, seed=0,
        data=f"Gaussian vectors of {FEATURES} features, 500 against 500, each a group of its own",
        notes="of the whole process, with Python and NumPy", **same,
    )  # fmt: skip


if __name__ == "__main__":
    main()
