"""What a plate takes beside its network: reading, judging and writing; and with objects found and measured.

Usage: OMP_NUM_THREADS=2 python benchmarks/plate_pipeline.py [--rounds 3] [--fields 4]
A simulated plate with fields of 2048² px (uint16, compressed) and cho-four: four stains, mirror images
averaged, verdicts. All take turns, by the clock, as the stages share the cores: the network alone on planes
that lie ready in memory as it sees them; the plate from disk to disk; this with labels and tables, too.
Writes results/plate-overhead.json and results/plate-measured.json.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from record import write_result
from unstained import pipeline
from unstained.prediction.labeller import load_model
from unstained.twin.wells import TwinSettings

COMMAND = "python benchmarks/plate_pipeline.py"
MODEL, SIDE_PX, SEED = "cho-four", 2048, 21
MOST, MOST_MEASURED = 1.15, 1.6


def seconds_of(work: Callable[[], object]) -> float:
    """Give the clock's seconds of some work."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def main() -> None:
    """Let all take turns, write both ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--fields", type=int, default=4)
    parser.add_argument("--side", type=int, default=SIDE_PX, help="of a field, px")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    labeller = load_model(MODEL, options.device)
    with tempfile.TemporaryDirectory() as folder:
        twin = TwinSettings(wells=1, fields=options.fields, side_px=options.side, seed=SEED)
        plate = pipeline.simulate(Path(folder) / "p.zarr", twin)
        planes = [plate.read(name, labeller.card.input) for name in plate.fields]
        seen = [labeller.engine.seen(plane, plate.pixel_size_um).plane for plane in planes]
        out = Path(folder) / "q.zarr"

        def network() -> None:
            for plane in seen:
                labeller.engine._outputs(plane, embed=True)

        def predict() -> None:
            pipeline.predict(plate, [labeller], out, overwrite=True)

        def measured() -> None:
            predict()
            pipeline.measure(pipeline.open_plate(out), overwrite=True)

        works = {"network alone": network, "read, predict, write": predict, "and measure": measured}
        times: dict[str, list[float]] = {name: [] for name in works}
        labeller.engine._outputs(seen[0], embed=True)  # which warms up
        for _ in range(options.rounds):
            for name, work in works.items():
                times[name].append(seconds_of(work))
            print({name: f"{found[-1]:.1f} s" for name, found in times.items()}, flush=True)
    where = torch.cuda.get_device_name() if labeller.device.startswith("cuda") else "CPU"
    same = {
        "comparison": "<=",
        "against": {f"{name}, s": statistics.median(found) for name, found in times.items()},
        "data": f"{options.fields} simulated fields of {options.side}² px, {MODEL}",
        "command": f"{COMMAND} --rounds {options.rounds} --fields {options.fields} --side {options.side}",
        "seed": SEED,
        "notes": f"{where}, {torch.get_num_threads()} threads, by the clock; interval: that of the rounds",
        "issue": 6,
    }
    for id, name, most in (
        ("plate-overhead", "read, predict, write", MOST),
        ("plate-measured", "and measure", MOST_MEASURED),
    ):
        ratios = [whole / alone for whole, alone in zip(times[name], times["network alone"], strict=True)]
        print(id, statistics.median(ratios))
        write_result(
            id, title=f"time of a plate ({name}) over that of its network alone",
            value=statistics.median(ratios), goal=most, interval=[min(ratios), max(ratios)], **same,
        )  # fmt: skip


if __name__ == "__main__":
    main()
