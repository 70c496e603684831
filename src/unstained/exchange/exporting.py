"""A model in another program's format, held against the original, with the record of how it was made."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from unstained.exchange.bioimageio import export_bioimageio
from unstained.exchange.onnx import Compared, export_onnx
from unstained.exchange.trial import trial_field
from unstained.networks.bundle import Model
from unstained.plates.images import read_image
from unstained.provenance import run_path, run_record, sha256_of, write_json
from unstained.settings import Settings


class ExportSettings(Settings):
    """What a model is exported to."""

    to: Literal["onnx", "bioimageio"] = Field(description="one ONNX file, or a package of the model zoo")
    image: Path | None = Field(
        None, description="field to compare on; null = one that comes with the package"
    )
    licence: str | None = Field(None, description="SPDX name, for the zoo; null = the card's")


def export_model(model: Model, out: Path, settings: ExportSettings, *, overwrite: bool = False) -> Compared:
    """Write a model in another format; nothing is written unless it gives what the model gives.

    Raises
    ------
    OutputExists, OutputFailed, BadInput, BadModel, BadSettings, MissingExtra
        Nothing is left at `out` then.
    """
    image = trial_field(model.card) if settings.image is None else read_image(settings.image)[0]
    if settings.to == "onnx":
        found = export_onnx(model, out, image, overwrite=overwrite)
    else:
        found = export_bioimageio(model, out, image, licence=settings.licence, overwrite=overwrite)
    inputs = {
        "models": {model.name: model.card.weights_sha256},
        "image": None if settings.image is None else sha256_of(settings.image),
    }
    record = run_record("export", settings.model_dump(mode="json"), inputs)
    write_json(run_path(out), {**record, "largest_error": found.error})
    return found
