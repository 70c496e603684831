"""The only module that knows the order of the stages: each function here is what one command does."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from unstained.errors import BadInput, MissingChannel, OutputExists, WrongModel, refuse_existing
from unstained.measurement.evaluation import Evaluation, EvaluationSettings, evaluate_plate, model_card
from unstained.measurement.objects import measure_objects
from unstained.measurement.wells import field_table, well_table, write_tables
from unstained.networks.bundle import Model, load_model_bundle, save_model
from unstained.plates.plate import FieldName, Plate, open_plate
from unstained.plates.quality import overlapping_fields
from unstained.plates.splitting import Split, split_plate
from unstained.prediction.labeller import Labeller
from unstained.prediction.plates import PlateSettings, predict_plate
from unstained.provenance import (
    begin_folder,
    digest,
    finish_folder,
    read_json,
    remove,
    run_path,
    run_record,
    to_json,
    write_json,
)
from unstained.report.page import write_report
from unstained.segmentation.nuclei import NucleiSettings, segment_nuclei
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

    progress: Callable[[Progress], None] = lambda _: None
    note: Callable[[str], None] = lambda _: None
    caution: Callable[[str], None] = lambda _: None


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

    Interrupted, the same call goes on where it stopped; asked for something else, it begins anew.
    `devices` goes to Lightning's Trainer.

    Raises
    ------
    OutputExists, MissingChannel, UnknownField, BadInput, ModelNotFound, WrongModel
        Nothing is left at `out` then.
    """
    refuse_existing(out, overwrite)
    _need_channels(plate, *subject.channels)
    begin = load_model_bundle(start) if start is not None else None
    request = {"subject": vars(subject), "settings": settings.model_dump(mode="json"),
               "held_out": vars(held_out), "from": None if begin is None else begin.card.weights_sha256}
    record = run_record("train", request, {"plate": plate_record(plate, *subject.channels)})
    unfinished = out.with_name(f".{out.name}.unfinished")
    _go_on_or_begin(unfinished, {**request, "plate": record["inputs"]["plate"]})
    split = split_for(plate, subject.input, held_out, settings.seed)
    grid = grid_for(plate, settings, begin)
    pairs = make_pairs(plate, split, subject.channels, grid, binary="bce" in settings.loss)
    for line in split.warnings:
        telling.caution(line)
    for line in pairs.lines():
        telling.note(line)
    model, _ = fit_model(subject, pairs, settings, start=begin, folder=unfinished, tell=telling.progress, **devices)
    model = with_origin(model, plate, split, pairs, grid)
    model = Model(model.card, model.network, {**model.extras, "run.json": to_json(record)})
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
    progress: Count | None = None,
) -> Plate:
    """Predict a plate's stains into a plate of its own; interrupted, the same call goes on where it stopped."""
    predicted = predict_plate(plate, labellers, out, settings, overwrite=overwrite, progress=progress)
    inputs = {
        "plate": plate_record(plate, *(settings.input_channel or each.card.input for each in labellers)),
        "models": {each.name: each.card.weights_sha256 for each in labellers},
    }
    _record_in_plate(predicted, run_record("predict", settings.model_dump(mode="json"), inputs))
    return predicted


def measure(
    predicted: Plate,
    out: Path | None = None,
    *,
    xlsx: bool = False,
    overwrite: bool = False,
    progress: Count | None = None,
) -> dict[str, pd.DataFrame]:
    """Segment and measure every stain of a predicted plate; labels and object tables go into it.

    Gives the tables `objects`, `fields` and `wells`, and writes them to `out` where one is given. A plate that
    was measured before isn't measured again for that, unless `overwrite` says so.

    Raises
    ------
    OutputExists
        `out` is there; or without `out`, the plate is measured already.
    """
    done = "measure" in predicted.info.get("runs", {}) and not overwrite
    if out is not None:
        refuse_existing(out, overwrite)
    elif done:
        raise OutputExists(f"{predicted.path} is measured already, a table of it")
    sizes = {stain: nuclei_settings(predicted, stain) for stain in predicted.channels}
    rows: dict[str, list[pd.DataFrame]] = {stain: [] for stain in sizes}
    for index, name in enumerate(predicted.fields, start=1):
        for stain, settings in sizes.items():
            found = predicted.read_table(name, stain) if done else _measure_field(predicted, name, stain, settings)
            rows[stain].append(found.assign(plate=predicted.name, well=name.well, field=name.field, stain=stain))
        if progress is not None:
            progress(index, len(predicted.fields))
    tables = _tables(predicted, {stain: pd.concat(found, ignore_index=True) for stain, found in rows.items()})
    record = run_record("measure", {stain: settings.model_dump() for stain, settings in sizes.items()},
                        {"plate": plate_record(predicted, *predicted.channels)})
    if not done:
        _record_in_plate(predicted, record, beside=False)
    if out is not None:
        begin_folder(out, record["inputs"], overwrite=overwrite)
        write_tables(out, tables, xlsx=xlsx)
        finish_folder(out, record)
    return tables


def nuclei_settings(predicted: Plate, stain: str) -> NucleiSettings:
    """Take the size of objects from the model that predicted a stain, so that all fields are segmented alike."""
    card = model_card(predicted, stain)
    diameter_px = card.get("object_diameter_px")
    if diameter_px is None:
        return NucleiSettings()
    size_um = card.get("pixel_size_um") if predicted.pixel_size_um else None
    return NucleiSettings(diameter_um=diameter_px * (size_um or predicted.pixel_size_um or 1.0))


def evaluate(
    predicted: Plate,
    truth: Plate,
    out: Path,
    *,
    fields: Any = "test",
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
    scores = None if evaluation is None else _read_evaluation(evaluation, predicted)
    if truth is None and evaluation is not None:
        truth = _plate_of(read_json(evaluation / "run.json"))
    run = predicted.info.get("runs", {}).get("predict")
    page = write_report(predicted, out, truth=truth, evaluation=scores, run=run)
    inputs = {"predicted": plate_record(predicted, *predicted.channels), "evaluation": evaluation}
    write_json(run_path(page), run_record("report", {}, inputs))
    return page


def plate_record(plate: Plate, *channels: str) -> dict[str, Any]:
    """Say which plate it is, by path and by the pixels of some of its channels."""
    prints = [
        str(plate.field_info(name).get("fingerprints", {}).get(channel))
        for name in plate.fields for channel in dict.fromkeys(channels)
    ]
    return {"path": str(plate.path), "fields": len(plate.fields), "channels": list(dict.fromkeys(channels)),
            "fingerprint": None if "None" in prints else digest(prints)}


def _measure_field(predicted: Plate, name: FieldName, stain: str, settings: NucleiSettings) -> pd.DataFrame:
    plane = predicted.read(name, stain)
    labels = segment_nuclei(plane, pixel_size_um=predicted.pixel_size_um, settings=settings)
    objects = measure_objects(labels, plane, pixel_size_um=predicted.pixel_size_um)
    predicted.write_labels(name, stain, labels)
    predicted.write_table(name, stain, objects)
    return objects


def _tables(predicted: Plate, objects: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Sum up objects by field and well; one block of rows per stain."""
    fields = {stain: field_table(found, predicted.fields) for stain, found in objects.items()}
    wells = {stain: well_table(found, predicted.conditions) for stain, found in fields.items()}
    together = {"fields": fields, "wells": wells}
    return {"objects": pd.concat(objects.values(), ignore_index=True)} | {
        name: pd.concat([table.assign(plate=predicted.name, stain=stain) for stain, table in tables.items()],
                        ignore_index=True)
        for name, tables in together.items()
    }
