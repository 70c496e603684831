"""The command `export`: models for other programs."""

from pathlib import Path
from typing import Annotated

import typer

from unstained.cli.options import Json, Overwrite, SettingsFile
from unstained.cli.task import task


def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A bundled model or a path.")],
    to: Annotated[
        str,
        typer.Option(
            "--to", metavar="onnx|bioimageio", help="One ONNX file, or a package of the BioImage Model Zoo."
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="F", help="The file to make: .onnx, or .zip for the zoo.")],
    image: Annotated[
        Path | None,
        typer.Option(metavar="IMAGE", help="A field to compare on [default: one that is built in]."),
    ] = None,
    licence: Annotated[
        str | None, typer.Option(metavar="SPDX", help="For the zoo [default: as the card says].")
    ] = None,
    overwrite: Overwrite = False,
    settings: SettingsFile = None,
    json: Json = False,
) -> None:
    """Write a model for other programs, and hold it against the original.

    What is written takes whole fields of camera pixels, at the model's own pixel size, and gives what
    `unstained predict` gives: normalisation, light and mirror images are inside. Verdicts are not.

    Example: unstained export hela-rpe1-nuclei --to bioimageio --out nuclei.zip
    """
    with task("export", json=json) as told:
        from unstained.exchange.exporting import ExportSettings, export_model
        from unstained.networks.bundle import load_model_bundle

        asked = ExportSettings.checked({"to": to, "image": image, "licence": licence}, "unstained export")
        found = export_model(load_model_bundle(model), out, asked, overwrite=overwrite)
        told.say(f"wrote {out}: equal to {model} but for {found.error:.1e} of its range")
        told.found(out=out, model=model, to=to, largest_error=found.error)
