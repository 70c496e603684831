"""Commands for results: `predict`, `measure`, `evaluate`, `rank`, `report`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unstained.cli.options import (
    Device,
    InputChannel,
    Json,
    Models,
    OnlyFields,
    Overwrite,
    PixelSize,
    PredictedArgument,
    SettingsFile,
    named,
    place,
)
from unstained.cli.task import Task, counted, task

if TYPE_CHECKING:
    from unstained.measurement.evaluation_record import Evaluation
    from unstained.plates.plate import Plate
    from unstained.ranking.ranking import Ranking


def predict(
    source: Annotated[str, typer.Argument(metavar="P.zarr|IMAGE", help="A plate, or one image file.")],
    model: Models,
    out: Annotated[
        Path, typer.Option(metavar="Q.zarr|TIFF", help="The plate, or for an image the TIFF, to make.")
    ],
    fields: OnlyFields = None,
    input: InputChannel = None,
    pixel_size_um: PixelSize = None,
    device: Device = "auto",
    overwrite: Overwrite = False,
    settings: SettingsFile = None,
    json: Json = False,
) -> None:
    """Predict stains from label-free images: of a plate, or of one image file.

    Interrupted, the same command goes on where it stopped.

    Example: unstained predict plate.zarr --model hela-rpe1-nuclei --out predicted.zarr

    Example: unstained predict image.tif --model hela-rpe1-nuclei --out predicted.tif --pixel-size-um 0.3
    """
    with task("predict", json=json) as told:
        from unstained import pipeline
        from unstained.plates.plate import open_plate
        from unstained.prediction.files import predict_file
        from unstained.prediction.labeller import load_model
        from unstained.prediction.plates import PlateSettings
        from unstained.prediction.verdicts import advice

        labellers = [load_model(name, device) for name in model]
        told.say(f"on {labellers[0].device}")
        if (image := Path(source)).is_file():
            for each in labellers:
                if each.card.simulated:
                    told.caution(advice(each.card))
            predict_file(image, labellers, out, pixel_size_um=pixel_size_um, overwrite=overwrite)
            told.say(f"wrote {out}")
            rows = [_row(None, None, None)]
        else:
            chosen = PlateSettings().updated(
                fields=named(fields), input_channel=input, pixel_size_um=pixel_size_um
            )
            predicted = pipeline.predict(
                open_plate(place(source)), labellers, out, chosen, overwrite=overwrite, telling=told.telling()
            )
            told.say(
                f"wrote {out}: {', '.join(predicted.channels)} of {counted(len(predicted.fields), 'field')}"
            )
            told.say(f"next: unstained measure {out} --out tables")
            rows = field_rows(predicted)
        told.found(out=out, models=[each.name for each in labellers], device=labellers[0].device, fields=rows)


def measure(
    predicted: PredictedArgument,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder for the tables.")] = None,
    xlsx: Annotated[bool, typer.Option("--xlsx", help="Write the tables as Excel files too.")] = False,
    overwrite: Overwrite = False,
    settings: SettingsFile = None,
    json: Json = False,
) -> None:
    """Segment and measure the objects of a predicted plate; labels and tables go into it, tables also to DIR.

    Example: unstained measure predicted.zarr --out tables
    """
    with task("measure", json=json) as told:
        from unstained import pipeline
        from unstained.plates.plate import open_plate

        plate = open_plate(place(predicted))
        tables = pipeline.measure(plate, out, xlsx=xlsx, overwrite=overwrite, telling=told.telling())
        counts = tables["objects"]["stain"].value_counts()
        objects = {stain: int(counts.get(stain, 0)) for stain in plate.channels}
        told.say(
            f"measured {predicted}: " + ", ".join(f"{number} {stain}" for stain, number in objects.items())
        )
        if out is not None:
            told.say(f"wrote {out}: " + ", ".join(f"{name}.csv" for name in tables))
        told.found(
            out=out, plate=predicted, fields=len(plate.fields), wells=len(plate.wells), objects=objects
        )


def evaluate(
    predicted: PredictedArgument,
    truth: Annotated[str, typer.Option(metavar="P.zarr", help="The plate with the real stain.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for evaluation.json.")],
    fields: Annotated[
        str, typer.Option(metavar="test|all", help="test: what the model never saw; all: every field.")
    ] = "test",
    target: Annotated[
        str | None,
        typer.Option(metavar="CHANNEL", help="The real stain's channel [default: as in training]."),
    ] = None,
    stain: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only this stain [default: all].")
    ] = None,
    annotated: Annotated[
        str | None, typer.Option(metavar="LABELS", help="Labels of the truth plate to compare objects with.")
    ] = None,
    light_my_cells: Annotated[
        bool, typer.Option("--light-my-cells", help="Add the Light My Cells challenge's figures.")
    ] = False,
    overwrite: Overwrite = False,
    settings: SettingsFile = None,
    json: Json = False,
) -> None:
    """Hold a predicted stain against the real one.

    Example: unstained evaluate predicted.zarr --truth plate.zarr --out evaluation
    """
    with task("evaluate", json=json) as told:
        from unstained import pipeline
        from unstained.errors import BadSettings
        from unstained.measurement.evaluation import EvaluationSettings
        from unstained.plates.plate import open_plate

        if fields not in ("test", "all"):
            raise BadSettings("--fields", f"{fields!r} is neither test nor all")
        found = pipeline.evaluate(
            open_plate(place(predicted)),
            open_plate(place(truth)),
            out,
            stain=stain,
            fields=fields,
            target_channel=target,
            settings=EvaluationSettings().updated(annotated=annotated, light_my_cells=light_my_cells or None),
            overwrite=overwrite,
        )
        for evaluation in found.values():
            say_scores(told, evaluation)
        told.say(f"wrote {out}")
        told.found(out=out, **evaluation_results(found))


def report(
    predicted: PredictedArgument,
    out: Annotated[Path, typer.Option(metavar="page.html", help="The page to write.")],
    evaluation: Annotated[
        Path | None, typer.Option(metavar="DIR", help="What `unstained evaluate` wrote.")
    ] = None,
    truth: Annotated[
        str | None,
        typer.Option(metavar="P.zarr", help="The plate with the real stain [default: the evaluation's]."),
    ] = None,
    overwrite: Overwrite = False,
    settings: SettingsFile = None,
    json: Json = False,
) -> None:
    """Write one HTML page on a predicted plate: pictures, counts, agreement, and where all of it came from.

    Example: unstained report predicted.zarr --evaluation evaluation --out report.html
    """
    with task("report", json=json) as told:
        from unstained import pipeline
        from unstained.plates.plate import open_plate

        real = None if truth is None else open_plate(place(truth))
        page = pipeline.report(
            open_plate(place(predicted)), out, evaluation=evaluation, truth=real, overwrite=overwrite
        )
        told.say(f"wrote {page}")
        told.found(out=page)


def field_rows(predicted: "Plate") -> list[dict[str, Any]]:
    """Give verdict, reason and expected PCC of each predicted field, null where nobody judged."""
    return [
        _row(name.well, name.field, predicted.field_info(name).get("verdict")) for name in predicted.fields
    ]


def say_scores(told: Task, evaluation: "Evaluation") -> None:
    """Print the few numbers that matter, each beside what there is to beat."""
    mean, floor, objects = evaluation.mean, evaluation.floor, evaluation.objects
    told.say(
        f"{evaluation.stain}: PCC {_number(mean.pcc)} (blurred input {_number(floor.blurred_input.pcc)}, "
        f"linear filter {_number(floor.linear_filter.pcc)}), SSIM {_number(mean.ssim)}, on "
        f"{counted(len(evaluation.fields), 'field')}"
    )
    real = sum(each.count_true or 0 for each in evaluation.fields)
    predicted = sum(each.count_predicted or 0 for each in evaluation.fields)
    f1 = f"F1 {_number(objects.f1_iou50)} at IoU 0.5"
    told.say(f"{evaluation.stain}: {predicted} objects, {real} in the real stain, {f1}")
    for note in evaluation.notes:
        told.say(f"note: {note}")


def evaluation_results(found: "dict[str, Evaluation]") -> dict[str, Any]:
    """Give the object of evaluation.json for one stain, else one for each under `stains`."""
    records = {stain: evaluation.to_json() for stain, evaluation in found.items()}
    return next(iter(records.values())) if len(records) == 1 else {"stains": records}


def _row(well: str | None, field: int | None, verdict: Any) -> dict[str, Any]:
    judged = verdict if isinstance(verdict, dict) else {"verdict": verdict}
    return {
        "well": well,
        "field": field,
        **{key: judged.get(key) for key in ("verdict", "reason", "expected_pcc")},
    }


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def rank(
    predicted: Annotated[
        list[str], typer.Argument(metavar="Q.zarr …", help="One or several predicted plates.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the order, its tables and heat map.")],
    by: Annotated[
        str, typer.Option(metavar="SCORE", help="productivity, growth, or a YAML file.")
    ] = "productivity",
    top: Annotated[int, typer.Option(metavar="N", help="How many best are looked for.")] = 5,
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

    Several plates, or a column `day` in the plate map, give trends by clone, and which can be dropped when.

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
        interval = f", {row['rank_low']} to {row['rank_high']} with 90 %" if row.get("rank_low") else ""
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
