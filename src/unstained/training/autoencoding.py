"""Train an autoencoder on crops; draw samples from what it learnt."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor
from torch.nn.functional import mse_loss

from unstained.arrays import Planes
from unstained.errors import BadInput
from unstained.networks.autoencoder import SMALL, Autoencoder, AutoencoderSettings
from unstained.settings import Settings

Crops: TypeAlias = NDArray[np.floating]
"""(N Y X) in network units, of any width of float; may lie on disk."""

AT_ONCE = 16

LIMIT = 2.0
"""Network units: what is darker or brighter is clipped; clean fields end before.

In a saturated field a few odd pixels are a hundred times as bright, and would outweigh all cells."""


class AutoencodingSettings(Settings):
    """How an autoencoder is trained."""

    network: AutoencoderSettings = SMALL
    epochs: int = Field(30, ge=1)
    early: int = Field(1, ge=1, description="the state after this epoch is kept beside the last")
    batch: int = Field(16, ge=1, description="crops a step")
    most_crops: int = Field(2000, ge=1, description="of the learnt and of the held-out ones; evenly thinned")
    learning_rate: float = Field(1e-3, gt=0, description="of Adam")
    seed: int = Field(0, ge=0)


class Epoch(NamedTuple):
    """One line of a training's course: mean squared errors, network units."""

    epoch: int
    loss: float  # mean over the epoch's steps
    held_out: float | None  # of crops that aren't learnt from; None = there are none


@dataclass(frozen=True)
class Autoencoded:
    """What a training gives."""

    network: Autoencoder
    early: Autoencoder
    course: tuple[Epoch, ...]


def train_autoencoder(
    crops: Crops,
    settings: AutoencodingSettings,
    held_out: Crops | None = None,
    tell: Callable[[Epoch], None] = lambda _: None,
    device: str = "cpu",
) -> Autoencoded:
    """Learn to give crops (N Y X) back through a small code, by their mean squared error.

    Values are clipped at ± `LIMIT`, here and whenever crops are encoded.

    Raises
    ------
    BadInput
        The crops aren't squares of the network's side, or there are none.
    """
    side = settings.network.side_px
    if not len(crops) or crops.shape[1:] != (side, side):
        raise BadInput(f"an autoencoder of {side} px can't learn from crops of shape {crops.shape}")
    crops = _thinned(crops, settings.most_crops)
    held_out = None if held_out is None else _thinned(held_out, settings.most_crops)
    rng = np.random.default_rng(settings.seed)
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        network = Autoencoder(settings.network).to(device)
    optimiser = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    course, early = [], network
    for epoch in range(1, settings.epochs + 1):
        losses = []
        for rows in _batches(rng.permutation(len(crops)), settings.batch):
            batch = _clipped(crops, rows, device)
            loss = mse_loss(network(batch), batch)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            losses.append(loss.item())
        course.append(Epoch(epoch, float(np.mean(losses)), _error(network, held_out)))
        tell(course[-1])
        if epoch == min(settings.early, settings.epochs):
            early = copy.deepcopy(network)
    return Autoencoded(network.eval(), early.eval(), tuple(course))


def encode_crops(network: Autoencoder, crops: Crops) -> NDArray[np.float32]:
    """Give the codes (N code) of crops (N Y X)."""
    with torch.inference_mode():
        codes = [network.encode(batch).cpu().numpy() for batch in _each(network, crops)]
    return np.concatenate(codes)


def restore_crops(network: Autoencoder, crops: Crops) -> Planes:
    """Give crops (N Y X) as they come back through their codes."""
    with torch.inference_mode():
        return np.concatenate([network(batch)[:, 0].cpu().numpy() for batch in _each(network, crops)])


def draw_crops(
    network: Autoencoder, codes: NDArray[np.float32], number: int, rng: np.random.Generator
) -> Planes:
    """Draw crops (number Y X) from what a network learnt.

    Codes are drawn from the normal distribution with the mean and covariance of known `codes` (N code):
    their deviations from the mean, mixed with normal weights.
    """
    mean = codes.mean(axis=0)
    mixed = rng.standard_normal((number, len(codes))) @ (codes - mean) / np.sqrt(max(len(codes) - 1, 1))
    drawn = torch.from_numpy((mean + mixed).astype(np.float32)).to(_device(network))
    with torch.inference_mode():
        crops: Planes = network.decode(drawn)[:, 0].cpu().numpy()
    return crops


def as_tensor(crops: Crops, rows: NDArray[np.intp], device: str | torch.device) -> Tensor:
    """Give some crops (B 1 Y X) float32 on a device; read in their order, as they may lie on disk."""
    return torch.from_numpy(np.asarray(crops[rows], dtype=np.float32))[:, None].to(device)


def _clipped(crops: Crops, rows: NDArray[np.intp], device: str | torch.device) -> Tensor:
    return as_tensor(crops, rows, device).clamp(-LIMIT, LIMIT)


def _thinned(crops: Crops, most: int) -> Crops:
    return crops[:: max(1, -(-len(crops) // most))]


def _error(network: Autoencoder, crops: Crops | None) -> float | None:
    if crops is None or not len(crops):
        return None
    with torch.inference_mode():
        sums = [float(mse_loss(network(batch), batch, reduction="sum")) for batch in _each(network, crops)]
    return sum(sums) / crops.size


def _each(network: Autoencoder, crops: Crops) -> Iterator[Tensor]:
    for rows in _batches(np.arange(len(crops)), AT_ONCE):
        yield _clipped(crops, rows, _device(network))


def _batches(rows: NDArray[np.intp], size: int) -> Iterator[NDArray[np.intp]]:
    for first in range(0, len(rows), size):
        yield np.sort(rows[first : first + size])


def _device(network: Autoencoder) -> torch.device:
    return next(network.parameters()).device
