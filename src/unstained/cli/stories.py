"""Commands that go the whole path: `demo`, `screen`."""

from pathlib import Path
from typing import Annotated

import typer

from unstained.cli.options import (
    Device,
    InputChannel,
    Json,
    Models,
    OnlyFields,
    Overwrite,
    PixelSize,
    SettingsFile,
    named,
)
from unstained.cli.results import evaluation_results, field_rows, say_scores
from unstained.cli.task import counted, task


def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for all that is made.")] = Path("demo"),
    plate: Annotated[
        str, typer.Option(metavar="hela|cho", help="hela: nuclei of real cells; cho: a simulated plate.")
    ] = "hela",
    train: Annotated[bool, typer.Option("--train", help="Train a model from scratch first.")] = False,
    minutes: Annotated[
        float | None, typer.Option(metavar="M", help="Time for --train [default: 10].")
    ] = None,
    steps: Annotated[int | None, typer.Option(metavar="N", help="Steps for --train.")] = None,
    overwrite: Overwrite = False,
    settings: SettingsFile = None,
    json: Json = False,
) -> None:
    """Show the whole path: fetch or simulate images, predict, measure, evaluate, report.

    Example: unstained demo --out demo
    """
    with task("demo", json=json) as told:
        from unstained.cli.models import training_settings
        from unstained.demo import demo as show
        from unstained.demo import demo_cho
        from unstained.errors import BadSettings

        if plate not in ("hela", "cho") or (plate == "cho" and train):
            raise BadSettings("--plate", f"{plate!r} is neither hela nor cho; --train goes with hela alone")
        if plate == "cho":
            found = demo_cho(out, overwrite=overwrite, telling=told.telling())
        else:
            training = training_settings("default", {"minutes": minutes, "steps": steps}) if train else None
            found = show(out, training, overwrite=overwrite, telling=told.telling())
        for evaluation in found.evaluations.values():
            say_scores(told, evaluation)
        told.say(f"the report: {found.report.resolve()}")
        told.found(
            out=out,
            report=found.report,
            sample=found.sample,
            evaluation=evaluation_results(found.evaluations),
        )


def screen(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="A plate, or a folder of images.")],
    model: Models,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for all that is made.")],
    fields: OnlyFields = None,
    input: InputChannel = None,
    pixel_size_um: PixelSize = None,
    device: Device = "auto",
    overwrite: Overwrite = False,
    settings: SettingsFile = None,
    json: Json = False,
) -> None:
    """Predict, measure and report on a plate or a folder of images in one go.

    Interrupted, the same command goes on where it stopped.

    Example: unstained screen images --model hela-rpe1-nuclei --out screened
    """
    with task("screen", json=json) as told:
        from unstained import pipeline
        from unstained.prediction.labeller import load_model
        from unstained.prediction.plates import PlateSettings

        labellers = [load_model(name, device) for name in model]
        chosen = PlateSettings().updated(
            fields=named(fields), input_channel=input, pixel_size_um=pixel_size_um
        )
        predicted = pipeline.screen(
            source, labellers, out, chosen, overwrite=overwrite, telling=told.telling()
        )
        told.say(f"wrote {out}: {', '.join(predicted.channels)} of {counted(len(predicted.fields), 'field')}")
        told.say(f"the report: {(out / 'report.html').resolve()}")
        told.found(
            out=out, report=out / "report.html", tables=out / "tables",
            models=[each.name for each in labellers], fields=field_rows(predicted),
        )  # fmt: skip
