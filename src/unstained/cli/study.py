"""`unstained study NAME`: measured answers to questions of method, on any plate with truth."""

from pathlib import Path
from typing import Annotated

import typer

from unstained.cli.options import Json, Overwrite, SettingsFile, Stains, named, place
from unstained.cli.task import task


def study(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Which one; `list` lists them.")],
    plate: Annotated[str | None, typer.Argument(metavar="P.zarr", help="A plate with real stains.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder for tables and figures.")] = None,
    input: Annotated[
        str | None, typer.Option("--input", metavar="CHANNEL", help="The label-free channel.")
    ] = None,
    stain: Annotated[
        str | None, typer.Option(metavar="NAME,…", help="Stains to study [default: all that are known].")
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(metavar="CHANNEL,…", help="Each stain's channel [default: known by its name]."),
    ] = None,
    test: Annotated[
        str | None, typer.Option(metavar="A03,A01/2", help="Wells or fields held out [default: chosen].")
    ] = None,
    steps: Annotated[int, typer.Option(metavar="N", help="Steps of a training.")] = 400,
    seeds: Annotated[int, typer.Option(metavar="N", min=1, help="So many trainings of each kind.")] = 2,
    cache: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keeps what is trained [default: beside --out].")
    ] = None,
    precision: Annotated[str, typer.Option(help="32, bf16 or 16.")] = "32",
    stains: Stains = None,
    overwrite: Overwrite = False,
    settings: SettingsFile = None,
    json: Json = False,
) -> None:
    """Answer a question of method on a plate with truth: tables, figures, sentences.

    Models are kept and shared between studies; interrupted, the same command goes on.

    Example: unstained study losses cho.zarr --input DIC --out studies/losses
    """
    with task("study", json=json) as told:
        from unstained.studies.catalogue import STUDIES, find_study

        if name == "list":
            for known, kind in STUDIES.items():
                told.say(f"{known}: {kind.title}")
            told.found(studies=list(STUDIES))
            return
        from unstained import pipeline
        from unstained.cli.models import lightning_devices, targets_of
        from unstained.errors import BadSettings
        from unstained.plates.plate import open_plate
        from unstained.stains.catalogue import read_stains, stains_in
        from unstained.studies.workbench import Workbench

        find_study(name)
        if plate is None or out is None or input is None:
            raise BadSettings(f"study {name}", "name a plate, --input and --out")
        opened = open_plate(place(plate))
        own = None if stains is None else read_stains(stains)
        asked = stain or ",".join(stains_in(opened.channels, own))
        targets, known_stains = targets_of(asked, target, opened.channels, stains)
        bench = Workbench(
            opened, input, targets, known_stains, cache or out.parent / "cache",
            test=named(test), steps=steps, seeds=tuple(range(seeds)), tell=told.telling().note,
            devices=lightning_devices("auto", "1", precision),
        )  # fmt: skip
        found = pipeline.study(name, bench, out, overwrite=overwrite)
        for sentence in found.findings:
            told.say(sentence)
        told.say(f"wrote {out}")
        told.found(out=out, **found.model_dump(mode="json", by_alias=True))
