"""What the widget does: a layer's plane in; stains, labels with their tables, and a verdict out."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from unstained.arrays import RawPlane
from unstained.errors import BadInput
from unstained.measurement.known import described_stain
from unstained.napari.layers import LayerData, as_labels, image_layer, labels_layer, placed
from unstained.prediction.labeller import Labeller, one_plane
from unstained.prediction.plates import summarised
from unstained.prediction.verdicts import Verdict, predict_judged
from unstained.trust.kept import judge_of

UM_PER_UNIT = {"micrometer": 1.0, "nanometer": 1e-3, "millimeter": 1e3, "angstrom": 1e-4}


class Labelled(NamedTuple):
    """What is made of a plane: new layers, and what a person should know."""

    layers: list[LayerData]
    verdict: Verdict | None
    objects: dict[str, int]  # by stain

    def __str__(self) -> str:
        found = ", ".join(f"{number} {stain}" for stain, number in self.objects.items())
        if self.verdict is None:
            return found
        return f"{found} – {self.verdict['verdict']}: {self.verdict['reason']}"


def label_plane(
    labeller: Labeller, image: Any, pixel_size_um: float | None, where: dict[str, Any] | None = None
) -> Labelled:
    """Predict, segment and measure one label-free plane (Y X), and judge it as a real one.

    `where` says how the layers lie (scale, translate, units); else the pixel size does. A table's columns are
    those of `measure_objects`.

    Raises
    ------
    BadInput, WrongModel
        It isn't one plane of finite numbers, or its pixel size is beyond a factor of two of the model's.
    """
    plane = one_plane(image)
    stains, verdict = predict_judged(labeller, plane, pixel_size_um, judge_of([labeller], real=True))
    lies = placed(pixel_size_um) if where is None else where
    card, layers, objects = summarised(labeller.card), [], {}
    for name, stain in zip(labeller.stains, stains, strict=True):
        known = described_stain(card, name)
        recipe = known.recipe(pixel_size_um, predicted=True)
        labels, table = known.objects_in(stain, recipe, pixel_size_um)
        told = {"metadata": {"unstained": {"model": labeller.name, "verdict": verdict}}}
        layers.append(image_layer(stain, name, known.stain.colour, stain, **lies, **told))
        layers.append(labels_layer(as_labels(labels), f"{name} labels", table, **lies, **told))
        objects[name] = len(table)
    return Labelled(layers, verdict, objects)


def pixel_size_of(scale: Sequence[float], units: Sequence[Any]) -> float | None:
    """Give the side of a layer's pixels in µm; None where its units are pixels, so that it isn't known.

    Raises
    ------
    BadInput
        Pixels aren't square, or are measured in something that isn't a length.
    """
    names = [str(getattr(unit, "units", unit)) for unit in units[-2:]]
    if all(name in ("pixel", "") for name in names):
        return None
    if any(name not in UM_PER_UNIT for name in names):
        raise BadInput(f"the layer's units are {', '.join(names)}; give the side of a pixel in µm")
    sides = [abs(float(side)) * UM_PER_UNIT[name] for side, name in zip(scale[-2:], names, strict=True)]
    if not np.isclose(sides[0], sides[1], rtol=0.01):
        raise BadInput(f"the layer's pixels are {sides[0]:g} × {sides[1]:g} µm; models take square ones")
    return sides[0]


def shown_plane(data: Any, at: Sequence[float]) -> RawPlane:
    """Take the plane (Y X) of a layer's data (… Y X) that is shown at a point, in pixels of the data."""
    outer = tuple(
        int(np.clip(round(float(place)), 0, side - 1))
        for place, side in zip(at, data.shape[:-2], strict=False)
    )
    return np.asarray(data[outer])
