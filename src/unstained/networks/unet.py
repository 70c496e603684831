"""The U-Net of the thesis, its FRM ending, and the options that the default recipe uses, in one file.

LaChance & Cohen 2020 (fluorescence reconstruction microscopy, FRM), doi:10.1371/journal.pcbi.1008443;
Ronneberger et al. 2015 for the U-shape.
"""

from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from unstained.settings import Settings

# Per level from the top down to the bottleneck, mirrored on the way up (SCIENCE §2).
THESIS_DROPOUT = (0.1, 0.1, 0.2, 0.2, 0.3)

MIRRORS = ((), (2,), (3,), (2, 3))
"""Axes of (B C Y X) that are turned round for the mirror images whose predictions are averaged."""

LIT_MIRRORS = ((), (3,))
"""The same where light falls down the rows and has to stay so."""


class UNetSettings(Settings):
    """The shape of a network; the defaults are the thesis' network exactly (1,940,817 weights)."""

    inputs: int = Field(1, ge=1, description="label-free planes that go in")
    outputs: int = Field(1, ge=1, description="stains that come out")
    width: int = Field(16, ge=1, description="filters of the first level; each halving doubles them")
    depth: int = Field(4, ge=1, le=6, description="halvings")
    batch_norm: bool = Field(False, description="normalise each convolution's output over the batch")
    residual: bool = Field(False, description="add each block's input to its output")
    dropout: bool = Field(True, description="drop .1/.1/.2/.2/.3 of each level's values while training")
    ending: Literal["head", "frm"] = Field("head", description="1×1 linear head, or FRM's 3×3 with ELU")
    initial: Literal["he_normal", "glorot_uniform", "small_normal"] = Field(
        "he_normal", description="how weights are drawn at first; small_normal: all with σ = 0.02"
    )

    @model_validator(mode="after")
    def _frm_has_one_stain(self) -> Self:
        if self.ending == "frm" and (self.outputs != 1 or self.residual):
            raise ValueError("the frm ending goes with one output and without residual blocks")
        return self

    @property
    def multiple(self) -> int:
        """Side lengths must be multiples of this, px."""
        return int(2**self.depth)

    @property
    def halo(self) -> int:
        """How far an input pixel can reach in the output, px (half the receptive field, rounded up).

        Two 3×3 convolutions per level reach 2·2^l, down and up; the bottleneck 2·2^depth; each
        pooling or transposed convolution aligns to 2^l, together up to 2^depth − 1.
        """
        reach = 4 * (self.multiple - 1) + 2 * self.multiple + self.multiple - 1
        return -(-reach // self.multiple) * self.multiple


class Block(nn.Module):
    """Two 3×3 convolutions with ELU: (B C Y X) → (B filters Y X)."""

    def __init__(self, inputs: int, filters: int, dropout: float, settings: UNetSettings) -> None:
        super().__init__()
        self.first = _convolution(inputs, filters, settings.batch_norm)
        self.drop = nn.Dropout2d(dropout) if settings.batch_norm else nn.Dropout(dropout)
        self.second = _convolution(filters, filters, settings.batch_norm)
        self.skip = nn.Conv2d(inputs, filters, 1) if settings.residual else None

    def forward(self, planes: Tensor) -> Tensor:
        out: Tensor = self.second(self.drop(nn.functional.elu(self.first(planes))))
        if self.skip is not None:
            out = out + self.skip(planes)
        return nn.functional.elu(out)


class UNet(nn.Module):
    """Label-free planes (B inputs Y X) → stains (B outputs Y X); Y and X multiples of 2**depth."""

    def __init__(self, settings: UNetSettings) -> None:
        super().__init__()
        self.settings = settings
        filters = [settings.width * 2**level for level in range(settings.depth + 1)]
        drops = [THESIS_DROPOUT[min(level, 4)] if settings.dropout else 0.0 for level in range(len(filters))]
        self.down = nn.ModuleList(
            Block(inputs, out, drop, settings)
            for inputs, out, drop in zip([settings.inputs, *filters[:-1]], filters, drops, strict=True)
        )
        self.rise = nn.ModuleList(
            nn.ConvTranspose2d(filters[level + 1], filters[level], 2, stride=2)
            for level in range(settings.depth)
        )
        self.up = nn.ModuleList(
            Block(2 * filters[level], filters[level], drops[level], settings)
            for level in range(settings.depth)
        )
        self.head: nn.Module = nn.Conv2d(filters[0], settings.outputs, 1)
        if settings.ending == "frm":
            self.up[0].second = nn.Conv2d(filters[0], 1, 3, padding=1)
            self.head = nn.Identity()
        self.apply(INITIAL[settings.initial])

    def encode(self, planes: Tensor) -> list[Tensor]:
        """Features of every level, the bottleneck last: (B width·2^l Y/2^l X/2^l)."""
        levels = [self.down[0](planes)]
        for block in self.down[1:]:
            levels.append(block(nn.functional.max_pool2d(levels[-1], 2)))
        return levels

    def decode(self, levels: list[Tensor]) -> Tensor:
        """Stains (B outputs Y X) from the features of `encode`."""
        out = levels[-1]
        for level in reversed(range(self.settings.depth)):
            joined = torch.cat([levels[level], self.rise[level](out)], dim=1)
            out = self.up[level](joined)
        stains: Tensor = self.head(out)
        return stains

    def forward(self, planes: Tensor) -> Tensor:
        return self.decode(self.encode(planes))

    def embed(self, planes: Tensor) -> Tensor:
        """Give the bottleneck (B width·2^depth Y/2^depth X/2^depth); 256×16×16 for the thesis' 256² crop."""
        return self.encode(planes)[-1]


def he_normal(module: nn.Module) -> None:
    """He et al. 2015: normal weights of variance 2 / inputs, zero biases; the thesis' and FRM's start."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def glorot_uniform(module: nn.Module) -> None:
    """Glorot & Bengio 2010: uniform weights of variance 2 / (inputs + outputs), zero biases."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def small_normal(module: nn.Module) -> None:
    """Draw normal weights of one width whatever their number, zero biases: what was usual before."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


INITIAL = {each.__name__: each for each in (he_normal, glorot_uniform, small_normal)}


def weight_count(network: nn.Module) -> int:
    """Count the trainable numbers."""
    return sum(weights.numel() for weights in network.parameters() if weights.requires_grad)


def _convolution(inputs: int, filters: int, batch_norm: bool) -> nn.Module:
    if not batch_norm:
        return nn.Conv2d(inputs, filters, 3, padding=1)
    return nn.Sequential(nn.Conv2d(inputs, filters, 3, padding=1, bias=False), nn.BatchNorm2d(filters))
