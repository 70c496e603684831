"""A plate of blobs, a model whose stain is what the light shows, and a folder of its results."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.ndimage import gaussian_filter

from unstained import pipeline
from unstained.networks.bundle import Model, ModelCard, save_model
from unstained.networks.normalisation import StainScale
from unstained.networks.unet import UNet, UNetSettings
from unstained.plates.plate import FieldName, Plate, create_plate
from unstained.plates.regions import whole_field
from unstained.plates.splitting import Split
from unstained.prediction.labeller import load_model
from unstained.trust.kept import to_files
from unstained.trust.making import TrustSettings, make_trust

SIDE = 96
WELLS = ("A01", "A02", "B01", "B02", "C01", "C02")


def field_of(seed: int) -> np.ndarray:
    """Draw one field of sharp blobs: label-free and stained (2 Y X), 16 bit."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    signal = np.zeros((SIDE, SIDE))
    for _ in range(12 + seed % 4):
        inside = np.hypot(y - rng.uniform(4, SIDE - 4), x - rng.uniform(4, SIDE - 4)) < rng.uniform(3, 4.5)
        signal = np.maximum(signal, rng.uniform(0.7, 1.0) * inside)
    signal = gaussian_filter(signal, 0.7)
    light = 1000 + 600 * signal + rng.normal(0, 10, signal.shape)
    return np.stack([light, 200 + 3000 * signal + rng.normal(0, 20, signal.shape)]).astype(np.uint16)


@pytest.fixture(scope="session")
def app_plate(tmp_path_factory) -> Plate:
    """Give a recorded plate of six wells with one field each, and what is in them."""
    path = tmp_path_factory.mktemp("app-plate") / "blobs.zarr"
    conditions = pd.DataFrame({"well": WELLS, "clone": ["K1", "K1", "K2", "K2", "K3", "K3"]})
    writer = create_plate(
        path, name="blobs", channels=["TL", "DNA"], pixel_size_um=0.5, conditions=conditions
    )
    for seed, well in enumerate(WELLS):
        writer.write_field(FieldName(well, 0), field_of(seed))
    return writer.finish()


@pytest.fixture(scope="session")
def app_model(app_plate, tmp_path_factory) -> Path:
    """Give the path of a model whose stain is its normalised input, and which knows its limits."""
    settings = UNetSettings(width=2, depth=1, residual=True, dropout=False)
    network = UNet(settings)
    with torch.no_grad():
        for weights in network.parameters():
            weights.zero_()
        for layer in (network.down[0].skip, network.up[0].skip, network.head):
            layer.weight[0, 0] = 1
    card = ModelCard(
        name="blobs", stains=("nuclei",), input="TL", targets=("DNA",), network=settings, licence="MIT",
        scales=(StainScale(offset=200, gain=3000),), pixel_size_um=0.5, object_diameters_px=(8.0,),
    )  # fmt: skip
    model = Model(card, network.eval())
    regions = tuple(whole_field(app_plate, name) for name in app_plate.fields)
    trust = make_trust(model, app_plate, Split((), regions, (), "well"), TrustSettings(each=1, measured=2))
    assert trust is not None
    path: Path = tmp_path_factory.mktemp("app-model") / "blobs"
    return save_model(Model(card, model.network, to_files(trust)), path)


@pytest.fixture(scope="session")
def app_results(app_plate, app_model, tmp_path_factory) -> Path:
    """Give a folder of results: predicted plate, tables, evaluation."""
    out: Path = tmp_path_factory.mktemp("app-results")
    predicted = pipeline.predict(app_plate, [load_model(app_model, "cpu")], out / "predicted.zarr")
    pipeline.measure(predicted, out / "tables", overwrite=True)
    pipeline.evaluate(predicted, app_plate, out / "evaluation", fields="all")
    return out
