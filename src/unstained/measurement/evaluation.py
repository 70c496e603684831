"""Hold a predicted plate against the real stain: images, objects, measurements, and what there is to beat."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pydantic import Field

from unstained.arrays import Labels, RawPlane
from unstained.errors import BadInput, MissingChannel
from unstained.measurement.evaluation_record import Evaluation as Evaluation
from unstained.measurement.evaluation_record import FieldScores
from unstained.measurement.floors import LinearFilter, fit_linear_filter
from unstained.measurement.known import KnownStain, input_of, known_stain, other_segmenter
from unstained.measurement.scoring import FieldPlanes, ScoredField, score_field
from unstained.measurement.summary import Context, summarise
from unstained.measurement.unseen import Choice, Selection, input_fingerprints, select_regions
from unstained.plates.plate import FieldName, Plate
from unstained.plates.regions import Region
from unstained.prediction.verdicts import word_of
from unstained.segmentation.nuclei import NucleiSettings
from unstained.segmentation.recipes import Recipe, segment, typical_diameter, with_likely
from unstained.settings import Settings

log = logging.getLogger(__name__)

MOST_FITTED = 3  # fields that a linear filter is fitted on
MOST_SIZED = 5  # fields from which the size of the objects is estimated


class EvaluationSettings(Settings):
    """How a predicted stain is held against the real one."""

    annotated: str | None = Field(
        default=None, description="labels of the truth plate to compare with, by name"
    )
    objects: Recipe | None = Field(
        default=None, description="how both stains are segmented; none = as the model says"
    )
    diameter_um: float | None = Field(
        default=None, gt=0, description="typical object, px without a pixel size; none = as the model says"
    )
    light_my_cells: bool = Field(default=False, description="add the figures of the Light My Cells challenge")
    seed: int = Field(default=0, ge=0, description="of the resampling")


AS_THE_MODEL_SAYS = EvaluationSettings()


@dataclass(frozen=True)
class Sides:
    """The two plates, and which channel of each is compared."""

    predicted: Plate
    truth: Plate
    stain: str
    target: str
    input: str | None  # label-free channel of the truth plate; None where it has none
    settings: EvaluationSettings
    known: KnownStain
    recipe: Recipe

    @property
    def pixel_size_um(self) -> float | None:
        """Give the size that was predicted with, by which the plate's own tables are measured, too."""
        return self.predicted.pixel_size_um

    def read(self, name: FieldName) -> FieldPlanes:
        """Read one field and segment both sides, of the predicted one what is likely there."""
        predicted, real = self.predicted.read(name, self.stain), self.truth.read(name, self.target)
        if predicted.shape != real.shape:
            raise BadInput(
                f"field {name} is {predicted.shape} px in {self.predicted.path} and {real.shape} px in "
                f"{self.truth.path}; compare plates of the same images"
            )
        target = self.known.learnt(real, self.pixel_size_um)
        light = None if self.input is None else self.truth.read(name, self.input)
        if self.settings.annotated is not None:
            labels = self.truth.read_labels(name, self.settings.annotated)
        else:
            labels = self.segment(target, self.recipe)
        likely = self.known.likely(self.recipe) if self.settings.objects is None else self.recipe
        return FieldPlanes(predicted, real, target, light, self.segment(predicted, likely), labels)

    def pair(self, region: Region) -> tuple[RawPlane, RawPlane]:
        """Read the label-free and the real plane of a region."""
        rows, columns = slice(*region.rows), slice(*region.columns)
        light = self.truth.read(region.field, str(self.input))
        return light[rows, columns], self.truth.read(region.field, self.target)[rows, columns]

    def segment(self, plane: RawPlane, recipe: Recipe) -> Labels:
        """Label the objects of a plane (Y X)."""
        return segment(plane, recipe, pixel_size_um=self.pixel_size_um)


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
    known = known_stain(predicted, stain)
    sides = _sides(predicted, truth, known, target_channel or _target(known), settings)
    prints = input_fingerprints(predicted, truth, input_of(predicted, stain))
    selection = select_regions(truth, prints, known.card, fields)
    sides = _sized(sides, selection)
    filters, origin = _fit_filters(sides, selection)
    scored = [
        _score(sides, region, filters[index % len(filters)]) for index, region in enumerate(selection.scored)
    ]
    context = Context(
        stain=stain,
        target=sides.target,
        input=sides.input,
        model=known.card.get("name"),
        choice=fields,
        reference="segmented" if settings.annotated is None else "annotated",
        object_diameter_px=_in_px(getattr(sides.recipe, "diameter_um", None), sides.pixel_size_um),
        notes=(*selection.notes, *_model_notes(known.card), *_target_notes(known), *origin),
    )
    return summarise(scored, context, sides.pixel_size_um, np.random.default_rng(settings.seed))


def _target(known: KnownStain) -> str:
    if known.target is not None:
        return known.target
    raise BadInput(
        f"the predicted plate doesn't say which channel shows the real {known.stain.name};"
        " name it with --target"
    )


def _sides(
    predicted: Plate, truth: Plate, known: KnownStain, target: str, settings: EvaluationSettings
) -> Sides:
    stain = known.stain.name
    for plate, channel in ((predicted, stain), (truth, target)):
        if channel not in plate.channels:
            raise MissingChannel(channel, str(plate.path), plate.channels)
    named = input_of(predicted, stain)
    light = named if named in truth.channels else None
    if settings.objects is not None:
        return Sides(predicted, truth, stain, target, light, settings, known, settings.objects)
    recipe = other_segmenter(predicted, stain) or known.recipe(predicted.pixel_size_um, predicted=False)
    recipe = with_likely(recipe, diameter_um=settings.diameter_um)
    return Sides(predicted, truth, stain, target, light, settings, known, recipe)


def _sized(sides: Sides, selection: Selection) -> Sides:
    """Fix the objects' size once for both stains: as set, as the model says, or as the real stain shows."""
    if not isinstance(sides.recipe, NucleiSettings) or sides.recipe.diameter_um is not None:
        return sides
    pixel = sides.pixel_size_um
    size_um = sides.known.diameter_um(pixel)
    if size_um is None:
        fields = sorted({region.field for region in selection.training or selection.scored})
        planes = [
            np.asarray(sides.known.learnt(sides.truth.read(name, sides.target), pixel), dtype=np.float32)
            for name in _spread(fields, MOST_SIZED)
        ]
        found = typical_diameter(planes, sides.recipe)
        size_um = None if found is None else found * (pixel or 1.0)
    return replace(sides, recipe=with_likely(sides.recipe, diameter_um=size_um))


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
        pixel_size_um=sides.pixel_size_um,
        fitted=fitted,
        challenge=sides.settings.light_my_cells,
    )
    shown = word_of(sides.predicted.field_info(region.field).get("verdict"))
    scores: FieldScores = scored.scores.updated(verdict=shown, region=None if whole else str(region))
    log.info("scored %s: PCC %s", region, scores.pcc)
    return ScoredField(**{**vars(scored), "scores": scores})


def _model_notes(card: Mapping[str, Any]) -> tuple[str, ...]:
    return ("the model was trained on simulated images alone",) if card.get("simulated") else ()


def _target_notes(known: KnownStain) -> tuple[str, ...]:
    if known.stain.target.is_recorded and known.mask_level is None:
        return ()
    return (
        "images are compared with the stain as recorded (pcc) and as the model learnt it (pcc_target);"
        " objects are found and measured in the latter",
    )


def _spread(items: Sequence[Any], most: int) -> list[Any]:
    """Take at most so many, evenly from first to last."""
    return [
        items[index] for index in np.unique(np.linspace(0, len(items) - 1, min(most, len(items))).astype(int))
    ]


def _names(regions: Sequence[Region]) -> str:
    return ", ".join(dict.fromkeys(str(region.field) for region in regions))


def _in_px(size_um: float | None, pixel_size_um: float | None) -> float | None:
    return None if size_um is None else size_um / (pixel_size_um or 1.0)
