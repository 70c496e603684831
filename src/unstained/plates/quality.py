"""What is in a plate, and what is wrong with it: the record behind `unstained check`."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from unstained.arrays import RawPlane
from unstained.errors import BadInput, MissingChannel, listed
from unstained.plates.findings import ChannelCheck, Fault, FieldFault, FieldOverlap, FieldShift, PlateCheck
from unstained.plates.overlaps import Overlap, common_ground, overlapping_fields
from unstained.plates.plate import FieldName, Plate
from unstained.plates.registration import ChannelShift, channel_shift
from unstained.plates.sharpness import edge_width_px, structure_above_noise

__all__ = [
    "ChannelShift",
    "Overlap",
    "PlateCheck",
    "channel_shift",
    "check_plate",
    "common_ground",
    "overlapping_fields",
]

LABEL_FREE = ("TL", "BF", "PH", "DIC", "OBLIQUE")
EMPTY_BELOW = 3.0
BLURRED_ABOVE_PX = 5.0
BLURRED_ABOVE_OTHERS = 1.8
ENOUGH_OTHERS = 4
SATURATED_ABOVE = 0.001
CAMERA_BITS = (8, 10, 12, 14, 16)
MOST_SHIFTS = 8


@dataclass(frozen=True)
class _PlaneFacts:
    """What one plane says, in a few numbers, so that memory doesn't grow with the plate."""

    field: FieldName
    dtype: str
    minimum: float
    maximum: float
    saturated: float
    structure: float
    edge_width_px: float


def check_plate(
    plate: Plate, *, label_free: str | None = None, stained: Sequence[str] | None = None
) -> PlateCheck:
    """Look at every plane of a plate once, and say what is there and what is wrong.

    `label_free` is the channel that shifts are measured against and overlaps are searched in: without it the
    first that is called TL, BF, PH, DIC or OBLIQUE, else the plate's first. `stained` are the channels whose
    shift is measured (all that aren't label-free), on at most 8 fields spread over the plate.
    """
    seen_through = [name for name in plate.channels if name.partition("_z")[0] in LABEL_FREE]
    first = label_free or next(iter(seen_through), None)
    stains = (
        [name for name in plate.channels if name not in (first, *seen_through)]
        if stained is None
        else stained
    )
    channels: list[ChannelCheck] = []
    faults: list[FieldFault] = []
    for channel in plate.channels:
        facts = list(_facts(plate, channel, faults))
        channels.append(_summary(channel, facts))
        faults += _faults(channel, facts)
    shifts = [
        found for name in _spread(plate.fields) for found in _shifts(plate, name, first, stains, faults)
    ]
    unreadable = any(fault.fault == "unreadable" for fault in faults)
    overlaps = () if unreadable else overlapping_fields(plate, first or plate.channels[0])
    return PlateCheck(
        name=plate.name,
        wells=len(plate.wells),
        fields=len(plate.fields),
        places=len({plate.place(name) for name in plate.fields}),
        field_px=tuple(sorted({plate.shape(name) for name in plate.fields})),
        pixel_size_um=plate.pixel_size_um,
        channels=tuple(channels),
        faults=tuple(faults),
        shifts=tuple(shifts),
        overlaps=tuple(_overlap_record(overlap) for overlap in overlaps),
        problems=tuple(_problems(plate, channels, unreadable)),
    )


def _facts(plate: Plate, channel: str, faults: list[FieldFault]) -> Iterator[_PlaneFacts]:
    for name in plate.fields:
        try:
            yield _plane_facts(name, plate.read(name, channel))
        except (BadInput, MissingChannel) as error:
            faults.append(FieldFault(field=str(name), channel=channel, fault="unreadable", reason=str(error)))


def _plane_facts(name: FieldName, plane: RawPlane) -> _PlaneFacts:
    low, high = float(plane.min()), float(plane.max())
    saturated = float(np.mean(plane == plane.dtype.type(high))) if _is_ceiling(high, plane.dtype) else 0.0
    flat = low == high
    structure = 0.0 if flat else structure_above_noise(plane)
    width = 0.0 if structure < EMPTY_BELOW else edge_width_px(np.asarray(plane, dtype=np.float32))
    return _PlaneFacts(name, str(plane.dtype), low, high, saturated, structure, width)


def _is_ceiling(value: float, dtype: np.dtype[np.generic]) -> bool:
    """Tell whether a maximum is where a camera of 8 to 16 bit ends; 255 counts in 8-bit images alone."""
    if dtype.kind != "u":
        return False
    bits = [
        number
        for number in CAMERA_BITS
        if number <= 8 * dtype.itemsize and (number > 8 or dtype.itemsize == 1)
    ]
    return value in {2**number - 1 for number in bits}


def _summary(channel: str, facts: Sequence[_PlaneFacts]) -> ChannelCheck:
    widths = [fact.edge_width_px for fact in facts if fact.structure >= EMPTY_BELOW]
    maximum = max((fact.maximum for fact in facts), default=None)
    whole = maximum is not None and all(fact.dtype.startswith("uint") for fact in facts)
    bits = next((number for number in CAMERA_BITS if maximum is not None and maximum < 2**number), None)
    return ChannelCheck(
        channel=channel,
        dtype=listed(sorted({fact.dtype for fact in facts})),
        bits_used=bits if whole else None,
        minimum=min((fact.minimum for fact in facts), default=None),
        maximum=maximum,
        saturated=float(np.mean([fact.saturated for fact in facts])) if facts else 0.0,
        edge_width_px=float(np.median(widths)) if widths else None,
    )


def _faults(channel: str, facts: Sequence[_PlaneFacts]) -> list[FieldFault]:
    widths = [fact.edge_width_px for fact in facts if fact.structure >= EMPTY_BELOW]
    usual = float(np.median(widths)) if len(widths) >= ENOUGH_OTHERS else None
    faults = []
    for fact in facts:
        found = _fault(fact, usual)
        if found:
            faults.append(FieldFault(field=str(fact.field), channel=channel, fault=found[0], reason=found[1]))
    return faults


def _fault(fact: _PlaneFacts, usual_px: float | None) -> tuple[Fault, str] | None:
    """Say what is wrong with a plane, the worst first."""
    if fact.minimum == fact.maximum:
        return "constant", f"every pixel is {fact.minimum:g}"
    if fact.structure < EMPTY_BELOW:
        times = f"{fact.structure:.1f} times it; cells give more than {EMPTY_BELOW:g}"
        return "empty", f"no structure above the noise ({times})"
    if fact.edge_width_px > BLURRED_ABOVE_PX:
        return (
            "blurred",
            f"its sharpest edges are {fact.edge_width_px:.1f} px wide (sharp: below {BLURRED_ABOVE_PX:g})",
        )
    if usual_px is not None and fact.edge_width_px > max(1.0, usual_px) * BLURRED_ABOVE_OTHERS:
        return (
            "blurred",
            f"its sharpest edges are {fact.edge_width_px:.1f} px wide, other fields' {usual_px:.1f}",
        )
    if fact.saturated > SATURATED_ABOVE:
        return "saturated", f"{fact.saturated:.2%} of the pixels are at the ceiling of {fact.maximum:g}"
    return None


def _spread(fields: Sequence[FieldName]) -> list[FieldName]:
    """Pick at most 8 fields, evenly over the plate."""
    index = np.unique(np.linspace(0, len(fields) - 1, min(MOST_SHIFTS, len(fields))).round().astype(int))
    return [fields[number] for number in index]


def _shifts(
    plate: Plate, name: FieldName, label_free: str | None, stains: Sequence[str], faults: Sequence[FieldFault]
) -> Iterator[FieldShift]:
    spoilt = {fault.channel for fault in faults if fault.field == str(name) and fault.fault == "unreadable"}
    if label_free is None or label_free in spoilt:
        return
    for stain in stains:
        if stain not in spoilt:
            found = channel_shift(plate.read(name, label_free), plate.read(name, stain))
            error = found.error_px if np.isfinite(found.error_px) else None
            yield FieldShift(field=str(name), label_free=label_free, stained=stain, dy_px=found.dy,
                             dx_px=found.dx, error_px=error, reliable=found.reliable)  # fmt: skip


def _overlap_record(overlap: Overlap) -> FieldOverlap:
    return FieldOverlap(
        first=str(overlap.first), second=str(overlap.second), dy_px=overlap.dy, dx_px=overlap.dx,
        share=overlap.share, correlation=overlap.correlation,
    )  # fmt: skip


def _problems(plate: Plate, channels: Sequence[ChannelCheck], unreadable: bool) -> Iterator[str]:
    sizes = {plate.field_info(name).get("pixel_size_um", plate.pixel_size_um) for name in plate.fields}
    if len(sizes) > 1:
        yield f"fields disagree on the pixel size: {listed(sorted(f'{size} µm' for size in sizes))}"
    if len({plate.shape(name) for name in plate.fields}) > 1:
        yield "fields differ in size"
    for channel in channels:
        if ", " in channel.dtype:
            yield f"{channel.channel} is stored in several types: {channel.dtype}"
        if channel.minimum is not None and channel.minimum == channel.maximum:
            yield f"{channel.channel} is dead: every pixel of every field is {channel.minimum:g}"
    times = Counter(plate.place(name) for name in plate.fields)
    if len(set(times.values())) > 1:
        yield f"places have unequal numbers of time points: {listed(sorted(set(times.values())))}"
    if unreadable:
        yield "some planes can't be read, so overlaps weren't searched"
