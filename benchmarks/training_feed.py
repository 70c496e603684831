"""How much of the network's own pace is left when crops are drawn, turned, zoomed and mirrored beside it.

Usage: OMP_NUM_THREADS=2 python benchmarks/training_feed.py [--rounds 5] [--device cpu]
Both take turns in one process: steps of the default recipe on crops that are drawn from a field of 2048² px
as in training, and the same steps on one batch that lies ready in memory. Times are those of the clock, as
drawing and the network share the cores. Writes results/training-feed.json.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch

from record import write_result
from unstained.networks.unet import UNet
from unstained.training.crops import TrainingPlanes
from unstained.training.fitting import Batch, Fitting, in_channels_last
from unstained.training.recipes import TrainingSettings

COMMAND = "python benchmarks/training_feed.py"
SIDE, STEPS, LEAST_SHARE = 2048, 4, 0.9


def fields_of(seed: int) -> list[TrainingPlanes]:
    """Draw a field and its stain, network units."""
    rng = np.random.default_rng(seed)
    light, stain = rng.standard_normal((2, SIDE, SIDE)).astype(np.float32)
    return [TrainingPlanes.from_arrays(light, np.abs(stain)[None] / 4)]


def crops_per_second(fitting: Fitting, optimiser: torch.optim.Optimizer, batches: Iterator[Batch]) -> float:
    """Take a few steps."""
    begun = time.perf_counter()
    for _ in range(STEPS):
        light, stain = (each.to(fitting.device) for each in next(batches))
        fitting.training_step((light, stain), 0).backward()
        torch.nn.utils.clip_grad_norm_(fitting.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
    if fitting.device.type == "cuda":
        torch.cuda.synchronize()
    return STEPS * fitting.settings.batch / (time.perf_counter() - begun)


def main() -> None:
    """Let both take turns, write the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    settings = TrainingSettings(steps=1000)
    torch.manual_seed(0)
    network = in_channels_last(UNet(settings.network))
    fitting = Fitting(network, settings, fields_of(0), [], lambda _: None).to(options.device)
    optimiser = fitting.configure_optimizers()["optimizer"]
    drawn = iter(fitting.train_dataloader())
    ready = next(drawn)

    def repeated() -> Iterator[Batch]:
        while True:
            yield ready

    feeds: dict[str, Callable[[], Iterator[Batch]]] = {"drawn": lambda: drawn, "from memory": repeated}
    rates: dict[str, list[float]] = {name: [] for name in feeds}
    for turn in range(options.rounds + 1):
        for name, feed in feeds.items():
            rate = crops_per_second(fitting, optimiser, feed())
            if turn:  # the first warms up
                rates[name].append(rate)
        print({name: f"{found[-1]:.2f} crops/s" for name, found in rates.items() if found}, flush=True)
    shares = [drawn / ready for drawn, ready in zip(rates["drawn"], rates["from memory"], strict=True)]
    where = torch.cuda.get_device_name() if fitting.device.type == "cuda" else "CPU"
    write_result(
        "training-feed",
        title="training crops/s over those of the same network fed from memory without augmentation",
        value=statistics.median(shares), goal=LEAST_SHARE, comparison=">=",
        interval=[min(shares), max(shares)],
        against={f"crops/s, {name}": statistics.median(found) for name, found in rates.items()},
        data=f"noise, one field of {SIDE}² px; batches of {settings.batch} crops, {settings.crops.side}² px",
        command=f"{COMMAND} --rounds {options.rounds} --device {options.device}", seed=0, issue=6,
        notes=f"{where}, {torch.get_num_threads()} threads, by the clock; the interval is that of the rounds",
    )  # fmt: skip


if __name__ == "__main__":
    main()
