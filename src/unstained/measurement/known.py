"""What a predicted plate tells of a stain: which model made it, how its objects are found, of what size."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from unstained.arrays import Labels, Plane, RawPlane
from unstained.measurement.objects import measure_objects
from unstained.segmentation.nuclei import NucleiSettings
from unstained.segmentation.others import OtherSettings
from unstained.segmentation.recipes import Recipe, segment, with_likely
from unstained.segmentation.spots import SpotSettings
from unstained.stains.catalogue import Stain, find_stain
from unstained.stains.targets import Target, make_target

if TYPE_CHECKING:
    from unstained.plates.plate import Plate

LIKELY = 0.5
"""A predicted object counts from this share of a faint real one's brightness: as likely there as not."""

FIRST_THRESHOLD = 0.4
"""Where cells share a threshold, it stands at this share of a faint cell's brightness."""


MEASURED = "measured"
"""Key of a plate's info: with which settings each stain was segmented; there when all fields are done."""


@dataclass(frozen=True)
class KnownStain:
    """One stain of a predicted plate, as its model describes it; what isn't known is None."""

    stain: Stain
    card: Mapping[str, Any]  # of its model; empty where the plate tells of none
    target: str | None = None  # channel that it was learnt from
    diameter_px: float | None = None  # typical object, px of the training images
    contrast: float | None = None  # of a faint object, camera units
    background: float | None = None  # camera units
    mask_level: float | None = None  # camera units above which it was learnt as 1
    likely_spots: SpotSettings | None = None  # how predicted spots are found

    def learnt(self, real: RawPlane, pixel_size_um: float | None) -> RawPlane:
        """Make of a real stain (Y X) what the model learnt of it; the very plane where that is all."""
        recipe = self.stain.target
        target = real if recipe.is_recorded else make_target(real, recipe, pixel_size_um=pixel_size_um)
        return target if self.mask_level is None else (target > self.mask_level).astype(np.float32)

    def likely(self, recipe: Recipe) -> Recipe:
        """Make of a recipe for the real stain one that finds in the predicted stain what is likely there.

        A network that is unsure predicts the mean of what may be there, so half the brightness says "as
        likely as not". The measure is what three of four real objects of the training stain exceed. Spots are
        so small that hardly one is likelier than not at any place: they are found where they are likeliest,
        as many as training showed there to be.
        """
        if isinstance(recipe, SpotSettings):
            return self.likely_spots or recipe
        if isinstance(recipe, OtherSettings):
            return recipe
        return with_likely(recipe, least_contrast=max(recipe.least_contrast, LIKELY * (self.contrast or 0.0)))

    def diameter_um(self, pixel_size_um: float | None) -> float | None:
        """Typical object in µm; its pixels count as those of a plate where either pixel size is unknown."""
        if self.diameter_px is None:
            return None
        its_size_um = self.card.get("pixel_size_um") if pixel_size_um else None
        return float(self.diameter_px * (its_size_um or pixel_size_um or 1.0))

    def recipe(self, pixel_size_um: float | None, *, predicted: bool) -> Recipe:
        """Say how objects are found, in all fields alike; in the `predicted` stain only the likely ones."""
        recipe = with_likely(self.stain.objects, diameter_um=self.diameter_um(pixel_size_um))
        if predicted:
            recipe = self.likely(recipe)
        if self.contrast is None or self.background is None:
            return recipe
        if isinstance(recipe, NucleiSettings) and recipe.fixed:
            return recipe.updated(background=self.background, threshold=FIRST_THRESHOLD * self.contrast)
        return recipe

    def objects_in(
        self, plane: Plane, recipe: Recipe, pixel_size_um: float | None
    ) -> tuple[Labels, pd.DataFrame]:
        """Find and measure the objects of this stain in a plane (Y X): labels, and a row for each object."""
        labels = segment(plane, recipe, pixel_size_um=pixel_size_um)
        features, background = self.stain.features, self.background
        return labels, measure_objects(
            labels, plane, pixel_size_um=pixel_size_um, features=features, background=background
        )


def known_stain(predicted: "Plate", name: str) -> KnownStain:
    """Collect what a predicted plate tells of one of its stains."""
    return described_stain(model_card(predicted, name), name)


def described_stain(card: Mapping[str, Any], name: str) -> KnownStain:
    """Collect what a model's card, in plain values, tells of one of its stains."""
    spots = _of_stain(card, "likely_spots", name)
    described = _of_stain(card, "described", name)
    if described is None:  # of older or other makers' cards: learnt as recorded
        stain = find_stain(name).updated(target=Target())
    else:
        stain = Stain.checked(described, "model.json")
    return KnownStain(
        stain=stain,
        card=card,
        target=_of_stain(card, "targets", name),
        diameter_px=_of_stain(card, "object_diameters_px", name),
        contrast=_of_stain(card, "object_contrasts", name),
        background=_of_stain(card, "backgrounds", name),
        mask_level=_of_stain(card, "mask_levels", name),
        likely_spots=None if spots is None else SpotSettings.checked(spots, "model.json"),
    )


def is_measured(predicted: "Plate") -> bool:
    """Tell whether all fields of a plate were measured, in one and the same way."""
    return predicted.info.get(MEASURED) is not None


def other_segmenter(predicted: "Plate", stain: str) -> OtherSettings | None:
    """Give the function of somebody else that found a stain's objects in a plate; None where ours did."""
    used = (predicted.info.get(MEASURED) or {}).get(stain, {})
    return OtherSettings(function=used["function"]) if used.get("method") == "other" else None


def model_card(predicted: "Plate", stain: str) -> Mapping[str, Any]:
    """Give what a predicted plate tells of the model of one stain; empty where it tells nothing."""
    told = predicted.info.get("models", ())
    return next((card for card in told if stain in card.get("stains", ())), {})


def input_of(predicted: "Plate", stain: str) -> str | None:
    """Name the channel that a stain was predicted from; models of one plate may look at different ones."""
    card = model_card(predicted, stain)
    each: Mapping[str, str] = predicted.info.get("request", {}).get("inputs", {})
    return each.get(card.get("name", "")) or predicted.info.get("input") or card.get("input")


def _of_stain(card: Mapping[str, Any], key: str, stain: str) -> Any:
    """Give a stain's own entry of what a card lists per stain; None where it lists nothing."""
    return dict(zip(card.get("stains", ()), card.get(key, ()), strict=False)).get(stain)
