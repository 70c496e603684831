"""Commands for trust: `stability`, `drift check`, `drift watch`."""

import subprocess
import urllib.request
from pathlib import Path
from typing import Annotated, Any

import typer

from unstained.cli.options import (
    Device,
    InputChannel,
    Json,
    OnlyFields,
    Overwrite,
    PixelSize,
    SettingsFile,
    named,
    place,
)
from unstained.cli.task import Task, counted, task

USUAL_KINDS = "thesis_defocus,contrast,brightness,defocus"

WEBHOOK_TIMEOUT_S = 10.0

Model = Annotated[str, typer.Option(metavar="NAME|PATH", help="A bundled model, or a model's path.")]

drift = typer.Typer(
    name="drift", no_args_is_help=True, help="Say whether images are still like those a model was made from."
)


def stability(
    plate: Annotated[str, typer.Argument(metavar="P.zarr", help="A plate with real stains.")],
    model: Model,
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


@drift.command("check")
def drift_check(
    plate: Annotated[str, typer.Argument(metavar="P.zarr", help="A plate; it needs no stain.")],
    model: Model,
    out: Annotated[Path | None, typer.Option(metavar="F.json", help="Keep what was found.")] = None,
    fields: OnlyFields = None,
    input: InputChannel = None,
    pixel_size_um: PixelSize = None,
    device: Device = "auto",
    overwrite: Overwrite = False,
    settings: SettingsFile = None,
    json: Json = False,
) -> None:
    """Test a plate against the fields that a model was made from: whether it differs, in what, if that harms.

    Example: unstained drift check plate.zarr --model cho-four --out drift.json
    """
    with task("drift check", json=json) as told:
        from unstained import pipeline
        from unstained.plates.plate import open_plate
        from unstained.prediction.labeller import load_model
        from unstained.prediction.plates import PlateSettings

        chosen = PlateSettings().updated(
            fields=named(fields), input_channel=input, pixel_size_um=pixel_size_um
        )
        found = pipeline.drift_check(
            open_plate(place(plate)), load_model(model, device), out, chosen,
            overwrite=overwrite, telling=told.telling(),
        )  # fmt: skip
        tested = "not tested" if found.p_value is None else f"p = {found.p_value:.4f}"
        told.say(
            f"{counted(found.fields, 'field')} of {counted(found.wells, 'well')}, {tested}: {found.says}"
        )
        told.say("verdicts: " + ", ".join(f"{number} {word}" for word, number in found.verdicts.items()))
        if out is not None:
            told.say(f"wrote {out}")
        told.found(out=out, **found.model_dump(mode="json"))


@drift.command("watch")
def drift_watch(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A microscope writes images into it.")],
    model: Model,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for verdicts and the detector's state.")],
    pixel_size_um: PixelSize = None,
    ert: Annotated[
        int | None,
        typer.Option(metavar="N", help="Clean fields between false alarms [default: the model's, 128]."),
    ] = None,
    on_alarm: Annotated[
        str | None, typer.Option(metavar="COMMAND", help="Run this; {image} and {cause} are filled in.")
    ] = None,
    webhook: Annotated[
        str | None, typer.Option(metavar="URL", help="Send alarms there as JSON (POST).")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Judge what is there, then stop.")] = False,
    idle: Annotated[
        float | None, typer.Option(metavar="S", help="Stop when nothing came for so many seconds.")
    ] = None,
    device: Device = "auto",
    overwrite: Overwrite = False,
    settings: SettingsFile = None,
    json: Json = False,
) -> None:
    """Judge images as a microscope writes them, and raise an alarm when they drift.

    Begun again with the same --out, it goes on where it stopped.

    Example: unstained drift watch scope/today --model cho-four --out watch --webhook https://example.com/drift
    """
    with task("drift watch", json=json) as told:
        from unstained import pipeline
        from unstained.errors import BadInput, WrongModel
        from unstained.prediction.labeller import load_model
        from unstained.trust.watch import follow

        _refuse_unusable(on_alarm, webhook)
        watcher = pipeline.watcher(
            load_model(model, device), folder, out, pixel_size_um, ert, overwrite=overwrite
        )
        if watcher.detector is None:
            told.caution("the model's reference is too small to promise how rare false alarms are: none")
        judged = alarms = 0
        for image in follow(folder, once=once, idle_s=idle):
            name = watcher.name(image)
            if name in watcher.done:
                continue
            try:
                found = watcher.take(image)
            except (BadInput, WrongModel) as error:
                told.caution(f"{name} is left out: {error}")
                continue
            judged += 1
            told.say(f"{name} {found['verdict']}: {found['reason']}")
            if found["alarm"]:
                alarms += 1
                _raise_alarm(told, found, on_alarm, webhook)
        told.found(out=out, images=judged, alarms=alarms)


def _raise_alarm(told: Task, found: dict[str, Any], command: str | None, webhook: str | None) -> None:
    """Say that images drift, to the person, a command and a web address; what fails there stops nothing."""
    harm = "predictions are expected to suffer" if found["harmful"] else "predictions are expected to hold"
    told.say(f"ALARM at {found['image']}: images drift ({found['cause']}); {harm}")
    if command is not None:
        words = _words(command)
        for what in ("image", "cause"):
            words = [word.replace(f"{{{what}}}", str(found[what])) for word in words]
        try:
            subprocess.run(words, check=True, timeout=60)
        except (OSError, subprocess.SubprocessError) as error:
            told.caution(f"the alarm's command failed: {error}")
    if webhook is not None:
        import json as text

        body = text.dumps(found, ensure_ascii=False).encode()
        request = urllib.request.Request(
            webhook, body, {"Content-Type": "application/json"}, method="POST"
        )
        try:
            urllib.request.urlopen(request, timeout=WEBHOOK_TIMEOUT_S).close()
        except (OSError, ValueError) as error:
            told.caution(f"the alarm's webhook failed: {error}")


def _refuse_unusable(command: str | None, webhook: str | None) -> None:
    """Say before watching, not at the alarm hours later, that a command or an address can't be meant."""
    from unstained.errors import BadSettings

    if command is not None:
        try:
            _words(command)
        except ValueError as error:
            raise BadSettings("--on-alarm", f"{command!r} is no command: {error}") from error
    if webhook is not None and not webhook.startswith(("http://", "https://")):
        raise BadSettings("--webhook", f"{webhook!r} is no web address; one begins with https://")


def _words(command: str) -> list[str]:
    import shlex

    return shlex.split(command)
