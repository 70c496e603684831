"""Figures of the thesis' studies that matter beyond their page, with goals where there are any.

Usage: python benchmarks/studies.py FOLDER …, where `unstained study NAME` left its study.json.
Writes results/study-*.json; other studies than those it knows are passed over.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from record import write_result

Tables = dict[str, list[dict[str, Any]]]

COMMAND = "make studies; python benchmarks/studies.py studies/{name}"
MEASURES = ("number", "area", "total", "mean")


def main() -> None:
    """Read the studies and write their figures."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("folders", type=Path, nargs="+")
    for folder in arguments.parse_args().folders:
        study = json.loads((folder / "study.json").read_text(encoding="utf-8"))
        name = study["name"]
        if name in FIGURES:
            given = FIGURES[name](study["tables"])
            shared = {"data": study["data"], "command": COMMAND.format(name=name), "seed": 0, "issue": 4}
            write_result(f"study-{name}", **{"goal": None, "comparison": None, **given, **shared})


def _scale(tables: Tables) -> dict[str, Any]:
    known = [row for row in tables["table-2"] if row["pixel_size"] == "known"]
    at_one = next(row for row in known if row["train"] == row["predict"] == 1.0)
    others = [row for row in known if row["train"] == 1.0]
    lost = {each: max(at_one[each] - row[each] for row in others) for each in MEASURES}
    blind = [row for row in tables["table-2"] if row["pixel_size"] != "known" and row["augmented"] == "no"]
    worst = min(row["pcc"] for row in blind)
    return {
        "title": "correlation lost at 0.7 and 1.3 times with the pixel size known, the most",
        "value": max(lost.values()), "goal": 0.01, "comparison": "<=", "against": lost,
        "notes": f"mean intensity correlates by {at_one['mean']:.2f} only, whatever the scale; PCC"
        f" {min(row['pcc'] for row in known):.3f} or more in all nine cells, else down to {worst:.3f}",
    }  # fmt: skip


def _losses(tables: Tables) -> dict[str, Any]:
    rows = {row["variant"]: row for row in tables["nuclei"]}
    best = max(rows, key=lambda name: rows[name]["pcc"])
    return {
        "title": f"PCC of nuclei by loss, the best ({best})", "value": rows[best]["pcc"],
        "against": {name: row["pcc"] for name, row in rows.items()},
        "notes": "finest period half kept, px: "
        + ", ".join(f"{name} {row['finest_px']:.1f}" for name, row in rows.items()),
    }  # fmt: skip


def _phenotypes(tables: Tables) -> dict[str, Any]:
    across = {(row["train"], row["test"]): row["pcc"] for row in tables["across"]}
    gaps = {
        f"{train} to {test}": across[test, test] - pcc
        for (train, test), pcc in across.items() if train != test
    }  # fmt: skip
    tuned = [row for row in tables["closing"] if row["start"] == f"from {row['from']}" and row["fields"]]
    return {
        "title": "PCC lost on a phenotype not trained on, nuclei, the most", "value": max(gaps.values()),
        "against": gaps,
        "notes": "after fine-tuning: "
        + ", ".join(f"{row['from']} on {row['fields']} of {row['to']} {row['pcc']:.3f}" for row in tuned),
    }  # fmt: skip


def _recipes(tables: Tables) -> dict[str, Any]:
    default = tables["optimiser"][0]
    rows = [row for name, table in tables.items() if name != "data" for row in table[1:]]
    return {
        "title": "PCC of the default recipe, nuclei", "value": default["pcc"],
        "against": {row["variant"]: row["pcc"] for row in rows},
        "notes": "by training fields: "
        + ", ".join(f"{row['fields']} {row['pcc']:.3f}" for row in tables["data"]),
    }  # fmt: skip


def _tiling(tables: Tables) -> dict[str, Any]:
    rows = tables["windows"]
    return {
        "title": "seams of windows by root mean square against one pass, the worst",
        "value": max(row["rms"] for row in rows if row["rms"] is not None),
        "against": {row["windows"]: row["rms"] for row in rows},
    }


FIGURES = {
    "scale": _scale, "losses": _losses, "phenotypes": _phenotypes, "recipes": _recipes, "tiling": _tiling,
}  # fmt: skip


if __name__ == "__main__":
    main()
