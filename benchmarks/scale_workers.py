"""What handing fields to worker processes costs, and what a second one gains.

Usage: OMP_NUM_THREADS=1 python benchmarks/scale_workers.py [--tiny]
Overhead: many tiny fields and a tiny network, by this process and by one worker in turn, several rounds. The
time of a field is taken between the first field and the last one, so that starting processes doesn't count.
Two over one: the bundled model on fields of 256 px, by one worker and by two in turn. One thread each.
Writes results/dask-overhead.json and results/scale-workers.json; with --tiny, which only shows that all of it
runs, to the folder for temporary files.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from record import RESULTS, write_result
from unstained.networks.bundle import Model, ModelCard
from unstained.networks.normalisation import StainScale
from unstained.networks.unet import UNet, UNetSettings
from unstained.pipeline import judge_of
from unstained.plates.plate import FieldName, Plate, create_plate
from unstained.prediction.labeller import Labeller, load_model
from unstained.prediction.plates import predict_plate
from unstained.prediction.workers import Workers

COMMAND = "OMP_NUM_THREADS=1 python benchmarks/scale_workers.py"
SEED = 0
MODEL = "hela-rpe1-nuclei"
MOST_MS = 30.0


class Sizes(NamedTuple):
    """How much is measured, and where the figures go."""

    rounds: int = 3
    small: tuple[int, int] = (100, 48)  # fields and their side, px, for the overhead
    real: tuple[int, int] = (16, 256)
    results: Path = RESULTS


def make_plate(path: Path, number: int, side_px: int, channel: str) -> Plate:
    """Make a plate of one well with fields of smooth noise."""
    writer = create_plate(path, name=path.stem, channels=(channel,), pixel_size_um=0.23)
    for index in range(number):
        rng = np.random.default_rng((SEED, index))
        planes = (rng.normal(size=(1, side_px, side_px)).cumsum(1).cumsum(2) + 20000).clip(0, 65535)
        writer.write_field(FieldName("A01", index), planes.astype(np.uint16))
    return writer.finish()


def small_model(channel: str) -> Labeller:
    """Make a network of random weights that takes next to no time."""
    torch.manual_seed(SEED)
    settings = UNetSettings(width=4, depth=2)
    card = ModelCard(
        name="small", stains=("nuclei",), input=channel, targets=("DNA",), network=settings,
        scales=(StainScale(offset=0, gain=1),), pixel_size_um=0.23,
    )  # fmt: skip
    return Labeller(Model(card, UNet(settings).eval()))


def seconds_per_field(plate: Plate, labeller: Labeller, out: Path, workers: Workers | None) -> float:
    """Predict a plate anew; gives seconds from the first field that is done to the last, by field."""
    done: list[float] = []
    judge = judge_of([labeller], real=True)
    predict_plate(
        plate, labeller, out, judge=judge, overwrite=out.exists(),
        progress=lambda *_: done.append(time.perf_counter()), workers=workers,
    )  # fmt: skip
    return (done[-1] - done[0]) / (len(done) - 1)


def in_turn(
    plate: Plate, labeller: Labeller, folder: Path, ways: dict[str, Workers | None], rounds: int
) -> dict[str, list[float]]:
    """Time each way once a round; gives seconds by field."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, workers in ways.items():
            times[name].append(seconds_per_field(plate, labeller, folder / "out.zarr", workers))
        print({name: [round(1000 * each, 1) for each in found] for name, found in times.items()}, flush=True)
    return times


def overhead(folder: Path, sizes: Sizes) -> None:
    """Measure what Dask costs for each field."""
    fields, side_px = sizes.small
    plate = make_plate(folder / "small.zarr", fields, side_px, "TL")
    ways = {"this process": None, "one worker": Workers(1)}
    times = in_turn(plate, small_model("TL"), folder, ways, sizes.rounds)
    alone, handed = (1000 * np.array(times[name]) for name in ("this process", "one worker"))
    extra = np.sort(handed - alone)
    write_result(
        "dask-overhead",
        title="what handing a field to a Dask worker costs over predicting it at once, ms",
        value=float(np.median(extra)), goal=MOST_MS, comparison="<=", interval=[extra[0], extra[-1]],
        against={"this process, ms a field": np.median(alone), "one worker, ms a field": np.median(handed)},
        data=f"{fields} fields of {side_px}² px, U-Net of width 4 and depth 2; one thread each",
        command=COMMAND, seed=SEED, issue=6, folder=sizes.results,
        notes=f"median of {sizes.rounds} rounds, taken in turn; the interval is that of the rounds",
    )  # fmt: skip


def two_over_one(folder: Path, sizes: Sizes) -> None:
    """Measure how much faster two workers are than one."""
    labeller = load_model(MODEL, "cpu")
    fields, side_px = sizes.real
    plate = make_plate(folder / "real.zarr", fields, side_px, labeller.card.input)
    times = in_turn(plate, labeller, folder, {"one": Workers(1), "two": Workers(2)}, sizes.rounds)
    faster = np.sort(np.array(times["one"]) / np.array(times["two"]))
    write_result(
        "scale-workers",
        title="two worker processes, times faster than one",
        value=float(np.median(faster)), goal=None, comparison=None, interval=[faster[0], faster[-1]],
        against={f"{name}, s a field": float(np.median(found)) for name, found in times.items()},
        data=f"{fields} fields of {side_px}² px, model {MODEL} with its verdicts; one thread each",
        command=COMMAND, seed=SEED, issue=6, folder=sizes.results,
        notes=f"median of {sizes.rounds} rounds, taken in turn; the interval is that of the rounds."
        f" Load of the machine at the end: {os.getloadavg()[0]:.1f}",
    )  # fmt: skip


def main() -> None:
    """Measure both, write both."""
    if os.environ.get("OMP_NUM_THREADS") != "1":
        sys.exit(f"one thread each is compared; run: {COMMAND}")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="only show that it runs")
    temporary = Path(tempfile.gettempdir()) / "scale_workers"
    sizes = Sizes(1, (6, 32), (4, 64), temporary) if parser.parse_args().tiny else Sizes()
    for measured in (overhead, two_over_one):
        with tempfile.TemporaryDirectory() as folder:
            measured(Path(folder), sizes)


if __name__ == "__main__":  # workers import this file, too
    main()
