"""The two autoencoders: the size of their codes, and what of a crop a number of the code sees."""

import pytest
import torch

from unstained.errors import BadSettings
from unstained.networks.autoencoder import LARGE, SMALL, Autoencoder, AutoencoderSettings

TINY = {"side_px": 64, "width": 4, "depth": 4}


@pytest.mark.parametrize(("settings", "code"), [(SMALL, 200), (LARGE, 2048)])
def test_a_crop_of_256_px_becomes_the_thesis_code_and_a_crop_again(settings, code):
    network = Autoencoder(settings)
    crop = torch.zeros(1, 1, 256, 256)
    assert network.encode(crop).shape == (1, code)
    assert network(crop).shape == crop.shape


def reached(settings: AutoencoderSettings) -> torch.Tensor:
    """Give the numbers of the code that a change in the crop's upper left corner reaches."""
    torch.manual_seed(0)
    network = Autoencoder(settings)
    crop = torch.randn(1, 1, 64, 64)
    other = crop.clone()
    other[..., :4, :4] += 1
    with torch.inference_mode():
        return (network.encode(crop) - network.encode(other))[0].abs() > 1e-6


def test_a_code_of_places_keeps_places_and_a_dense_one_does_not():
    places = reached(AutoencoderSettings(code=32, places=True, **TINY)).reshape(2, 4, 4)
    assert places[:, 0, 0].all()
    assert not places[:, 2:].any()
    assert not places[:, :, 2:].any()
    assert reached(AutoencoderSettings(code=32, **TINY)).all()


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"side_px": 100}, "multiple of 32"), ({"places": True, "code": 200}, "multiple of 64")],
)
def test_sizes_that_do_not_fit_are_refused(changes, said):
    with pytest.raises(BadSettings, match=said):
        SMALL.updated(**changes)
