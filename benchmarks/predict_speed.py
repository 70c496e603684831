"""How fast prediction is beside the usual ways of running the same network, and beside the machine itself.

Usage: OMP_NUM_THREADS=1 python benchmarks/predict_speed.py [--side 2048] [--rounds 5] [--threads 1]
All ways run the thesis' network with batch norm and the same random weights, in float32 on the CPU, and take
turns in one process; before each, the machine multiplies two matrices. MONAI and bioimageio.core must be
installed beside `unstained` (pip install monai bioimageio.core); PyTorch is theirs and ours.
Counted are seconds of the processor, which other work on the machine disturbs less than those of the clock.
Ours is what `--engine auto` takes here, as it measures it on a part of the field; torch alone, which needs no
`unstained[openvino]`, stands beside it. Fidelity is the largest difference from the whole field in one plain
pass, as a share of its range.
Writes results/predict-speed.json and results/predict-peak.json.
"""

import argparse
import copy
import statistics
import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor

from record import write_result
from unstained.networks.bundle import Model, ModelCard
from unstained.networks.normalisation import Normalisation, StainScale
from unstained.networks.unet import UNet, UNetSettings
from unstained.prediction.backends import MEASURED_PX, Running, choose_backend
from unstained.prediction.engine import Engine

COMMAND = "python benchmarks/predict_speed.py"
SEED = 6
SHAPE = UNetSettings(batch_norm=True)
MATRIX = 1024
WINDOW, OVERLAP = 256, 0.25
GOAL_FASTER, GOAL_PEAK = 2.0, 0.85

Way = Callable[[Tensor], Tensor]


def random_network() -> UNet:
    """Make the thesis' network with batch norm, weights drawn, statistics as after training."""
    torch.manual_seed(SEED)
    network = UNet(SHAPE)
    with torch.no_grad():
        for _ in range(3):
            network(torch.randn(2, 1, 128, 128) * 2 + 1)
    return network.eval()


def engine_of(network: UNet, running: Running) -> Engine:
    """Make an engine that gives the network's own values: nothing is normalised or scaled away."""
    card = ModelCard(
        name="speed", stains=("nuclei",), input="TL", targets=("DNA",), scales=(StainScale(),),
        network=SHAPE, normalisation=Normalisation(flatten=0),
    )  # fmt: skip
    return Engine(Model(card, network), quiet=True, memory_gib=8, running=running)


def multiplications_per_pixel(network: UNet) -> float:
    """Count what the network multiplies per pixel of the top level, from its weights' shapes."""
    count = 0.0
    for name, values in network.named_parameters():
        if values.dim() != 4:
            continue
        part, _, rest = name.partition(".")
        level = int(rest.partition(".")[0]) if part in ("down", "up", "rise") else 0
        per_pixel = values.numel() / 4 if part == "rise" else values.numel()
        count += per_pixel / 4**level
    return count


def ways(network: UNet) -> dict[str, Way]:
    """List the usual ways: windows by MONAI, of the thesis, by bioimageio.core's rule, and none at all."""
    from monai.inferers import sliding_window_inference

    fast = copy.deepcopy(network).to(memory_format=torch.channels_last)

    def monai(net: torch.nn.Module, size: int, batch: int, overlap: float, mode: str) -> Way:
        return lambda field: sliding_window_inference(field, (size, size), batch, net, overlap, mode=mode)

    return {
        "whole image, as fnet does": network,
        "whole image, channels last": lambda field: fast(field.contiguous(memory_format=torch.channels_last)),
        "MONAI 256 px, overlap .25": monai(network, WINDOW, 4, OVERLAP, "constant"),
        "MONAI 256 px, overlap .25, channels last": monai(fast, WINDOW, 4, OVERLAP, "constant"),
        "MONAI 512 px, overlap .25, channels last, Gaussian": monai(fast, 512, 1, OVERLAP, "gaussian"),
        "256 px crops, 30 px overlap (thesis)": lambda field: cropped(network, field, 256, 15),
        "bioimageio.core's tiles: 512 px, halo 112": lambda field: cropped(network, field, 512, 112),
    }


def cropped(network: torch.nn.Module, field: Tensor, size: int, halo: int) -> Tensor:
    """Predict (1 1 Y X) in windows of which the middle is kept, one by one, mirrored beyond the edge."""
    step, (rows, columns) = size - 2 * halo, field.shape[2:]
    margins = (halo, -columns % step + halo, halo, -rows % step + halo)
    padded = torch.nn.functional.pad(field, margins, mode="reflect")
    out = torch.empty(1, 1, rows + margins[3] - halo, columns + margins[1] - halo)
    for y in range(0, rows, step):
        for x in range(0, columns, step):
            window = network(padded[:, :, y : y + size, x : x + size])
            out[:, :, y : y + step, x : x + step] = window[:, :, halo : halo + step, halo : halo + step]
    return out[:, :, :rows, :columns]


def seconds_of(work: Callable[[], object]) -> float:
    """Give the processor's seconds that something takes."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def race(
    field: Tensor, runners: dict[str, Way], rounds: int
) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Let all take turns; gives processor seconds, and how far each is from the first, share of the range."""
    matrices = torch.randn(2, MATRIX, MATRIX)
    expected = next(iter(runners.values()))(field)
    span = float(expected.max() - expected.min())
    off = {name: float((run(field) - expected).abs().max()) / span for name, run in runners.items()}
    times: dict[str, list[float]] = {name: [] for name in ("matrices", *runners)}
    for number in range(rounds):
        for name, run in runners.items():
            times["matrices"].append(seconds_of(lambda: matrices[0] @ matrices[1]))
            times[name].append(seconds_of(lambda: run(field)))  # noqa: B023 - called at once
        print(number, {name: round(taken[-1], 2) for name, taken in times.items()}, flush=True)
    return times, off


def ours(network: UNet, running: Running) -> Way:
    """Give the engine's pass over windows, without what it does to camera values before and after."""
    engine = engine_of(network, running)

    def run(field: Tensor) -> Tensor:
        return torch.from_numpy(engine._outputs(field[0, 0].numpy(), embed=False)[0])[None]

    return run


def main() -> None:
    """Race, compare with the machine's matrix products, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=2048, help="of the field, px")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    network = random_network()
    field = torch.randn(1, 1, options.side, options.side, generator=torch.Generator().manual_seed(SEED))
    rivals = ways(network)
    every = {f"ours, {name}": Running(backend=name) for name in ("torch", "onnx", "openvino")}
    runners = rivals | {name: ours(network, running) for name, running in every.items()}
    with torch.inference_mode():
        part = field[..., :MEASURED_PX, :MEASURED_PX]
        _, taken = choose_backend(network, torch.device("cpu"), Running(backend="auto"), part)
        times, off = race(field, runners, options.rounds)
    mine = next(name for name, running in every.items() if running == taken.running)
    pixels = options.side**2
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    speed = {name: pixels / seconds / 1e6 for name, seconds in medians.items() if name != "matrices"}
    faithful = [name for name in rivals if off[name] <= max(off[mine], 1e-5)]
    best = max(speed[name] for name in rivals)
    if off[mine] > 1e-5:
        sys.exit(f"ours isn't the whole image's result: off by {off[mine]:g} of the range")
    by_round = [min(times[name][k] for name in rivals) / times[mine][k] for k in range(options.rounds)]
    data = f"noise, {options.side}² px; the thesis' network with batch norm, random weights; float32"
    where = f"{options.threads} thread(s), processor seconds, medians of {options.rounds} interleaved rounds"
    command = f"OMP_NUM_THREADS={options.threads} {COMMAND} --side {options.side} --threads {options.threads}"
    apart = "; ".join(f"{name} {off[name]:.1e}" for name in runners)
    write_result(
        "predict-speed",
        title="prediction on the CPU, times faster than the best usual way of running the same network",
        value=speed[mine] / best, goal=GOAL_FASTER, comparison=">=",
        interval=[min(by_round), max(by_round)],
        against={f"{name}, Mpx/s": value for name, value in speed.items()}, data=data, command=command,
        seed=SEED, issue=6,
        notes=f"{where}. Auto {taken}. Torch alone: {speed['ours, torch'] / best:.2f}×."
        f" Against the best of those as faithful ({', '.join(faithful)}):"
        f" {speed[mine] / max(speed[name] for name in faithful):.2f}×."
        f" Largest difference from one plain pass, as a share of its range: {apart}."
        " The interval is that of rounds",
    )  # fmt: skip
    product = 2 * MATRIX**3 / medians["matrices"]
    done = 2 * multiplications_per_pixel(network) * 1e6
    write_result(
        "predict-peak",
        title="operations a second of prediction over those of a matrix product in the same run",
        value=done * speed[mine] / product, goal=GOAL_PEAK, comparison=">=",
        against={name: done * value / product for name, value in speed.items() if name != mine},
        data=data, command=command, seed=SEED, issue=6,
        notes=f"{where}; the product of two {MATRIX}² matrices in float32 is measured before each pass:"
        f" {product / 1e9:.0f} GFLOP/s. Counted are convolutions: {done / 1e9:.1f} kFLOP a pixel",
    )  # fmt: skip
    print({name: round(value, 3) for name, value in speed.items()}, round(done * speed[mine] / product, 3))


if __name__ == "__main__":
    main()
