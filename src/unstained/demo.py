"""The whole path: on real images with nuclei, or on a simulated plate of CHO clones with four stains."""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from unstained.errors import SampleUnavailable
from unstained.measurement.evaluation_record import Evaluation
from unstained.pipeline import (
    SILENT,
    HeldOut,
    Plan,
    Telling,
    evaluate,
    import_images,
    measure,
    predict,
    rank_by_default,
    report,
    simulate,
    train,
)
from unstained.plates.plate import Plate
from unstained.plates.samples import fetch_sample
from unstained.prediction.labeller import load_model
from unstained.prediction.plates import PlateSettings
from unstained.provenance import begin_folder, finish_folder, run_record
from unstained.training.models import Subject
from unstained.training.recipes import TrainingSettings
from unstained.twin.wells import TwinSettings

SAMPLE, MODEL, FIELD = "hela-rpe1", "hela-rpe1-nuclei", "A01/2"
LICENCE, ATTRIBUTION = "MIT", "images: cell-AAP, Anish Virdi"


CHO = TwinSettings(wells=24, fields=1, clones=6, days=(0.0, 60.0), seed=7)
CHO_MODEL = "cho-four"


@dataclass(frozen=True)
class Demo:
    """What the demo leaves."""

    report: Path
    evaluations: dict[str, Evaluation]  # by stain
    sample: str  # where the images came from


def demo(
    out: Path,
    training: TrainingSettings | None = None,
    *,
    overwrite: bool = False,
    telling: Telling = SILENT,
) -> Demo:
    """Do the whole path on real images, up to a report on a field that the model never saw.

    The model is the bundled one, or with `training` one that is trained on the sample's other fields first.
    Where the sample can't be fetched, a built-in crop of that field stands in.

    Raises
    ------
    SampleUnavailable
        There is only the crop, and it has nothing to train on.
    """
    labeller = load_model(MODEL) if training is None else None  # its absence is told before anything is made
    asked = {"sample": SAMPLE, "training": training and training.model_dump(mode="json")}
    begin_folder(out, asked, overwrite=overwrite, command="demo")
    manifest, origin = _sample(out / "sample", telling, whole=training is not None)
    telling.note(f"images: {origin}; the held-out field is {FIELD}")
    plate = import_images(manifest, out / "plate.zarr", overwrite=True, telling=telling)
    if training is not None:
        subject = Subject(MODEL, "TL", {"nuclei": "DNA"}, licence=LICENCE, attribution=ATTRIBUTION)
        plan = Plan(subject, training, HeldOut((FIELD,)))
        train(plate, plan, out / "model", telling=telling, overwrite=True)
    labeller = labeller or load_model(out / "model")
    settings = PlateSettings(fields=(FIELD,))
    predicted = predict(plate, [labeller], out / "predicted.zarr", settings, overwrite=True, telling=telling)
    return _reported(plate, predicted, out, asked, origin, telling)


def demo_cho(out: Path, *, overwrite: bool = False, telling: Telling = SILENT) -> Demo:
    """Simulate a plate of CHO clones, predict its four stains, measure, evaluate and report.

    The bundled model learnt from other simulated clones and wells; all that is shown is simulated.
    """
    labeller = load_model(CHO_MODEL)
    asked = {"plate": "cho", "twin": CHO.model_dump(mode="json")}
    begin_folder(out, asked, overwrite=overwrite, command="demo")
    origin = "a simulated plate (unstained twin)"
    telling.note(f"images: {origin}: {CHO.clone_count} clones, two days, two wells each; nothing is real")
    plate = simulate(out / "cho.zarr", CHO, overwrite=True, telling=telling)
    predicted = predict(plate, [labeller], out / "predicted.zarr", overwrite=True, telling=telling)
    return _reported(plate, predicted, out, asked, origin, telling)


def _reported(
    plate: Plate, predicted: Plate, out: Path, asked: dict[str, Any], origin: str, telling: Telling
) -> Demo:
    """Measure, evaluate, rank and report what was predicted; the folder is whole then."""
    measure(predicted, out / "tables", overwrite=True, telling=telling)
    found = evaluate(predicted, plate, out / "evaluation", overwrite=True)
    ranking = rank_by_default(predicted, out / "ranking", telling=telling)
    page = report(
        predicted, out / "report.html", evaluation=out / "evaluation", ranking=ranking, truth=plate,
        overwrite=True,
    )  # fmt: skip
    finish_folder(out, run_record("demo", asked, {"sample": origin}))
    return Demo(page, found, origin)


def _sample(folder: Path, telling: Telling, *, whole: bool) -> tuple[Path, str]:
    """Give a manifest of the demo's images, and say where they came from."""
    try:
        return fetch_sample(
            SAMPLE, folder, overwrite=True, tell=telling.note
        ), f"{SAMPLE}, from the Python package index"
    except SampleUnavailable as error:
        if whole:
            raise
        telling.caution(f"{error}; going on with the built-in crop of {FIELD}")
        built_in = Path(str(files("unstained"))) / "samples" / f"{SAMPLE}-crop" / "manifest.csv"
        return built_in, f"{SAMPLE}, the built-in crop"
