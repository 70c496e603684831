"""Commands for results: `predict`, `measure`, `evaluate`, `report`."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

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
    Scheduler,
    SettingsFile,
    WorkerCount,
    named,
    place,
)
from unstained.cli.task import Task, counted, task

if TYPE_CHECKING:
    from unstained.measurement.evaluation_record import Evaluation
    from unstained.plates.plate import Plate
    from unstained.prediction.labeller import Labeller
    from unstained.prediction.workers import Workers

VERDICTS = ("trust", "caution", "refuse")
"""From best to worst; as of `prediction.verdicts`, which is too heavy to import for `--help`."""

MOST_REASONS = 5
"""Of so many fields the reason is printed."""


def predict(
    source: Annotated[str, typer.Argument(metavar="P.zarr|IMAGE", help="A plate, or one image file.")],
    model: Models,
    out: Annotated[
        str, typer.Option(metavar="Q.zarr|TIFF", help="The plate (also a URL), or an image's TIFF, to make.")
    ],
    fields: OnlyFields = None,
    input: InputChannel = None,
    pixel_size_um: PixelSize = None,
    device: Device = "auto",
    engine: Annotated[
        Literal["torch", "onnx", "openvino", "auto"],
        typer.Option(help="What runs the network; auto: the fastest on the first field."),
    ] = "torch",
    precision: Annotated[
        Literal["fp32", "bf16", "fp16", "auto"],
        typer.Option(help="How exactly; auto: the fastest that changes next to nothing."),
    ] = "fp32",
    strict: Annotated[
        bool, typer.Option("--strict", help="Leave fields whose verdict is refuse out of the tables.")
    ] = False,
    workers: WorkerCount = None,
    scheduler: Scheduler = None,
    overwrite: Overwrite = False,
    settings: SettingsFile = None,
    json: Json = False,
) -> None:
    """Predict stains from label-free images: of a plate, or of one image file.

    Every field gets a verdict: trust, caution or refuse.

    Interrupted, the same command goes on where it stopped.

    Example: unstained predict plate.zarr --model hela-rpe1-nuclei --out predicted.zarr

    Example: unstained predict image.tif --model hela-rpe1-nuclei --out predicted.tif --pixel-size-um 0.3

    Example: unstained predict plate.zarr --model hela-rpe1-nuclei --out predicted.zarr --workers 4
    """
    with task("predict", json=json) as told:
        from unstained.errors import BadSettings
        from unstained.prediction.backends import Running
        from unstained.prediction.labeller import load_model

        crew = workers_of(workers, scheduler, device)
        running = Running.checked({"backend": engine, "precision": precision}, "--engine, --precision")
        labellers = [load_model(name, device if scheduler is None else "cpu", running) for name in model]
        used = labellers[0].device if scheduler is None else device
        told.say(f"on {scheduler or used}")
        if Path(source).is_file():
            if crew is not None:
                raise BadSettings("--workers", "several processes go with a plate; this is one image")
            for option, value in (("--fields", fields), ("--input", input), ("--strict", strict)):
                if value:
                    raise BadSettings(option, "it goes with a plate; this is one image")
            image, tiff = Path(source), Path(out)
            rows = _predict_image(told, image, labellers, tiff, pixel_size_um, overwrite=overwrite)
        else:
            asked = {
                "fields": named(fields),
                "input_channel": input,
                "pixel_size_um": pixel_size_um,
                "strict": strict,
            }
            plate, new = place(source), place(out)
            rows = _predict_plate(told, plate, labellers, new, asked, workers=crew, overwrite=overwrite)
        for each in labellers:
            if each.engine.taken is not None:
                told.say(f"{each.name}: {each.engine.taken}")
        say_verdicts(told, rows)
        told.found(
            out=out, models=[each.name for each in labellers], device=used,
            engines={each.name: str(each.way) for each in labellers}, fields=rows,
        )  # fmt: skip


def workers_of(number: int | None, scheduler: str | None, device: str) -> "Workers | None":
    """Take `--workers` and `--scheduler` together; None where neither was given.

    Raises
    ------
    BadSettings, MissingExtra
        Both were given, or Dask isn't installed.
    """
    if number is None and scheduler is None:
        return None
    from unstained.prediction.workers import Workers

    return Workers(number, scheduler, None if scheduler is None else device)


def measure(
    predicted: PredictedArgument,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder for the tables.")] = None,
    xlsx: Annotated[bool, typer.Option("--xlsx", help="Write the tables as Excel files too.")] = False,
    cellprofiler: Annotated[
        bool, typer.Option("--cellprofiler", help="Write tables in CellProfiler's columns too.")
    ] = False,
    label_tiffs: Annotated[
        bool, typer.Option("--label-tiffs", help="Write the labels as TIFF, too, into DIR/images.")
    ] = False,
    ome_tiffs: Annotated[
        bool, typer.Option("--ome-tiffs", help="Write the stains as OME-TIFF, too, into DIR/images.")
    ] = False,
    segmenter: Annotated[
        str | None,
        typer.Option(metavar="FILE.py:FUNCTION", help="Find nuclei by this: plane, pixel size → labels."),
    ] = None,
    overwrite: Overwrite = False,
    settings: SettingsFile = None,
    json: Json = False,
) -> None:
    """Segment and measure the objects of a predicted plate; labels and tables go into it, tables also to DIR.

    Example: unstained measure predicted.zarr --out tables

    Example: unstained measure predicted.zarr --out tables --cellprofiler --label-tiffs --ome-tiffs
    """
    with task("measure", json=json) as told:
        from unstained import pipeline
        from unstained.errors import BadSettings
        from unstained.exchange.forms import Forms, write_forms
        from unstained.plates.plate import open_plate

        forms = Forms(cellprofiler=cellprofiler, label_tiffs=label_tiffs, ome_tiffs=ome_tiffs)
        if forms.any and out is None:
            raise BadSettings("--out", "give the folder that files for other programs go into")
        plate = open_plate(place(predicted))
        tables = pipeline.measure(
            plate, out, xlsx=xlsx, segmenter=segmenter, overwrite=overwrite, telling=told.telling(),
            further=lambda folder, tables: write_forms(folder, plate, tables, forms),
        )  # fmt: skip
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
    ranking: Annotated[Path | None, typer.Option(metavar="DIR", help="What `unstained rank` wrote.")] = None,
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
            open_plate(place(predicted)), out, evaluation=evaluation, ranking=ranking, truth=real,
            overwrite=overwrite,
        )  # fmt: skip
        told.say(f"wrote {page}")
        told.found(out=page)


def _predict_image(
    told: Task, image: Path, labellers: "list[Labeller]", out: Path, size_um: float | None, *, overwrite: bool
) -> list[dict[str, Any]]:
    """Predict one image file; imports nothing that only plates need, as the first image should come soon."""
    from unstained.prediction.files import predict_file
    from unstained.prediction.verdicts import advice
    from unstained.trust.kept import judge_of

    for each in labellers:
        if each.card.simulated:
            told.caution(advice(each.card))
    judge = judge_of(labellers, real=True)
    _, verdict = predict_file(image, labellers, out, pixel_size_um=size_um, judge=judge, overwrite=overwrite)
    told.say(f"wrote {out}")
    return [_row(None, None, verdict)]


def _predict_plate(
    told: Task, source: Path | str, labellers: "list[Labeller]", out: Path | str, asked: dict[str, Any], *,
    workers: "Workers | None", overwrite: bool,
) -> list[dict[str, Any]]:  # fmt: skip
    from unstained import pipeline
    from unstained.plates.plate import open_plate
    from unstained.prediction.plates import PlateSettings

    predicted = pipeline.predict(
        open_plate(source), labellers, out, PlateSettings().updated(**asked),
        overwrite=overwrite, telling=told.telling(), workers=workers,
    )  # fmt: skip
    told.say(f"wrote {out}: {', '.join(predicted.channels)} of {counted(len(predicted.fields), 'field')}")
    told.say(f"next: unstained measure {out} --out tables")
    return field_rows(predicted)


def field_rows(predicted: "Plate") -> list[dict[str, Any]]:
    """Give verdict, reason and expected PCC of each predicted field, null where nobody judged."""
    return [
        _row(name.well, name.field, predicted.field_info(name).get("verdict")) for name in predicted.fields
    ]


def say_verdicts(told: Task, rows: list[dict[str, Any]]) -> None:
    """Print how many fields got which verdict, and why the first few weren't trusted."""
    numbers = Counter(row["verdict"] for row in rows if row["verdict"])
    if not numbers:
        return
    told.say("verdicts: " + ", ".join(f"{numbers[word]} {word}" for word in VERDICTS if numbers[word]))
    doubted = sorted((row for row in rows if row["verdict"] in VERDICTS[1:]), key=_how_bad, reverse=True)
    for row in doubted[:MOST_REASONS]:
        name = "" if row["well"] is None else f"{row['well']}/{row['field']} "
        told.say(f"  {name}{row['verdict']}: {row['reason']}")


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


def _how_bad(row: dict[str, Any]) -> int:
    return VERDICTS.index(row["verdict"])


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
