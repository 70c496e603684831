"""`unstained embed`: a plate's crops on a map, by what a model or plain features make of them."""

from pathlib import Path
from typing import Annotated

import typer

from unstained.cli.options import (
    Device,
    InputChannel,
    Json,
    OnlyFields,
    Overwrite,
    PlateArgument,
    SettingsFile,
    named,
    place,
)
from unstained.cli.task import counted, task


def embed(
    plate: PlateArgument,
    model: Annotated[str, typer.Option(metavar="MODEL", help="A bundled model or a path.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for points, figure and map.")],
    embedding: Annotated[
        str,
        typer.Option(help="bottleneck, pooled, autoencoder-200, autoencoder-2048, plain or together."),
    ] = "pooled",
    reducer: Annotated[
        str, typer.Option(help="pca, pca10; with the extra [embed] umap, pacmap, pca10-umap, pca50-umap, …")
    ] = "pca",
    scale: Annotated[
        str, typer.Option(help="By `all` crops, or by what `clean` ones vary by, to see what is corrupted.")
    ] = "all",
    clusters: Annotated[str, typer.Option(help="hdbscan or dbscan.")] = "hdbscan",
    smallest: Annotated[int, typer.Option(metavar="N", help="Crops of the smallest cluster.")] = 10,
    kinds: Annotated[
        str | None,
        typer.Option(metavar="defocus,…", help="Corrupt crops so, too; `all`: every way [default: none]."),
    ] = None,
    severities: Annotated[str, typer.Option(metavar="1,3,5", help="How much, 1 to 5.")] = "1,3,5",
    crop_px: Annotated[int, typer.Option("--crop-px", help="Side of a crop on the model's grid.")] = 256,
    crops: Annotated[int, typer.Option(metavar="N", help="Crops of a field, at most.")] = 4,
    seed: Annotated[int, typer.Option(help="Of whatever is drawn: corruptions, maps.")] = 0,
    fields: OnlyFields = None,
    input: InputChannel = None,
    device: Device = "auto",
    overwrite: Overwrite = False,
    settings: SettingsFile = None,
    json: Json = False,
) -> None:
    """Lay a plate's crops out by what they look like: a map to hover over, points, clusters.

    `map.html` is one page that needs no network; `points` has one row a crop, `embedding` its point.

    Example: unstained embed plate.zarr --model hela-rpe1-nuclei --out embedded

    Example: unstained embed plate.zarr --model MODEL --out embedded --embedding plain --kinds defocus,lamp
    --scale clean
    """
    with task("embed", json=json) as told:
        from unstained import pipeline
        from unstained.networks.bundle import load_model_bundle
        from unstained.plates.plate import open_plate
        from unstained.trust.mapping import MapSettings

        cut = {"side_px": crop_px, "each_field": crops, "kinds": _kinds(kinds), "seed": seed,
               "severities": named(severities) or ()}  # fmt: skip
        asked = {"embedding": embedding, "reducer": reducer, "scale": scale, "clusters": clusters,
                 "smallest": smallest, "fields": named(fields), "input_channel": input, "device": device,
                 "crops": cut}  # fmt: skip
        found = pipeline.embed(
            open_plate(place(plate)),
            load_model_bundle(model),
            out,
            MapSettings.checked(asked, "embed"),
            overwrite=overwrite,
            telling=told.telling(),
        )
        number = int(found.table["cluster"].max()) + 1
        told.say(f"{counted(len(found.table), 'crop')} in {counted(number, 'cluster')}")
        for name, value in found.silhouettes.items():
            if value is not None:
                told.say(f"silhouette by {name}: {value:+.2f}")
        told.say(f"wrote {out}; open {out / 'map.html'}")
        told.found(out=out, crops=len(found.table), clusters=number, silhouettes=found.silhouettes)


def _kinds(text: str | None) -> tuple[str, ...]:
    """Give the corruptions that are asked for."""
    from unstained.trust.examples import all_changes

    if text == "all":
        return tuple(dict.fromkeys(change.kind for change in all_changes()))
    return named(text) or ()
