"""`unstained rank`: wells and clones in order."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unstained.cli.options import Json, Overwrite, SettingsFile, named, place
from unstained.cli.task import Task, task

if TYPE_CHECKING:
    from unstained.ranking.ranking import Ranking


def rank(
    predicted: Annotated[
        list[str], typer.Argument(metavar="Q.zarr …", help="One or several predicted plates.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the order, its tables and heat map.")],
    by: Annotated[
        str, typer.Option(metavar="SCORE", help="productivity, growth, or a YAML file.")
    ] = "productivity",
    top: Annotated[
        int | None, typer.Option(metavar="N", help="How many best are looked for [default: 5, or a quarter].")
    ] = None,
    correct: Annotated[
        str | None, typer.Option(metavar="edge,confluence", help="Effects to take away [default: none].")
    ] = None,
    leave_out: Annotated[
        str | None, typer.Option(metavar="caution,refuse", help="Verdicts not to rank [default: none].")
    ] = None,
    stained: Annotated[
        str | None, typer.Option(metavar="P.zarr", help="A plate with real stains of some of the wells.")
    ] = None,
    risk: Annotated[
        float, typer.Option(metavar="R", help="Of losing one of the best when clones are dropped.")
    ] = 0.1,
    overwrite: Overwrite = False,
    settings: SettingsFile = None,
    json: Json = False,
) -> None:
    """Put wells and clones in order, and say how certain that order is.

    A column `day` in the plate map gives trends by clone, and says which could be dropped when.

    Example: unstained rank predicted.zarr --out ranking --by productivity
    """
    with task("rank", json=json) as told:
        from unstained import pipeline
        from unstained.plates.plate import open_plate
        from unstained.ranking.ranking import RankSettings
        from unstained.ranking.score import load_score

        asked = {
            "score": load_score(by).model_dump(), "top": top, "risk": risk,
            "correct": named(correct) or (), "leave_out": named(leave_out) or (),
        }  # fmt: skip
        found = pipeline.rank(
            [open_plate(place(each)) for each in predicted],
            out,
            RankSettings.checked(asked, "rank"),
            stained=None if stained is None else open_plate(place(stained)),
            overwrite=overwrite,
            telling=told.telling(),
        )
        say_ranking(told, found)
        told.say(f"wrote {out}")
        told.found(out=out, **ranking_results(found))


def say_ranking(told: Task, found: "Ranking", most: int = 5) -> None:
    """Say the best of a ranking, each with its interval, and what was assumed."""
    for row in ranking_results(found)["best"][:most]:
        interval = f", {row['rank_low']} to {row['rank_high']} with about 90 %" if row.get("rank_low") else ""
        told.say(f"{row['rank']}. {row['name']}: score {row['score']:+.2f}{interval}")
    for note in found.notes:
        told.say(note)
    if found.next_to_stain:
        told.say(f"stain these wells next: {', '.join(found.next_to_stain)}")


def ranking_results(found: "Ranking") -> dict[str, Any]:
    """Give a ranking's order and notes for the line of JSON."""
    table = found.wells if found.clones is None else found.clones
    name = "well" if found.clones is None else "clone"
    columns = [each for each in ("rank", "score", "rank_low", "rank_high", "chance_of_top") if each in table]
    ranked = table[table["rank"].notna()]
    best = [
        {"name": row[name], **{each: _plain(row[each]) for each in columns}}
        for row in ranked.to_dict("records")
    ]
    return {"units": found.units, "best": best, "next_to_stain": list(found.next_to_stain),
            "notes": list(found.notes)}  # fmt: skip


def _plain(value: Any) -> Any:
    return int(value) if float(value).is_integer() else float(value)
