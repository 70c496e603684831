"""Hold a predicted plate against the real stain: images, objects, measurements, and what there is to beat."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import Field

from unstained.arrays import Labels, RawPlane
from unstained.errors import BadInput, MissingChannel
from unstained.measurement.evaluation_record import Evaluation as Evaluation
from unstained.measurement.evaluation_record import FieldScores
from unstained.measurement.floors import LinearFilter, fit_linear_filter
from unstained.measurement.scoring import FieldPlanes, ScoredField, score_field
from unstained.measurement.summary import Context, summarise
from unstained.measurement.unseen import Choice, Selection, input_fingerprints, select_regions
from unstained.plates.plate import FieldName, Plate
from unstained.plates.regions import Region
from unstained.segmentation.nuclei import NucleiSettings, estimate_diameter, segment_nuclei
from unstained.settings import Settings

log = logging.getLogger(__name__)

MOST_FITTED = 3  # fields that a linear filter is fitted on
MOST_SIZED = 5  # fields from which the size of the objects is estimated


class EvaluationSettings(Settings):
    """How a predicted stain is held against the real one."""

    annotated: str | None = Field(
        default=None, description="labels of the truth plate to compare with, by name"
    )
    nuclei: NucleiSettings | None = Field(
        default=None, description="how both stains are segmented; none = as the model says"
    )
    light_my_cells: bool = Field(default=False, description="add the figures of the Light My Cells challenge")
    seed: int = Field(default=0, ge=0, description="of the resampling")


AS_THE_MODEL_SAYS = EvaluationSettings()

LIKELY = 0.5
"""A predicted object counts from this share of a faint real one's brightness: as likely there as not."""


@dataclass(frozen=True)
class Sides:
    """The two plates, and which channel of each is compared."""

    predicted: Plate
    truth: Plate
    stain: str
    target: str
    input: str | None  # label-free channel of the truth plate; None where it has none
    settings: EvaluationSettings
    nuclei: NucleiSettings
    least_contrast: float = 0.0  # of predicted objects; an unlikely one is predicted faint

    def read(self, name: FieldName) -> FieldPlanes:
        """Read one field and segment both sides with the same settings but for `least_contrast`."""
        predicted, real = self.predicted.read(name, self.stain), self.truth.read(name, self.target)
        if predicted.shape != real.shape:
            raise BadInput(
                f"field {name} is {predicted.shape} px in {self.predicted.path} and {real.shape} px in "
                f"{self.truth.path}; compare plates of the same images"
            )
        light = None if self.input is None else self.truth.read(name, self.input)
        if self.settings.annotated is not None:
            labels = self.truth.read_labels(name, self.settings.annotated)
        else:
            labels = self.segment(real, self.nuclei)
        likely = self.nuclei.updated(least_contrast=max(self.nuclei.least_contrast, self.least_contrast))
        return FieldPlanes(predicted, real, light, self.segment(predicted, likely), labels)

    def pair(self, region: Region) -> tuple[RawPlane, RawPlane]:
        """Read the label-free and the real plane of a region."""
        rows, columns = slice(*region.rows), slice(*region.columns)
        light = self.truth.read(region.field, str(self.input))
        return light[rows, columns], self.truth.read(region.field, self.target)[rows, columns]

    def segment(self, plane: RawPlane, settings: NucleiSettings) -> Labels:
        """Label the objects of a plane (Y X)."""
        flat = np.asarray(plane, dtype=np.float32)
        return segment_nuclei(flat, pixel_size_um=self.truth.pixel_size_um, settings=settings)


def evaluate_plate(
    predicted: Plate,
    truth: Plate,
    *,
    stain: str,
    target_channel: str | None = None,
    fields: Choice = "test",
    settings: EvaluationSettings = AS_THE_MODEL_SAYS,
) -> Evaluation:
    """Score one stain of a predicted plate against the plate that holds its label-free and stained images.

    Parameters
    ----------
    target_channel
        Channel of `truth` that shows the stain; None = the one that the model was trained on.
    fields
        `test`: what the model never saw, known by pixel content (parts of images where these were split);
        `all`: every field, with a note on those that the model saw.

    Raises
    ------
    MissingChannel
        A plate doesn't have the stain or its target.
    BadInput
        No field in common, other sizes, or nothing that the model didn't see.
    """
    card = model_card(predicted, stain)
    sides = _sides(predicted, truth, stain, target_channel or _target(card, stain), settings)
    selection = select_regions(truth, input_fingerprints(predicted, truth, sides.input), card, fields)
    sides = _sized(sides, selection, card)
    filters, origin = _fit_filters(sides, selection)
    scored = [
        _score(sides, region, filters[index % len(filters)]) for index, region in enumerate(selection.scored)
    ]
    context = Context(
        stain=stain,
        target=sides.target,
        input=sides.input,
        model=card.get("name"),
        choice=fields,
        reference="segmented" if settings.annotated is None else "annotated",
        object_diameter_px=_in_px(sides.nuclei.diameter_um, truth.pixel_size_um),
        notes=(*selection.notes, *_model_notes(card), *origin),
    )
    return summarise(scored, context, truth.pixel_size_um, np.random.default_rng(settings.seed))


def model_card(predicted: Plate, stain: str) -> Mapping[str, Any]:
    """Give what a predicted plate tells of the model of one stain; empty where it tells nothing."""
    told = predicted.info.get("models", ())
    return next((card for card in told if stain in card.get("stains", ())), {})


def least_contrast(card: Mapping[str, Any]) -> float:
    """Give how far a predicted object stands out of its background at least, camera units.

    A network that is unsure predicts the mean of what may be there, so half the brightness says "as likely as
    not". The measure is what three of four real objects of the training stain exceed.
    """
    return LIKELY * float(card.get("object_contrast") or 0.0)


def _target(card: Mapping[str, Any], stain: str) -> str:
    stains, targets = list(card.get("stains", ())), list(card.get("targets", ()))
    if stain in stains and len(targets) == len(stains):
        return str(targets[stains.index(stain)])
    raise BadInput(
        f"the predicted plate doesn't say which channel shows the real {stain}; name it with --target"
    )


def _sides(predicted: Plate, truth: Plate, stain: str, target: str, settings: EvaluationSettings) -> Sides:
    for plate, channel in ((predicted, stain), (truth, target)):
        if channel not in plate.channels:
            raise MissingChannel(channel, str(plate.path), plate.channels)
    card = model_card(predicted, stain)
    light = named if (named := predicted.info.get("input") or card.get("input")) in truth.channels else None
    if settings.nuclei is not None:
        return Sides(predicted, truth, stain, target, light, settings, settings.nuclei)
    return Sides(predicted, truth, stain, target, light, settings, NucleiSettings(), least_contrast(card))


def _sized(sides: Sides, selection: Selection, card: Mapping[str, Any]) -> Sides:
    """Fix the objects' size once for both stains: as set, as the model says, or as the real stain shows."""
    if sides.nuclei.diameter_um is not None:
        return sides
    pixel = sides.truth.pixel_size_um
    found = card.get("object_diameter_px")
    if found is not None and pixel and card.get("pixel_size_um"):
        found = found * card["pixel_size_um"] / pixel
    if found is None:
        fields = sorted({region.field for region in selection.training or selection.scored})
        planes = (
            sides.truth.read(name, sides.target).astype(np.float32) for name in _spread(fields, MOST_SIZED)
        )
        known = [diameter for plane in planes if (diameter := estimate_diameter(plane)) is not None]
        found = float(np.median(known)) if known else None
    if found is None:
        return sides
    nuclei = sides.nuclei.updated(diameter_um=found * (pixel or 1.0))
    return Sides(**{**vars(sides), "nuclei": nuclei})


def _fit_filters(sides: Sides, selection: Selection) -> tuple[Sequence[LinearFilter | None], tuple[str, ...]]:
    """Fit the linear filters to beat: scored region i is held against filter i modulo their number."""
    if sides.input is None:
        return [None], (f"{sides.truth.path} has no label-free channel: no floors, no registration",)
    if selection.training:
        chosen = _spread(selection.training, MOST_FITTED)
        return [_fit(sides, chosen)], (f"linear filter fitted on training fields ({_names(chosen)})",)
    if len(selection.scored) > 1:
        halves = [_spread(selection.scored[start::2], MOST_FITTED) for start in (1, 0)]
        return [_fit(sides, half) for half in halves], ("linear filter fitted on other scored fields",)
    return [None], (
        "linear filter fitted on the scored field itself: more than any filter known beforehand reaches",
    )


def _fit(sides: Sides, regions: Sequence[Region]) -> LinearFilter:
    return fit_linear_filter([sides.pair(region) for region in regions])


def _score(sides: Sides, region: Region, fitted: LinearFilter | None) -> ScoredField:
    planes = sides.read(region.field)
    whole = planes.real.shape == (region.rows[1] - region.rows[0], region.columns[1] - region.columns[0])
    scored = score_field(
        planes if whole else planes.within(region),
        region,
        pixel_size_um=sides.truth.pixel_size_um,
        fitted=fitted,
        challenge=sides.settings.light_my_cells,
    )
    verdict = sides.predicted.field_info(region.field).get("verdict")
    shown = verdict.get("verdict") if isinstance(verdict, Mapping) else verdict
    scores: FieldScores = scored.scores.updated(verdict=shown, region=None if whole else str(region))
    log.info("scored %s: PCC %s", region, scores.pcc)
    return ScoredField(**{**vars(scored), "scores": scores})


def _model_notes(card: Mapping[str, Any]) -> tuple[str, ...]:
    return ("the model was trained on simulated images alone",) if card.get("simulated") else ()


def _spread(items: Sequence[Any], most: int) -> list[Any]:
    """Take at most so many, evenly from first to last."""
    return [
        items[index] for index in np.unique(np.linspace(0, len(items) - 1, min(most, len(items))).astype(int))
    ]


def _names(regions: Sequence[Region]) -> str:
    return ", ".join(dict.fromkeys(str(region.field) for region in regions))


def _in_px(size_um: float | None, pixel_size_um: float | None) -> float | None:
    return None if size_um is None else size_um / (pixel_size_um or 1.0)
