"""The only module that knows the order of the stages: each function here is what one command does."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning.pytorch.utilities import rank_zero_only

from unstained.arrays import RawPlane
from unstained.cost.costing import NO_MODEL, CostRequest, costs_of
from unstained.cost.estimate import Costs
from unstained.cost.files import write_costs
from unstained.cost.prices import load_prices
from unstained.errors import BadInput, BadSettings, MissingChannel, OutputExists, listed
from unstained.measurement.evaluation import evaluate_plate
from unstained.measurement.evaluation_files import read_evaluations, write_evaluations
from unstained.measurement.evaluation_record import Evaluation
from unstained.measurement.known import MEASURED
from unstained.measurement.lineage import with_lineage
from unstained.measurement.plates import Tables, measure_plate, measure_real, stored_tables
from unstained.measurement.wells import write_tables
from unstained.networks.bundle import Model, load_model_bundle, refuse_replacing, save_model
from unstained.plates.foreign import is_ours
from unstained.plates.importing import ImportSettings, import_plate
from unstained.plates.overlaps import common_ground
from unstained.plates.plate import Plate, open_plate
from unstained.plates.splitting import Split, split_plate
from unstained.prediction.calibration import with_likely_spots
from unstained.prediction.labeller import Labeller
from unstained.prediction.plates import STRICT, PlateSettings, predict_plate, refuse_unfit
from unstained.prediction.verdicts import REFUSE, VERDICTS, Verdict, advice, word_of, worse
from unstained.provenance import (
    RUN,
    keep_if_same,
    plate_record,
    read_json,
    record_in_plate,
    refuse_output,
    results_folder,
    run_path,
    run_record,
    to_json,
    write_json,
)
from unstained.ranking.estimates import RankedPlate
from unstained.ranking.files import read_ranking, write_ranking
from unstained.ranking.ranking import Ranking, RankSettings, rank_plates
from unstained.ranking.score import load_score, shipped_scores
from unstained.report.embedding_map import write_mapped
from unstained.report.page import write_report
from unstained.studies.catalogue import find_study
from unstained.studies.stability import stability_of
from unstained.studies.study import Study, framed, write_study
from unstained.studies.workbench import Workbench
from unstained.training.fitting import Progress
from unstained.training.losses import named_loss
from unstained.training.models import Subject, fit_model, for_stains, grid_for, with_origin
from unstained.training.pairs import make_pairs
from unstained.training.recipes import TrainingSettings
from unstained.training.samples import SAMPLE
from unstained.trust.check import DriftCheck, check_fields
from unstained.trust.features import Vector, field_features
from unstained.trust.kept import judge_of, to_files, trust_of
from unstained.trust.making import AS_USUAL, TrustSettings, make_trust
from unstained.trust.mapping import MappedCrops, MapSettings, map_crops
from unstained.trust.verdict import Trust
from unstained.trust.watch import Watcher, begin_anew, detectors
from unstained.twin.plate import VERSION, make_twin
from unstained.twin.wells import TwinSettings

if TYPE_CHECKING:
    from unstained.prediction.workers import Workers


@dataclass(frozen=True)
class HeldOut:
    """Wells (`A03`) or fields (`A01/2`) that training may not see; None = chosen."""

    test: tuple[str, ...] | None = None
    validation: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Plan:
    """What a training is asked for; `start` names a model to go on from."""

    subject: Subject
    settings: TrainingSettings
    held_out: HeldOut = HeldOut()
    start: str | Path | None = None
    trust: TrustSettings = AS_USUAL


@dataclass(frozen=True)
class Telling:
    """Whom to tell what while work goes on; by default, nobody."""

    progress: Callable[[Progress], None] = lambda _: None
    count: Callable[[str, int, int], None] = lambda _what, _done, _whole: None
    note: Callable[[str], None] = lambda _: None
    caution: Callable[[str], None] = lambda _: None


SILENT = Telling()
_AS_SAID = ImportSettings()
_WHOLE_PLATE = PlateSettings()


def train(
    plate: Plate, plan: Plan, out: Path, *, telling: Telling = SILENT, overwrite: bool = False, **devices: Any
) -> Model:
    """Split a plate, fit a model and save it at `out`.

    Interrupted, the same call goes on where it stopped; a call for something else begins anew. `devices` goes
    to Lightning's Trainer.

    Raises
    ------
    OutputExists, MissingChannel, UnknownField, BadInput, ModelNotFound, WrongModel
        Nothing is left at `out` then.
    """
    refuse_output(out, overwrite)
    refuse_replacing(out)
    subject, settings = plan.subject, plan.settings
    _need_channels(plate, *subject.channels)
    begin = None
    if plan.start is not None:
        begin = for_stains(load_model_bundle(plan.start), tuple(subject.targets))
    settings.network.updated(outputs=len(subject.targets))  # refuses before anything is read
    for loss in subject.losses(settings):
        named_loss(loss)
    split = split_for(plate, subject.input, plan.held_out, settings.seed)
    grid = grid_for(plate, settings, begin)
    binary = subject.is_binary(settings)
    pairs = make_pairs(plate, split, subject.channels, grid, stains=subject.stains, binary=binary)
    for warning in split.warnings:
        telling.caution(warning)
    for line in pairs.lines():
        telling.note(line)
    record = _training_record(plate, plan, begin)
    unfinished = _unfinished(out)
    keep_if_same(unfinished, {name: record[name] for name in ("settings", "inputs", "version")})
    model, _ = fit_model(
        subject, pairs, settings, start=begin, folder=unfinished, tell=telling.progress, **devices
    )
    model = with_likely_spots(with_origin(model, plate, split, pairs), plate, split)
    model = Model(model.card, model.network, {**model.extras, RUN: to_json(record)})
    model = with_trust(model, plate, split, plan.trust, telling=telling)
    _keep(model, out, unfinished, overwrite=overwrite)
    return model


def training_sample(out: Path) -> Path | None:
    """Find the picture of what a network in training makes of a validation region before it is at `out`."""
    path = _unfinished(out) / SAMPLE
    return path if path.exists() else None


def _unfinished(out: Path) -> Path:
    """Name the folder that a training leaves its state in until it is done."""
    return out.with_name(f".{out.name}.unfinished")


def split_for(plate: Plate, channel: str, held_out: HeldOut = HeldOut(), seed: int = 0) -> Split:
    """Split a plate so that overlapping fields and time points of one place stay on one side."""
    _need_channels(plate, channel)
    groups = common_ground(plate, channel)
    return split_plate(plate, test=held_out.test, validation=held_out.validation, seed=seed, groups=groups)


def import_images(
    source: Path, out: Path, settings: ImportSettings = _AS_SAID, *, telling: Telling = SILENT, **more: Any
) -> Plate:
    """Make a plate of images; `more` goes to `import_plate`."""
    plate = import_plate(source, out, settings, progress=partial(telling.count, "import"), **more)
    inputs = {"source": str(source), "plate": plate_record(plate, *plate.channels)}
    record_in_plate(plate, run_record("import", settings.model_dump(mode="json"), inputs))
    return plate


def simulate(
    out: Path, settings: TwinSettings, *, overwrite: bool = False, telling: Telling = SILENT
) -> Plate:
    """Make a simulated plate, and beside it the plate of its truth.

    Raises
    ------
    OutputExists, OutputFailed
        Neither plate is touched then.
    """
    plate = make_twin(out, settings, overwrite=overwrite, progress=partial(telling.count, "twin"))
    record_in_plate(plate, run_record("twin", settings.model_dump(mode="json"), {"twin_version": VERSION}))
    return plate


def predict(  # noqa: PLR0913 (all but three have a default that is right for most)
    plate: Plate,
    labellers: Sequence[Labeller],
    out: Path | str,
    settings: PlateSettings = _WHOLE_PLATE,
    *,
    overwrite: bool = False,
    telling: Telling = SILENT,
    workers: "Workers | None" = None,
) -> Plate:
    """Predict a plate's stains into a plate of its own; interrupted, the same call goes on.

    `workers` are further processes, here or on a cluster, that do it in place of this one.
    """
    real = not plate.info.get("simulated")
    for each in labellers:
        if each.card.simulated and real:
            telling.caution(advice(each.card))
    predicted = predict_plate(
        plate,
        labellers,
        out,
        settings,
        judge=judge_of(labellers, real=real),
        overwrite=overwrite,
        progress=partial(telling.count, "predict"),
        workers=workers,
    )
    inputs = {
        "plate": plate_record(plate, *(settings.input_channel or each.card.input for each in labellers)),
        "models": {each.name: each.card.weights_sha256 for each in labellers},
    }
    ways = {"engines": {each.name: str(each.way) for each in labellers}}
    record_in_plate(predicted, run_record("predict", settings.model_dump(mode="json") | ways, inputs))
    return predicted


def with_trust(
    model: Model,
    plate: Plate,
    split: Split,
    settings: TrustSettings = AS_USUAL,
    *,
    telling: Telling = SILENT,
) -> Model:
    """Give a model reference, expected quality and envelope, learnt on the plate it comes from."""
    found = make_trust(model, plate, split, settings, partial(telling.count, "trust"))
    if found is None:
        return model
    telling.note(f"trust: {found.promises()}")
    return Model(model.card, model.network, {**model.extras, **to_files(found)})


def measure(  # noqa: PLR0913 (all but one have a default that is right for most)
    predicted: Plate,
    out: Path | None = None,
    *,
    xlsx: bool = False,
    segmenter: str | None = None,
    further: Callable[[Path, Tables], None] | None = None,
    overwrite: bool = False,
    telling: Telling = SILENT,
) -> Tables:
    """Segment and measure every stain of a predicted plate; labels and object tables go into it.

    Gives the tables `objects`, `fields` and `wells`, of several stains also `cells` and `cells_by_well`, and
    writes them to `out` where one is given; for that, a plate that is measured already isn't measured again,
    unless `overwrite` or a `segmenter` (`measure_plate`) says so. `further` writes into that folder what else
    is wanted of the tables.
    """
    if out is not None:
        refuse_output(out, overwrite, "measure")
    tables = None if overwrite or out is None or segmenter else stored_tables(predicted)
    if tables is None:
        tables = measure_plate(
            predicted, segmenter=segmenter, overwrite=overwrite, progress=partial(telling.count, "measure")
        )
    if out is not None:
        inputs = {"predicted": plate_record(predicted, *predicted.channels)}
        with results_folder(out, "measure", predicted.info[MEASURED], inputs, overwrite=overwrite):
            write_tables(out, tables, xlsx=xlsx, lineage=partial(with_lineage, predicted=predicted))
            if further is not None:
                further(out, tables)
    return tables


def evaluate(
    predicted: Plate,
    truth: Plate,
    out: Path,
    *,
    stain: str | None = None,
    overwrite: bool = False,
    **options: Any,
) -> dict[str, Evaluation]:
    """Hold every stain of a predicted plate, or one, against the real one; gives the evaluations by stain.

    One stain: `out/evaluation.json`; several: `out/STAIN/evaluation.json`. `options` go to `evaluate_plate`.

    Raises
    ------
    BadSettings
        Several stains would be held against one channel, or one stain's labels.
    """
    refuse_output(out, overwrite, "evaluate")
    stains = predicted.channels if stain is None else (stain,)
    one_only = options.get("target_channel") or getattr(options.get("settings"), "annotated", None)
    if one_only and len(stains) > 1:
        raise BadSettings("--stain", f"{one_only!r} is of one stain; name which: {listed(stains)}")
    found = {name: evaluate_plate(predicted, truth, stain=name, **options) for name in stains}
    inputs = {
        "predicted": plate_record(predicted, *predicted.channels),
        "truth": plate_record(truth, *(evaluation.target for evaluation in found.values())),
    }
    with results_folder(out, "evaluate", options, inputs, overwrite=overwrite):
        write_evaluations(out, found)
    return found


def report(
    predicted: Plate,
    out: Path,
    *,
    evaluation: Path | None = None,
    ranking: Path | None = None,
    truth: Plate | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a page on a predicted plate; `evaluation` and `ranking` are folders of `evaluate` and `rank`.

    The real stain is shown where its plate is given, or where the evaluation says it lies.
    """
    refuse_output(out, overwrite)
    scores = None if evaluation is None else read_evaluations(evaluation, predicted.channels)
    if truth is None and evaluation is not None:
        truth = _truth_of(evaluation)
    run = predicted.info.get("runs", {}).get("predict")
    order = None if ranking is None else read_ranking(ranking)
    page = write_report(predicted, out, truth=truth, evaluation=scores, run=run, ranking=order)
    inputs = {"predicted": plate_record(predicted, *predicted.channels), "evaluation": evaluation}
    write_json(run_path(page), run_record("report", {}, inputs))
    return page


def rank(
    predicted: Sequence[Plate],
    out: Path,
    settings: RankSettings,
    *,
    stained: Plate | None = None,
    overwrite: bool = False,
    telling: Telling = SILENT,
) -> Ranking:
    """Put the wells and clones of predicted plates in order; writes tables, a workbook and a heat map.

    A plate that isn't measured yet is measured first. `stained` is a plate that shows real stains of some of
    the wells: where they are enough, they count as they are, and tell how the others' columns are meant.

    Raises
    ------
    OutputExists, BadSettings, BadInput
        Nothing is written then.
    """
    refuse_output(out, overwrite, "rank")
    if stained is not None and len(predicted) > 1:
        raise BadSettings("--stained", "goes with one predicted plate; rank the others by themselves")
    found = rank_plates([_ranked_plate(each, stained, telling) for each in predicted], settings)
    inputs: dict[str, Any] = {
        f"predicted {index}": plate_record(each, *each.channels) for index, each in enumerate(predicted)
    }
    if stained is not None:
        inputs["stained"] = plate_record(stained, *stained.channels)
    with results_folder(out, "rank", settings.model_dump(mode="json"), inputs, overwrite=overwrite):
        write_ranking(out, found)
    return found


def rank_by_default(predicted: Plate, out: Path, *, telling: Telling = SILENT) -> Path | None:
    """Rank by the first shipped score that can be had of the plate; None where none can."""
    why = "no shipped score goes with these stains; your own: unstained rank --by F.yaml"
    for name in shipped_scores():
        try:
            rank([predicted], out, RankSettings(score=load_score(name)), overwrite=True, telling=telling)
        except BadSettings:  # a column of this score isn't measured
            continue
        except BadInput as error:
            why = str(error)
            continue
        return out
    telling.note(f"no ranking: {why}")
    return None


def _ranked_plate(predicted: Plate, stained: Plate | None, telling: Telling) -> RankedPlate:
    """Collect what ranking needs of a predicted plate."""
    tables = stored_tables(predicted) or measure(predicted, telling=telling)
    agreement: dict[str, float] = {}
    for card in predicted.info.get("models", ()):
        for name, found in card.get("well_agreement", {}).items():
            agreement[name] = min(found, agreement.get(name, 1.0))
    real = None
    if stained is not None:
        real = measure_real(stained, predicted, progress=partial(telling.count, "measure the real stains"))
    places = {(name.well, name.field): predicted.place(name) for name in predicted.fields}
    return RankedPlate(
        predicted.name, tables, predicted.conditions, _worst_verdicts(predicted), agreement, real, places
    )


def _worst_verdicts(predicted: Plate) -> dict[str, str]:
    """Give every well's worst verdict of the fields that its numbers come from, where there are verdicts."""
    found: dict[str, str] = {}
    strict = bool(predicted.info.get(STRICT))  # refused fields lend it nothing
    for name in predicted.fields:
        verdict = word_of(predicted.field_info(name).get("verdict"))
        if verdict in VERDICTS and not (strict and verdict == REFUSE):
            found[name.well] = worse(found.get(name.well, VERDICTS[0]), verdict)
    return found


def screen(
    source: Path,
    labellers: Sequence[Labeller],
    out: Path,
    settings: PlateSettings = _WHOLE_PLATE,
    *,
    overwrite: bool = False,
    telling: Telling = SILENT,
) -> Plate:
    """Predict, measure, rank and report on a plate or a folder of images; gives the predicted plate.

    Into `out` go `plate.zarr` (where the source is no plate), `predicted.zarr`, `tables`, `ranking` (where
    there are wells to rank) and `report.html`.
    Interrupted, the same call goes on where it stopped.
    """
    if not source.exists():
        raise BadInput(f"no plate, folder or file at {source}")
    if is_ours(source):
        refuse_unfit(open_plate(source), labellers, settings)
    chosen = settings.model_dump(mode="json")
    models = {each.name: each.card.weights_sha256 for each in labellers}
    asked = {"source": str(source.resolve()), "settings": chosen, "models": models}
    with results_folder(out, "screen", chosen, asked, overwrite=overwrite):
        plate = _plate_of(source, out / "plate.zarr", telling)
        try:
            predicted = predict(plate, labellers, out / "predicted.zarr", settings, telling=telling)
        except OutputExists:  # by an earlier run that was broken off later
            predicted = open_plate(out / "predicted.zarr")
        measure(predicted, out / "tables", overwrite=True, telling=telling)
        ranking = rank_by_default(predicted, out / "ranking", telling=telling)
        report(predicted, out / "report.html", ranking=ranking, overwrite=True)
    return predicted


def study(name: str, bench: Workbench, out: Path, *, overwrite: bool = False) -> Study:
    """Answer one question of method on a plate with truth; writes `out/study.json`, tables and figures.

    What is trained and scored is kept in the workbench's folder; interrupted, the same call goes on.

    Raises
    ------
    BadInput, OutputExists
        No study of that name, or the plate lacks what it needs.
    """
    kind = find_study(name)
    refuse_output(out, overwrite, f"study {name}")
    _need_channels(bench.plate, bench.input, *bench.targets.values())
    answer = kind.run(bench)
    found = framed(name, kind.title, bench, answer)
    inputs = {"plate": plate_record(bench.plate, bench.input, *bench.targets.values())}
    asked = {"steps": bench.steps, "seeds": list(bench.seeds), "test": bench.test}
    with results_folder(out, f"study {name}", asked, inputs, overwrite=overwrite):
        write_study(out, found, answer.figures)
    return found


def stability(
    plate: Plate, labeller: Labeller, out: Path, kinds: Sequence[str], most: int, *, overwrite: bool = False
) -> Study:
    """Corrupt fields that a model wasn't made from, and tell what becomes of its predictions.

    Writes `out/study.json`, tables and figures; the table `envelope` says between which strengths all holds.

    Raises
    ------
    BadInput, BadSettings, MissingChannel, OutputExists
        No such corruption, or no field of the plate can be used.
    """
    refuse_output(out, overwrite, "stability")
    found, answer = stability_of(labeller, plate, kinds, most)
    inputs = {
        "plate": plate_record(plate, labeller.card.input, *labeller.card.targets),
        "models": {labeller.name: labeller.card.weights_sha256},
    }
    asked = {"kinds": list(kinds), "fields": most}
    with results_folder(out, "stability", asked, inputs, overwrite=overwrite):
        write_study(out, found, answer.figures)
    return found


def embed(
    plate: Plate,
    model: Model,
    out: Path,
    settings: MapSettings,
    *,
    overwrite: bool = False,
    telling: Telling = SILENT,
) -> MappedCrops:
    """Lay a plate's crops out on a map; writes `points` and `embedding` (tables), `map.png` and `map.html`.

    Raises
    ------
    OutputExists, MissingChannel, BadInput, MissingExtra
        Nothing is written then.
    """
    refuse_output(out, overwrite, "embed")
    channel = settings.input_channel or model.card.input
    _need_channels(plate, channel)
    found = map_crops(model, plate, settings, partial(telling.count, "embed"))
    inputs = {"plate": plate_record(plate, channel), "model": model.card.weights_sha256}
    with results_folder(out, "embed", settings.model_dump(mode="json"), inputs, overwrite=overwrite):
        write_mapped(out, found, f"{plate.name}: {settings.embedding}, {settings.reducer}")
    return found


def drift_check(
    plate: Plate,
    labeller: Labeller,
    out: Path | None = None,
    settings: PlateSettings = _WHOLE_PLATE,
    *,
    overwrite: bool = False,
    telling: Telling = SILENT,
) -> DriftCheck:
    """Hold a plate's fields against those that a model was made from; no stain is needed.

    Raises
    ------
    BadInput, MissingChannel, OutputExists
        The model keeps no reference, or the plate lacks its channel.
    """
    if out is not None:
        refuse_output(out, overwrite)
    trust = _trust_of(labeller)
    channel = settings.input_channel or labeller.card.input
    _need_channels(plate, channel)
    size_um = settings.pixel_size_um or plate.pixel_size_um
    fields = plate.fields if settings.fields is None else plate.select(settings.fields)
    real = not plate.info.get("simulated")
    plain, verdicts = {}, []
    for done, name in enumerate(fields, start=1):
        plain[str(name)], verdict = _judged_field(labeller, plate.read(name, channel), size_um, real=real)
        verdicts.append(str(verdict["verdict"]))
        telling.count("check", done, len(fields))
    prints = {(name.well, name.field): plate.fingerprint(name, channel) for name in fields}
    found = check_fields(labeller.name, trust, plain, verdicts, own=_own_wells(labeller, prints))
    if out is not None:
        models = {labeller.name: labeller.card.weights_sha256}
        inputs = {"plate": plate_record(plate, channel), "models": models}
        asked = settings.model_dump(mode="json")
        write_json(out, {**found.model_dump(mode="json"), RUN: run_record("drift check", asked, inputs)})
    return found


def watcher(
    labeller: Labeller,
    folder: Path,
    out: Path,
    pixel_size_um: float | None = None,
    ert: int | None = None,
    *,
    overwrite: bool = False,
) -> Watcher:
    """Make what judges images as a microscope writes them into `folder`; an earlier watch at `out` goes on.

    `pixel_size_um` goes before what a file says of itself; with `overwrite` the watch begins anew.

    Raises
    ------
    BadInput, BadSettings
        The model keeps no reference, there is no such folder, or the earlier watch was of another one.
    """
    trust = _trust_of(labeller)
    if not folder.is_dir():
        raise BadInput(f"no folder at {folder}")

    def measure(plane: RawPlane, size_um: float | None) -> tuple[Vector, Verdict]:
        return _judged_field(labeller, plane, size_um if pixel_size_um is None else pixel_size_um, real=True)

    both = detectors(trust.reference, trust.detector, ert)
    if overwrite:
        begin_anew(out)
    found = Watcher(measure, trust, out, *both, folder=folder)
    found.resume()
    return found


def _trust_of(labeller: Labeller) -> Trust:
    found = trust_of(labeller.name, labeller.extras)
    if found is None:
        raise BadInput(f"model {labeller.name!r} keeps no reference to compare with; train it anew")
    return found


def _own_wells(labeller: Labeller, prints: Mapping[tuple[str, int], str]) -> dict[str, str]:
    """Find the wells that a model was made from by fields' pixels: well → what it was called then."""
    known = {
        print_: name.split("/")[0]
        for prints_of_role in labeller.card.fingerprints.values()
        for name, print_ in prints_of_role.items()
    }
    return {well: known[print_] for (well, _), print_ in prints.items() if print_ in known}


def _judged_field(
    labeller: Labeller, plane: RawPlane, size_um: float | None, *, real: bool
) -> tuple[Vector, Verdict]:
    """Give a field's plain features, and the verdict that `predict` would put beside it."""
    prediction = labeller.engine.predict_with_embedding(plane, size_um)
    judge = judge_of([labeller], real=real)
    verdict = None if judge is None else judge(labeller.card, plane, prediction)
    if verdict is None:
        raise BadInput(f"model {labeller.name!r} keeps nothing to judge by; train it anew")
    return field_features(labeller.card, plane, prediction).plain, verdict


@rank_zero_only  # with several GPUs there is one process for each
def _keep(model: Model, out: Path, unfinished: Path, *, overwrite: bool) -> None:
    save_model(model, out, overwrite=overwrite)
    shutil.rmtree(unfinished, ignore_errors=True)


def _training_record(plate: Plate, plan: Plan, begin: Model | None) -> dict[str, Any]:
    settings = {**plan.subject.to_json(), **vars(plan.held_out), **plan.settings.model_dump(mode="json")}
    start = None if begin is None else {"name": begin.name, "weights_sha256": begin.card.weights_sha256}
    known = plate_record(plate, *plan.subject.channels)
    known["path"] = Path(known["path"]).name  # a model travels; its maker's folders don't
    return run_record("train", settings, {"plate": known, "from": start})


def _plate_of(source: Path, imported: Path, telling: Telling) -> Plate:
    """Open a source that is a plate, else import it, unless that is done."""
    if is_ours(source) or imported.exists():
        return open_plate(source if is_ours(source) else imported)
    return import_images(source, imported, telling=telling)


def _need_channels(plate: Plate, *channels: str) -> None:
    for channel in channels:
        if channel not in plate.channels:
            raise MissingChannel(channel, str(plate.path), plate.channels)


def _truth_of(evaluation: Path) -> Plate | None:
    """Open the plate of real stains that an evaluation names, if it is still there."""
    run = read_json(evaluation / RUN) or {}
    path = run.get("inputs", {}).get("truth", {}).get("path")
    return open_plate(Path(path)) if path is not None and Path(path).exists() else None


def cost(
    plate: Plate | None,
    model: Model | None,
    out: Path | None,
    request: CostRequest,
    *,
    overwrite: bool = False,
    telling: Telling = SILENT,
) -> Costs:
    """Time this machine on real fields; tell time and money of training and labelling, here and elsewhere.

    Without a plate the built-in images are timed, for a plate of the usual size; without a model the default
    recipe. Into `out`, where one is given, go `cost.json`, `cost.csv` and `cost.png`.

    Raises
    ------
    OutputExists, MissingChannel, BadSettings
        Nothing is written then.
    """
    if out is not None:
        refuse_output(out, overwrite, "cost")
    prices = load_prices(request.prices)
    if model is None:
        telling.caution(NO_MODEL)
    found = costs_of(plate, model, prices, request, partial(telling.count, "measure this machine"))
    if out is not None:
        known = plate_record(plate, found.times.input) if plate is not None else None
        weights = None if model is None else model.card.weights_sha256
        asked = request.model_dump(mode="json")
        with results_folder(out, "cost", asked, {"plate": known, "model": weights}, overwrite=overwrite):
            write_costs(out, found)
    return found
