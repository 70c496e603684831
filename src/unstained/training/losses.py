"""Losses between predicted and real stains (B stain Y X), each one number; sums of them by name.

`"mse+pearson"` adds two; `"mse+0.5*pearson"` weighs one. Pearson: r as (1 − r) / 2, per crop and stain, or
pooled over the batch; what has no contrast in the real stain is skipped.
"""

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from unstained.errors import BadSettings

Loss: TypeAlias = Callable[[Tensor, Tensor], Tensor]

FLAT = 1e-6
"""Variance below which a crop counts as constant, network units squared."""


def mse(predicted: Tensor, real: Tensor) -> Tensor:
    """Mean squared error."""
    return functional.mse_loss(predicted, real)


def bce(predicted: Tensor, real: Tensor) -> Tensor:
    """Binary cross-entropy between logits and a target of 0 and 1."""
    return functional.binary_cross_entropy_with_logits(predicted, real)


def pearson(predicted: Tensor, real: Tensor) -> Tensor:
    """(1 − r) / 2, with r the Pearson correlation of each crop and stain; 0 at best, 1 at worst."""
    correlation, contrast = correlations(predicted, real)
    loss = (1 - correlation) / 2
    return (loss * contrast).sum() / contrast.sum().clamp(min=1)


def pooled_pearson(predicted: Tensor, real: Tensor) -> Tensor:
    """(1 − r) / 2 of each stain over all crops together: as a field is scored, bright crops count most."""
    return pearson(predicted.transpose(0, 1).flatten(1)[None], real.transpose(0, 1).flatten(1)[None])


def gradient(predicted: Tensor, real: Tensor) -> Tensor:
    """Mean |∇predicted − ∇real| over both axes: small structures count by their edges."""
    difference = predicted - real
    return difference.diff(dim=-1).abs().mean() + difference.diff(dim=-2).abs().mean()


def correlations(predicted: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """Pearson r of each crop and stain (B stain), and 1 where the real one has any contrast."""
    predicted = predicted.flatten(2) - predicted.flatten(2).mean(-1, keepdim=True)
    real = real.flatten(2) - real.flatten(2).mean(-1, keepdim=True)
    spread = predicted.square().mean(-1) * real.square().mean(-1)
    r = (predicted * real).mean(-1) / torch.sqrt(spread + FLAT**2)
    return r, (real.square().mean(-1) > FLAT).to(r)


def _asymmetric(weight: float) -> Loss:
    """Make a mean squared error that counts `weight` times where signal is missing (thesis, Figs. 32–33)."""

    def loss(predicted: Tensor, real: Tensor) -> Tensor:
        squared = (real - predicted).square()
        return torch.where(real > predicted, weight * squared, squared).mean()

    return loss


LOSSES: dict[str, Loss] = {
    **{loss.__name__: loss for loss in (mse, bce, pearson, pooled_pearson, gradient)},
    **{f"asymmetric{weight}": _asymmetric(weight) for weight in (2, 5, 10)},
}


def named_loss(name: str) -> Loss:
    """Make a loss from a name like `mse`, `mse+pearson` or `mse+0.5*pearson`.

    Raises
    ------
    BadSettings
        A part isn't a loss, or its weight isn't a positive number.
    """
    parts = [_weighted(part.strip(), name) for part in name.split("+")]

    def total(predicted: Tensor, real: Tensor) -> Tensor:
        return torch.stack([weight * loss(predicted, real) for weight, loss in parts]).sum()

    return total


def _weighted(part: str, name: str) -> tuple[float, Loss]:
    weight, _, loss = part.rpartition("*")
    try:
        factor = float(weight) if weight else 1.0
    except ValueError:
        factor = -1.0
    if loss not in LOSSES or not 0 < factor < float("inf"):
        raise BadSettings("loss", f"{name!r} is not a sum of losses like 'mse+0.5*pearson'", known=LOSSES)
    return factor, LOSSES[loss]
