"""The charts of one stain: measurements predicted against real, and the plate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from unstained.report.charts import PlateMap, Point, Scatter, compact, plate_map, scatter
from unstained.report.wording import MEASURES, Values, number, percent, things


def field_scatters(evaluation: Values, unit: str) -> list[Scatter]:
    """Lay out predicted against real of every measurement, one dot a field; `unit` is that of areas."""
    charts = []
    for measure in MEASURES:
        pairs = {f"{row['well']}/{row['field']}": _pair(row, measure) for row in evaluation["fields"]}
        points = [_point(*pair, name) for name, pair in pairs.items() if pair is not None]
        if len(points) > 1:
            caption = _caption(evaluation["downstream"].get(measure), "fields")
            charts.append(scatter(points, _label(measure, unit), caption))
    return charts


def object_scatters(stain: str, evaluation: Values, unit: str) -> list[Scatter]:
    """Lay out predicted against real of every measurement, one dot an object found on both sides."""
    matched = evaluation.get("matched_objects") or {}
    charts = []
    for measure, pairs in matched.get("sample", {}).items():
        if len(pairs) > 1:
            caption = _caption(matched.get("agreement", {}).get(measure), things(stain))
            charts.append(scatter([_point(*pair) for pair in pairs], _label(measure, unit), caption))
    return charts


def plate_maps(
    stain: str, fields: pd.DataFrame | None, evaluation: Values | None, conditions: pd.DataFrame
) -> list[PlateMap]:
    """Lay out the plate by number and mean intensity of predicted objects, and by PCC where it is known."""
    by_label: dict[str, pd.Series[Any]] = {}
    if fields is not None and len(fields):
        means = fields.groupby("well")[["count", "intensity_mean"]].mean()
        by_label[f"{things(stain)} per field, predicted"] = means["count"]
        by_label["mean intensity, predicted"] = means["intensity_mean"]
    if evaluation is not None:
        rows = [(row["well"], row["pcc"]) for row in evaluation["fields"]]
        scored = pd.DataFrame(rows, columns=["well", "pcc"]).astype({"pcc": float})
        by_label["PCC"] = scored.groupby("well")["pcc"].mean()
    return maps_of(by_label, conditions)


def maps_of(by_label: Mapping[str, pd.Series[Any]], conditions: pd.DataFrame) -> list[PlateMap]:
    """Lay out values by well, one map each; none for one well, which has nothing to stand out from."""
    if len(set().union(*(means.index for means in by_label.values()))) < 2:
        return []
    told = told_of_wells(conditions)
    return [_map(label, means, told) for label, means in by_label.items()]


def told_of_wells(conditions: pd.DataFrame) -> dict[str, list[str]]:
    """Write the conditions of every well: `clone K7`, `day 30`."""
    return {
        str(row["well"]): [
            f"{name} {value}" for name, value in row.items() if name != "well" and pd.notna(value)
        ]
        for row in conditions.to_dict("records")
    }


def _map(label: str, means: pd.Series[Any], told: dict[str, list[str]]) -> PlateMap:
    values = {str(well): None if pd.isna(value) else float(value) for well, value in means.items()}
    titles = {
        well: " · ".join([well, f"{label} {compact(value)}", *told.get(well, [])])
        for well, value in values.items()
    }
    return plate_map(values, titles, label)


def _pair(row: Values, measure: str) -> tuple[float, float] | None:
    """Real and predicted value of a field; None where one is missing."""
    counts = row.get("count_true"), row.get("count_predicted")
    real, predicted = counts if measure == "count" else row.get("measured", {}).get(measure, (None, None))
    return None if real is None or predicted is None else (real, predicted)


def _point(real: float, predicted: float, of: str = "") -> Point:
    said = f"real {compact(real)}, predicted {compact(predicted)}"
    return Point(real, predicted, f"{of}: {said}" if of else said, of)


def _label(measure: str, unit: str) -> str:
    return f"{MEASURES[measure]}, {unit}" if measure.startswith("area") else MEASURES[measure]


def _caption(found: Values | None, rows: str) -> str:
    if not found:
        return ""
    return f"Pearson {number(found['pearson'])}, bias {percent(found['bias'])}, {found['n']} {rows}"
