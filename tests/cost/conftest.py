"""A machine whose times are round, and prices to reckon with in the head."""

import pytest

from unstained.cost.prices import Prices
from unstained.cost.times import MachineTimes

TIMES = {
    "machine": "round", "device": "cpu", "input": "TL", "threads": 1, "cpu_share": 1.0,
    "field_px": (1000, 500), "working_megapixels": 0.5, "stains": 1, "mirrors": 4,
    "step_s": 0.5, "draw_s": 0.1, "step_flop": 4e9, "forward_s": 1.0, "forward_flop": 1e10,
    "prepare_s": 3.0, "corrupt_s": 0.5, "read_s": 0.1, "predict_s": 2.5, "write_s": 0.2,
    "segment_s": 0.4, "measure_s": 0.3,
    "read_bytes": 1e6, "read_objects": 4, "written_bytes": 2e6, "written_objects": 10,
}  # fmt: skip

PRICES = {
    "date": "2026-01-31", "region": "nowhere", "currency": "USD", "here_per_hour": 0.5, "out_per_gb": 0.1,
    "machines": {
        "fast": {
            "title": "GPU", "kind": "gpu", "on_demand_per_hour": 2.0, "spot_per_hour": 1.0,
            "peak_tflops": 0.1, "share": 0.5, "overhead_s": 0.01, "source": "made up",
        },
    },
    "staining": {
        "reagents_per_plate": 100, "hands_on_hours": 2, "person_per_hour": 50, "microscope_hours": 1,
        "microscope_per_hour": 40, "source": "made up",
    },
    "beginning": {"stained_plates": 1, "person_hours": 4, "control_share": 0.1, "source": "made up"},
}  # fmt: skip


@pytest.fixture
def times() -> MachineTimes:
    """Give times of stages; the network takes 2.0 of the 2.5 s of a prediction."""
    return MachineTimes(**TIMES)


@pytest.fixture
def prices() -> Prices:
    """Give prices: staining is 100 + 2 · 50 + 1 · 40 = 240 a plate."""
    return Prices(**PRICES)
