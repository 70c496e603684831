"""Which models are at hand, and which of them fit the images of a plate."""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unstained.errors import BadInput, UnstainedError, listed
from unstained.networks.bundle import CARD, ModelCard, bundled_models, read_card
from unstained.plates.plate import Plate
from unstained.prediction.grids import MOST_ZOOM, pixel_scale
from unstained.prediction.plates import summarised


@dataclass(frozen=True)
class Listed:
    """One model at hand; `misfit` says why it doesn't fit a plate, None where it does or none was given."""

    path: Path
    bundled: bool
    card: ModelCard
    misfit: str | None = None
    caution: str | None = None

    @property
    def name(self) -> str:
        """By which name or path a command takes it."""
        return self.path.name if self.bundled else str(self.path)

    def to_json(self) -> dict[str, Any]:
        """Give plain values: the card's summary, and whether the model fits."""
        return {
            "model": self.name, "path": str(self.path), "bundled": self.bundled, "fits": self.misfit is None,
            "reason": self.misfit or self.caution, "card": summarised(self.card),
        }  # fmt: skip


def models_at_hand(folder: Path | None = None, plate: Plate | None = None) -> list[Listed]:
    """List the bundled models, and those in `folder`; with a plate, say of each whether it fits.

    Raises
    ------
    BadInput
        There is no such folder.
    BadModel
        A model's card can't be read.
    """
    found = [Listed(path, True, read_card(path)) for path in bundled_models().values()]
    if folder is not None:
        if not folder.is_dir():
            raise BadInput(f"no folder of models at {folder}")
        paths = sorted(path for path in (folder, *folder.iterdir()) if _is_model(path))
        found += [Listed(path, False, read_card(path)) for path in paths]
    if plate is None:
        return found
    return [
        Listed(each.path, each.bundled, each.card, misfit(each.card, plate), caution(each.card, plate))
        for each in found
    ]


def _is_model(path: Path) -> bool:
    """Tell whether a folder or a .zip holds a model's card; other programs' packages are .zip files, too."""
    if path.suffix != ".zip" or not zipfile.is_zipfile(path):
        return (path / CARD).is_file()
    with zipfile.ZipFile(path) as inside:
        return CARD in inside.namelist()


def misfit(card: ModelCard, plate: Plate) -> str | None:
    """Say why a model can't be used on a plate; None where it can."""
    if card.input not in plate.channels:
        return f"it reads channel {card.input}, and the plate holds: {listed(plate.channels)}"
    try:
        pixel_scale(card, plate.pixel_size_um)
    except UnstainedError:
        sizes = f"{card.pixel_size_um:g} µm, those of the plate {plate.pixel_size_um:g} µm"
        return f"its pixels are {sizes}, not within a factor of {MOST_ZOOM:g}"
    return None


def caution(card: ModelCard, plate: Plate) -> str | None:
    """Say what can't be told of a model's fit to a plate; None where all is known."""
    if card.simulated and not plate.info.get("simulated"):
        return "it has only seen simulated images; go on from it with a few stained fields"
    if card.pixel_size_um is None or plate.pixel_size_um is None:
        whose = "the model" if card.pixel_size_um is None else "the plate"
        return f"the pixel size of {whose} is not known; pixels would be taken as equal"
    return None
