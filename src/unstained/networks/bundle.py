"""A model as one artefact, a folder or .zip of `model.json` and `weights.safetensors`; never a pickle."""

import hashlib
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator
from safetensors import SafetensorError
from safetensors.torch import load, save

from unstained.errors import BadModel, ModelNotFound, OutputFailed, refuse_existing
from unstained.networks.normalisation import Normalisation, StainScale
from unstained.networks.unet import UNet, UNetSettings
from unstained.segmentation.spots import SpotSettings
from unstained.settings import Settings
from unstained.stains.catalogue import Stain
from unstained.version import __version__

CARD, WEIGHTS = "model.json", "weights.safetensors"
_UNREADABLE = (OSError, EOFError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error)


PER_STAIN = ("offsets_px", "described", "object_diameters_px", "object_contrasts", "backgrounds",
             "mask_levels", "likely_spots")  # fmt: skip
"""Entries of a card that hold one value for each stain, or nothing."""


class ModelCard(Settings):
    """All that is known of a model but its weights; the content of `model.json`."""

    schema_: Literal["unstained.model/1"] = Field("unstained.model/1", alias="schema")
    name: str
    stains: tuple[str, ...] = Field(description="what is predicted, in the order of the outputs")
    input: str = Field(description="label-free channel it was trained on")
    targets: tuple[str, ...] = Field(description="stained channels it was trained on, one per stain")
    units: Literal["camera", "probability"] = "camera"
    pixel_size_um: float | None = Field(None, gt=0, description="of the training images; null = not known")
    working_scale: float = Field(1.0, gt=0, le=1, description="the network sees images shrunk by this factor")
    described: tuple[Stain, ...] = Field((), description="per stain: its target, its objects; () = as known")
    object_diameters_px: tuple[float | None, ...] = Field(
        (), description="per stain: typical object in training, px of the training images"
    )
    object_contrasts: tuple[float | None, ...] = Field(
        (), description="per stain: three of four objects stand out of the background by more, camera"
    )
    backgrounds: tuple[float, ...] = Field((), description="per stain: what is dark in training, camera")
    mask_levels: tuple[float, ...] = Field((), description="per stain learnt as a mask: 1 above this, camera")
    likely_spots: tuple[SpotSettings | None, ...] = Field(
        (), description="per stain of spots: how predicted ones are found; null = as in the real stain"
    )
    network: UNetSettings = UNetSettings()
    normalisation: Normalisation = Normalisation()
    scales: tuple[StainScale, ...] = Field(description="network units to camera units, one per stain")
    offsets_px: tuple[tuple[float, float], ...] = Field(
        (), description="per stain: how far it was recorded off the input (y, x), px of the training images"
    )
    average_flips: bool = Field(False, description="predict mirror images, too, and average")
    light_deg: float | None = Field(
        None,
        description="relief's direction in training: fields are turned until it points down; null = not",
    )
    fingerprints: dict[str, dict[str, str]] = Field({}, description="role → field → SHA-256 of its input")
    split: dict[str, Any] = Field({}, description="level, regions by role, and what it can't promise")
    metrics: dict[str, float | None] = Field({}, description="on the validation regions, after training")
    well_agreement: dict[str, float] = Field(
        {}, description="column of a table → Pearson, by well, of what the predicted and the real stain give"
    )
    training: dict[str, Any] = Field({}, description="resolved training settings")
    licence: str = ""
    attribution: str = ""
    simulated: bool = False
    version: str = __version__
    weights_sha256: str = ""

    @model_validator(mode="after")
    def _counts_agree(self) -> Self:
        counts = {len(self.stains), len(self.targets), len(self.scales), self.network.outputs}
        counts |= {len(getattr(self, name)) for name in PER_STAIN} - {0}
        if len(counts) > 1 or len(set(self.stains)) != len(self.stains):
            raise ValueError("stains, targets, scales and outputs must be equally many, no stain twice")
        if self.described and tuple(each.name for each in self.described) != self.stains:
            raise ValueError("stains must be described in their order")
        if self.network.inputs != 1:
            raise ValueError(f"the network takes {self.network.inputs} planes; there is one input channel")
        return self


@dataclass(frozen=True)
class Model:
    """All that predicting needs, and where it came from."""

    card: ModelCard
    network: UNet
    extras: Mapping[str, bytes] = field(default_factory=dict)  # further files of the bundle, by name

    @property
    def name(self) -> str:
        return self.card.name


def refuse_replacing(out: Path) -> None:
    """Refuse to replace what isn't a model.

    Raises
    ------
    OutputFailed
    """
    if not _is_replaceable(out):
        raise OutputFailed(out, "what is there isn't a model, so it isn't replaced; choose another name")


def save_model(model: Model, out: Path, *, overwrite: bool = False) -> Path:
    """Write a model to a folder, or to one file where `out` ends in .zip; whole or not at all.

    Raises
    ------
    OutputExists, OutputFailed
        `out` is there and may not be replaced, or can't be written.
    """
    refuse_existing(out, overwrite)
    refuse_replacing(out)
    state = {name: value.detach().cpu().contiguous() for name, value in model.network.state_dict().items()}
    weights = save(state)
    card = model.card.model_copy(update={"weights_sha256": hashlib.sha256(weights).hexdigest()})
    contents = {CARD: _to_json(card), WEIGHTS: weights, **model.extras}
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _write_whole(out, contents)
    except OSError as error:
        raise OutputFailed(out, error) from error
    return out


def load_model_bundle(name_or_path: str | Path) -> Model:
    """Load a bundled model by its name, or any model by its path; strictly.

    Raises
    ------
    ModelNotFound
        Neither a bundled model nor a path.
    BadModel
        A file is missing, damaged, of another format, or the weights aren't this network's.
    """
    path = find_model(name_or_path)
    card = read_card(path)
    contents = _read_all(path)
    del contents[CARD]
    if (weights := contents.pop(WEIGHTS, None)) is None:
        raise BadModel(f"{path} is no whole model: {WEIGHTS} is missing")
    if hashlib.sha256(weights).hexdigest() != card.weights_sha256:
        raise BadModel(f"{path}: {WEIGHTS} is not the file that {CARD} describes (SHA-256 differs)")
    return Model(card, _network(path, card.network, weights), contents)


def bundled_models() -> dict[str, Path]:
    """Models that come with the package, by name."""
    folder = Path(str(files("unstained"))) / "models"
    return {path.parent.name: path.parent for path in sorted(folder.glob(f"*/{CARD}"))}


def find_model(name_or_path: str | Path) -> Path:
    """Path of a model given by path or by bundled name."""
    if (path := Path(name_or_path)).exists():
        return path
    bundled = bundled_models()
    if str(name_or_path) in bundled:
        return bundled[str(name_or_path)]
    raise ModelNotFound(str(name_or_path), bundled)


def read_card(name_or_path: str | Path) -> ModelCard:
    """Read a model's card without its weights."""
    path = find_model(name_or_path)
    contents = _read_all(path, only=CARD)
    if CARD not in contents:
        raise BadModel(f"{path} is no model: {CARD} is missing")
    return _read_card(path, contents[CARD])


def _network(path: Path, settings: UNetSettings, weights: bytes) -> UNet:
    network = UNet(settings)
    try:
        network.load_state_dict(load(weights), strict=True)
    except (RuntimeError, SafetensorError) as error:
        fault = " ".join(str(error).split())[:200]
        raise BadModel(f"{path}: {WEIGHTS} doesn't fit the network of {CARD}: {fault}") from error
    return network.eval()


def _read_card(path: Path, text: bytes) -> ModelCard:
    try:
        return ModelCard.model_validate_json(text)
    except ValidationError as error:
        fault = error.errors()[0]
        what = ": ".join([".".join(str(part) for part in fault["loc"]) or "as a whole", fault["msg"]])
        raise BadModel(f"{path}: {CARD} can't be used by unstained {__version__}: {what}") from error


def _to_json(card: ModelCard) -> bytes:
    return (card.model_dump_json(by_alias=True, indent=1) + "\n").encode()


def _is_replaceable(out: Path) -> bool:
    """Say whether `out` is free, an empty folder or a model; nothing else is ever replaced."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return True
    try:
        return CARD in _read_all(out, only=CARD)
    except BadModel:
        return False


def _read_all(path: Path, only: str | None = None) -> dict[str, bytes]:
    """Read the files that lie directly in a model's folder or .zip, or one of them, by name."""
    try:
        if path.is_dir():
            found = [part for part in path.iterdir() if part.is_file() and only in (None, part.name)]
            return {part.name: part.read_bytes() for part in found}
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if "/" not in name and only in (None, name)]
            return {name: archive.read(name) for name in names}
    except _UNREADABLE as error:
        raise BadModel(f"{path} can't be read as a model: {' '.join(str(error).split())}") from error


def _write_whole(out: Path, contents: Mapping[str, bytes]) -> None:
    """Write beside `out`, then move into place, so that nothing half-written carries its name."""
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".unfinished-") as scratch:
        new = Path(scratch) / out.name
        if out.suffix == ".zip":
            with zipfile.ZipFile(new, "w") as archive:
                for name, content in contents.items():
                    archive.writestr(name, content)
        else:
            new.mkdir()
            for name, content in contents.items():
                (new / name).write_bytes(content)
        if out.exists():
            out.rename(Path(scratch) / "replaced")
        new.rename(out)
