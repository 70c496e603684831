"""Predict one image file into another: a float32 OME-TIFF of the stains, written whole or not at all."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tifffile

from unstained.arrays import Planes
from unstained.errors import BadSettings, OutputFailed
from unstained.plates.images import read_image
from unstained.prediction.labeller import Labeller, refuse_alike
from unstained.prediction.verdicts import Judge, Verdict, predict_judged, worst
from unstained.provenance import refuse_output, run_path, run_record, sha256_of, write_json

TIFF_SUFFIXES = (".tif", ".tiff")


def predict_file(
    image: Path,
    labellers: Sequence[Labeller],
    out: Path,
    *,
    pixel_size_um: float | None = None,
    judge: Judge | None = None,
    overwrite: bool = False,
) -> tuple[Planes, Verdict | None]:
    """Predict the stains of one label-free image file with every model: (stain Y X) in camera units.

    They are written to `out`, and the record of the run beside it. With them comes the worst verdict, None
    without a judge.

    `pixel_size_um` goes before what the file says of itself.

    Raises
    ------
    BadInput
        The file isn't one plane, or is damaged.
    WrongModel, BadSettings
        Its pixel size is beyond a factor of two of the model's; or models predict the same.
    OutputExists, OutputFailed
        `out` is there and may not be replaced, isn't a TIFF, or can't be written.
    """
    if out.suffix.lower() not in TIFF_SUFFIXES:
        raise OutputFailed(out, "a predicted image is a TIFF; choose a name that ends in .tif")
    refuse_output(out, overwrite)
    if out.resolve() == image.resolve():
        raise OutputFailed(
            out, "the image that is read is there, and it is never changed; choose another name"
        )
    refuse_alike(labellers)
    if pixel_size_um is not None and not pixel_size_um > 0:
        raise BadSettings("pixel_size_um", f"a pixel is larger than {pixel_size_um:g} µm")
    plane, recorded_um = read_image(image)
    size_um = recorded_um if pixel_size_um is None else pixel_size_um
    found = [predict_judged(each, plane, size_um, judge) for each in labellers]
    planes = np.concatenate([stains for stains, _ in found])
    verdict = worst(judged for _, judged in found)
    write_stains(out, planes, [stain for each in labellers for stain in each.stains], size_um)
    inputs = {
        "image": {"path": str(image), "sha256": sha256_of(image)},
        "models": {each.name: each.card.weights_sha256 for each in labellers},
    }
    asked = {"pixel_size_um": pixel_size_um}
    write_json(run_path(out), {**run_record("predict", asked, inputs), "verdict": verdict})
    return planes, verdict


def write_stains(out: Path, planes: Planes, stains: Sequence[str], pixel_size_um: float | None) -> None:
    """Write planes (stain Y X) as an OME-TIFF that names its stains and, where known, its pixel size.

    Raises
    ------
    OutputFailed
        No permission or no space.
    """
    size = {} if pixel_size_um is None else {
        "PhysicalSizeX": pixel_size_um, "PhysicalSizeXUnit": "µm",
        "PhysicalSizeY": pixel_size_um, "PhysicalSizeYUnit": "µm",
    }  # fmt: skip
    unfinished = out.with_name(f".{out.stem}.unfinished{out.suffix}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(
            unfinished,
            planes,
            ome=True,
            photometric="minisblack",
            compression="zlib",
            predictor=True,
            metadata={"axes": "CYX", "Channel": {"Name": list(stains)}, **size},
        )
        unfinished.replace(out)
    except OSError as error:
        if unfinished.is_file():
            unfinished.unlink()
        raise OutputFailed(out, error.strerror or error) from error
