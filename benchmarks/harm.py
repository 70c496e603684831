"""Figures of the study `harm`, with their goals.

Usage: python benchmarks/harm.py FOLDER, where `unstained study harm` left its study.json.
Writes results/trust-harm-*.json.
"""

import argparse
import json
from pathlib import Path

from record import write_result

COMMAND = "unstained study harm work/studies/plate.zarr --input DIC --out F; python benchmarks/harm.py F"


def main() -> None:
    """Read the study and write its figures."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("folder", type=Path)
    study = json.loads((arguments.parse_args().folder / "study.json").read_text(encoding="utf-8"))
    whole, unseen = study["tables"]["agreement"][0], study["tables"]["left-out"][-1]
    data = f"{study['data']}; validation fields, too, each with 10 corrupted copies"
    shared = {"data": data, "command": COMMAND, "seed": 0, "issue": 5}
    write_result(
        "trust-harm-auc", title="AUC of the expected PCC for fields whose true one is below .8",
        value=whole["auc_poor"], goal=0.95, comparison=">=",
        against={"of corruptions never seen": unseen["auc_poor"]}, **shared,
    )  # fmt: skip
    write_result(
        "trust-harm-spearman", title="Spearman of expected and true PCC, clean and corrupted fields",
        value=whole["spearman"], goal=0.85, comparison=">=",
        against={"of corruptions never seen": unseen["spearman"]}, **shared,
        notes="most corruptions cost less than fields differ from each other",
    )  # fmt: skip
    bins = {f"bin {row['bin']}": row["held"] for row in study["tables"]["bound"]}
    write_result(
        "trust-harm-bound", title="share of fields that keep the 90 % bound, the worst bin of drift",
        value=max(bins.values(), key=lambda held: abs(held - 0.9)), goal=[0.88, 0.92], comparison="in",
        against=bins, **shared, notes="200 splits by wells; one field of each well and bin at a time",
    )  # fmt: skip


if __name__ == "__main__":
    main()
