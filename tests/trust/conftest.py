"""A plate of blobs whose stain is what the light shows, and a model that gives its normalised input back."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from unstained.networks.bundle import Model, ModelCard
from unstained.networks.normalisation import StainScale
from unstained.networks.unet import UNet, UNetSettings
from unstained.plates.plate import FieldName, Plate, create_plate
from unstained.plates.regions import whole_field
from unstained.plates.splitting import Split
from unstained.trust.making import TrustSettings, make_trust
from unstained.trust.verdict import Trust

SIDE = 96
WELLS = tuple(f"{row}{column:02}" for row in "ABC" for column in range(1, 5))
DARK, BRIGHT, NOISE = 1000, 600, 10


def blobs(rng: np.random.Generator, number: int = 14) -> np.ndarray:
    """Draw sharp blobs, 1 inside and 0 outside, each of its own brightness."""
    y, x = np.mgrid[:SIDE, :SIDE]
    signal = np.zeros((SIDE, SIDE))
    for _ in range(number):
        inside = np.hypot(y - rng.uniform(0, SIDE), x - rng.uniform(0, SIDE)) < rng.uniform(2, 3.5)
        signal = np.maximum(signal, rng.uniform(0.7, 1.0) * inside)
    return gaussian_filter(signal, 0.7)


def light(signal: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Record a signal as a label-free image."""
    return (DARK + BRIGHT * signal + rng.normal(0, NOISE, signal.shape)).astype(np.uint16)


@pytest.fixture(scope="session")
def blob_plate(tmp_path_factory) -> Plate:
    """Give a plate of twelve wells, one field each."""
    path = tmp_path_factory.mktemp("trust") / "blobs.zarr"
    writer = create_plate(path, name="blobs", channels=["TL", "DNA"], pixel_size_um=0.5)
    for seed, well in enumerate(WELLS):
        rng = np.random.default_rng(seed)
        signal = blobs(rng, int(rng.integers(15, 19)))
        stain = (200 + 3000 * signal + rng.normal(0, 20, signal.shape)).astype(np.uint16)
        writer.write_field(FieldName(well, 0), np.stack([light(signal, rng), stain]))
    return writer.finish()


@pytest.fixture(scope="session")
def blob_model() -> Model:
    """Give a model whose stain is its normalised input, ELU of it below 0."""
    settings = UNetSettings(width=2, depth=1, residual=True, dropout=False)
    network = UNet(settings)
    with torch.no_grad():
        for weights in network.parameters():
            weights.zero_()
        for layer in (network.down[0].skip, network.up[0].skip, network.head):
            layer.weight[0, 0] = 1
    card = ModelCard(
        name="blobs", stains=("nuclei",), input="TL", targets=("DNA",), network=settings,
        scales=(StainScale(offset=200, gain=3000),), pixel_size_um=0.5, object_diameters_px=(6.0,),
    )  # fmt: skip
    return Model(card, network.eval())


@pytest.fixture(scope="session")
def blob_split(blob_plate) -> Split:
    """Give nine wells to validate on, and three that are never looked at."""
    regions = tuple(whole_field(blob_plate, name) for name in blob_plate.fields)
    return Split((), regions[:9], regions[9:], "well")


@pytest.fixture(scope="session")
def blob_trust(blob_plate, blob_model, blob_split) -> Trust:
    """Give what the model knows of its limits."""
    trust = make_trust(blob_model, blob_plate, blob_split, TrustSettings(each=1, measured=2))
    assert trust is not None
    return trust
