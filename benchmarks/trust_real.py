"""Verdicts of the bundled model on real images that it never saw, and what trust costs in time.

Usage: python benchmarks/trust_real.py --data FOLDER
hela-rpe1's field A01/2 as it is and defocused until its true PCC has halved, its relief inverted, and images
of three other microscopes. Writes results/trust-verdicts.json, trust-expected.json and trust-time.json.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from record import write_result
from unstained.measurement.image_metrics import Moments
from unstained.networks.bundle import load_model_bundle
from unstained.plates.importing import import_plate
from unstained.prediction.engine import Engine
from unstained.trust.examples import UNCHANGED, Change, corrupted, view_of
from unstained.trust.features import field_features
from unstained.trust.kept import trust_of

MODEL, TEST = "hela-rpe1-nuclei", "A01/2"
OTHERS = ("cellpainting-brightfield", "neurons", "scratch-assay")
DISTANCES_UM = (1, 2, 3, 4, 6, 8, 10, 12)
COMMAND = "python benchmarks/trust_real.py --data data"
ROUNDS = 7


def main() -> None:
    """Judge, compare with the truth, time, and write the figures."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--data", type=Path, required=True, help="folder of the real sets")
    data = arguments.parse_args().data
    model = load_model_bundle(MODEL)
    trust, engine, rng = (
        trust_of(model.name, model.extras),
        Engine(model, quiet=True),
        np.random.default_rng(0),
    )
    if trust is None:
        raise SystemExit(f"{MODEL} keeps no trust: python benchmarks/bundle_trust.py")
    with tempfile.TemporaryDirectory() as scratch:
        plate = import_plate(data / "hela-rpe1" / "manifest.csv", Path(scratch) / "hela.zarr")
        name = plate.select([TEST])[0]
        known = [plate.read(each, "TL") for each in plate.fields if each != name]
        raw, real = plate.read(name, "TL"), plate.read(name, "DNA").astype(np.float32)
        view = view_of(known, None)
        changes = [UNCHANGED, *(Change("defocus", 1, float(away)) for away in DISTANCES_UM)]
        rows = [_judged(trust, engine, corrupted(raw, change, view, rng)[0], real) for change in changes]
        inverted = _judged(trust, engine, corrupted(raw, Change.of("shear_inversion", 5), view, rng)[0], real)
        others = {each: _other(trust, engine, data / each, Path(scratch)) for each in OTHERS}
        halved = next(row for row in rows if row["pcc"] <= rows[0]["pcc"] / 2)
    for row in (*rows, inverted):
        print(row)
    checks = {
        f"{TEST} as it is isn't refused": rows[0]["verdict"] != "refuse",
        "defocused until its PCC has halved, it is": halved["verdict"] == "refuse",
        "relief inverted, it is": inverted["verdict"] == "refuse",
        **{f"{each} is": verdict == "refuse" for each, verdict in others.items()},
    }
    write_result(
        "trust-verdicts",
        title=f"checks that the verdicts of {MODEL} pass on real images, of {len(checks)}",
        value=sum(checks.values()), goal=len(checks), comparison=">=", against={},
        data=f"hela-rpe1 {TEST}, never trained on, and one field of each of {', '.join(OTHERS)}",
        command=COMMAND, seed=0, issue=5,
        notes="; ".join(f"{check}: {'yes' if held else 'no'}" for check, held in checks.items())
        + f". Inverted, the field is turned to its light and keeps a PCC of {inverted['pcc']:.2f}"
        f" (of {rows[0]['pcc']:.2f}): nothing is to be refused",
    )  # fmt: skip
    off = [abs(row["expected"] - row["pcc"]) for row in rows]
    write_result(
        "trust-expected",
        title="how far the expected PCC lies off the true one, mean over defocus",
        value=float(np.mean(off)), goal=None, comparison=None,
        against={f"at {away} µm": error for away, error in zip((0, *DISTANCES_UM), off, strict=True)},
        data=f"hela-rpe1 {TEST}, as it is and out of focus by 1 to {DISTANCES_UM[-1]} µm",
        command=COMMAND, seed=0, issue=5,
        notes="; ".join(f"true {row['pcc']:.2f}, expected {row['expected']:.2f}" for row in rows),
    )  # fmt: skip
    _write_time(engine, trust, raw[:1024, :1024])


def _judged(trust: Any, engine: Engine, plane: Any, real: Any) -> dict[str, Any]:
    prediction = engine.predict_with_embedding(plane)
    found = trust.judge(engine.card, plane, prediction)
    pcc = Moments.of(prediction.stains[0], real).pcc or 0.0
    return {
        "pcc": pcc,
        "expected": found["expected_pcc"],
        "verdict": found["verdict"],
        "why": found["reason"],
    }


def _other(trust: Any, engine: Engine, folder: Path, scratch: Path) -> str:
    """Judge the first field of another set, its first channel."""
    plate = import_plate(folder / "manifest.csv", scratch / f"{folder.name}.zarr")
    plane = plate.read(plate.fields[0], plate.channels[0])
    found = trust.judge(engine.card, plane, engine.predict_with_embedding(plane))
    print(folder.name, plate.channels[0], found["verdict"], found["reason"])
    return str(found["verdict"])


def _write_time(engine: Engine, trust: Any, plane: Any) -> None:
    """Time a prediction with and without its verdict, in turn."""
    plain, judged = [], []
    for _ in range(ROUNDS):
        start = time.process_time()
        engine.predict(plane)
        middle = time.process_time()
        prediction = engine.predict_with_embedding(plane)
        trust.judged(field_features(engine.card, plane, prediction).plain)
        plain.append(middle - start)
        judged.append(time.process_time() - middle)
    ratios = [after / before for before, after in zip(plain, judged, strict=True)]
    write_result(
        "trust-time",
        title="processor time of a prediction with its verdict, over that without",
        value=float(np.median(ratios)), goal=1.1, comparison="<=", interval=[min(ratios), max(ratios)],
        against={}, data=f"one field of {plane.shape[0]}² px, {ROUNDS} rounds in turn",
        command=COMMAND, seed=None, issue=5, notes=f"{np.median(plain):.2f} s without",
    )  # fmt: skip


if __name__ == "__main__":
    main()
