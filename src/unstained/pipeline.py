"""The only module that knows the order of the stages: each function here is what one command does."""

import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities import rank_zero_only

from unstained.errors import BadInput, MissingChannel, OutputExists, refuse_existing
from unstained.measurement.evaluation import Choice, Evaluation, EvaluationSettings, evaluate_plate
from unstained.measurement.plates import MEASURED, Tables, measure_plate, stored_tables
from unstained.measurement.wells import write_tables
from unstained.networks.bundle import Model, load_model_bundle, save_model
from unstained.plates.foreign import is_ours
from unstained.plates.importing import import_plate
from unstained.plates.plate import FieldName, Plate, open_plate
from unstained.plates.quality import overlapping_fields
from unstained.plates.splitting import Split, split_plate
from unstained.prediction.labeller import Labeller
from unstained.prediction.plates import PlateSettings, predict_plate
from unstained.provenance import (
    RUN,
    begin_folder,
    finish_folder,
    keep_if_same,
    plate_record,
    read_json,
    record_in_plate,
    run_path,
    run_record,
    to_json,
    write_json,
)
from unstained.report.page import write_report
from unstained.training.fitting import Progress, TrainingSettings
from unstained.training.models import Subject, fit_model, grid_for, with_origin
from unstained.training.pairs import make_pairs

Count = Callable[[int, int], None]
"""Called with the number of fields that are done, and of all."""

EVALUATION = "evaluation.json"


@dataclass(frozen=True)
class HeldOut:
    """Wells (`A03`) or fields (`A01/2`) that training may not see; None = chosen."""

    test: tuple[str, ...] | None = None
    validation: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Telling:
    """Whom to tell what while work goes on."""

    training: Callable[[], AbstractContextManager[Callable[[Progress], None]]] = lambda: nullcontext(lambda _: None)
    counting: Callable[[str], AbstractContextManager[Count]] = lambda _: nullcontext(lambda _done, _whole: None)
    note: Callable[[str], None] = lambda _: None
    caution: Callable[[str], None] = lambda _: None

    def all(self, *, cautions: Sequence[str], notes: Sequence[str]) -> None:
        """Tell several lines."""
        for line in cautions:
            self.caution(line)
        for line in notes:
            self.note(line)


def train(
    plate: Plate,
    subject: Subject,
    out: Path,
    settings: TrainingSettings,
    *,
    held_out: HeldOut = HeldOut(),
    start: str | Path | None = None,
    telling: Telling = Telling(),
    overwrite: bool = False,
    **devices: Any,
) -> Model:
    """Split a plate, fit a model and save it at `out`; `start` names a model to go on from.

    Interrupted, the same call goes on where it stopped; a call for something else begins anew. `devices` goes
    to Lightning's Trainer.

    Raises
    ------
    OutputExists, MissingChannel, UnknownField, BadInput, ModelNotFound, WrongModel
        Nothing is left at `out` then.
    """
    refuse_existing(out, overwrite)
    _need_channels(plate, *subject.channels)
    begin = load_model_bundle(start) if start is not None else None
    split = split_for(plate, subject.input, held_out, settings.seed)
    grid = grid_for(plate, settings, begin)
    record = run_record(
        "train",
        {**vars(subject), **vars(held_out), **settings.model_dump(mode="json")},
        {"plate": plate_record(plate, *subject.channels), "from": begin and begin.card.weights_sha256},
    )
    unfinished = out.with_name(f".{out.name}.unfinished")
    keep_if_same(unfinished, {name: record[name] for name in ("settings", "inputs", "version")})
    pairs = make_pairs(plate, split, subject.channels, grid, binary="bce" in settings.loss)
    telling.all(cautions=split.warnings, notes=pairs.lines())
    with telling.training() as tell:
        model, _ = fit_model(subject, pairs, settings, start=begin, folder=unfinished, tell=tell, **devices)
    model = with_origin(model, plate, split, pairs, grid)
    model = Model(model.card, model.network, {**model.extras, RUN: to_json(record)})
    if rank_zero_only.rank == 0:                        # with several GPUs there is one process for each
        save_model(model, out, overwrite=overwrite)
        shutil.rmtree(unfinished, ignore_errors=True)
    return model


def split_for(plate: Plate, channel: str, held_out: HeldOut = HeldOut(), seed: int = 0) -> Split:
    """Split a plate so that overlapping fields and time points of one place stay on one side."""
    _need_channels(plate, channel)
    groups = _common_ground(plate, channel)
    return split_plate(plate, test=held_out.test, validation=held_out.validation, seed=seed, groups=groups)


def predict(
    plate: Plate,
    labellers: Sequence[Labeller],
    out: Path,
    settings: PlateSettings = PlateSettings(),
    *,
    overwrite: bool = False,
    telling: Telling = Telling(),
) -> Plate:
    """Predict a plate's stains into a plate of its own; interrupted, the same call goes on where it stopped."""
    with telling.counting("predict") as count:
        predicted = predict_plate(plate, labellers, out, settings, overwrite=overwrite, progress=count)
    inputs = {
        "plate": plate_record(plate, *(settings.input_channel or each.card.input for each in labellers)),
        "models": {each.name: each.card.weights_sha256 for each in labellers},
    }
    record_in_plate(predicted, run_record("predict", settings.model_dump(mode="json"), inputs))
    return predicted


def measure(
    predicted: Plate,
    out: Path | None = None,
    *,
    xlsx: bool = False,
    overwrite: bool = False,
    telling: Telling = Telling(),
) -> Tables:
    """Segment and measure every stain of a predicted plate; labels and object tables go into it.

    Gives the tables `objects`, `fields` and `wells`, and writes them to `out` where one is given; for that, a
    plate that is measured already isn't measured again, unless `overwrite` says so.
    """
    if out is not None:
        refuse_existing(out, overwrite)
    tables = None if overwrite or out is None else stored_tables(predicted)
    if tables is None:
        with telling.counting("measure") as count:
            tables = measure_plate(predicted, overwrite=overwrite, progress=count)
    if out is not None:
        inputs = {"predicted": plate_record(predicted, *predicted.channels)}
        begin_folder(out, inputs, overwrite=overwrite)
        write_tables(out, tables, xlsx=xlsx)
        finish_folder(out, run_record("measure", predicted.info[MEASURED], inputs))
    return tables


def evaluate(
    predicted: Plate,
    truth: Plate,
    out: Path,
    *,
    fields: Choice = "test",
    target: str | None = None,
    settings: EvaluationSettings = EvaluationSettings(),
    overwrite: bool = False,
) -> dict[str, Evaluation]:
    """Hold every stain of a predicted plate against the real one; gives the evaluations by stain.

    One stain: `out/evaluation.json`; several: `out/STAIN/evaluation.json`.
    """
    refuse_existing(out, overwrite)
    found = {
        stain: evaluate_plate(predicted, truth, stain=stain, target_channel=target, fields=fields, settings=settings)
        for stain in predicted.channels
    }
    inputs = {
        "predicted": plate_record(predicted, *predicted.channels),
        "truth": plate_record(truth, *(evaluation.target for evaluation in found.values())),
    }
    begin_folder(out, inputs, overwrite=overwrite)
    for stain, evaluation in found.items():
        write_json((out if len(found) == 1 else out / stain) / EVALUATION, evaluation.to_json())
    finish_folder(out, run_record("evaluate", {"fields": fields, **settings.model_dump(mode="json")}, inputs))
    return found


def report(
    predicted: Plate, out: Path, *, evaluation: Path | None = None, truth: Plate | None = None, overwrite: bool = False
) -> Path:
    """Write a page on a predicted plate; `evaluation` is the folder that `evaluate` wrote.

    The real stain is shown where its plate is given, or where the evaluation says it lies.
    """
    refuse_existing(out, overwrite)
    scores = None if evaluation is None else _read_evaluation(evaluation, predicted.channels)
    if truth is None and evaluation is not None:
        truth = _truth_of(evaluation)
    run = predicted.info.get("runs", {}).get("predict")
    page = write_report(predicted, out, truth=truth, evaluation=scores, run=run)
    inputs = {"predicted": plate_record(predicted, *predicted.channels), "evaluation": evaluation}
    write_json(run_path(page), run_record("report", {}, inputs))
    return page


def screen(
    source: Path,
    labellers: Sequence[Labeller],
    out: Path,
    settings: PlateSettings = PlateSettings(),
    *,
    overwrite: bool = False,
    telling: Telling = Telling(),
) -> Plate:
    """Predict, measure and report on a plate or a folder of images in one go; gives the predicted plate.

    Into `out` go `plate.zarr` (where the source is no plate), `predicted.zarr`, `tables` and `report.html`.
    Interrupted, the same call goes on where it stopped.
    """
    if not source.exists():
        raise BadInput(f"no plate, folder or file at {source}")
    asked = {"source": str(source.resolve())}
    begin_folder(out, asked, overwrite=overwrite)
    plate = _plate_of(source, out / "plate.zarr", telling)
    try:
        predicted = predict(plate, labellers, out / "predicted.zarr", settings, telling=telling)
    except OutputExists:                                # by an earlier run that was broken off later
        predicted = open_plate(out / "predicted.zarr")
    measure(predicted, out / "tables", overwrite=True, telling=telling)
    report(predicted, out / "report.html", overwrite=True)
    finish_folder(out, run_record("screen", settings.model_dump(mode="json"), asked))
    return predicted


def _plate_of(source: Path, imported: Path, telling: Telling) -> Plate:
    """Open a source that is a plate, else import it, unless that is done."""
    if is_ours(source):
        return open_plate(source)
    if imported.exists():
        return open_plate(imported)
    with telling.counting("import") as count:
        return import_plate(source, imported, progress=count)


def _need_channels(plate: Plate, *channels: str) -> None:
    for channel in channels:
        if channel not in plate.channels:
            raise MissingChannel(channel, str(plate.path), plate.channels)


def _common_ground(plate: Plate, channel: str) -> dict[FieldName, int]:
    """Number the fields so that those have one number that overlap, also through others."""
    ground = {name: number for number, name in enumerate(plate.fields)}
    for overlap in overlapping_fields(plate, channel):
        kept, merged = ground[overlap.first], ground[overlap.second]
        ground = {name: kept if number == merged else number for name, number in ground.items()}
    return ground


def _read_evaluation(folder: Path, stains: Sequence[str]) -> dict[str, Any]:
    """Read an evaluation; where there are several, the first stain's."""
    for path in (folder / EVALUATION, *(folder / stain / EVALUATION for stain in stains)):
        if (found := read_json(path)) is not None:
            return found
    raise BadInput(f"{folder} holds no {EVALUATION}; make one: unstained evaluate")


def _truth_of(evaluation: Path) -> Plate | None:
    """Open the plate of real stains that an evaluation names, if it is still there."""
    run = read_json(evaluation / RUN) or {}
    path = run.get("inputs", {}).get("truth", {}).get("path")
    return open_plate(Path(path)) if path is not None and Path(path).exists() else None
