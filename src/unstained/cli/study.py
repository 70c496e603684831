"""`unstained study NAME`: measured answers to questions of method, on any plate with truth."""

from pathlib import Path
from typing import Annotated

import typer

from unstained.cli.options import Json, Overwrite, PlateArgument, SettingsFile, further_settings, named, place
from unstained.cli.task import task

app = typer.Typer(no_args_is_help=True, help="Measure a question of method on a plate with truth.")


@app.callback()
def top() -> None:
    """Measure a question of method on a plate with truth."""


@app.command()
def split(
    context: typer.Context,
    plate: PlateArgument,
    input: Annotated[str, typer.Option("--input", metavar="CHANNEL", help="The label-free channel.")],
    target: Annotated[str, typer.Option(metavar="CHANNEL", help="The stained channel.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for split.json.")],
    stain: Annotated[str, typer.Option(metavar="NAME", help="What is learnt.")] = "stain",
    test: Annotated[
        str | None, typer.Option(metavar="A03,A01/2", help="Wells or fields held out [default: chosen].")
    ] = None,
    steps: Annotated[int, typer.Option(metavar="N", help="Steps of each of the two trainings.")] = 500,
    seed: Annotated[int, typer.Option(metavar="S", help="Start of all chance.")] = 0,
    overwrite: Overwrite = False,
    settings: SettingsFile = None,
    json: Json = False,
) -> None:
    """Train twice, on a split by crops and on an honest one, and score both: how much do crops flatter.

    Example: unstained study split plate.zarr --input TL --target DNA --out split-study --steps 1000
    """
    with task("study split", json=json) as told:
        from unstained import pipeline
        from unstained.cli.models import training_settings
        from unstained.plates.plate import open_plate
        from unstained.training.models import Subject

        plan = pipeline.Plan(
            Subject("split-study", input, {stain: target}),
            training_settings("default", {"steps": steps, "seed": seed, **further_settings(context)}),
            pipeline.HeldOut(named(test)),
        )
        found = pipeline.study_splits(
            open_plate(place(plate)), plan, out, telling=told.telling(), overwrite=overwrite
        )
        for kind, scored in (("by crops", found.naive), (f"honest, by {found.honest_level}", found.honest)):
            pcc = "–" if scored.pcc is None else f"{scored.pcc:.3f}"
            told.say(f"split {kind}: PCC {pcc}, tested on {scored.test} regions")
        told.say(f"wrote {out / 'split.json'}")
        told.found(out=out, **found.model_dump(mode="json"))
