"""The record of a plate check, and how it reads on a terminal."""

from typing import Literal, TypeAlias

from unstained.errors import listed
from unstained.settings import Settings

MOST_LINES = 12

Fault: TypeAlias = Literal["unreadable", "constant", "empty", "blurred", "saturated"]


class FieldFault(Settings):
    """One thing that is wrong with one channel of one field."""

    field: str
    channel: str
    fault: Fault
    reason: str


class ChannelCheck(Settings):
    """One channel over all fields; `saturated` is the share of pixels at the camera's ceiling."""

    channel: str
    dtype: str
    bits_used: int | None
    minimum: float | None
    maximum: float | None
    saturated: float
    edge_width_px: float | None


class FieldShift(Settings):
    """How far a stained plane lies off the label-free one, px; not `reliable` means not known."""

    field: str
    label_free: str
    stained: str
    dy_px: float
    dx_px: float
    error_px: float | None
    reliable: bool


class FieldOverlap(Settings):
    """Two fields of a well that show common ground, offset in px, `share` of the field's area."""

    first: str
    second: str
    dy_px: int
    dx_px: int
    share: float
    correlation: float


class PlateCheck(Settings):
    """What `check_plate` found."""

    name: str
    wells: int
    fields: int
    places: int
    field_px: tuple[tuple[int, int], ...]
    pixel_size_um: float | None
    channels: tuple[ChannelCheck, ...]
    faults: tuple[FieldFault, ...]
    shifts: tuple[FieldShift, ...]
    overlaps: tuple[FieldOverlap, ...]
    problems: tuple[str, ...]

    def lines(self) -> list[str]:
        """Give the check as lines for a terminal."""
        sizes = listed(f"{width} × {height} px" for height, width in self.field_px)
        size_um = f"{self.pixel_size_um:g} µm a pixel" if self.pixel_size_um else "pixel size not known"
        told = [f"{self.name}: {self.wells} wells, {self.fields} fields of {sizes}, {size_um}"]
        if self.places < self.fields:
            told.append(f"time points: the {self.fields} fields show {self.places} places")
        told += [_channel_line(channel) for channel in self.channels]
        told += _shortened([_shift_line(found) for found in self.shifts])
        pairs = [f"overlap: {o.first} and {o.second} share {o.share:.0%} (offset {o.dy_px}, {o.dx_px} px)"
                 for o in self.overlaps]  # fmt: skip
        told += _shortened(pairs) or ["overlap: no two fields of a well show common ground"]
        told += _shortened([f"{f.fault}: {f.field} {f.channel}, {f.reason}" for f in self.faults])
        return told + [f"problem: {problem}" for problem in self.problems]


def _channel_line(found: ChannelCheck) -> str:
    bits = f", {found.bits_used} bit used" if found.bits_used else ""
    span = "" if found.maximum is None else f", {found.minimum:g} to {found.maximum:g}"
    edges = "" if found.edge_width_px is None else f", sharpest edges {found.edge_width_px:.1f} px wide"
    return f"{found.channel}: {found.dtype}{bits}{span}, {found.saturated:.3%} saturated{edges}"


def _shift_line(found: FieldShift) -> str:
    where = f"shift: {found.field} {found.label_free} → {found.stained}"
    if not found.reliable:
        return f"{where} not clear"
    return f"{where} {found.dy_px:+.1f}, {found.dx_px:+.1f} px (y, x; ± {found.error_px:.1f})"


def _shortened(lines: list[str]) -> list[str]:
    more = len(lines) - MOST_LINES
    return lines if more <= 0 else [*lines[:MOST_LINES], f"… and {more} more of these"]
