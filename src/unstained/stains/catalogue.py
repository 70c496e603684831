"""The stains that are known: names, colours, targets, losses. Users add their own in YAML."""

from pathlib import Path
from typing import Any

from pydantic import Field

from unstained.errors import BadSettings
from unstained.settings import Settings, read_yaml
from unstained.stains.targets import Target


class Stain(Settings):
    """One stain: what it is called, how it is shown, what a network learns of it, and how."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="short, as in tables: `golgi`")
    title: str = Field(description="as people read it")
    colour: str = Field("#ffffff", pattern=r"^#[0-9a-f]{6}$", description="#rrggbb")
    channels: tuple[str, ...] = Field((), description="what its channel is often called, capitals or not")
    target: Target = Target()
    loss: str | None = Field(None, description="of the training; null = that of the recipe")


STAINS: dict[str, Stain] = {
    stain.name: stain
    for stain in (
        Stain(name="nuclei", title="Nuclei", colour="#3c8cff", channels=("DNA", "DAPI", "HOECHST", "H3342")),
        Stain(
            name="er",
            title="Endoplasmic reticulum",
            colour="#3cd28c",
            channels=("ER", "CONCANAVALIN", "ACTIN", "AGP"),
        ),
        Stain(
            name="golgi",
            title="Golgi",
            colour="#ffb43c",
            channels=("GOLGI", "WGA"),
            target=Target(smooth_um=0.3, background="top_hat", radius_um=2.5, clip=1.0),
            loss="asymmetric5+pooled_pearson+0.5*gradient",
        ),
        Stain(name="gfp", title="GFP", colour="#78f03c", channels=("GFP", "FITC")),
    )
}


def find_stain(name: str, known: dict[str, Stain] | None = None) -> Stain:
    """Give the stain of a name; one that nobody described is learnt as it is recorded."""
    return (STAINS if known is None else known).get(name) or Stain(name=name, title=name)


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
        described: dict[str, Any] = {"name": name, "title": name, **values}
        own[name] = Stain.checked(described, f"{path}, stain {name}")
    return STAINS | own
