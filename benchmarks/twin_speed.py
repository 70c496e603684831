"""How long the twin takes for a field of 1024² with all channels, and how that grows with the area.

Usage: python benchmarks/twin_speed.py
Writes results/twin-seconds.json and results/twin-linear.json. Drawing, optics and camera are timed; writing
files isn't. Growing the well's cells, once for all its fields, is shared out over four.
"""

import time

import numpy as np

from record import write_result
from unstained.twin.photos import simulate_field
from unstained.twin.wells import TwinSettings, grow_well, plan_wells

SIDES_PX = (512, 1024, 2048)
ROUNDS = 5
COMMAND = "python benchmarks/twin_speed.py"
DATA = "twin: 1500 cells per mm², DIC and four stains"


def seconds(side_px: int, seed: int) -> float:
    """Simulate one field and its share of a well."""
    settings = TwinSettings(wells=1, side_px=side_px, seed=seed)
    (planned,) = plan_wells(settings).values()
    planned = planned._replace(clone=planned.clone._replace(growth=1.0))
    begun = time.perf_counter()
    well = grow_well(planned, settings)
    grown = time.perf_counter()
    simulate_field(well, 0, settings)
    return (grown - begun) / settings.fields + time.perf_counter() - grown


def main() -> None:
    """Time every size in turn, several times, and write the medians."""
    seconds(256, 0)
    taken = {side: [] for side in SIDES_PX}
    for seed in range(ROUNDS):
        for side in SIDES_PX:
            taken[side].append(seconds(side, seed))
    medians = {side: float(np.median(each)) for side, each in taken.items()}
    print(medians)
    write_result(
        "twin-seconds",
        title="Seconds for a simulated field of 1024², all channels",
        value=medians[1024],
        goal=2.0,
        comparison="<=",
        against={},
        interval=[min(taken[1024]), max(taken[1024])],
        data=DATA,
        command=COMMAND,
        seed=0,
        issue=3,
    )
    write_result(
        "twin-linear",
        title="Seconds per area, a field of 2048² against one of 512²",
        value=medians[2048] / medians[512] / 16,
        goal=1.25,
        comparison="<=",
        against={f"{side} px": each for side, each in medians.items()},
        data=DATA,
        command=COMMAND,
        seed=0,
        issue=3,
    )


if __name__ == "__main__":
    main()
