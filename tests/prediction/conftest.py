"""Models small enough to reason about: one that changes nothing, one with random weights."""

import pytest
import torch
from torch import nn

from unstained.networks.bundle import Model, ModelCard
from unstained.networks.normalisation import StainScale
from unstained.networks.unet import UNet, UNetSettings

SMALL = UNetSettings(width=4, depth=2, batch_norm=True)


class Unchanging(nn.Module):
    """A network whose stain is its input; its bottleneck is the input's mean over each 4×4 pixels."""

    def encode(self, planes):
        return [planes, nn.functional.avg_pool2d(planes, SMALL.multiple)]

    def decode(self, levels):
        return levels[0].clone()

    def forward(self, planes):
        return planes.clone()


def make_card(**changes) -> ModelCard:
    values = {
        "name": "test",
        "stains": ("nuclei",),
        "input": "TL",
        "targets": ("DNA",),
        "scales": (StainScale(offset=100, gain=50),),
        "network": SMALL,
        "pixel_size_um": 0.5,
    }
    return ModelCard(**{**values, **changes})


@pytest.fixture(autouse=True)
def one_thread():
    """Compute as each of several workers does, to the last bit, however many cores there are."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def unchanging():
    """Make a model that changes nothing but units, with a card as wanted."""
    return lambda **changes: Model(make_card(**changes), Unchanging())


@pytest.fixture(scope="session")
def random_model():
    """Make a model with random weights, and batch norm with statistics as after training."""

    def make(**changes) -> Model:
        card = make_card(**changes)
        torch.manual_seed(0)
        network = UNet(card.network)
        with torch.no_grad():
            for _ in range(3):
                network(torch.randn(2, 1, 64, 64) * 2 + 1)
        return Model(card, network.eval())

    return make
