"""Commands for models: `models`, `train`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unstained.cli.options import (
    Device,
    Json,
    Overwrite,
    PlateArgument,
    SettingsFile,
    Stains,
    further_settings,
    named,
    place,
)
from unstained.cli.task import task

if TYPE_CHECKING:
    from unstained.prediction.catalogue import Listed
    from unstained.stains.catalogue import Stain
    from unstained.training.recipes import TrainingSettings


def models(
    plate: Annotated[
        str | None, typer.Argument(metavar="[P.zarr]", help="Say which models fit this plate.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(metavar="DIR", help="List the models in this folder too.")
    ] = None,
    settings: SettingsFile = None,
    json: Json = False,
) -> None:
    """List the models at hand, and which of them fit a plate's images.

    Example: unstained models plate.zarr --folder my-models
    """
    with task("models", json=json) as told:
        from unstained.plates.plate import open_plate
        from unstained.prediction.catalogue import models_at_hand

        found = models_at_hand(folder, None if plate is None else open_plate(place(plate)))
        for each in found:
            told.say(_line(each, judged=plate is not None))
        if not found:
            told.say("no model at hand; train one: unstained train")
        told.found(plate=plate, models=[each.to_json() for each in found])


def train(
    context: typer.Context,
    plate: PlateArgument,
    stain: Annotated[
        str, typer.Option(metavar="NAME,…", help="What is learnt: nuclei, er, golgi, gfp, or your own.")
    ],
    input: Annotated[str, typer.Option("--input", metavar="CHANNEL", help="The label-free channel.")],
    out: Annotated[Path, typer.Option(metavar="MODEL", help="Folder, or .zip, for the model.")],
    target: Annotated[
        str | None,
        typer.Option(metavar="CHANNEL,…", help="Each stain's channel [default: known by its name]."),
    ] = None,
    test: Annotated[
        str | None,
        typer.Option(metavar="A03,A01/2", help="Wells or fields that are never seen [default: chosen]."),
    ] = None,
    validation: Annotated[
        str | None,
        typer.Option(metavar="A02,…", help="Wells or fields that tell when to stop [default: chosen]."),
    ] = None,
    minutes: Annotated[float | None, typer.Option(metavar="M", help="Time to spend [default: 10].")] = None,
    steps: Annotated[
        int | None, typer.Option(metavar="N", help="Steps to take; repeatable, unlike --minutes.")
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="S", help="Start of all chance [default: 0].")] = None,
    start: Annotated[
        str | None, typer.Option("--from", metavar="MODEL", help="Go on from this model.")
    ] = None,
    recipe: Annotated[str, typer.Option(help="default, or frm: the published recipe.")] = "default",
    stains: Stains = None,
    device: Device = "auto",
    devices: Annotated[str, typer.Option(metavar="N", help="How many GPUs, or auto: all of them.")] = "1",
    precision: Annotated[str, typer.Option(help="32, bf16 or 16.")] = "32",
    name: Annotated[str | None, typer.Option(help="Name of the model [default: that of --out].")] = None,
    licence: Annotated[str, typer.Option(help="Licence of the model, for its card.")] = "",
    attribution: Annotated[str, typer.Option(help="Whom to credit, for its card.")] = "",
    overwrite: Overwrite = False,
    settings: SettingsFile = None,
    json: Json = False,
) -> None:
    """Train a model on a plate of label-free and stained images.

    Wells and fields named by --test are never seen; `unstained evaluate` scores them. Several stains share
    one network. Interrupted, the same command goes on where it stopped. A settings file may also hold the
    recipe's own values, such as "learning_rate: 0.01" or "crops.side: 128".

    Example: unstained train plate.zarr --stain nuclei --input TL --target DNA --out my-nuclei --test A03
    """
    with task("train", json=json) as told:
        from unstained import pipeline
        from unstained.plates.plate import open_plate
        from unstained.training.models import Subject

        changes = {"minutes": minutes, "steps": steps, "seed": seed, **further_settings(context)}
        opened = open_plate(place(plate))
        targets = targets_of(stain, target, opened.channels, stains)
        plan = pipeline.Plan(
            Subject(name or out.stem, input, *targets, licence=licence, attribution=attribution),
            training_settings(recipe, changes),
            pipeline.HeldOut(named(test), named(validation)),
            start,
        )
        model = pipeline.train(
            opened,
            plan,
            out,
            telling=told.telling(),
            overwrite=overwrite,
            **lightning_devices(device, devices, precision),
        )
        pcc, taken = model.card.metrics.get("validation_pcc"), model.card.training.get("steps_taken")
        shown = "not validated" if pcc is None else f"PCC {pcc:.3f} on validation"
        told.say(f"wrote {out}: {input} → {stain}, {taken} steps, {shown}")
        told.say(f"next: unstained predict {plate} --model {out} --out predicted.zarr")
        told.found(
            out=out, model=model.name, stain=stain, input=input, target=",".join(model.card.targets),
            validation_pcc=pcc, steps=taken, split=model.card.split, **{"from": start},
        )  # fmt: skip


def targets_of(
    stain: str, target: str | None, channels: Sequence[str], stains: Path | None
) -> "tuple[dict[str, str], dict[str, Stain]]":
    """Take `nuclei,er` and `DNA,ER` apart: stain → channel, and the stains that are known.

    Raises
    ------
    BadSettings
        A stain has no channel or comes twice, or the file of stains is wrong.
    """
    from unstained.errors import BadSettings, listed
    from unstained.stains.catalogue import STAINS, find_stain, read_stains

    known = STAINS if stains is None else read_stains(stains)
    names = named(stain) or ()
    if target is None:
        found = tuple(find_stain(name, known).channel_in(channels) for name in names)
    else:
        found = named(target) or ()
    if not names or len(names) != len(found) or len(set(names)) != len(names) or not all(found):
        raise BadSettings(
            "--target", f"name one channel for each stain of {stain}; there are: {listed(channels)}"
        )
    return {name: str(channel) for name, channel in zip(names, found, strict=True)}, known


def training_settings(recipe: str, changes: dict[str, Any]) -> "TrainingSettings":
    """Take a recipe and change values of it; `crops.side` is the value `side` of its `crops`.

    Raises
    ------
    BadSettings
        There is no such recipe, or a value is out of range.
    """
    from unstained.errors import BadSettings, listed
    from unstained.training.recipes import RECIPES, TrainingSettings

    if recipe not in RECIPES:
        raise BadSettings("--recipe", f"no recipe {recipe!r}; there are: {listed(RECIPES)}")
    values: dict[str, Any] = RECIPES[recipe].model_dump()
    for name, value in changes.items():
        group, _, inner = name.rpartition(".")
        if value is not None:
            (values[group] if group else values)[inner] = value
    return TrainingSettings.checked(values, source="train")


def lightning_devices(device: str, devices: str, precision: str) -> dict[str, Any]:
    """Say the same in Lightning's words: `accelerator`, `devices`, `precision`.

    Raises
    ------
    BadSettings
        A word isn't known.
    """
    import torch

    from unstained.errors import BadSettings, listed

    accelerators = {"auto": "auto", "cpu": "cpu", "cuda": "gpu"}
    precisions = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}
    for option, value, known in (("--device", device, accelerators), ("--precision", precision, precisions)):
        if value not in known:
            raise BadSettings(option, f"{value!r} is none of: {listed(known)}")
    if devices != "auto" and not (devices.isdigit() and int(devices)):
        raise BadSettings("--devices", f"{devices!r} is neither a number nor auto")
    if device == "cuda" and not torch.cuda.is_available():
        raise BadSettings("--device", "cuda was asked for, but PyTorch finds no GPU here")
    if device != "cpu" and devices != "auto" and 0 < torch.cuda.device_count() < int(devices):
        raise BadSettings("--devices", f"{devices} GPUs were asked for; here are {torch.cuda.device_count()}")
    return {
        "accelerator": accelerators[device],
        "devices": devices if devices == "auto" else int(devices),
        "precision": precisions[precision],
    }


def _line(each: "Listed", *, judged: bool) -> str:
    size = "unknown" if each.card.pixel_size_um is None else f"{each.card.pixel_size_um:g} µm"
    told = f"{each.name}: {each.card.input} → {', '.join(each.card.stains)}, pixel size {size}"
    told += ", learnt from simulated images" if each.card.simulated else ""
    if not judged:
        return told
    if each.misfit is not None:
        return f"{told}; doesn't fit: {each.misfit}"
    return f"{told}; fits" + (f" ({each.caution})" if each.caution else "")
