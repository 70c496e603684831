"""How fast a ball rolls under a plane beside scikit-image's, and how far apart the backgrounds are.

Usage: python benchmarks/rolling_ball_speed.py
Both take turns on the same planes, one thread each. Counted are seconds of the processor, which other work on
the machine disturbs less than those of the clock. Writes results/rolling-ball.json and
results/rolling-ball-error.json.
"""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tifffile
from skimage import restoration

from nuclei_speed import field_of_nuclei
from record import write_result
from unstained.arrays import Plane
from unstained.segmentation.background import rolling_ball

PLANE = Path(__file__).resolve().parents[2] / "shared" / "data" / "hela-rpe1" / "images" / "A01_f0_DNA.tif"
RADIUS_PX = 50
ROUNDS = 3
SEED = 0
COMMAND = "OMP_NUM_THREADS=1 python benchmarks/rolling_ball_speed.py"


def timed(work: Callable[[], Plane]) -> tuple[float, Plane]:
    """Give the processor's seconds, and the background."""
    begun = time.process_time()
    background = work()
    return time.process_time() - begun, background


def race(plane: Plane, rounds: int) -> tuple[list[float], list[float], np.ndarray]:
    """Take turns; gives seconds of ours and theirs in each round, and the errors as shares of the range."""
    ours, theirs = [], []
    rolling_ball(plane[:64, :64], RADIUS_PX)
    for _ in range(rounds):
        taken, fast = timed(lambda: rolling_ball(plane, RADIUS_PX))
        ours.append(taken)
        taken, slow = timed(lambda: restoration.rolling_ball(plane, radius=RADIUS_PX, workers=1))
        theirs.append(taken)
    low, high = np.percentile(plane, (1.0, 99.8))
    return ours, theirs, np.abs(fast - slow) / (high - low)


def main() -> None:
    """Time a recorded plane several times, a drawn one once, and write both figures."""
    recorded, drawn = tifffile.imread(PLANE).astype(np.float32), field_of_nuclei(SEED)
    ours, theirs, errors = race(recorded, ROUNDS)
    faster = np.divide(theirs, ours)
    (other,), (slow,), other_errors = race(drawn, 1)
    print(ours, theirs, faster, np.percentile(errors, 99), errors.max(), slow / other, other_errors.max())
    shared = {"data": f"hela-rpe1 A01/0, DNA, 2048², radius {RADIUS_PX} px", "command": COMMAND, "issue": 6}
    write_result(
        "rolling-ball",
        title="rolling ball of 50 px under 2048², times faster than scikit-image",
        value=float(np.median(faster)), goal=20.0, comparison=">=", seed=None,
        interval=[faster.min(), faster.max()],
        against={"scikit-image, s": np.median(theirs), "ours, s": np.median(ours)},
        notes=f"median and range of {ROUNDS} rounds; processor seconds, one thread each. A drawn field of"
        f" 1,000 nuclei, once: {slow / other:.1f}×, largest error {100 * other_errors.max():.2f} % of range",
        **shared,
    )  # fmt: skip
    write_result(
        "rolling-ball-error",
        title="rolling ball, 99th percentile of the error against scikit-image's, % of range",
        value=100 * float(np.percentile(errors, 99)), goal=1.0, comparison="<=", seed=None,
        against={},
        notes=f"range: 1st to 99.8th percentile of the plane; largest error {100 * errors.max():.2f} %",
        **shared,
    )  # fmt: skip


if __name__ == "__main__":
    main()
