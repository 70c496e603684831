"""How evaluations lie in a folder: `evaluation.json` for one stain, `STAIN/evaluation.json` for several."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from unstained.errors import BadInput
from unstained.measurement.evaluation_record import Evaluation
from unstained.provenance import read_json, write_json

EVALUATION = "evaluation.json"


def write_evaluations(folder: Path, found: Mapping[str, Evaluation]) -> None:
    """Write evaluations by stain.

    Raises
    ------
    OutputFailed
        No permission or no space.
    """
    for stain, evaluation in found.items():
        write_json((folder if len(found) == 1 else folder / stain) / EVALUATION, evaluation.to_json())


def read_evaluations(folder: Path, stains: Sequence[str]) -> list[dict[str, Any]]:
    """Read what evaluations there are of some stains, plain values.

    Raises
    ------
    BadInput
        There is none.
    """
    paths = (folder / EVALUATION, *(folder / stain / EVALUATION for stain in stains))
    found = [scores for path in paths if (scores := read_json(path)) is not None]
    if not found:
        raise BadInput(f"{folder} holds no {EVALUATION}; make one: unstained evaluate")
    return found
