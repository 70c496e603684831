"""Commands for trust: `stability`."""

from pathlib import Path
from typing import Annotated

import typer

from unstained.cli.options import Device, Json, Overwrite, SettingsFile, named, place
from unstained.cli.task import task

USUAL_KINDS = "thesis_defocus,contrast,brightness,defocus"


def stability(
    plate: Annotated[str, typer.Argument(metavar="P.zarr", help="A plate with real stains.")],
    model: Annotated[str, typer.Option(metavar="NAME|PATH", help="A bundled model, or a model's path.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for tables, curves and pictures.")],
    kinds: Annotated[
        str, typer.Option(metavar="KIND,…|all", help="Corruptions; `list` lists them.")
    ] = USUAL_KINDS,
    most: Annotated[int, typer.Option(metavar="N", min=1, help="So many fields at most.")] = 12,
    device: Device = "auto",
    overwrite: Overwrite = False,
    settings: SettingsFile = None,
    json: Json = False,
) -> None:
    """Corrupt images on purpose, and tell how far predictions and measurements hold.

    Example: unstained stability cho.zarr --model cho-four --out stability
    """
    with task("stability", json=json) as told:
        from unstained.imaging.corruptions import KINDS

        if kinds == "list":
            for known, kind in KINDS.items():
                strengths = ", ".join(f"{value:g}" for value in kind.severities.values())
                told.say(f"{known} ({kind.unit}): {strengths}")
            told.found(kinds=list(KINDS))
            return
        from unstained import pipeline
        from unstained.plates.plate import open_plate
        from unstained.prediction.labeller import load_model

        chosen = tuple(KINDS) if kinds == "all" else named(kinds) or ()
        opened, labeller = open_plate(place(plate)), load_model(model, device)
        found = pipeline.stability(opened, labeller, out, chosen, most, overwrite=overwrite)
        for sentence in found.findings:
            told.say(sentence)
        told.say(f"wrote {out}")
        told.found(out=out, **found.model_dump(mode="json", by_alias=True))
