"""A small strip of pictures for every well, or every field: what the page shows beside a dot or a well."""

from __future__ import annotations

import base64

import numpy as np
from imagecodecs import webp_encode

from unstained.arrays import RawPlane
from unstained.measurement.known import input_of, known_stain
from unstained.plates.plate import FieldName, Plate
from unstained.report.figures import STAINED, Picture, coloured, limits_of, shrunk

MOST_STRIPS = 800
"""Of all stains together; a plate that would need more gets one for each well, or for every so manieth."""

SIDE_PX = 128
QUALITY = 55  # of WebP; a strip of three is some 5 kB


def strips(predicted: Plate, truth: Plate | None, source: Plate | None) -> dict[str, dict[str, str]]:
    """Draw label-free | predicted | real, those that are known: WebP in base 64 by stain and field.

    A stain is shown on one scale all over the plate, so that wells can be told apart by eye.
    """
    fields = _chosen(predicted)
    channels = {stain: input_of(predicted, stain) for stain in predicted.channels}
    light = {each: {name: _small(source, name, each) for name in fields} for each in set(channels.values())}
    return {
        stain: _of_stain(predicted, truth, stain, light[channel]) for stain, channel in channels.items()
    }


def _of_stain(
    predicted: Plate, truth: Plate | None, stain: str, light: dict[FieldName, RawPlane | None]
) -> dict[str, str]:
    known = known_stain(predicted, stain)
    ours = {name: shrunk(predicted.read(name, stain), SIDE_PX) for name in light}
    theirs = {name: _small(truth, name, known.target) for name in light}
    shared = limits_of(np.concatenate([plane.ravel() for plane in ours.values()]), 1.0, 99.8)
    real = [plane.ravel() for plane in theirs.values() if plane is not None]
    of_real = limits_of(np.concatenate(real), 1.0, 99.8) if real else shared
    found = {}
    for name, plane in ours.items():
        parts = [coloured(plane, shared, STAINED)]
        if (seen := light[name]) is not None:
            parts.insert(0, coloured(seen, limits_of(seen, 0.5, 99.5)))
        if (stained := theirs[name]) is not None:
            parts.append(coloured(stained, of_real, STAINED))
        found[str(name)] = _encoded(parts)
    return found


def _chosen(predicted: Plate) -> list[FieldName]:
    """Choose all fields; of too many the first of each well; of too many wells every so manieth."""
    most = max(1, MOST_STRIPS // len(predicted.channels))
    fields = list(predicted.fields)
    if len(fields) > most:
        fields = list({name.well: name for name in reversed(fields)}.values())[::-1]
    return fields[:: -(-len(fields) // most)]


def _small(plate: Plate | None, name: FieldName, channel: str | None) -> RawPlane | None:
    if plate is None or name not in plate.fields or channel not in plate.channels:
        return None
    return shrunk(plate.read(name, str(channel)), SIDE_PX)


def _encoded(parts: list[Picture]) -> str:
    rows = max(part.shape[0] for part in parts)
    level = [np.pad(part, [(0, rows - part.shape[0]), (0, 2), (0, 0)]) for part in parts]
    strip = np.ascontiguousarray(np.concatenate(level, axis=1)[:, :-2])
    return base64.b64encode(bytes(webp_encode(strip, level=QUALITY, lossless=False))).decode("ascii")
