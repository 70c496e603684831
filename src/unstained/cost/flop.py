"""How many floating-point operations a network takes, counted and not timed."""

import torch

from unstained.networks.unet import UNet, UNetSettings


def forward_flop(network: UNetSettings, side_px: int = 256) -> float:
    """Count the FLOP of one prediction, per pixel of the working grid; a multiply-add counts as two.

    Convolutions are counted; what else there is (ELU, batch norm) waits for memory rather than computes.
    """
    with torch.inference_mode():
        return _counted(network, side_px, 1, backward=False) / side_px**2


def step_flop(network: UNetSettings, side_px: int, batch: int) -> float:
    """Count the FLOP of one training step: a batch of crops of `side_px`, forward and backward."""
    return _counted(network, side_px, batch, backward=True)


def _counted(network: UNetSettings, side_px: int, batch: int, *, backward: bool) -> float:
    from torch.utils.flop_counter import FlopCounterMode  # slow to import, and rarely needed

    with torch.device("meta"):  # shapes without numbers: nothing is computed
        model = UNet(network)
        planes = torch.empty(batch, network.inputs, side_px, side_px)
    with FlopCounterMode(display=False) as counter:
        stains = model(planes)
        if backward:
            stains.sum().backward()
    return float(counter.get_total_flops())
