"""Score one field, or the part of it that a model never saw: arrays in, figures out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import shift as move

from unstained.arrays import Labels, RawPlane
from unstained.measurement.evaluation_record import FieldScores
from unstained.measurement.floors import (
    LinearFilter,
    blurred_input_floor,
    constant_floor,
    linear_filter_floor,
)
from unstained.measurement.image_metrics import (
    Metrics,
    Moments,
    image_agreement,
    light_my_cells,
    why_undefined,
)
from unstained.measurement.matching import Matches, average_precision, match_objects
from unstained.measurement.objects import measure_objects
from unstained.measurement.wells import field_table
from unstained.plates.regions import Region
from unstained.plates.registration import channel_shift

Segment: TypeAlias = Callable[[RawPlane], Labels]

OBJECT_MEASURES = ("area_um2", "intensity_total", "intensity_mean")
LARGEST_SHIFT_PX = 12


@dataclass(frozen=True)
class FieldPlanes:
    """What is known of one field, all (Y X) of one size."""

    predicted: RawPlane
    real: RawPlane  # as recorded
    target: RawPlane  # what the model learnt of it
    label_free: RawPlane | None
    predicted_labels: Labels
    real_labels: Labels

    def within(self, region: Region) -> FieldPlanes:
        """Cut a part out of every plane."""
        rows, columns = slice(*region.rows), slice(*region.columns)
        light = None if self.label_free is None else self.label_free[rows, columns]
        real = self.real[rows, columns]
        return FieldPlanes(
            self.predicted[rows, columns],
            real,
            real if self.target is self.real else self.target[rows, columns],
            light,
            self.predicted_labels[rows, columns],
            self.real_labels[rows, columns],
        )


@dataclass(frozen=True)
class ScoredField:
    """All that an evaluation keeps of one field; no pixels."""

    region: Region
    scores: FieldScores
    moments: Moments
    matches: Matches
    average_precision: float | None
    floors: dict[str, Metrics]
    objects: pd.DataFrame  # matched objects: `well`, and per measure `NAME_real`, `NAME_predicted`
    reasons: tuple[str, ...]


def score_field(
    planes: FieldPlanes,
    region: Region,
    *,
    pixel_size_um: float | None,
    fitted: LinearFilter | None,
    challenge: bool,
) -> ScoredField:
    """Score the planes of a region: image metrics, floors, objects and their measurements.

    Parameters
    ----------
    planes
        Already cut to the region.
    fitted
        Linear filter from other fields; None fits one on this field.
    challenge
        Add the figures of the Light My Cells challenge.
    """
    matches = match_objects(planes.real_labels, planes.predicted_labels)
    real = measured(planes.real_labels, planes.target, pixel_size_um)
    predicted = measured(planes.predicted_labels, planes.predicted, pixel_size_um)
    sums = [field_sums(objects, region) for objects in (real, predicted)]
    agreement = image_agreement(planes.predicted, planes.real)
    shift_px = shift_of(planes)
    scores = FieldScores(
        pcc=agreement["pcc"],
        ssim=agreement["ssim"],
        mae=agreement["mae"],
        nrmse=agreement["nrmse"],
        psnr=agreement["psnr"],
        well=region.field.well,
        field=region.field.field,
        pcc_registered=registered_pcc(planes, shift_px),
        pcc_target=target_pcc(planes),
        shift_px=shift_px,
        count_true=len(real),
        count_predicted=len(predicted),
        measured={name: (sums[0][name], sums[1][name]) for name in OBJECT_MEASURES},
        light_my_cells=light_my_cells(planes.predicted, planes.real) if challenge else None,
    )
    return ScoredField(
        region=region,
        scores=scores,
        moments=Moments.of(planes.predicted, planes.real),
        matches=matches,
        average_precision=average_precision(planes.real_labels, planes.predicted_labels),
        floors=floors_of(planes, fitted),
        objects=paired_objects(real, predicted, matches, region.field.well),
        reasons=why_undefined(planes.predicted, planes.real),
    )


def measured(labels: Labels, plane: RawPlane, pixel_size_um: float | None) -> pd.DataFrame:
    """Measure objects: one row each, `label` and `OBJECT_MEASURES` (area in px where µm aren't known)."""
    table = measure_objects(labels, np.asarray(plane, dtype=np.float32), pixel_size_um=pixel_size_um)
    table = table.rename(columns={"area_px": "area_um2"})
    return table[["label", *OBJECT_MEASURES]]


def paired_objects(real: pd.DataFrame, predicted: pd.DataFrame, matches: Matches, well: str) -> pd.DataFrame:
    """Put the measurements of matched objects side by side."""
    pairs = pd.DataFrame(list(matches.pairs), columns=["label_real", "label_predicted"], dtype=np.int64)
    sides = {"real": real, "predicted": predicted}
    for side, table in sides.items():
        pairs = pairs.merge(table.add_suffix(f"_{side}"), on=f"label_{side}", how="left")
    return pairs.assign(well=well)


def floors_of(planes: FieldPlanes, fitted: LinearFilter | None) -> dict[str, Metrics]:
    """Score what takes no learning; without a label-free plane only the constant."""
    floors: dict[str, Metrics] = {"constant": constant_floor(planes.real)}
    if planes.label_free is not None:
        floors["blurred_input"] = {"pcc": blurred_input_floor(planes.label_free, planes.real)}
        floors["linear_filter"] = {"pcc": linear_filter_floor(planes.label_free, planes.real, fitted)}
    return floors


def shift_of(planes: FieldPlanes) -> tuple[float, float] | None:
    """Estimate how far the real stain lies from the label-free plane (y, x px), from these two alone.

    None where it can't be told.
    """
    if planes.label_free is None:
        return None
    found = channel_shift(
        np.asarray(planes.label_free, dtype=np.float32),
        np.asarray(planes.real, dtype=np.float32),
        LARGEST_SHIFT_PX,
    )
    return (round(float(found.dy), 2), round(float(found.dx), 2)) if found.reliable else None


def registered_pcc(planes: FieldPlanes, shift_px: tuple[float, float] | None) -> float | None:
    """PCC after moving the real stain back by its shift, over the pixels that both then have."""
    if shift_px is None:
        return None
    moved: NDArray[np.float32] = move(
        np.asarray(planes.real, dtype=np.float32), [-part for part in shift_px], order=1, mode="nearest"
    )
    margin = int(np.ceil(max(abs(part) for part in shift_px)))
    inner = tuple(slice(margin, side - margin) for side in moved.shape)
    return Moments.of(planes.predicted[inner], moved[inner]).pcc


def target_pcc(planes: FieldPlanes) -> float | None:
    """PCC with what the model learnt of the stain; None where that is the stain as recorded."""
    return None if planes.target is planes.real else Moments.of(planes.predicted, planes.target).pcc


def field_sums(objects: pd.DataFrame, region: Region) -> dict[str, float | None]:
    """Sum up the objects of one field as the field table does; None where there is nothing to average."""
    name = region.field
    row = field_table(objects.assign(well=name.well, field=name.field), [name]).iloc[0]
    return {measure: None if pd.isna(row[measure]) else float(row[measure]) for measure in OBJECT_MEASURES}
