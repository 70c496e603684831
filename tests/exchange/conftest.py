"""Small models with everything that a card can ask for, a field to try them on, a measured plate."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.ndimage import gaussian_filter

from unstained.measurement.plates import measure_plate
from unstained.networks.bundle import Model, ModelCard
from unstained.networks.normalisation import Contrasts, Normalisation, StainScale
from unstained.networks.unet import UNet, UNetSettings
from unstained.plates.plate import FieldName, create_plate

SMALL = UNetSettings(width=4, depth=2, batch_norm=True, outputs=2)

CARDS = {
    "plain": {},
    "shrunk, moved, of known contrast": {
        "working_scale": 0.61,
        "offsets_px": ((1.17, -0.4), (0.0, 0.0)),
        "normalisation": Normalisation(contrasts=Contrasts(0.05, 0.1, 0.2)),
    },
    "without slow light": {"normalisation": Normalisation(flatten=0, lower=2, upper=97.5)},
    "probabilities of mirror images": {
        "units": "probability",
        "average_flips": True,
        "scales": (StainScale(), StainScale()),
    },
    "by its light": {"light_deg": 224.8, "average_flips": True, "pixel_size_um": 0.3, "working_scale": 0.7},
}
"""What a card can ask for, by what it is called."""


@pytest.fixture(scope="session")
def model_of():
    """Make a model of two stains with random weights and a card of `CARDS`."""

    def make(what: str = "plain", **changes) -> Model:
        torch.manual_seed(0)
        network = UNet(SMALL)
        with torch.no_grad():
            for _ in range(3):
                network(torch.randn(2, 1, 64, 64) * 2 + 1)
        values = {
            "name": "test", "stains": ("nuclei", "er"), "input": "TL", "targets": ("DNA", "ER"),
            "scales": (StainScale(offset=100, gain=50), StainScale(offset=7, gain=300)), "network": SMALL,
            "pixel_size_um": 0.5, "licence": "MIT",
        }  # fmt: skip
        return Model(ModelCard(**{**values, **CARDS[what], **changes}), network.eval())

    return make


@pytest.fixture(scope="session")
def field():
    """Give the function that draws a field of relief (Y X), lit from above, then turned by 90°."""

    def draw(rows: int = 97, columns: int = 131, turns: int = 0) -> np.ndarray:
        rng = np.random.default_rng(5)
        side = 2 * max(rows, columns)
        height = np.clip(gaussian_filter(rng.normal(0, 10, (side, side)), 4) - 0.5, 0, None)  # bumps alone
        slow = 0.5 * np.arange(side)[:, None]
        lit = 900 + 400 * np.diff(height, axis=0, append=0) + slow + rng.normal(0, 5, (side, side))
        return np.rot90(lit, turns)[:rows, :columns].astype(np.uint16)

    return draw


FIELDS = (FieldName("A01", 0), FieldName("A01", 1), FieldName("B03", 0))


def blobs(number: int, diameter_px: float) -> np.ndarray:
    """Draw a dozen round cells, which don't touch, at places of their own for each field (Y X)."""
    rng = np.random.default_rng(number)
    y, x = np.mgrid[:96, :112]
    plane = np.zeros((96, 112))
    for row in range(3):
        for column in range(4):
            cy, cx = 16 + 32 * row + rng.uniform(-5, 5), 14 + 28 * column + rng.uniform(-5, 5)
            plane = np.maximum(plane, 1 / (1 + np.exp((np.hypot(y - cy, x - cx) - diameter_px / 2) / 0.7)))
    return plane


@pytest.fixture(scope="session")
def measured(tmp_path_factory):
    """Give a predicted plate of two stains, three fields in two wells, and its tables."""
    writer = create_plate(
        tmp_path_factory.mktemp("measured") / "predicted.zarr",
        name="P7",
        channels=("nuclei", "er"),
        pixel_size_um=0.5,
        conditions=pd.DataFrame({"well": ["A01", "B03"], "clone": ["C1", "C2"], "day": [0.0, 60.0]}),
        info={
            "kind": "predicted",
            "models": [{"name": "small", "stains": ["nuclei", "er"], "pixel_size_um": 0.5}],
        },
    )
    for number, name in enumerate(FIELDS):
        stains = [200 + 3000 * blobs(number, 9), 100 + 900 * blobs(number, 14)]
        verdict = {"verdict": ("trust", "caution", "trust")[number], "reason": f"reason {number}"}
        writer.write_field(name, np.stack(stains).astype(np.float32), info={"verdict": verdict})
    plate = writer.finish()
    return plate, measure_plate(plate)
