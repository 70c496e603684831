"""How often a model cries wolf over wells that differ from its reference only in how many cells they hold.

Usage: unstained twin --out fresh.zarr --wells 80 --fields 2 --days 0,60 --seed 606
       unstained train fresh.zarr --stain nuclei --input DIC --steps 400 --out benign-model
       python benchmarks/trust_benign.py benign-model fresh.zarr
The model's own detector watches streams of clean wells that it never saw: all of them, those with the least
and those with the most cells. An alarm also says whether predictions are expected to suffer; only such a one
is a wolf. Writes results/trust-benign.json.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from record import write_result
from unstained.networks.bundle import Model, load_model_bundle
from unstained.plates.plate import Plate, fingerprint, open_plate
from unstained.prediction.engine import Engine
from unstained.prediction.plates import roles_of
from unstained.studies.drift_power import LENGTH, Draw
from unstained.trust.features import Vector, field_features
from unstained.trust.kept import trust_of
from unstained.trust.verdict import Trust

STREAMS = 400
CELLS = "percentile_95"
"""Feature that grows with the cells in a field."""

THIRDS = {"all": (0.0, 1.0), "few cells": (0.0, 1 / 3), "many cells": (2 / 3, 1.0)}


@dataclass(frozen=True)
class Watched:
    """Fields that a model never saw."""

    wells: NDArray[np.str_]
    unusual: Vector  # what the detector sees of each
    cells: NDArray[np.float64]
    suffers: NDArray[np.bool_]  # whether the prediction is expected to be worse than usual


def watched(model: Model, trust: Trust, plate: Plate) -> Watched:
    """Predict and measure the fields that the model never saw."""
    engine, card = Engine(model, quiet=True), model.card
    wells, plain = [], []
    for name in plate.fields:
        plane = plate.read(name, card.input)
        if {"train", "validation"} & set(roles_of(card, fingerprint(plane))):
            continue
        prediction = engine.predict_with_embedding(plane, plate.pixel_size_um)
        wells.append(name.well)
        plain.append(field_features(card, plane, prediction).plain)
    return Watched(
        np.array(wells),
        np.stack([trust.reference.unusual(each) for each in plain]),
        np.array(plain)[:, trust.reference.names.index(CELLS)],
        np.array([trust.suffers(each) for each in plain]),
    )


def rates(trust: Trust, fields: Watched, inside: NDArray[np.bool_]) -> tuple[float, float]:
    """Give alarms and harmful alarms over the nominal number, streams watched up to their first alarm."""
    assert trust.detector is not None
    calibration, rng = trust.detector.calibration, np.random.default_rng(0)
    by_well = (np.flatnonzero(inside & (fields.wells == well)) for well in np.unique(fields.wells[inside]))
    draw = Draw(trust.reference, tuple(by_well))
    seen, alarms, harmful = 0, 0, 0
    for _ in range(STREAMS):
        rows = draw.stream(LENGTH, rng)
        found = calibration.replay(fields.unusual[rows])
        seen += int(found[0]) + 1 if len(found) else LENGTH
        if len(found):
            alarms += 1
            harmful += bool(fields.suffers[rows[found[0]]])
    return alarms * calibration.ert / seen, harmful * calibration.ert / seen


def main() -> None:
    """Watch, count and write."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("model", type=Path)
    arguments.add_argument("plate", type=Path)
    asked = arguments.parse_args()
    model, plate = load_model_bundle(asked.model), open_plate(asked.plate)
    trust = trust_of(model.card.name, model.extras)
    if trust is None or trust.detector is None:
        raise SystemExit(f"{asked.model} keeps no detector: its reference is too small")
    fields = watched(model, trust, plate)
    found = {}
    for name, shares in THIRDS.items():
        low, high = np.quantile(fields.cells, shares)
        inside = (fields.cells >= low) & (fields.cells <= high)
        found[name] = rates(trust, fields, inside)
        told = f"{found[name][0]:.2f} alarms over nominal, {found[name][1]:.2f} harmful"
        print(f"{name}: {told}; {fields.suffers[inside].sum()} of {inside.sum()} fields expected to suffer")
    worst = max(("few cells", "many cells"), key=lambda name: found[name][1])
    any_kind = {f"{name}, of any kind": round(rate[0], 2) for name, rate in found.items()}
    wells = len(np.unique(fields.wells))
    write_result(
        "trust-benign",
        title="alarms called harmful, over nominal, on clean fields of few or of many cells, the worse",
        value=round(found[worst][1], 3), goal=2, comparison="<=",
        against={**any_kind, "all, harmful": round(found["all"][1], 3)},
        data=f"{plate.name}, simulated: {len(fields.wells)} fields of {wells} wells that the model, trained"
        " on the others, never saw",
        command="python benchmarks/trust_benign.py benign-model fresh.zarr", seed=606, issue=5,
        notes="the model's own detector; alarms of any kind beside, as drift-power-benign counts them",
    )  # fmt: skip


if __name__ == "__main__":
    main()
