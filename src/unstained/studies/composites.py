"""Stains together, predicted and real: pictures, and what each cell holds (Figs. 19, 20, 23, 37–39)."""

from collections.abc import Iterable, Sequence
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.spatial.distance import cdist

from unstained.errors import BadInput, OutputExists
from unstained.measurement.composites import BODY, NUCLEI, measures_of
from unstained.measurement.downstream import agreement
from unstained.measurement.fields import CELLS
from unstained.measurement.known import known_stain
from unstained.measurement.plates import measure_plate, measure_real
from unstained.plates.plate import FieldName, Plate, open_plate
from unstained.prediction.labeller import Labeller
from unstained.prediction.plates import PlateSettings, predict_plate
from unstained.report.figures import composite, limits_of
from unstained.studies.figures import dots, pictures
from unstained.studies.study import Answer, Row
from unstained.studies.workbench import Workbench

SHOWN = ((NUCLEI, BODY), (NUCLEI, BODY, "gfp"), (NUCLEI, "golgi"))
NEAR_UM = 4.0
"""A predicted and a real cell are one where their nuclei's cells have their middles so near to each other."""


def composites(bench: Workbench) -> Answer:
    """Predict all stains of the test fields, find their cells, and compare cells and wells with the real."""
    if NUCLEI not in bench.targets or len(bench.targets) < 2:
        raise BadInput(f"{bench.plate.path}: composites need nuclei and another stain")
    predicted = _predicted(bench)
    ours = measure_plate(predicted, overwrite=True)
    theirs = measure_real(bench.plate, predicted)
    compare = partial(_compare, stains=bench.targets)
    by_well = compare(theirs[f"{CELLS}_by_well"], ours[f"{CELLS}_by_well"], over="wells")
    cells = matched_cells(theirs[CELLS], ours[CELLS])
    rows = [*by_well, *compare(cells["real"], cells["predicted"], over="cells")]
    share = len(cells["real"]) / max(len(theirs[CELLS]), 1)
    findings = [f"{share:.0%} of {len(theirs[CELLS])} real cells have a predicted one at their place."]
    findings += [f"{row['measure']}, by well: Pearson {row['pearson']:.3f}, bias {row['bias']:+.0%}"
                 for row in by_well if row["pearson"] is not None]  # fmt: skip
    named = [{**row, "variant": f"{row['measure']}, {row['over']}"} for row in rows]
    figures = {"cells": dots(named, ("pearson", "spearman")), "pictures": _pictures(bench, predicted)}
    return Answer({"cells": rows}, findings, figures)


def _predicted(bench: Workbench) -> Plate:
    """Predict the test fields with the first seed's model of every stain, unless that is done."""
    models = [bench.model(bench.variant("default", stain), bench.seeds[0]) for stain in bench.targets]
    print_of = "-".join(model.card.weights_sha256[:6] for model in models)
    path = bench.folder / "plates" / f"{bench.plate.name}-{bench.content[:6]}-{print_of}.zarr"
    chosen = PlateSettings(fields=tuple(map(str, bench.test_fields)))
    try:
        return predict_plate(bench.plate, [Labeller(model) for model in models], path, chosen)
    except OutputExists:
        return open_plate(path)


def _compare(real: pd.DataFrame, ours: pd.DataFrame, *, over: str, stains: Iterable[str]) -> list[Row]:
    """Compare what each cell holds, row by row."""
    rows: list[Row] = []
    for measure in measures_of(real, stains):
        x, y = (table[measure].to_numpy(dtype=float) for table in (real, ours))
        known = np.isfinite(x) & np.isfinite(y)
        wells = real["well"].to_numpy(dtype=object)[known].tolist()
        found = agreement(x[known], y[known], wells, np.random.default_rng(0))
        rows.append({"measure": measure, "over": over, "pearson": found.pearson,
                     "spearman": found.spearman, "bias": found.bias, "n": found.n})  # fmt: skip
    return rows


def matched_cells(real: pd.DataFrame, ours: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Pair cells of the same field whose middles are nearest to each other, and near."""
    pairs: list[tuple[int, int]] = []
    y, x = ("y_um", "x_um") if "y_um" in real else ("y_px", "x_px")
    groups = ours.groupby(["well", "field"])
    for place, rows in real.groupby(["well", "field"]):
        others = groups.get_group(place) if place in groups.groups else None
        if others is None:
            continue
        apart = cdist(rows[[y, x]], others[[y, x]])
        nearest, back = apart.argmin(axis=1), apart.argmin(axis=0)
        for index, found in enumerate(nearest):
            if back[found] == index and apart[index, found] <= NEAR_UM:
                pairs.append((rows.index[index], others.index[found]))
    first, second = zip(*pairs, strict=True) if pairs else ((), ())
    return {"real": real.loc[list(first)].reset_index(drop=True),
            "predicted": ours.loc[list(second)].reset_index(drop=True)}  # fmt: skip


def _pictures(bench: Workbench, predicted: Plate) -> Figure:
    shown: Sequence[FieldName] = predicted.fields[:: -(-len(predicted.fields) // 2)]
    known = {stain: known_stain(predicted, stain) for stain in predicted.channels}
    sets: list[tuple[str, ...]] = [stains for stains in SHOWN if set(stains) <= set(known)] or [tuple(known)]
    rows = {}
    for name in shown:
        real = {stain: each.learnt(bench.plate.read(name, bench.targets[stain]), bench.plate.pixel_size_um)
                for stain, each in known.items()}  # fmt: skip
        ours = {stain: predicted.read(name, stain) for stain in known}
        limits = {stain: limits_of(plane) for stain, plane in real.items()}
        colours = {stain: each.stain.colour for stain, each in known.items()}
        rows[str(name)] = {
            f"{' + '.join(stains)}, {side}": composite(
                {stain: planes[stain] for stain in stains}, limits, colours
            )
            for stains in sets
            for side, planes in (("predicted", ours), ("real", real))
        }
    return pictures(rows)
