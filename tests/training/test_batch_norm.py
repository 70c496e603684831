"""Batch norm divides by what whole regions show."""

import torch
from torch import nn

from unstained.networks.unet import MIRRORS, UNet, UNetSettings
from unstained.training.batch_norm import settle_batch_norm


def regions() -> list[torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    return [torch.randn(1, 64, 64, generator=draw) * spread + 3 for spread in (1.0, 2.0, 5.0)]


def test_settled_norms_give_zero_mean_and_unit_variance_on_the_regions() -> None:
    network = UNet(UNetSettings(width=4, depth=2, batch_norm=True))  # dropout is on, and must not count
    seen: list[torch.Tensor] = []
    first = next(module for module in network.modules() if isinstance(module, nn.BatchNorm2d))
    settle_batch_norm(network, regions(), MIRRORS)
    first.register_forward_hook(lambda _module, _input, output: seen.append(output.detach()))
    with torch.inference_mode():
        for region in regions():
            for axes in MIRRORS:
                network(region[None].flip(axes))
    values = torch.stack(seen)
    torch.testing.assert_close(values.mean(dim=(0, 1, 3, 4)), torch.zeros(4), atol=1e-4, rtol=0)
    within = values.var(dim=(1, 3, 4)).mean(dim=0)  # a mean of the regions' variances
    torch.testing.assert_close(within, torch.ones(4), atol=0.02, rtol=0)


def test_a_network_without_batch_norm_stays_as_it_is() -> None:
    network = UNet(UNetSettings(width=4, depth=1))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    settle_batch_norm(network, regions(), MIRRORS)
    assert not network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_it_can_be_repeated() -> None:
    network = UNet(UNetSettings(width=4, depth=2, batch_norm=True))
    settle_batch_norm(network, regions(), MIRRORS)
    once = {name: value.clone() for name, value in network.state_dict().items()}
    settle_batch_norm(network, regions(), MIRRORS)
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, once[name])
