"""The record of an evaluation: `evaluation.json`, schema `unstained.evaluation/1`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from unstained.measurement.downstream import MeasureAgreement
from unstained.measurement.intervals import Interval
from unstained.settings import Settings


class ImageScores(Settings):
    """Image metrics of one field, or their means over fields."""

    pcc: float | None = None
    ssim: float | None = None
    mae: float | None = Field(default=None, description="camera units")
    nrmse: float | None = Field(default=None, description="of the real stain's standard deviation")
    psnr: float | None = Field(default=None, description="dB")
    pcc_registered: float | None = Field(
        None, description="after moving the real stain onto the label-free image"
    )
    pcc_target: float | None = Field(
        None, description="against what the model learnt of the stain, where that isn't the stain as recorded"
    )


class FieldScores(ImageScores):
    """One scored field, or the part of it that the model never saw."""

    well: str
    field: int
    count_true: int | None = None
    count_predicted: int | None = None
    verdict: str | None = None
    region: str | None = Field(default=None, description="the scored part, where it isn't the whole field")
    shift_px: tuple[float, float] | None = Field(default=None, description="of the real stain: y, x")
    measured: dict[str, tuple[float | None, float | None]] = Field(
        {}, description="measure → real, predicted"
    )
    light_my_cells: dict[str, float | None] | None = None


class Floor(Settings):
    """What takes no learning: a figure to beat."""

    pcc: float | None = None


class ConstantFloor(Settings):
    """The best constant has no correlation; its errors are to beat."""

    nrmse: float | None = None
    mae: float | None = None


class Floors(Settings):
    """Means over the scored fields."""

    blurred_input: Floor = Floor()
    linear_filter: Floor = Floor()
    constant: ConstantFloor = ConstantFloor()


class ObjectScores(Settings):
    """Objects of all scored fields counted together."""

    reference: Literal["annotated", "segmented"]
    f1_iou50: float | None = None
    precision_iou50: float | None = None
    recall_iou50: float | None = None
    average_precision: float | None = Field(
        default=None, description="mean over IoU .5–.95, then over fields"
    )
    real: int = 0
    predicted: int = 0
    matched: int = 0


class MatchedObjects(Settings):
    """Objects found on both sides, compared one by one."""

    agreement: dict[str, MeasureAgreement] = Field(default={}, description="by measure")
    sample: dict[str, list[tuple[float, float]]] = Field(
        default={}, description="measure → real, predicted; at most 1000"
    )


class Evaluation(Settings):
    """How well a predicted stain agrees with the real one."""

    schema_: Literal["unstained.evaluation/1"] = Field(default="unstained.evaluation/1", alias="schema")
    stain: str
    model: str | None
    input: str | None
    target: str
    fields: tuple[FieldScores, ...]
    mean: ImageScores
    pooled: Floor
    floor: Floors
    objects: ObjectScores
    downstream: dict[str, MeasureAgreement]
    notes: tuple[str, ...] = ()
    scored: Literal["test", "all"] = "test"
    intervals: dict[str, Interval | None] = Field(
        {}, description="95 % of the mean figures, over resampled wells"
    )
    downstream_wells: dict[str, MeasureAgreement] = Field(
        default={}, description="as downstream, rows are wells"
    )
    matched_objects: MatchedObjects = MatchedObjects()
    object_diameter_px: float | None = Field(
        default=None, description="with which both stains were segmented"
    )
    light_my_cells: dict[str, float | None] | None = None

    def to_json(self) -> dict[str, Any]:
        """Give the content of `evaluation.json`, plain values."""
        return self.model_dump(mode="json", by_alias=True)
