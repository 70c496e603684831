"""Predict a plate into a plate of its own, field by field; a second run goes on where the first stopped."""

import hashlib
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pydantic import Field

from unstained.arrays import Planes
from unstained.errors import (
    BadInput,
    MissingChannel,
    OutputExists,
    OutputFailed,
    WrongModel,
    listed,
)
from unstained.networks.bundle import ModelCard
from unstained.ordered import in_order
from unstained.plates import storage
from unstained.plates.listing import field_path
from unstained.plates.opening import write_conditions
from unstained.plates.plate import FieldName, Plate, PlateWriter, create_plate, fingerprint, open_plate
from unstained.prediction.grids import pixel_scale
from unstained.prediction.labeller import Labeller, refuse_alike
from unstained.prediction.lanes import in_lanes
from unstained.prediction.verdicts import Judge, predict_judged, worst
from unstained.settings import Settings
from unstained.version import __version__

if TYPE_CHECKING:
    from unstained.prediction.workers import Workers

AT_ONCE = 2
"""Fields in work at once where the network takes one at a time: one is read or written meanwhile."""

STRICT = "strict"
"""Key of a predicted plate's info: whether tables leave refused fields out."""

_NOT_SUMMARISED = {"network", "normalisation", "training", "metrics"}


class PlateSettings(Settings):
    """How a plate is predicted."""

    fields: tuple[str, ...] | None = Field(None, description="wells (A03) or fields (A01/2); null = all")
    input_channel: str | None = Field(None, description="read this channel in place of the model's own")
    pixel_size_um: float | None = Field(None, gt=0, description="side of a pixel, µm; null = the plate's")
    strict: bool = Field(False, description="leave fields that are refused out of the tables")


EVERY_FIELD = PlateSettings()
"""All fields, with the models' own input channel."""


def predict_plate(  # noqa: PLR0913 (all but three have a default that is right for most)
    plate: Plate,
    labellers: Labeller | Sequence[Labeller],
    out: Path | str,
    settings: PlateSettings = EVERY_FIELD,
    *,
    judge: Judge | None = None,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
    workers: "Workers | None" = None,
) -> Plate:
    """Predict the fields of a plate, all stains of all models, into a new plate at `out`.

    The new plate has one float32 channel per stain, in the camera units of the training stain, and the wells,
    fields, places, conditions and pixel size of `plate`. Its info says which models, input, settings and
    versions made it; each field's record has the fingerprint of its input, the roles this field had in the
    models' training, and the verdict, `None` without a `judge`. Two fields are in memory at a time, or one
    for each core where they fit. Where the run is broken off, the same call goes on; until then `out` can't
    be opened as a plate.

    `progress` is called with the number of fields that are done, and of all. `workers` are processes, here or
    on a cluster, that read and write the fields in place of this one; `judge` is pickled for them. With as
    many threads in each process the plate is the same to the last bit; else float rounding differs.

    Raises
    ------
    WrongModel, MissingChannel, UnknownField
        The plate doesn't have what the models or the settings ask for.
    OutputExists, OutputFailed
        `out` holds these predictions already, or others, or can't be written.
    """
    _refuse_source(plate, out)
    job = _Job.checked(plate, [labellers] if isinstance(labellers, Labeller) else labellers, settings)
    fields = plate.fields if settings.fields is None else plate.select(settings.fields)
    if workers is not None and workers.device is not None:
        job = replace(job, inputs={each.on(workers.device): channel for each, channel in job.inputs.items()})
    # workers are there before anything is written
    with nullcontext(_here) if workers is None else workers.gathered() as each:
        writer = job.begun(out, overwrite=overwrite)
        pending = [field for field in fields if field not in writer.done or not job.is_current(out, field)]
        followed = _follow_source(writer, plate, out)
        if not pending and not followed and writer.info.get("complete"):
            raise OutputExists(out)
        if pending:
            writer.reopen(job.provenance())
            job.settle(pending[0])
        with closing(each(_Work(job, writer, judge), pending)) as done:
            for number, _ in enumerate(done, start=len(fields) - len(pending) + 1):
                if progress is not None:
                    progress(number, len(fields))
    return writer.finish(needed=fields)


def _follow_source(writer: PlateWriter, plate: Plate, out: Path | str) -> bool:
    """Give a plate that is gone on with the plate map that its source has by now; says whether it changed.

    Raises
    ------
    OutputFailed
        It holds fields that its source has no longer.
    """
    if not writer.done:
        return False
    if gone := sorted(writer.done - set(plate.fields)):
        held = f"it holds {listed(map(str, gone))}, which {plate.path} has no longer"
        raise OutputFailed(out, f"{held}; choose another name or add --overwrite")
    if writer.info.get("complete"):
        before = open_plate(out).conditions
        now = plate.conditions[plate.conditions["well"].isin(before["well"])].reset_index(drop=True)
        if now.astype(str).equals(before.astype(str)):
            return False
    if len(plate.conditions.columns) > 1:
        write_conditions(writer.path, plate.conditions)
    return True


def refuse_unfit(
    plate: Plate, labellers: Sequence[Labeller], settings: PlateSettings = EVERY_FIELD
) -> None:
    """Say before anything is written that models don't fit a plate, or each other.

    Raises
    ------
    WrongModel, MissingChannel, UnknownField, BadSettings
    """
    _Job.checked(plate, labellers, settings)
    if settings.fields is not None:
        plate.select(settings.fields)


@dataclass(frozen=True)
class _Job:
    """Which channels of a plate go into which models."""

    plate: Plate
    inputs: Mapping[Labeller, str]
    pixel_size_um: float | None
    strict: bool = False

    @classmethod
    def checked(cls, plate: Plate, labellers: Sequence[Labeller], settings: PlateSettings) -> "_Job":
        refuse_alike(labellers)
        inputs = {labeller: _input_channel(plate, labeller.card, settings) for labeller in labellers}
        pixel_size_um = settings.pixel_size_um or plate.pixel_size_um
        for labeller in labellers:
            pixel_scale(labeller.card, pixel_size_um)  # refuses before anything is written
        return cls(plate, inputs, pixel_size_um, settings.strict)

    def begun(self, out: Path | str, *, overwrite: bool) -> PlateWriter:
        """Begin the predicted plate, or go on with one that was asked for with the same."""
        writer = create_plate(
            out,
            name=self.plate.name,
            channels=self.stains,
            pixel_size_um=self.pixel_size_um,
            conditions=self.plate.conditions,
            info=self.provenance(),
            overwrite=overwrite,
            resume=not overwrite,
        )
        if writer.info.get("request") != self.request():
            what = _difference(self.request(), writer.info.get("request"))
            raise OutputFailed(out, f"it was made with other {what}; choose another name or add --overwrite")
        return writer

    @property
    def stains(self) -> tuple[str, ...]:
        return tuple(stain for labeller in self.inputs for stain in labeller.stains)

    def request(self) -> dict[str, Any]:
        """All that must be equal for a second run to go on with what a first one left."""
        return {
            "models": {each.name: _fingerprint_of(each.card) for each in self.inputs},
            "inputs": {each.name: channel for each, channel in self.inputs.items()},
            "pixel_size_um": self.pixel_size_um,
            "running": {each.name: str(each.running) for each in self.inputs},
            STRICT: self.strict,
            "version": __version__,
        }

    def provenance(self) -> dict[str, Any]:
        summaries = [summarised(labeller.card) for labeller in self.inputs]
        return {
            "kind": "predicted",
            STRICT: self.strict,
            "simulated": bool(self.plate.info.get("simulated")),
            "source": str(self.plate.path),
            "input": next(iter(self.inputs.values())),
            "model": summaries[0],
            "models": summaries,
            "units": {s: labeller.card.units for labeller in self.inputs for s in labeller.stains},
            "device": {labeller.name: labeller.device for labeller in self.inputs},
            "versions": {"unstained": __version__, "torch": torch.__version__, "numpy": np.__version__},
            "request": self.request(),
        }

    def is_current(self, out: Path | str, field: FieldName) -> bool:
        """Whether a field of `out` was predicted from the very pixels that the plate holds now."""
        record = (storage.attributes(storage.join(out, field_path(field))) or {}).get(storage.OURS, {})
        then = record.get("input_fingerprints")
        return then is not None and all(  # where nothing was predicted, nothing is read
            then.get(channel) == self.plate.fingerprint(field, channel) for channel in self.inputs.values()
        )

    def settle(self, field: FieldName) -> None:
        """Measure on a field what the models leave open, so that all fields are predicted the same way."""
        for labeller, channel in self.inputs.items():
            if not labeller.way.is_settled:
                labeller.engine.settle(self.plate.read(field, channel), self.pixel_size_um)

    def lanes(self, fields: Sequence[FieldName]) -> int:
        """Count the fields that can be predicted at once: one a core, as far as memory holds the largest.

        On a GPU it is one at a time, and so it is where a field fills the memory by itself.
        """
        if any(labeller.device != "cpu" for labeller in self.inputs):
            return 1
        largest = max((self.plate.shape(field) for field in fields), key=lambda shape: shape[0] * shape[1])
        fit = [each.engine.fields_in_memory(largest, self.pixel_size_um) for each in self.inputs]
        return max(1, min(torch.get_num_threads(), *fit))

    def with_own_networks(self) -> "_Job":
        """Give the same job with copies of its networks, which warn no second time."""
        copies = {each.on(each.device, quiet=True): channel for each, channel in self.inputs.items()}
        return replace(self, inputs=copies)

    def predict(self, field: FieldName, judge: Judge | None) -> tuple[Planes, dict[str, Any]]:
        """Predict one field: (stain Y X), and what is recorded of it."""
        planes, verdicts, roles, prints = [], {}, {}, {}
        for labeller, channel in self.inputs.items():
            plane = self.plate.read(field, channel)
            prints[channel] = fingerprint(plane)
            roles[labeller.name] = roles_of(labeller.card, prints[channel])
            try:
                stains, verdicts[labeller.name] = predict_judged(labeller, plane, self.pixel_size_um, judge)
            except BadInput as error:
                raise BadInput(f"{self.plate.path}, field {field}, channel {channel}: {error}") from error
            planes.append(stains)
        record = {"input_fingerprints": prints, "roles": roles, "verdicts": verdicts}
        return np.concatenate(planes), {**record, "verdict": worst(verdicts.values())}


@dataclass(frozen=True)
class _Work:
    """What is done for a field, in whatever process: predict, judge, write, commit."""

    job: _Job
    writer: PlateWriter
    judge: Judge | None

    def __call__(self, field: FieldName) -> None:
        if self.job.is_current(self.writer.path, field):
            return  # by a worker that was lost before it could say so
        planes, record = self.job.predict(field, self.judge)
        self.writer.write_field(field, planes, place=self.job.plate.place(field), info=record)


def _here(work: "_Work", fields: Sequence[FieldName]) -> Generator[FieldName]:
    """Do the work here, a field on each core where memory allows.

    Else, while the network has one field, the one before is written, or the next is read.
    """
    lanes = min(len(fields), work.job.lanes(fields)) if fields else 1
    if lanes > 1:
        yield from in_lanes(lambda: replace(work, job=work.job.with_own_networks()), fields, lanes)
    else:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for field, _ in zip(fields, in_order(pool, work, fields, AT_ONCE), strict=True):
                yield field


def summarised(card: ModelCard) -> dict[str, Any]:
    """Say which model it is, in plain JSON: its card without the network's and the training's settings."""
    return card.model_dump(mode="json", by_alias=True, exclude=_NOT_SUMMARISED)


def roles_of(card: ModelCard, of_input: str) -> list[str]:
    """Name the roles (`train`, `validation`, `test`) that a field had in a model's training."""
    return [role for role, prints in card.fingerprints.items() if of_input in prints.values()]


def _input_channel(plate: Plate, card: ModelCard, settings: PlateSettings) -> str:
    if settings.input_channel is not None:
        if settings.input_channel not in plate.channels:
            raise MissingChannel(settings.input_channel, str(plate.path), plate.channels)
        return settings.input_channel
    if card.input not in plate.channels:
        raise WrongModel(
            f"model {card.name!r} reads channel {card.input!r}; {plate.path} holds: {listed(plate.channels)};"
            " if one of these is the same kind of light, name it with --input"
        )
    return card.input


def _refuse_source(plate: Plate, out: Path | str) -> None:
    """Refuse an output that is, holds, or lies within the plate that is read."""
    if "://" in f"{plate.path}{out}":
        inside = str(plate.path).rstrip("/") == str(out).rstrip("/")
    else:
        source, target = Path(plate.path).resolve(), Path(out).resolve()
        inside = source == target or source in target.parents or target in source.parents
    if inside:
        raise OutputFailed(out, "that is where the plate to be read is; choose another name")


def _fingerprint_of(card: ModelCard) -> str:
    return hashlib.sha256(card.model_dump_json().encode()).hexdigest()


def _difference(asked: Mapping[str, Any], found: Mapping[str, Any] | None) -> str:
    if found is None:
        return "commands than this"
    return " and ".join(name.replace("_", " ") for name in asked if asked[name] != found.get(name))
