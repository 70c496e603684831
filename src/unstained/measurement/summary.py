"""Bring the scores of fields together: means, intervals over wells, and what is missing and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from unstained.measurement.downstream import FEWEST_ROWS, MEASURES, MeasureAgreement, downstream
from unstained.measurement.evaluation_record import (
    ConstantFloor,
    Evaluation,
    Floor,
    Floors,
    ImageScores,
    MatchedObjects,
    ObjectScores,
)
from unstained.measurement.image_metrics import Metrics, Moments, mean_of
from unstained.measurement.intervals import FEWEST_WELLS, TOO_FEW_WELLS, Interval, mean_interval
from unstained.measurement.matching import NO_OBJECTS
from unstained.measurement.scoring import OBJECT_MEASURES, ScoredField

IMAGE_METRICS = ("pcc", "ssim", "mae", "nrmse", "psnr", "pcc_registered", "pcc_target")
MOST_REASONS = 8
MOST_POINTS = 1000


@dataclass(frozen=True)
class Context:
    """What an evaluation says about itself, beside its figures."""

    stain: str
    target: str
    input: str | None
    model: str | None
    choice: Literal["test", "all"]
    reference: Literal["segmented", "annotated"]
    object_diameter_px: float | None
    notes: tuple[str, ...]


def summarise(
    scored: Sequence[ScoredField], context: Context, pixel_size_um: float | None, rng: np.random.Generator
) -> Evaluation:
    """Make the evaluation of scored fields; a figure that can't be computed is None, with a note."""
    real, predicted = field_tables(scored)
    measures = downstream(real, predicted, rng=rng)
    wells = [side.groupby("well", as_index=False).mean() for side in known_together(real, predicted)]
    challenge = [one.scores.light_my_cells for one in scored if one.scores.light_my_cells is not None]
    notes = (*context.notes, *missing_notes(scored, measures, pixel_size_um))
    return Evaluation(
        stain=context.stain,
        model=context.model,
        input=context.input,
        target=context.target,
        fields=tuple(one.scores for one in scored),
        mean=ImageScores(**mean_of([one.scores.model_dump(include=set(IMAGE_METRICS)) for one in scored])),
        pooled=Floor(pcc=sum((one.moments for one in scored), Moments()).pcc),
        floor=mean_floors(scored),
        objects=object_scores(scored, context.reference),
        downstream=measures,
        notes=notes,
        scored=context.choice,
        intervals={name: interval_of(scored, name, rng) for name in IMAGE_METRICS},
        downstream_wells=downstream(*wells, rng=rng) if len(wells[0]) > 1 else {},
        matched_objects=matched_objects(scored, rng),
        object_diameter_px=context.object_diameter_px,
        light_my_cells=mean_of(challenge) if challenge else None,
    )


def field_tables(scored: Sequence[ScoredField]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Make the real and the predicted field table: `well` and `MEASURES`, one row per scored field."""
    sides = []
    for side, count in enumerate(("count_true", "count_predicted")):
        rows = [
            {
                "well": one.scores.well,
                "count": getattr(one.scores, count),
                **{name: one.scores.measured[name][side] for name in OBJECT_MEASURES},
            }
            for one in scored
        ]
        table = pd.DataFrame(rows, columns=["well", *MEASURES])
        sides.append(table.astype(dict.fromkeys(MEASURES, np.float64)))
    return sides[0], sides[1]


def known_together(real: pd.DataFrame, predicted: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Blank what one side lacks in the other, too: else a well's means would be of different fields."""
    known = real.notna() & predicted.notna()
    return real.where(known), predicted.where(known)


def mean_floors(scored: Sequence[ScoredField]) -> Floors:
    """Average every floor over the scored fields."""

    def mean(name: str) -> Metrics:
        return mean_of([one.floors[name] for one in scored if name in one.floors])

    return Floors(
        blurred_input=Floor(**mean("blurred_input")),
        linear_filter=Floor(**mean("linear_filter")),
        constant=ConstantFloor(**mean("constant")),
    )


def object_scores(
    scored: Sequence[ScoredField], reference: Literal["segmented", "annotated"]
) -> ObjectScores:
    """Count objects of all fields together; the average precision is the fields' mean."""
    matches = sum((one.matches for one in scored), NO_OBJECTS)
    return ObjectScores(
        reference=reference,
        f1_iou50=matches.f1,
        precision_iou50=matches.precision,
        recall_iou50=matches.recall,
        average_precision=mean_of([{"ap": one.average_precision} for one in scored])["ap"],
        real=matches.real,
        predicted=matches.predicted,
        matched=len(matches.pairs),
    )


def matched_objects(scored: Sequence[ScoredField], rng: np.random.Generator) -> MatchedObjects:
    """Compare objects found on both sides one by one, and keep a sample of them to draw."""
    table = pd.concat([one.objects for one in scored], ignore_index=True)
    sides = [
        table[["well", *(f"{name}_{side}" for name in OBJECT_MEASURES)]].rename(
            columns={f"{name}_{side}": name for name in OBJECT_MEASURES}
        )
        for side in ("real", "predicted")
    ]
    agreement = downstream(*sides, rng=rng, measures=OBJECT_MEASURES) if len(table) else {}
    rows = np.sort(rng.permutation(len(table))[:MOST_POINTS])
    sample = {
        name: [_rounded(*pair) for pair in zip(*(side[name].to_numpy()[rows] for side in sides), strict=True)]
        for name in OBJECT_MEASURES
    }
    return MatchedObjects(agreement=agreement, sample=sample)


def _rounded(real: float, predicted: float) -> tuple[float, float]:
    return float(f"{real:.5g}"), float(f"{predicted:.5g}")


def interval_of(scored: Sequence[ScoredField], metric: str, rng: np.random.Generator) -> Interval | None:
    """Give the interval of a metric's mean over fields, from resampling wells."""
    known = [(one.scores.well, value) for one in scored if (value := getattr(one.scores, metric)) is not None]
    return mean_interval([well for well, _ in known], [value for _, value in known], rng)


def missing_notes(
    scored: Sequence[ScoredField], measures: dict[str, MeasureAgreement], pixel_size_um: float | None
) -> tuple[str, ...]:
    """Say why figures are missing, and what else to know of those that are there."""
    notes = [f"{one.region}: {reason}" for one in scored for reason in one.reasons][:MOST_REASONS]
    wells = {one.scores.well for one in scored}
    if len(scored) < FEWEST_ROWS:
        notes.append(
            f"{len(scored)} scored field{'s'[: len(scored) > 1]}: no correlation over fields, it takes three"
        )
    else:
        constant = [name for name, found in measures.items() if found.pearson is None]
        notes += [
            f"{name} doesn't vary, or is missing, over the scored fields: no correlation" for name in constant
        ]
    if len(wells) < FEWEST_WELLS:
        notes.append(f"{len(wells)} well{'s'[: len(wells) > 1]}: no intervals; {TOO_FEW_WELLS}")
    if pixel_size_um is None:
        notes.append("pixel size not known: area_um2 is in px")
    return tuple(notes)
