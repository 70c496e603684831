"""Everything that compares predicted with real: images, floors, objects, downstream measurements."""

from unstained.measurement.downstream import MEASURES, MeasureAgreement, agreement, downstream
from unstained.measurement.floors import (
    LinearFilter,
    blurred_input_floor,
    constant_floor,
    fit_linear_filter,
    linear_filter_floor,
)
from unstained.measurement.image_metrics import (
    Moments,
    image_agreement,
    light_my_cells,
    mean_of,
    ssim,
    why_undefined,
)
from unstained.measurement.intervals import interval_over_wells, mean_interval
from unstained.measurement.matching import IOU_LADDER, Matches, average_precision, match_objects

__all__ = [
    "IOU_LADDER",
    "MEASURES",
    "LinearFilter",
    "Matches",
    "MeasureAgreement",
    "Moments",
    "agreement",
    "average_precision",
    "blurred_input_floor",
    "constant_floor",
    "downstream",
    "fit_linear_filter",
    "image_agreement",
    "interval_over_wells",
    "light_my_cells",
    "linear_filter_floor",
    "match_objects",
    "mean_interval",
    "mean_of",
    "ssim",
    "why_undefined",
]
