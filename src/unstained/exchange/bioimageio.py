"""A model as a package of the BioImage Model Zoo: an ONNX graph, its description, and tensors to test it."""

import math
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np

from unstained.arrays import Planes, RawPlane
from unstained.errors import BadModel, BadSettings, OutputFailed
from unstained.exchange.onnx import IMAGE, STAINS, Compared, compared, onnx_model
from unstained.exchange.trial import SIDE_PX, middle_of
from unstained.exchange.values import OPSET
from unstained.networks.bundle import CARD, Model, ModelCard
from unstained.prediction.graphs import required
from unstained.provenance import refuse_output
from unstained.report.figures import STAINED, coloured, limits_of
from unstained.version import __version__

SMALLEST_PX = 64
"""Side from which a field is large enough for its brightness and contrast to be measured."""

COVER_PX = 256

AUTHORS = [{"name": "The unstained developers"}]
CITE = [
    {"text": "Ronneberger, Fischer & Brox 2015: U-Net: convolutional networks for biomedical image"
     " segmentation", "doi": "10.1007/978-3-319-24574-4_28"},
    {"text": "LaChance & Cohen 2020: Practical fluorescence reconstruction microscopy for large samples and"
     " low-magnification imaging", "doi": "10.1371/journal.pcbi.1008443"},
]  # fmt: skip


def export_bioimageio(
    model: Model, out: Path, image: RawPlane, *, licence: str | None = None, overwrite: bool = False
) -> Compared:
    """Write a model as a package of the BioImage Model Zoo (RDF 0.5), and test it as the zoo does.

    The package's ONNX graph takes a whole field of camera pixels and does all that `Engine.predict` does but
    for the last step: network units become camera units in the description's postprocessing, where it can be
    read and undone. Normalisation can't be said in the description's terms (it knows neither medians nor
    slow light), so it is in the graph. There is no halo: the graph draws the edges out itself, and a field
    that is padded has other statistics. Test tensors are the middle of `image` and what the original makes
    of it.

    Raises
    ------
    OutputExists, OutputFailed
        `out` is there, isn't called .zip, or can't be written.
    BadSettings
        Neither the card nor `licence` has an SPDX name of a licence.
    BadModel
        The package doesn't give what the model gives, or doesn't pass the zoo's test.
    MissingExtra
        bioimageio.core isn't installed.
    """
    if out.suffix != ".zip":
        raise OutputFailed(out, "a package of the zoo is one file; choose a name that ends in .zip")
    refuse_output(out, overwrite)
    core = required("bioimageio.core", "export")
    card = model.card
    if not (terms := licence or card.licence):
        raise BadSettings("--licence", "the model's card names none; give one, such as MIT or CC-BY-4.0")
    found = compared(model, onnx_model(model), middle_of(image, SIDE_PX))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        _write_files(folder, model, found)
        package = _packaged(folder, _description(card, terms), core)
        _test(core, package)
        unfinished = out.with_name(f".{out.name}.unfinished")
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            unfinished.write_bytes(package.read_bytes())
            unfinished.replace(out)
        except OSError as error:
            unfinished.unlink(missing_ok=True)
            raise OutputFailed(out, error.strerror or error) from error
    return found


def _write_files(folder: Path, model: Model, found: Compared) -> None:
    """Write all files of a package but its description."""
    (folder / "weights.onnx").write_bytes(onnx_model(model, camera=False))
    np.save(folder / "test_image.npy", found.image.astype(np.float32)[None, None])
    np.save(folder / "test_stains.npy", found.stains[None])
    (folder / "cover.png").write_bytes(cover(found.image, found.stains))
    (folder / "README.md").write_text(_readme(model.card), encoding="utf-8")
    (folder / CARD).write_text(model.card.model_dump_json(by_alias=True, indent=1) + "\n", encoding="utf-8")


def cover(image: RawPlane, stains: Planes) -> bytes:
    """Draw a field and its first stain side by side, twice as wide as high: PNG."""
    shown = [
        coloured(middle_of(plane, COVER_PX), limits_of(plane), *stops)
        for plane, stops in ((image, ()), (stains[0], (STAINED,)))
    ]
    side = min(shown[0].shape[:2])
    return bytes(imagecodecs.png_encode(np.hstack([picture[:side, :side] for picture in shown])))


def _description(card: ModelCard, licence: str) -> dict[str, Any]:
    """Give the content of a package's `rdf.yaml`; the spec's own classes check it."""
    stains = ", ".join(card.stains)
    return {
        "type": "model",
        "name": f"unstained {re.sub(r'[^A-Za-z0-9_+() -]', '-', card.name)}",
        "description": f"Predicts {stains} from a label-free image ({card.input})."
        + (" Learnt from simulated images only." if card.simulated else ""),
        "authors": AUTHORS,
        "cite": CITE,
        "license": licence,
        "tags": [
            "transmission-light-microscopy", "2d", "nuclei" if "nuclei" in card.stains else "cells",
            "pytorch", "fiji", "unet", "in-silico-labeling", "label-free", "virtual-staining", "unstained",
        ],
        "documentation": {"source": "README.md"},
        "covers": [{"source": "cover.png"}],
        "attachments": [{"source": CARD}],
        "inputs": [_input(card)],
        "outputs": [_output(card)],
        "weights": {"onnx": {"source": "weights.onnx", "opset_version": OPSET}},
        "config": {"unstained": _own(card)},
    }  # fmt: skip


def _input(card: ModelCard) -> dict[str, Any]:
    sizes = {"min": SMALLEST_PX, "step": 1}
    return {
        "id": IMAGE,
        "description": "a whole label-free field as the camera gave it",
        "axes": [
            {"type": "batch", "size": 1},
            {"type": "channel", "channel_names": [card.input]},
            *({"type": "space", "id": axis, "size": sizes, **_pixel(card)} for axis in "yx"),
        ],
        "data": {"type": "float32"},
        "test_tensor": {"source": "test_image.npy"},
    }


def _output(card: ModelCard) -> dict[str, Any]:
    lit = card.units == "camera"
    scale = {
        "axis": "channel",
        "gain": [each.gain for each in card.scales],
        "offset": [each.offset for each in card.scales],
    }
    known = any(each.gain != 1 or each.offset != 0 for each in card.scales)
    return {
        "id": STAINS,
        "description": "camera units of the training stains" if lit else "probabilities",
        "axes": [
            {"type": "batch", "size": 1},
            {"type": "channel", "channel_names": list(card.stains)},
            *(
                {"type": "space", "id": axis, "size": {"tensor_id": IMAGE, "axis_id": axis}, **_pixel(card)}
                for axis in "yx"
            ),
        ],
        "data": {"type": "float32"},
        "test_tensor": {"source": "test_stains.npy"},
        "postprocessing": [{"id": "scale_linear", "kwargs": scale}] if known else [],
    }  # fmt: skip


def _pixel(card: ModelCard) -> dict[str, Any]:
    """Give unit and size of a pixel, where it is known."""
    return {} if card.pixel_size_um is None else {"unit": "micrometer", "scale": card.pixel_size_um}


def _own(card: ModelCard) -> dict[str, Any]:
    """Give what the zoo has no word for."""
    return {
        "version": __version__,
        "simulated": card.simulated,
        "units": card.units,
        "attribution": card.attribution,
        "weights_sha256": card.weights_sha256,
        "working_scale": card.working_scale,
        "reach_px": _reach_px(card),
        "inside_the_graph": ["working grid", "normalisation", "light", "mirror images"],
    }


def _reach_px(card: ModelCard) -> int:
    """Give how far away a pixel of the input can lie that counts for one of the output, px."""
    return math.ceil(card.network.halo / card.working_scale)


def _readme(card: ModelCard) -> str:
    size = "unknown: take images like those of training" if card.pixel_size_um is None else (
        f"{card.pixel_size_um:g} µm: bring images to it first"
    )  # fmt: skip
    caution = (
        "\nIt learnt from **simulated** images only. Don't trust it on real ones before it was trained"
        " further on a few stained fields.\n" if card.simulated else ""
    )  # fmt: skip
    metrics = "\n".join(f"- {name}: {value:.3f}" for name, value in card.metrics.items() if value is not None)
    return f"""# {card.name}

Predicts {", ".join(card.stains)} from label-free images ({card.input}). Made by unstained {__version__}.
{caution}
- input: one **whole** field as the camera gave it, any size from {SMALLEST_PX} px, any brightness
- pixel size: {size}
- output: {"camera units of the training stains" if card.units == "camera" else "probabilities"}, same size

Give whole fields, not tiles: brightness, contrast, slow light and the light's direction are measured on what
is given, inside the graph. Pixels up to {_reach_px(card)} px away count.

{card.attribution}

## Validation

Figures of the training's validation regions:

{metrics or "- none"}

On your images: stain a few fields, predict them, and compare, for example by Pearson correlation and by the
number of objects. `unstained evaluate` does both, and `unstained predict` gives each field a verdict, which
this package can't.
"""


def _packaged(folder: Path, description: Mapping[str, Any], core: Any) -> Path:
    """Check a description by the spec's own classes, and pack it with its files."""
    spec = required("bioimageio.spec", "export")
    version = required("bioimageio.spec.model.v0_5", "export").ModelDescr.implemented_format_version
    context = spec.ValidationContext(root=folder, file_name="rdf.yaml", log_warnings=False)
    built = spec.build_description({**description, "format_version": version}, context=context)
    if isinstance(built, spec.InvalidDescr):
        if "license" in _places(built.validation_summary):
            name = description["license"]
            raise BadSettings("--licence", f"{name!r} isn't among SPDX's names, such as MIT or CC-BY-4.0")
        raise BadModel(f"bioimageio.spec refuses the description: {_faults(built.validation_summary)}")
    return Path(core.save_bioimageio_package(built, output_path=folder / "package.zip"))


def _test(core: Any, package: Path) -> None:
    summary = core.test_model(package)
    if summary.status != "passed":
        raise BadModel(f"the package doesn't pass the zoo's test: {_faults(summary)}")


def _places(summary: Any) -> set[str]:
    return {str(error.loc[0]) for detail in summary.details for error in detail.errors if error.loc}


def _faults(summary: Any) -> str:
    errors = [error for detail in summary.details for error in detail.errors]
    return "; ".join(f"{'.'.join(map(str, error.loc))}: {error.msg}" for error in errors)[:1000]
