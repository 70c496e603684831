"""Figures of the study `drift-power`, with their goals.

Usage: python benchmarks/drift_power.py FOLDER, where `unstained study drift-power` left its study.json.
Writes results/drift-power-*.json.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from record import write_result

COMMAND = (
    "unstained study drift-power work/studies/plate.zarr --input DIC --out F; benchmarks/drift_power.py F"
)
LEVEL = 4
SPOILS = {"thesis_defocus": 3, "defocus": 3, "contrast": -4, "brightness": -4, "motion": 4}
"""From these severities on a corruption costs .05 of PCC or more on simulated fields."""


def main() -> None:
    """Read the study and write its figures."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("folder", type=Path)
    study = json.loads((arguments.parse_args().folder / "study.json").read_text(encoding="utf-8"))
    tables: dict[str, list[dict[str, Any]]] = study["tables"]
    shared = {
        "data": f"{study['data']}; features of the image alone",
        "command": COMMAND,
        "seed": 0,
        "issue": 5,
    }
    scan, windows = tables["table-6"][-1], tables["table-6"][:-1]
    write_result(
        "drift-power-auc", title="AUC of run lengths, clean against defocus of level 4, scan, ERT 128",
        value=scan["auc"], goal=0.985, comparison=">=",
        against={f"window {row['window']}": row["auc"] for row in windows}, **shared,
        notes="the thesis' .98 at its best window is of other data",
    )  # fmt: skip
    write_result(
        "drift-power-delay", title="fields until defocus of level 4 is seen, scan, mean of medians",
        value=scan["delay"], goal=2, comparison="<=",
        against={f"window {row['window']}": row["delay"] for row in windows}, **shared,
    )  # fmt: skip
    missed = [
        row["missed_of_20"] for row in tables["offline"]
        if row["corruption"] in SPOILS and row["severity"] * SPOILS[row["corruption"]] > 0
        and abs(row["severity"]) >= abs(SPOILS[row["corruption"]])
    ]  # fmt: skip
    write_result(
        "drift-power-missed", title="share of tests that miss 20 fields whose PCC fell by .05, the worst",
        value=max(missed), goal=0.05, comparison="<=", against={}, **shared,
        notes=f"5 % level; clean fields: {1 - tables['offline'][0]['missed_of_20']:.0%} false alarms",
    )  # fmt: skip
    write_result(
        "drift-power-benign", title="alarms over nominal on clean fields of few or of many cells, the worse",
        value=max(row["alarms_over_nominal"] for row in tables["benign"]), goal=2, comparison="<=",
        against={row["fields"]: row["alarms_over_nominal"] for row in tables["benign"]}, **shared,
        notes="another population is no harm: predictions are expected to hold, and the alarm says so",
    )  # fmt: skip


if __name__ == "__main__":
    main()
