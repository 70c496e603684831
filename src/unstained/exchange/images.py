"""Predicted stains and labels as TIFF files: what OMERO, Fiji and QuPath read without knowing Zarr."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import tifffile
from numpy.typing import NDArray

from unstained.errors import OutputFailed
from unstained.measurement.known import known_stain
from unstained.plates.fields import well_place
from unstained.plates.plate import FieldName, Plate
from unstained.version import __version__

FOLDER = "images"
"""Where these files go, in a folder of tables."""

_OME = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
_KEY_VALUES = "openmicroscopy.org/omero/client/mapAnnotation"
"""Namespace under which OMERO shows pairs of keys and values."""


def write_label_tiffs(folder: Path, plate: Plate) -> tuple[Path, ...]:
    """Write every field's labels (Y X) as `images/A01_f0_nuclei_labels.tif`; gives the paths.

    The type is uint16, or uint32 where a field has more objects than that holds; 0 is background.

    Raises
    ------
    OutputFailed
        No permission or no space.
    """
    written = []
    for name in plate.fields:
        for stain in plate.labels_of(name):
            labels = plate.read_labels(name, stain)
            kind = np.uint16 if labels.max(initial=0) <= np.iinfo(np.uint16).max else np.uint32
            path = folder / FOLDER / f"{_stem(name)}_{stain}_labels.tif"
            written.append(path)
            planes = labels.astype(kind)[None]
            _write(path, planes, _ome_xml(plate, name, planes, (stain,)))
    return tuple(written)


def write_ome_tiffs(folder: Path, plate: Plate) -> tuple[Path, ...]:
    """Write every field's stains (C Y X) as `images/A01_f0.ome.tif`; gives the paths.

    The OME-XML names channels with their colours, the pixel's size where it is known, plate and well, and as
    pairs of keys and values the verdict, the models, and what the plate map says of the well.

    Raises
    ------
    OutputFailed
        No permission or no space.
    """
    written = []
    for name in plate.fields:
        planes = np.stack([plate.read(name, stain) for stain in plate.channels])
        path = folder / FOLDER / f"{_stem(name)}.ome.tif"
        written.append(path)
        _write(path, planes, _ome_xml(plate, name, planes, plate.channels))
    return tuple(written)


def _stem(name: FieldName) -> str:
    return f"{name.well}_f{name.field}"


def _write(path: Path, planes: NDArray[Any], xml: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(
            path, planes, description=xml.encode(), metadata=None, photometric="minisblack",
            compression="zlib", predictor=True,
        )  # fmt: skip
    except OSError as error:
        raise OutputFailed(path, error.strerror or error) from error


def _ome_xml(plate: Plate, name: FieldName, planes: NDArray[Any], channels: tuple[str, ...]) -> str:
    """Describe one field (C Y X): image, channels, and where on the plate it was taken."""
    size = plate.pixel_size_um
    sizes = {} if size is None else {
        f"PhysicalSize{axis}{part}": value for axis in "XY" for part, value in (("", size), ("Unit", "µm"))
    }  # fmt: skip
    written = tifffile.OmeXml(Creator=f"unstained {__version__}")
    written.addimage(
        planes.dtype, planes.shape, (len(planes), 1, 1, *planes.shape[1:], 1), axes="CYX",
        Name=f"{plate.name} {name}", Channel={"Name": list(channels)}, **sizes,
    )  # fmt: skip
    ElementTree.register_namespace("", _OME)
    root = ElementTree.fromstring(written.tostring())
    for channel, stain in zip(root.iter(f"{{{_OME}}}Channel"), channels, strict=True):
        if stain in plate.channels:
            channel.set("Color", str(_colour(plate, stain)))
    if (place := well_place(name.well)) is not None:
        root.insert(0, _plate(plate, name, place))
    _annotate(root, _told(plate, name))
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True)


def _plate(plate: Plate, name: FieldName, place: tuple[int, int]) -> ElementTree.Element:
    made = _element("Plate", ID="Plate:0", Name=plate.name, RowNamingConvention="letter",
                    ColumnNamingConvention="number")  # fmt: skip
    well = _element("Well", ID="Well:0", Row=place[0], Column=place[1])
    sample = _element("WellSample", ID="WellSample:0", Index=name.field)
    sample.append(_element("ImageRef", ID="Image:0"))
    well.append(sample)
    made.append(well)
    return made


def _annotate(root: ElementTree.Element, told: Mapping[str, str]) -> None:
    """Add pairs of keys and values to the image."""
    annotation = _element("MapAnnotation", ID="Annotation:0", Namespace=_KEY_VALUES)
    value = _element("Value")
    for key, text in told.items():
        pair = _element("M", K=key)
        pair.text = text
        value.append(pair)
    annotation.append(value)
    whole = _element("StructuredAnnotations")
    whole.append(annotation)
    image = root.find(f"{{{_OME}}}Image")
    assert image is not None
    image.append(_element("AnnotationRef", ID="Annotation:0"))
    root.append(whole)


def _told(plate: Plate, name: FieldName) -> dict[str, str]:
    """Say what is known of a field: verdict and reason, models, and its well's conditions."""
    verdict = plate.field_info(name).get("verdict") or {}
    told = {key: str(verdict[key]) for key in ("verdict", "reason") if verdict.get(key)}
    told["models"] = ", ".join(str(card.get("name")) for card in plate.info.get("models", ()))
    conditions = plate.conditions.set_index("well")
    if name.well in conditions.index:
        known = conditions.loc[name.well].dropna()
        told |= {str(key): str(value) for key, value in known.items()}
    return told


def _colour(plate: Plate, stain: str) -> int:
    """Give a stain's colour as OME writes it: red, green, blue, opacity, in one signed number of 32 bits."""
    rgba = int(known_stain(plate, stain).stain.colour[1:] + "ff", 16)
    return rgba - 2**32 if rgba >= 2**31 else rgba


def _element(kind: str, **attributes: Any) -> ElementTree.Element:
    return ElementTree.Element(f"{{{_OME}}}{kind}", {key: str(value) for key, value in attributes.items()})
