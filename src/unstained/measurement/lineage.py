"""Where the rows of a table come from, as columns: for warehouses, where tables travel alone."""

import hashlib
import json
from typing import Any

import pandas as pd

from unstained.measurement.known import MEASURED
from unstained.plates.plate import Plate

LINEAGE = (
    "model", "model_sha256", "unstained_version", "source", "source_sha256", "run_id", "run_date",
    "settings_sha256",
)  # fmt: skip
"""The columns, in their order; they stand last."""


def with_lineage(table: pd.DataFrame, predicted: Plate) -> pd.DataFrame:
    """Add to each row which model, version, plate, run and settings it comes from.

    `model` and `model_sha256` (of the weights) are those of the row's `stain`; of a row that holds several
    stains, all of them, joined by commas. `source` is the plate that was predicted and `source_sha256` that
    of its fields' pixels; `run_id` is the SHA-256 of the record of `predict`, `settings_sha256` that of how
    it was predicted and measured. All are texts; what isn't known is missing.
    """
    run: dict[str, Any] = predicted.info.get("runs", {}).get("predict", {})
    plate = run.get("inputs", {}).get("plate", {})
    models = {
        stain: (card["name"], card.get("weights_sha256"))
        for card in predicted.info.get("models", ())
        for stain in card["stains"]
    }
    several = tuple(dict.fromkeys(models.values()))
    joined = tuple(",".join(map(str, parts)) for parts in zip(*several, strict=True)) or (None, None)
    stains = table["stain"] if "stain" in table else [None] * len(table)
    known = [models.get(stain, joined) for stain in stains]
    settings = {"predict": run.get("settings"), "measure": predicted.info.get(MEASURED)}
    values = {
        "model": [name for name, _ in known],
        "model_sha256": [weights for _, weights in known],
        "unstained_version": run.get("version"),
        "source": plate.get("path") or predicted.info.get("source"),
        "source_sha256": plate.get("sha256"),
        "run_id": _sha256(run) if run else None,
        "run_date": run.get("date"),
        "settings_sha256": _sha256(settings),
    }
    columns = {name: pd.Series(values[name], index=table.index, dtype="string") for name in LINEAGE}
    return table.assign(**columns)


def _sha256(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
