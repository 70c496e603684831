"""The stains that are known: names, colours, targets, losses, objects, features. Users add theirs in YAML."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from unstained.errors import BadSettings
from unstained.segmentation.nuclei import NucleiSettings
from unstained.segmentation.recipes import Recipe
from unstained.segmentation.spots import SpotSettings
from unstained.settings import Settings, read_yaml
from unstained.stains.targets import Target

CELLS = NucleiSettings(fixed=True, texture=0.0, level=0.25)
"""Whole cells: holes where nuclei are mean nothing, and where cells leave no gap, none is background."""


RESERVED = ("cells", "nucleus")
"""What tables of composites call cells and their nuclei."""


class Stain(Settings):
    """One stain: what it is called, how it is shown, what a network learns of it, what is measured in it."""

    name: str = Field(pattern=r"^[A-Za-z][\w-]*$", description="short, as in tables: `golgi`")
    title: str = Field(description="as people read it")
    colour: str = Field("#ffffff", pattern=r"^#[0-9a-f]{6}$", description="#rrggbb")
    channels: tuple[str, ...] = Field((), description="what its channel is often called, capitals or not")
    target: Target = Target()
    loss: str | None = Field(None, description="of the training; null = that of the recipe")
    objects: Recipe = Field(NucleiSettings(), description="how they are found")
    features: tuple[Literal["granularity"], ...] = Field((), description="measured beside area and light")

    @field_validator("name")
    @classmethod
    def _is_free(cls, name: str) -> str:
        if name in RESERVED:
            raise ValueError(f"{name!r} is what tables call cells and their nuclei; choose another name")
        return name

    def channel_in(self, channels: Iterable[str]) -> str | None:
        """Find the one channel that is called as this stain's often are; None for none, or several."""
        found = [name for name in channels if name.upper() in {each.upper() for each in self.channels}]
        return found[0] if len(found) == 1 else None


STAINS: dict[str, Stain] = {
    stain.name: stain
    for stain in (
        Stain(name="nuclei", title="Nuclei", colour="#3c8cff", channels=("DNA", "DAPI", "HOECHST", "H3342")),
        Stain(
            name="er",
            title="Endoplasmic reticulum",
            colour="#3cd28c",
            channels=("ER", "CONCANAVALIN", "ACTIN", "AGP"),
            objects=CELLS,
            features=("granularity",),
        ),
        Stain(
            name="golgi",
            title="Golgi",
            colour="#ffb43c",
            channels=("GOLGI", "WGA"),
            target=Target(smooth_um=0.3, background="top_hat", radius_um=2.5, clip=1.0),
            loss="asymmetric5+pooled_pearson+0.5*gradient",
            objects=SpotSettings(),
        ),
        Stain(name="gfp", title="GFP", colour="#78f03c", channels=("GFP", "FITC"), objects=CELLS),
    )
}


def stains_in(channels: Iterable[str], known: Mapping[str, Stain] | None = None) -> tuple[str, ...]:
    """Name the stains, of those that are known, that a plate's channels show."""
    names = tuple(channels)
    return tuple(stain.name for stain in (known or STAINS).values() if stain.channel_in(names))


def find_stain(name: str, known: Mapping[str, Stain] | None = None) -> Stain:
    """Give the stain of a name; one that nobody described is learnt as it is recorded.

    Raises
    ------
    BadSettings
        It isn't a name.
    """
    known = STAINS if known is None else known
    return known.get(name) or Stain.checked({"name": name, "title": name}, "--stain")


def read_stains(path: Path) -> dict[str, Stain]:
    """Read stains from a YAML file, each by its name, beside the known ones or in place of them.

    Raises
    ------
    BadSettings
        The file can't be read, or a stain in it is wrong.
    """
    own: dict[str, Stain] = {}
    for name, values in read_yaml(path).items():
        if not isinstance(values, dict):
            raise BadSettings(str(path), f"{name}: it must hold lines of 'name: value'")
        described: dict[str, Any] = {"title": name, **values, "name": name}
        own[name] = Stain.checked(described, f"{path}, stain {name}")
    return STAINS | own
