"""From tables of objects to one value a well and column, and how far chance moves it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from unstained.measurement.composites import measures_of
from unstained.measurement.fields import CELLS

Vector = NDArray[np.float64]

PER_FIELD = ("count", "area_um2", "area_px", "intensity_total")
PER_AREA = ("intensity_mean",)
PER_OBJECT = ("area_mean_um2", "area_mean_px")

WELL = ["plate", "well"]


@dataclass(frozen=True)
class Columns:
    """Values by field (rows) and column, and what each weighs when fields are put together.

    A well's value is the weighted mean over its fields: of numbers, areas and total light all fields weigh
    the same, a mean weighs by its area, what a cell holds by the number of cells.
    """

    places: pd.DataFrame  # `plate`, `well`, `field`, one row a field; `place`: the same cells at other times
    values: pd.DataFrame
    weights: pd.DataFrame

    @property
    def wells(self) -> pd.DataFrame:
        """Give one row a well: `plate`, `well`, `fields` (the number of places that they show)."""
        counted = self.places.groupby(WELL, sort=False)["place"].nunique()
        return counted.rename("fields").reset_index()

    def of_wells(self, wells: pd.DataFrame) -> Columns:
        """Give the fields of some wells (`plate`, `well`) alone."""
        kept = pd.MultiIndex.from_frame(self.places[WELL]).isin(pd.MultiIndex.from_frame(wells[WELL]))
        parts = (table[kept].reset_index(drop=True) for table in (self.places, self.values, self.weights))
        return Columns(*parts)

    def by_well(self, names: Sequence[str], counts: Vector | None = None) -> NDArray[np.float64]:
        """Give values (well column); `counts` says how often each field counts (resampling), once else."""
        value = self.values[list(names)].to_numpy(dtype=np.float64)
        weight = self.weights[list(names)].to_numpy(dtype=np.float64)
        often = np.ones(len(self.places)) if counts is None else counts
        weight = np.where(np.isfinite(value), weight, 0.0) * often[:, None]
        member = self._membership
        total = member @ weight
        with np.errstate(invalid="ignore", divide="ignore"):
            found: NDArray[np.float64] = (member @ np.where(weight > 0, weight * value, 0.0)) / total
        return found

    def resampled(self, rng: np.random.Generator) -> Vector:
        """Draw each well's fields anew with replacement; gives how often each field was drawn.

        Fields of one place are drawn together: looked at again, the same cells are no further sample.
        """
        place = self._place_numbers
        _, first = np.unique(place, return_index=True)
        number = self._well_numbers[first]  # of each place
        sizes = np.bincount(number)
        order = np.argsort(number, kind="stable")
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        drawn = order[starts[number] + (rng.random(len(number)) * sizes[number]).astype(int)]
        return np.bincount(drawn, minlength=len(number)).astype(np.float64)[place]

    @cached_property
    def _well_numbers(self) -> NDArray[np.intp]:
        return np.asarray(self.places.groupby(WELL, sort=False).ngroup(), dtype=np.intp)

    @cached_property
    def _place_numbers(self) -> NDArray[np.intp]:
        return np.asarray(self.places.groupby([*WELL, "place"], sort=False).ngroup(), dtype=np.intp)

    @cached_property
    def _membership(self) -> NDArray[np.float64]:
        numbers = self._well_numbers
        member = np.zeros((numbers.max(initial=-1) + 1, len(numbers)))
        member[numbers, np.arange(len(numbers))] = 1
        return member


def columns_of(
    tables: Mapping[str, pd.DataFrame],
    plate: str | None = None,
    places: Mapping[tuple[str, int], str] = MappingProxyType({}),
) -> Columns:
    """Take the tables of a measured plate as columns such as `nuclei.count` and `cells.er_total`.

    `plate` is what the plate is called, in place of what its tables say; `places` says which place a field
    (well, number) shows, where it isn't one of its own.
    """
    fields = tables["fields"]
    keys = ["plate", "well", "field"]
    rows = fields[keys].drop_duplicates(ignore_index=True)
    values, weights = rows.set_index(keys), rows.set_index(keys)
    for stain, measured in fields.groupby("stain", sort=False):
        indexed = measured.set_index(keys)
        area = next((indexed[name] for name in ("area_um2", "area_px") if name in indexed), indexed["count"])
        for measures, weight in ((PER_FIELD, 1.0), (PER_AREA, area), (PER_OBJECT, indexed["count"])):
            for name in (each for each in measures if each in indexed):
                values[f"{stain}.{name}"] = indexed[name].astype(float)
                weights[f"{stain}.{name}"] = weight
    if CELLS in tables:
        cells, names = tables[CELLS], measures_of(tables[CELLS], fields["stain"].unique())
        grouped = cells.astype(dict.fromkeys(names, float)).groupby(keys)
        number = grouped.size().reindex(values.index, fill_value=0).astype(float)
        for name in names:
            values[f"{CELLS}.{name}"] = grouped[name].mean().reindex(values.index)
            weights[f"{CELLS}.{name}"] = number
    at = zip(rows["well"], rows["field"], strict=True)
    named = rows.assign(place=[places.get((well, field), str(field)) for well, field in at])
    named = named if plate is None else named.assign(plate=plate)
    return Columns(named, values.reset_index(drop=True), weights.fillna(0).reset_index(drop=True))


def joined(plates: Sequence[Columns]) -> Columns:
    """Put the columns of several plates under each other; what one lacks is not known there (NaN)."""
    together = [pd.concat([getattr(each, part) for each in plates], ignore_index=True)
                for part in ("places", "values", "weights")]  # fmt: skip
    return Columns(together[0], together[1], together[2].fillna(0))
