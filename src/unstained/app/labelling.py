"""One field as the Label view shows it: from an image and a model, or from a predicted plate."""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import tifffile

from unstained.app.opened import Opened
from unstained.arrays import Labels, Plane, RawPlane
from unstained.measurement.image_metrics import Moments
from unstained.measurement.known import KnownStain, described_stain, known_stain
from unstained.plates.plate import FieldName, Plate, fingerprint
from unstained.prediction.files import write_stains
from unstained.prediction.labeller import Labeller, one_plane
from unstained.prediction.plates import summarised
from unstained.prediction.verdicts import Verdict, predict_judged
from unstained.trust.kept import judge_of

Read = TypeVar("Read")


class WhenAsked(Mapping[str, Read]):
    """Reads what has a name when it is first asked for: of several stains, most people look at one."""

    def __init__(self, names: Iterable[str], read: Callable[[str], Read]) -> None:
        self._names, self._read = tuple(names), read
        self._found: dict[str, Read] = {}

    def __getitem__(self, name: str) -> Read:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._found:
            self._found[name] = self._read(name)
        return self._found[name]

    def __contains__(self, name: object) -> bool:
        return name in self._names  # without reading it

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@dataclass(frozen=True)
class Labelled:
    """A field with its predicted stains, all planes (Y X) of one size.

    Attributes
    ----------
    key
        The same for the same pixels and model: what is made of it can be kept under this name.
    real
        The real stains as they were recorded, those that are known.
    stored
        Labels and tables that a measured plate holds already, by stain.
    """

    key: str
    title: str
    model: str
    label_free: RawPlane | None
    stains: Mapping[str, Plane]
    known: Mapping[str, KnownStain]
    pixel_size_um: float | None
    verdict: Verdict | None
    real: Mapping[str, RawPlane] = field(default_factory=dict)
    stored: Mapping[str, tuple[Labels, pd.DataFrame]] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int]:
        """Y and X, px."""
        rows, columns = next(iter(self.stains.values())).shape
        return int(rows), int(columns)

    def pcc(self, stain: str) -> float | None:
        """Correlate a stain with what the model learnt of the real one; None where that is unknown."""
        if stain not in self.real:
            return None
        learnt = self.known[stain].learnt(self.real[stain], self.pixel_size_um)
        return Moments.of(self.stains[stain], learnt).pcc


def label_image(
    labeller: Labeller, image: RawPlane, pixel_size_um: float | None, title: str, *, real: bool = True
) -> Labelled:
    """Predict one label-free image (Y X), and judge it, as a real one unless told otherwise.

    Raises
    ------
    BadInput, WrongModel
        It isn't one plane of finite numbers, or its pixel size is beyond a factor of two of the model's.
    """
    plane = one_plane(image)
    judge = judge_of([labeller], real=real)
    stains, verdict = predict_judged(labeller, plane, pixel_size_um, judge)
    summary = summarised(labeller.card)
    return Labelled(
        key=f"{fingerprint(plane)}:{labeller.card.weights_sha256}:{pixel_size_um}:{real}",
        title=title,
        model=labeller.name,
        label_free=plane,
        stains=dict(zip(labeller.stains, stains, strict=True)),
        known={name: described_stain(summary, name) for name in labeller.stains},
        pixel_size_um=pixel_size_um,
        verdict=verdict,
    )


def predict_field(labeller: Labeller, opened: Opened, name: FieldName) -> Labelled:
    """Predict one field of a recorded plate.

    Raises
    ------
    MissingChannel, UnknownField, BadInput, WrongModel
        The plate lacks the model's channel or the field, or its pixel size is beyond a factor of two.
    """
    source = opened.source
    assert source is not None
    plane = source.read(name, labeller.card.input)
    simulated = bool(source.info.get("simulated"))
    found = label_image(labeller, plane, source.pixel_size_um, f"{source.name}, {name}", real=not simulated)
    return replace(found, real=_real_stains(source, name, found.known))


def labelled_field(opened: Opened, name: FieldName) -> Labelled:
    """Collect what a predicted plate, and the plate it comes from, hold of one field.

    Raises
    ------
    UnknownField, BadInput
        The plate doesn't have it, or it is damaged.
    """
    predicted, source = opened.predicted, opened.source
    assert predicted is not None
    known = {stain: known_stain(predicted, stain) for stain in predicted.channels}
    label_free: RawPlane | None = None
    real: Mapping[str, RawPlane] = {}
    if source is not None and name in source.fields:
        channel = predicted.info.get("input")
        label_free = source.read(name, channel) if channel in source.channels else None
        real = _real_stains(source, name, known)
    measured = [stain for stain in predicted.labels_of(name) if stain in predicted.channels]
    return Labelled(
        key=f"{predicted.path}:{name}:{predicted.field_info(name).get('fingerprints')}",
        title=f"{predicted.name}, {name}",
        model=str(predicted.info.get("model", {}).get("name", "")),
        label_free=label_free,
        stains=WhenAsked(predicted.channels, partial(predicted.read, name)),
        known=known,
        pixel_size_um=predicted.pixel_size_um,
        verdict=predicted.field_info(name).get("verdict"),
        real=real,
        stored=WhenAsked(
            measured, lambda stain: (predicted.read_labels(name, stain), predicted.read_table(name, stain))
        ),
    )


def _real_stains(source: Plate, name: FieldName, known: Mapping[str, KnownStain]) -> Mapping[str, RawPlane]:
    channels = {stain: each.target for stain, each in known.items() if each.target in source.channels}
    return WhenAsked(channels, lambda stain: source.read(name, str(channels[stain])))


def objects_of(labelled: Labelled, stain: str) -> tuple[Labels, pd.DataFrame]:
    """Find and measure the objects of a predicted stain: labels (Y X) and a table of one row an object."""
    if stain in labelled.stored:
        return labelled.stored[stain]
    known, size_um = labelled.known[stain], labelled.pixel_size_um
    return known.objects_in(labelled.stains[stain], known.recipe(size_um, predicted=True), size_um)


def stains_file(labelled: Labelled) -> bytes:
    """Give the predicted stains as an OME-TIFF, float32 in camera units."""
    planes = np.stack(list(labelled.stains.values()))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "stains.ome.tif"
        write_stains(out, planes, tuple(labelled.stains), labelled.pixel_size_um)
        return out.read_bytes()


def labels_file(labels: Labels) -> bytes:
    """Give labels (Y X) as a TIFF of 16 bits, or 32 where there are more objects than those can count."""
    dtype: Any = np.uint16 if int(labels.max(initial=0)) < 2**16 else np.uint32
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "labels.tif"
        tifffile.imwrite(out, labels.astype(dtype), compression="zlib", photometric="minisblack")
        return out.read_bytes()


def table_file(table: pd.DataFrame) -> bytes:
    """Give a table as CSV."""
    return table.to_csv(index=False, lineterminator="\n").encode()
