"""A U-Net as prediction runs it: batch norm folded into the convolutions, dropout gone, one graph for all.

The network itself stays as it is. What is folded is the same function of the same planes; sums are rounded in
another order, so values differ by float rounding.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor, nn

from unstained.networks.unet import Block, UNet, UNetSettings

Planes = TypeVar("Planes")
"""Planes (1 C Y X) as a back end knows them: a tensor, or a node of its graph."""


class Convolution(NamedTuple):
    """Weights (outputs inputs k k), of a rising one (inputs outputs 2 2), and biases (outputs)."""

    weight: Tensor
    bias: Tensor


class FoldedBlock(NamedTuple):
    """Two 3×3 convolutions, and a 1×1 one round them in residual blocks."""

    first: Convolution
    second: Convolution
    skip: Convolution | None


class FoldedUNet(NamedTuple):
    """All that the network's function is made of, from the top level down."""

    settings: UNetSettings
    down: tuple[FoldedBlock, ...]
    rise: tuple[Convolution, ...]
    up: tuple[FoldedBlock, ...]
    head: Convolution | None  # none in networks of FRM's ending

    def moved(self, change: Callable[[Tensor], Tensor]) -> "FoldedUNet":
        """Give the same network with every array changed, for example brought to a device."""

        def one(part: Convolution) -> Convolution:
            return Convolution(change(part.weight), change(part.bias))

        def block(of: FoldedBlock) -> FoldedBlock:
            return FoldedBlock(one(of.first), one(of.second), None if of.skip is None else one(of.skip))

        return FoldedUNet(
            self.settings,
            tuple(block(each) for each in self.down),
            tuple(one(each) for each in self.rise),
            tuple(block(each) for each in self.up),
            None if self.head is None else one(self.head),
        )


class Operations(Protocol[Planes]):
    """What a back end must be able to do with planes (1 C Y X)."""

    def convolve(self, planes: Planes, by: Convolution) -> Planes:
        """Convolve to the same Y and X, with zeros beyond the edge."""
        ...

    def rise(self, planes: Planes, by: Convolution) -> Planes:
        """Double Y and X, by a transposed 2×2 convolution."""
        ...

    def pool(self, planes: Planes) -> Planes:
        """Halve Y and X: the largest of 2×2."""
        ...

    def elu(self, planes: Planes) -> Planes:
        """Keep what is above 0; below, exp(x) − 1."""
        ...

    def join(self, one: Planes, other: Planes) -> Planes:
        """Give the channels of both, one after the other."""
        ...

    def add(self, one: Planes, other: Planes) -> Planes:
        """Add, pixel by pixel."""
        ...


def fold(network: UNet) -> FoldedUNet:
    """Fold a trained network's batch norm into its convolutions: w γ/σ and β + (b − μ) γ/σ.

    The factors are computed in float64; what comes out is float32. The network isn't changed.
    """
    head = None if isinstance(network.head, nn.Identity) else _convolution(network.head)
    return FoldedUNet(
        network.settings,
        tuple(_block(block) for block in network.down),
        tuple(_convolution(rise) for rise in network.rise),
        tuple(_block(block) for block in network.up),
        head,
    )


def run_graph(planes: Planes, network: FoldedUNet, by: Operations[Planes]) -> tuple[Planes, Planes]:
    """Give stains (1 outputs Y X) and bottleneck (1 width·2^depth Y/2^depth X/2^depth) of planes."""
    levels = [_through(planes, network.down[0], by)]
    for block in network.down[1:]:
        levels.append(_through(by.pool(levels[-1]), block, by))
    out = levels[-1]
    for level in reversed(range(network.settings.depth)):
        out = _through(by.join(levels[level], by.rise(out, network.rise[level])), network.up[level], by)
    return (out if network.head is None else by.convolve(out, network.head)), levels[-1]


def _through(planes: Planes, block: FoldedBlock, by: Operations[Planes]) -> Planes:
    out = by.convolve(by.elu(by.convolve(planes, block.first)), block.second)
    return by.elu(out if block.skip is None else by.add(out, by.convolve(planes, block.skip)))


def _block(block: nn.Module) -> FoldedBlock:
    assert isinstance(block, Block)
    skip = None if block.skip is None else _convolution(block.skip)
    return FoldedBlock(_convolution(block.first), _convolution(block.second), skip)


def _convolution(module: nn.Module) -> Convolution:
    """Take a convolution's arrays; of a pair with batch norm, folded."""
    if isinstance(module, nn.Sequential):
        return _folded(*module)
    assert isinstance(module, nn.Conv2d | nn.ConvTranspose2d)
    assert module.bias is not None
    return Convolution(module.weight.detach().clone(), module.bias.detach().clone())


def _folded(convolution: nn.Module, norm: nn.Module) -> Convolution:
    assert isinstance(convolution, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    with torch.no_grad():
        factor = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
        shift = norm.bias.double() - norm.running_mean.double() * factor
        if convolution.bias is not None:
            shift = shift + convolution.bias.double() * factor
        weight = convolution.weight.double() * factor[:, None, None, None]
        return Convolution(weight.float(), shift.float())
