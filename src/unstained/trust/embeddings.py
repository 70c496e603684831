"""From crops to points: the U-Net's bottleneck (flattened or pooled), autoencoder codes, plain features."""

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA, IncrementalPCA

from unstained.arrays import Mask
from unstained.errors import BadSettings, listed
from unstained.networks.autoencoder import LARGE, SMALL, AutoencoderSettings
from unstained.networks.unet import UNet
from unstained.training.autoencoding import (
    Autoencoded,
    AutoencodingSettings,
    as_tensor,
    encode_crops,
    train_autoencoder,
)
from unstained.trust.crops import Crops
from unstained.trust.reducing import Block

Rows: TypeAlias = NDArray[np.intp]
Bottlenecks: TypeAlias = NDArray[np.float32]
"""(B C Y X): 256 × 16 × 16 of the thesis' network and crops."""

BOTTLENECK, POOLED, PLAIN, TOGETHER = "bottleneck", "pooled", "plain", "together"
AUTOENCODERS: dict[str, AutoencoderSettings] = {"autoencoder-200": SMALL, "autoencoder-2048": LARGE}

EMBEDDINGS = {
    BOTTLENECK: "the U-Net's bottleneck, flattened: the thesis' 65,536 numbers, in principal components",
    POOLED: "the U-Net's bottleneck, its mean over the crop: 256 numbers",
    "autoencoder-200": "the code of the thesis' small autoencoder",
    "autoencoder-2048": "the code of the thesis' large autoencoder",
    PLAIN: "light, radial spectrum, Laplacian, percentiles and orientation; no network",
    TOGETHER: "plain and pooled, each half of it",
}

COMPONENTS = 50
"""Of the flattened bottleneck, and of codes, so many principal components are kept."""

PCA_ROWS, NETWORK_ROWS = 64, 8
"""Crops whose flattened bottlenecks (PCA), and whose features of all levels (network), are held at once."""


def find_embedding(name: str) -> str:
    """Give the name of an embedding back.

    Raises
    ------
    BadSettings
        There is none of that name.
    """
    if name not in EMBEDDINGS:
        raise BadSettings("embedding", f"{name!r} is none; there are: {listed(EMBEDDINGS)}")
    return name


def embed_crops(
    names: Sequence[str],
    crops: Crops,
    fitted: Mask,
    network: UNet,
    learnt: Mapping[str, Autoencoded] | None = None,
    device: str = "cpu",
) -> dict[str, tuple[Block, ...]]:
    """Give the points of crops in several embeddings; components are found among `fitted` crops (N).

    An autoencoder's codes need it trained: `learnt` holds, by embedding, what `train_for` gave.

    Raises
    ------
    BadSettings
        There is none of a name, or its autoencoder is missing.
    """
    found: dict[str, tuple[Block, ...]] = {}
    of_network = {find_embedding(name) for name in names} & {BOTTLENECK, POOLED, TOGETHER}
    if of_network:
        unet = embed_unet(network, crops, fitted, flattened=BOTTLENECK in of_network, device=device)
        found |= {name: (block,) for name, block in unet.items()}
        found[TOGETHER] = (Block(crops.plain), unet[POOLED])
    for name in names:
        if name == PLAIN:
            found[name] = (Block(crops.plain),)
        elif name in AUTOENCODERS:
            if name not in (learnt or {}):
                raise BadSettings("embedding", f"{name} needs its autoencoder to be trained first")
            found[name] = (code_block(encode_crops((learnt or {})[name].network, crops.seen), fitted),)
    return {name: found[name] for name in names}


def embed_unet(
    network: UNet, crops: Crops, fitted: Mask, *, flattened: bool = True, device: str = "cpu"
) -> dict[str, Block]:
    """Give the U-Net's bottleneck pooled (N 256) and flattened, in principal components (N ≤50).

    65,536 × N numbers are never held: components are found batch by batch (incremental PCA, Ross et al. 2008,
    doi:10.1007/s11263-007-0075-7), in a pass over the fitted crops before the one that gives all points.
    """
    network = copy.deepcopy(network).eval().to(device)
    pca = None
    if flattened:
        known = np.flatnonzero(fitted)
        pca = incremental_pca(_flat(network, crops, known), min(COMPONENTS, len(known)))
    pooled, found = [], []
    for batch in bottlenecks(network, crops, np.arange(len(crops.seen))):
        pooled.append(batch.mean(axis=(2, 3), dtype=np.float64))
        if pca is not None:
            found.append(pca.transform(batch.reshape(len(batch), -1)).astype(np.float64))
    blocks = {POOLED: Block(np.concatenate(pooled))}
    return blocks if pca is None else {BOTTLENECK: Block(np.concatenate(found), alike=True), **blocks}


def code_block(codes: NDArray[np.float32], fitted: Mask) -> Block:
    """Give an autoencoder's codes (N code) in their principal components (N ≤50)."""
    pca = PCA(min(COMPONENTS, int(fitted.sum()), codes.shape[1]), random_state=0).fit(codes[fitted])
    return Block(pca.transform(codes).astype(np.float64), alike=True)


def bottlenecks(network: UNet, crops: Crops, rows: Rows) -> Iterator[Bottlenecks]:
    """Give the bottlenecks (B C Y X) of some crops, in batches of `PCA_ROWS` at least."""
    device = next(network.parameters()).device
    for batch in np.array_split(rows, max(1, len(rows) // PCA_ROWS)):
        with torch.inference_mode():
            parts = [
                network.embed(
                    as_tensor(crops.seen, part, device).contiguous(memory_format=torch.channels_last)
                )
                for part in np.array_split(batch, -(-len(batch) // NETWORK_ROWS))
            ]
            yield torch.cat(parts).cpu().contiguous().numpy()


def incremental_pca(batches: Iterable[NDArray[Any]], components: int) -> IncrementalPCA:
    """Find the first principal components of batches (B feature), each of at least `components` rows."""
    pca = IncrementalPCA(components)
    for batch in batches:
        pca.partial_fit(batch)
    return pca


def train_for(
    name: str,
    crops: Crops,
    fitted: Mask,
    settings: AutoencodingSettings,
    tell: Callable[[str], None] = lambda _: None,
    device: str = "cpu",
) -> Autoencoded:
    """Train the autoencoder of an embedding on the fitted crops; the others' error is told beside."""
    network = AUTOENCODERS[name].updated(side_px=crops.seen.shape[1])
    return train_autoencoder(
        crops.seen[fitted],
        settings.updated(network=network.model_dump()),
        crops.seen[~fitted],
        lambda line: tell(f"{name}, epoch {line.epoch}: mean squared error {line.loss:.4f}"),
        device,
    )


def _flat(network: UNet, crops: Crops, rows: Rows) -> Iterator[NDArray[np.float32]]:
    for batch in bottlenecks(network, crops, rows):
        yield batch.reshape(len(batch), -1)
