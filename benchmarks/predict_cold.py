"""How long the first prediction takes: a command that starts, loads a model, predicts an image and writes it.

Usage: python benchmarks/predict_cold.py [--rounds 5]
Noise of 512² px, cho-brightfield (four stains, four mirror images, verdicts), on the CPU, by the clock; the
machine should do nothing else. One run before those that count brings files into the system's cache.
Writes results/predict-cold.json.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile

from record import write_result

COMMAND = "python benchmarks/predict_cold.py"
MODEL, SIDE, MOST_SECONDS = "cho-brightfield", 512, 4.0


def seconds_of(arguments: list[str]) -> float:
    """Give the clock's seconds of a Python process."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - begun


def main() -> None:
    """Start cold a few times, write the median."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        image, out = Path(folder) / "image.tif", Path(folder) / "out.tif"
        noise = np.random.default_rng(0).integers(800, 1200, (SIDE, SIDE)).astype(np.uint16)
        tifffile.imwrite(image, noise)
        predict = ["-m", "unstained", "predict", str(image), "--model", MODEL, "--out", str(out),
                   "--device", "cpu", "--overwrite"]  # fmt: skip
        whole = [seconds_of(predict) for _ in range(rounds + 1)][1:]
        parts = {"import torch": "import torch", "import unstained.pipeline": "import unstained.pipeline"}
        apart = {name: statistics.median(seconds_of(["-c", code]) for _ in range(rounds))
                 for name, code in parts.items()}  # fmt: skip
    write_result(
        "predict-cold",
        title="seconds from starting `unstained predict` to the predicted image of 512² px",
        value=statistics.median(whole), goal=MOST_SECONDS, comparison="<=", interval=[min(whole), max(whole)],
        against=apart, data=f"noise, {SIDE}² px, model {MODEL}", command=COMMAND, seed=0, issue=6,
        notes=f"median of {rounds} runs by the clock, all cores; the interval is that of the runs",
    )  # fmt: skip
    print(f"{statistics.median(whole):.1f} s", apart)


if __name__ == "__main__":
    main()
