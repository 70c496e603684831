"""The thesis' two autoencoders of label-free crops: a small dense code, and a large one that keeps places.

The thesis says of the smallest code that it has 200 numbers. The other isn't described; 2,048 are taken.
"""

from typing import Self

from pydantic import Field, model_validator
from torch import Tensor, nn

from unstained.networks.unet import he_normal
from unstained.settings import Settings

MOST_FILTERS = 128


class AutoencoderSettings(Settings):
    """The shape of an autoencoder; the defaults are the thesis' small one."""

    side_px: int = Field(256, ge=8, description="side of the crops, px")
    code: int = Field(200, ge=1, description="numbers that a crop is put into")
    places: bool = Field(False, description="the code is a small image, not one dense vector")
    width: int = Field(8, ge=1, description="filters of the first level; each halving doubles them, to 128")
    depth: int = Field(5, ge=1, le=8, description="halvings")

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        if self.side_px % 2**self.depth:
            raise ValueError(f"side_px must be a multiple of {2**self.depth}, not {self.side_px}")
        if self.places and self.code % self.innermost_px**2:
            raise ValueError(
                f"a code of places must be a multiple of {self.innermost_px**2}, not {self.code}"
            )
        return self

    @property
    def innermost_px(self) -> int:
        """Side of the innermost features, px."""
        return int(self.side_px // 2**self.depth)

    @property
    def filters(self) -> tuple[int, ...]:
        """Filters of each level, the outermost first."""
        return tuple(min(self.width * 2**level, MOST_FILTERS) for level in range(self.depth))


SMALL = AutoencoderSettings()
LARGE = AutoencoderSettings(code=2048, places=True)


class Autoencoder(nn.Module):
    """Crops (B 1 Y X) → codes (B code) → crops (B 1 Y X).

    Down: 3×3 convolutions of stride 2 with ELU; up: 4×4 transposed ones. Between them a dense layer each
    way, or, where the code keeps places, a 1×1 convolution.
    """

    def __init__(self, settings: AutoencoderSettings) -> None:
        super().__init__()
        self.settings = settings
        filters, side = settings.filters, settings.innermost_px
        down = [
            nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.ELU())
            for inputs, outputs in zip((1, *filters[:-1]), filters, strict=True)
        ]
        up = [
            nn.Sequential(nn.ELU(), nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1))
            for inputs, outputs in zip(filters[::-1], (*filters[-2::-1], 1), strict=True)
        ]
        innermost = (filters[-1], side, side)
        if settings.places:
            shape = (settings.code // side**2, side, side)
            squeeze: list[nn.Module] = [nn.Conv2d(filters[-1], shape[0], 1), nn.Flatten()]
            widen: list[nn.Module] = [nn.Unflatten(1, shape), nn.Conv2d(shape[0], filters[-1], 1)]
        else:
            size = filters[-1] * side**2
            squeeze = [nn.Flatten(), nn.Linear(size, settings.code)]
            widen = [nn.Linear(settings.code, size), nn.Unflatten(1, innermost)]
        self.encoder = nn.Sequential(*down, *squeeze)
        self.decoder = nn.Sequential(*widen, *up)
        self.apply(he_normal)

    def encode(self, crops: Tensor) -> Tensor:
        """Codes (B code) of crops (B 1 Y X)."""
        codes: Tensor = self.encoder(crops)
        return codes

    def decode(self, codes: Tensor) -> Tensor:
        """Crops (B 1 Y X) of codes (B code)."""
        crops: Tensor = self.decoder(codes)
        return crops

    def forward(self, crops: Tensor) -> Tensor:
        return self.decode(self.encode(crops))
