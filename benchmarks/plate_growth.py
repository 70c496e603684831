"""How time and memory of predicting a plate grow with its fields.

Usage: OMP_NUM_THREADS=1 python benchmarks/plate_growth.py [--most 512]
Each number of fields has a process of its own, which predicts a plate of noise (512² px, uint16) from disk to
disk with hela-rpe1-nuclei. Counted are seconds of the processor after the first field, and the most that
the process ever held. Writes results/plate-growth.json and results/plate-memory.json.
"""

import argparse
import json
import subprocess
import sys

import numpy as np

from record import write_result

COMMAND = "python benchmarks/plate_growth.py"
MODEL, SIDE_PX, FEWEST = "hela-rpe1-nuclei", 512, 8
MOST_EXPONENT, MOST_GROWTH = 1.03, 1.05

RUN = """
import json, resource, sys, tempfile, time
from pathlib import Path
import numpy as np, torch
from unstained.plates.plate import FieldName, create_plate
from unstained.prediction.labeller import load_model
from unstained.prediction.plates import predict_plate
count, side, model = json.loads(sys.argv[1])
torch.set_num_threads(1)
labeller = load_model(model, "cpu")
rng = np.random.default_rng(0)
with tempfile.TemporaryDirectory() as folder:
    writer = create_plate(Path(folder) / "p.zarr", name="p", channels=["TL"], pixel_size_um=None)
    for field in range(count):
        plane = rng.integers(300, 4000, (1, side, side)).astype(np.uint16)
        writer.write_field(FieldName(f"A{1 + field // 64:02d}", field % 64), plane)
    plate = writer.finish()
    marks = []
    predict_plate(plate, labeller, Path(folder) / "q.zarr",
                  progress=lambda done, whole: marks.append(time.process_time()))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(json.dumps([(marks[-1] - marks[0]) / (count - 1), peak]))
"""


def measured(count: int) -> tuple[float, float]:
    """Give seconds a field, and the process's peak, GiB."""
    told = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", RUN, json.dumps([count, SIDE_PX, MODEL])],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    seconds, peak = json.loads(told.stdout.splitlines()[-1])
    print(f"{count} fields: {seconds:.3f} s each, {peak:.2f} GiB", flush=True)
    return seconds, peak


def main() -> None:
    """Measure plates of 8, 64 and 512 fields, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--most", type=int, default=512, help="fields of the largest plate")
    most = parser.parse_args().most
    counts = [count for count in (FEWEST, 8 * FEWEST, 64 * FEWEST) if count <= most]
    found = {count: measured(count) for count in counts}
    whole = [found[count][0] * count for count in counts]
    same = {
        "comparison": "<=", "data": f"noise (uint16), plates of {counts} fields of {SIDE_PX}² px; {MODEL}",
        "command": f"OMP_NUM_THREADS=1 {COMMAND} --most {most}", "seed": 0, "issue": 6,
        "notes": "1 thread, processor seconds",
    }  # fmt: skip
    write_result(
        "plate-growth", title=f"exponent by which the time of a plate grows with its fields, {counts}",
        value=float(np.polyfit(np.log(counts), np.log(whole), 1)[0]), goal=MOST_EXPONENT,
        against={f"{count} fields, ms each": seconds * 1e3 for count, (seconds, _) in found.items()}, **same,
    )  # fmt: skip
    write_result(
        "plate-memory", title=f"peak memory of predicting {counts[-1]} fields over that of {counts[0]}",
        value=found[counts[-1]][1] / found[counts[0]][1], goal=MOST_GROWTH,
        against={f"{count} fields, GiB": peak for count, (_, peak) in found.items()}, **same,
    )  # fmt: skip


if __name__ == "__main__":
    main()
