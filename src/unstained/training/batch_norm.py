"""What batch norm divides by, measured on whole regions once the weights are final."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from unstained.networks.unet import UNet

MOST_REGIONS = 8
"""So many regions, spread evenly over the training, are enough."""

SIDE = 1024
"""Of larger regions so much of a corner is, px of the working grid."""


def settle_batch_norm(network: UNet, regions: Sequence[Tensor], mirrors: Sequence[tuple[int, ...]]) -> None:
    """Set the batch norms' means and variances to those of whole label-free regions (1 Y X).

    The running averages of a training are of a few small crops, half of them near signal; a model sees whole
    fields, and each of their `mirrors` (axes of (B C Y X)). The sides of regions are multiples of what the
    network halves by. Afterwards the network is in evaluation mode.
    """
    network.eval()
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    if not norms:
        return
    for norm in norms:
        norm.train()
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over all that is seen
    every = -(-len(regions) // MOST_REGIONS)
    with torch.inference_mode():
        for region in regions[::every]:
            window = region[None, :, :SIDE, :SIDE]
            network(torch.cat([window.flip(axes) for axes in mirrors]))
    network.eval()
