"""How time and memory of prediction grow with the field, and whether memory grows with the number of fields.

Usage: OMP_NUM_THREADS=1 python benchmarks/predict_growth.py [--largest 8192] [--stitched 0]
Each size runs in a process of its own, which predicts noise (uint16) with the thesis' network and random
weights, small fields several times. Counted are seconds of the processor, after a first small field, and the
most that the process ever held. The network has the memory that it usually has; `--stitched 20000` also
predicts one field of that side, with 1 GiB for the network.
Writes results/predict-growth.json and results/predict-memory.json.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from record import write_result
from unstained.prediction.engine import CPU_MEMORY_GIB

COMMAND = "python benchmarks/predict_growth.py"
SMALLEST, FIELDS = 512, 6
MOST_EXPONENT, MOST_GROWTH = 1.03, 1.05
MOST_REPEATS, REPEATED_PX = 16, 4096**2
STITCHED_GIB = 1.0

RUN = """
import json, resource, sys, time
import numpy as np, torch
sys.path.insert(0, {folder!r})
from predict_speed import engine_of, random_network
from unstained.prediction.backends import Running
side, fields, memory_gib = json.loads(sys.argv[1])
torch.set_num_threads(1)
engine = engine_of(random_network(), Running())
engine.memory_gib = memory_gib
rng = np.random.default_rng(0)
engine.predict(rng.integers(300, 4000, (512, 512)).astype(np.uint16))
plane = np.empty((side, side), np.uint16)
for row in plane:
    row[:] = rng.integers(300, 4000, side)
begun = time.process_time()
for _ in range(fields):
    engine.predict(plane)
seconds = (time.process_time() - begun) / fields
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(json.dumps([seconds, peak]))
"""


def measured(side: int, fields: int, memory_gib: float = CPU_MEMORY_GIB) -> tuple[float, float]:
    """Give seconds a field, and the process's peak, GiB."""
    code = RUN.format(folder=str(Path(__file__).parent))
    told = subprocess.run(
        [sys.executable, "-c", code, json.dumps([side, fields, memory_gib])],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    seconds, peak = json.loads(told.stdout.splitlines()[-1])
    print(f"{side}² px, {fields} field(s): {seconds:.2f} s, {peak:.2f} GiB", flush=True)
    return seconds, peak


def main() -> None:
    """Measure sizes and numbers of fields, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--largest", type=int, default=8192, help="side of the largest field, px")
    parser.add_argument("--stitched", type=int, default=0, help="side of one field more, px; 0 = none")
    options = parser.parse_args()
    sides = [SMALLEST]
    while sides[-1] * 2 <= options.largest:
        sides.append(sides[-1] * 2)
    repeats = {side: int(np.clip(REPEATED_PX // side**2, 1, MOST_REPEATS)) for side in sides}
    found = {side: measured(side, fields) for side, fields in repeats.items()}
    pixels = np.log([side**2 for side in sides])
    exponent = float(np.polyfit(pixels, np.log([found[side][0] for side in sides]), 1)[0])
    one, many = (measured(1024, fields)[1] for fields in (1, FIELDS))
    command = f"{COMMAND} --largest {options.largest} --stitched {options.stitched}"
    same = {
        "data": f"noise (uint16), {SMALLEST}² to {sides[-1]}² px; the thesis' network with batch norm",
        "command": f"OMP_NUM_THREADS=1 {command}", "seed": 0, "issue": 6,
    }  # fmt: skip
    write_result(
        "predict-growth",
        title=f"exponent by which the time of prediction grows with pixels, {SMALLEST}² to {sides[-1]}²",
        value=exponent, goal=MOST_EXPONENT, comparison="<=",
        against={f"{side}² px, µs/px": taken / side**2 * 1e6 for side, (taken, _) in found.items()},
        notes=f"float32, 1 thread, processor seconds, {CPU_MEMORY_GIB:g} GiB for the network", **same,
    )  # fmt: skip
    peaks = {f"{side}² px, GiB": peak for side, (_, peak) in found.items()}
    if options.stitched:
        peaks[f"{options.stitched}² px, GiB"] = measured(options.stitched, 1, STITCHED_GIB)[1]
    write_result(
        "predict-memory",
        title=f"peak memory of predicting {FIELDS} fields of 1024² px over that of one",
        value=many / one, goal=MOST_GROWTH, comparison="<=", against=peaks,
        notes=f"whole process, libraries, {CPU_MEMORY_GIB:g} GiB for the network (stitched {STITCHED_GIB:g}),"
        " the field (uint16) and its stain (float32)", **same,
    )  # fmt: skip


if __name__ == "__main__":
    main()
