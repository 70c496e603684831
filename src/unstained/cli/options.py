"""Options that several commands share, and `--settings F.yaml`, whose values any flag overrides."""

from pathlib import Path
from typing import Annotated, Any

import typer

from unstained.cli.task import errors_as_lines

MORE = "unstained.more"
"""Where a context keeps settings of a file that aren't options of the command."""


def take_settings(context: typer.Context, file: Path | None) -> Path | None:
    """Make a YAML file's values the defaults of the command's options; others are settings of its stage.

    Raises
    ------
    typer.Exit
        The file can't be read, or holds a name that the command doesn't know; the line is printed.
    """
    if file is None:
        return None
    with errors_as_lines():
        from unstained.errors import BadSettings
        from unstained.settings import read_yaml

        values = {name.replace("-", "_"): value for name, value in read_yaml(file).items()}
        options = {str(each.name) for each in context.command.params} - {"settings", "json", "help"}
        further = _stage_settings(str(context.info_name))
        if unknown := sorted(values.keys() - options - further):
            fault = f"{context.command_path} has no setting {unknown[0]!r}"
            raise BadSettings(str(file), fault, known=sorted(options | further))
        single = {str(each.name) for each in context.command.params if not getattr(each, "multiple", False)}
        given = _in_lists(_pick(values, options - single)) | _with_commas(_pick(values, options & single))
        context.default_map = {**(context.default_map or {}), **given}
        context.meta[MORE] = _pick(values, further - options)
    return file


def further_settings(context: typer.Context) -> dict[str, Any]:
    """Give the stage's settings that came by file alone."""
    return dict(context.meta.get(MORE, {}))


def named(text: str | None) -> tuple[str, ...] | None:
    """Take `A03,A01/2` apart; None stays None."""
    return None if text is None else tuple(part.strip() for part in text.split(",") if part.strip())


def place(text: str) -> Path | str:
    """Take a plate's place as given: a URL (`s3://…`) stays text, all else is a path."""
    return text if "://" in text else Path(text)


def _stage_settings(command: str) -> set[str]:
    if command == "twin":
        from unstained.twin.wells import TwinSettings

        return set(TwinSettings.model_fields)
    if command != "train":
        return set()
    from unstained.training.recipes import TrainingSettings

    names = set()
    for name, field in TrainingSettings.model_fields.items():
        inner = getattr(field.annotation, "model_fields", None)
        names |= {f"{name}.{part}" for part in inner} if inner else {name}
    return names


def _in_lists(values: dict[str, Any]) -> dict[str, Any]:
    """Write a lone value of an option that can be given several times as a list."""
    return {name: value if isinstance(value, list) else [value] for name, value in values.items()}


def _with_commas(values: dict[str, Any]) -> dict[str, Any]:
    """Write lists as options of one value have them."""
    return {
        name: ",".join(map(str, value)) if isinstance(value, list) else value
        for name, value in values.items()
    }


def _pick(values: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name in names}


Json = Annotated[bool, typer.Option("--json", help="End with one line of JSON.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the output where it is there already.")]
SettingsFile = Annotated[
    Path | None,
    typer.Option(
        "--settings",
        metavar="F.yaml",
        is_eager=True,
        callback=take_settings,
        help="Flat YAML with values for these options; flags win.",
    ),
]
PlateArgument = Annotated[
    str, typer.Argument(metavar="P.zarr", help="A plate, made by `unstained import`; also a URL.")
]
PredictedArgument = Annotated[str, typer.Argument(metavar="Q.zarr", help="A predicted plate.")]
Models = Annotated[
    list[str], typer.Option("--model", metavar="MODEL", help="A bundled model or a path; can be repeated.")
]
OnlyFields = Annotated[
    str | None, typer.Option("--fields", metavar="A01,A02/3", help="Wells or fields [default: all].")
]
InputChannel = Annotated[
    str | None,
    typer.Option("--input", metavar="CHANNEL", help="Read this channel in place of the model's own."),
]
Stains = Annotated[
    Path | None,
    typer.Option("--stains", metavar="F.yaml", help="Describes stains of your own, or the known ones anew."),
]
PixelSize = Annotated[
    float | None,
    typer.Option(
        "--pixel-size-um", metavar="F", help="Side of a pixel, µm, in place of what the images say."
    ),
]
Device = Annotated[str, typer.Option("--device", help="cpu, cuda, or auto: CUDA where there is any.")]
WorkerCount = Annotated[
    int | None, typer.Option("--workers", metavar="N", help="Processes on this machine [default: this one].")
]
Scheduler = Annotated[
    str | None,
    typer.Option(metavar="tcp://…", help="A Dask scheduler whose workers do it, in place of --workers."),
]
