"""A model as one ONNX file: camera pixels of a whole field in, stains in camera units out."""

import json
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from unstained.arrays import Planes, RawPlane
from unstained.errors import BadModel, OutputFailed
from unstained.exchange import fields, lights
from unstained.exchange.values import Graph, Value
from unstained.networks.bundle import Model, ModelCard
from unstained.networks.light import RELIEF_PX_UM
from unstained.networks.unet import LIT_MIRRORS, MIRRORS, UNet
from unstained.prediction.engine import Engine
from unstained.prediction.folding import FoldedUNet, fold, run_graph
from unstained.prediction.graphs import required
from unstained.provenance import refuse_output

MOST_ERROR = 1e-4
"""Largest difference from the original, as a share of its range, with which an export is accepted."""

IMAGE, STAINS = "image", "stains"
"""Names of what an exported model takes, (1 1 Y X), and gives, (1 stain Y X)."""

PLAIN = (
    "name",
    "input",
    "units",
    "pixel_size_um",
    "licence",
    "attribution",
    "simulated",
    "weights_sha256",
    "version",
)
"""What of the card goes into the file's own metadata."""


class Compared(NamedTuple):
    """An exported model beside the original, on one field."""

    image: RawPlane  # (Y X)
    stains: Planes  # (stain Y X) of the original, camera units
    error: float  # largest difference, as a share of the stain's range


def export_onnx(model: Model, out: Path, image: RawPlane, *, overwrite: bool = False) -> Compared:
    """Write a model as an ONNX file and hold it against the original on a field (Y X).

    The file takes a whole field of camera pixels, float32 (1 1 Y X) of any Y and X at the model's own pixel
    size, and gives its stains (1 stain Y X) as `Engine.predict` does: working grid, normalisation, light,
    mirror images and the way back to camera units are all inside.

    Raises
    ------
    OutputExists, OutputFailed
        `out` is there, isn't called .onnx, or can't be written.
    BadModel
        The network isn't a U-Net, or the file doesn't give what the model gives.
    MissingExtra
        onnx or onnxruntime isn't installed.
    """
    if out.suffix != ".onnx":
        raise OutputFailed(out, "choose a name that ends in .onnx")
    refuse_output(out, overwrite)
    written = onnx_model(model)
    found = compared(model, written, image)
    unfinished = out.with_name(f".{out.stem}.unfinished{out.suffix}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_bytes(written)
        unfinished.replace(out)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise OutputFailed(out, error.strerror or error) from error
    return found


def onnx_model(model: Model, *, camera: bool = True) -> bytes:
    """Write a model as ONNX; its stains are in camera units, or in network units unless `camera`.

    Raises
    ------
    BadModel
        The network isn't a U-Net.
    MissingExtra
        onnx isn't installed.
    """
    if not isinstance(model.network, UNet):
        raise BadModel(f"{model.name}: only models whose network is a U-Net can be exported")
    card = model.card
    graph = Graph()
    image = graph.value(IMAGE)
    sides = fields.sides_of(image)
    working = fields.resampled(image, fields.working_sides(sides, card.working_scale))
    seen = fields.normalised(working, card.normalisation)
    turns = None if card.light_deg is None else _turns(image, seen, card)
    upright = seen if turns is None else fields.turned(seen, turns)
    stains = _predicted(upright, fold(model.network), card)
    if turns is not None:
        stains = fields.turned(stains, (turns * -1) % 4)
    stains = fields.resampled(stains, sides)
    if camera:
        gain, offset = (
            graph.constant([getattr(scale, name) for scale in card.scales]).shaped(1, -1, 1, 1)
            for name in ("gain", "offset")
        )
        stains = stains * gain + offset
    taken, given = (image, (1, 1, "Y", "X")), (_moved(stains, card), (1, len(card.stains), "Y", "X"))
    return graph.finished(taken, given, STAINS, _known(card))


def compared(model: Model, written: bytes, image: RawPlane) -> Compared:
    """Run an exported model (camera units) and the original on a field (Y X).

    Raises
    ------
    BadModel
        They differ by more than `MOST_ERROR`.
    MissingExtra
        onnxruntime isn't installed.
    """
    expected = Engine(model, quiet=True).predict(image, model.card.pixel_size_um)
    found = run(written, image)
    error = largest_error(found, expected)
    if not error <= MOST_ERROR:
        raise BadModel(f"{model.name}: its ONNX graph gives other stains ({error:.1e} of the range away)")
    return Compared(image, expected, error)


def run(written: bytes, image: RawPlane) -> Planes:
    """Give the stains (stain Y X) that an exported model makes of a field (Y X), on the CPU."""
    runtime = required("onnxruntime", "export")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = runtime.InferenceSession(written, options, providers=["CPUExecutionProvider"])
    (stains,) = session.run([STAINS], {IMAGE: image.astype(np.float32)[None, None]})
    found: Planes = stains[0]
    return found


def largest_error(found: Planes, expected: Planes) -> float:
    """Give the largest difference of stains (stain Y X), each as a share of its own range."""
    span = np.maximum(np.ptp(expected, axis=(1, 2)), np.finfo(np.float32).tiny)
    return float((np.abs(found - expected).max(axis=(1, 2)) / span).max())


def _turns(image: Value, seen: Value, card: ModelCard) -> Value:
    """Count the turns that bring a field to the model's light; `seen` is its working grid, normalised."""
    size_um, zoom = card.pixel_size_um, card.working_scale
    finest = zoom if size_um is None else max(zoom, min(1.0, size_um / RELIEF_PX_UM))
    if finest != zoom:
        finer = fields.resampled(image, fields.working_sides(fields.sides_of(image), finest))
        seen = fields.normalised(finer, card.normalisation)
    assert card.light_deg is not None
    return lights.turns_of(seen, card.light_deg)


def _predicted(field: Value, network: FoldedUNet, card: ModelCard) -> Value:
    """Run the network on a field, and on its mirror images where the model averages them."""
    whole = fields.mirrored_to(field, network.settings.multiple)
    mirrors = MIRRORS if card.light_deg is None else LIT_MIRRORS
    total = None
    for axes in mirrors if card.average_flips else mirrors[:1]:
        name, _ = run_graph(fields.flipped(whole, axes).name, network, field.graph.nodes)
        stains = field.graph.value(name)
        stains = fields.flipped(stains.to("Sigmoid") if card.units == "probability" else stains, axes)
        total = stains if total is None else total + stains
    assert total is not None
    mean = total / float(len(mirrors)) if card.average_flips else total
    return fields.cropped(mean, fields.sides_of(field))


def _moved(stains: Value, card: ModelCard) -> Value:
    """Move each stain (1 stain Y X) to where it was recorded in training."""
    if not any(math.hypot(*offset) for offset in card.offsets_px):
        return stains
    planes = (stains.taken(stains.whole(index), 1) for index in range(len(card.stains)))
    moved = [fields.moved(plane, offset) for plane, offset in zip(planes, card.offsets_px, strict=True)]
    return stains.graph.add("Concat", *moved, kind="float32", axis=1)


def _known(card: ModelCard) -> dict[str, str]:
    """Give what the file tells of the model: its card in short."""
    values = card.model_dump(mode="json", by_alias=True)
    lists = {name: json.dumps(values[name]) for name in ("stains", "targets")}
    return {"unstained": "model", **lists, **{name: str(values[name]) for name in PLAIN}}
