"""Rectangles of fields, and how fields that are one place are cut in two without sharing a pixel."""

import re
from collections.abc import Mapping
from typing import NamedTuple, Self

import numpy as np

from unstained.errors import BadInput
from unstained.plates.plate import FieldName, Plate

GAP_PX = 64
GAP_SHARE = 0.05
SMALLEST_PART_PX = 32
REGION_TEXT = re.compile(r"(\S+) \[(\d+):(\d+), (\d+):(\d+)\]")


class Region(NamedTuple):
    """A rectangle of one field: rows and columns half-open, in px; a whole field is (0, Y), (0, X)."""

    field: FieldName
    rows: tuple[int, int]
    columns: tuple[int, int]

    def __str__(self) -> str:
        (top, bottom), (left, right) = self.rows, self.columns
        return f"{self.field} [{top}:{bottom}, {left}:{right}]"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` wrote, such as `A01/2 [0:2048, 0:1024]`.

        Raises
        ------
        BadInput
            The text has another form.
        """
        found = REGION_TEXT.fullmatch(text)
        if found is None:
            raise BadInput(f"{text!r} is not a region; one looks like 'A01/2 [0:2048, 0:1024]'")
        top, bottom, left, right = (int(number) for number in found.groups()[1:])
        return cls(FieldName.parse(found[1]), (top, bottom), (left, right))


def whole_field(plate: Plate, name: FieldName) -> Region:
    """Give the region that is all of a field."""
    height, width = plate.shape(name)
    return Region(name, (0, height), (0, width))


def gap_px(shape: tuple[int, int]) -> int:
    """Give the width of the gap between parts of an image (Y X): 5 % of its longer side, at least 64 px."""
    return max(GAP_PX, int(np.ceil(GAP_SHARE * max(shape))))


def cut_regions(
    plate: Plate, grounds: Mapping[FieldName, int], regions: list[Region], share: float, at_end: bool
) -> tuple[list[Region], list[Region]]:
    """Cut a part off each region, all fields of one place at the same line; give what is kept, and the parts.

    `share` of the longer side is cut off, at its end or at its start; 0.5 makes two equal halves. Fields
    that overlap at an unknown offset can't be cut at one line: such a ground stays whole, or, where there is
    nothing else, only its place with the most fields is kept. Where all are too small, nothing is cut.
    """
    places: dict[tuple[int, str], list[Region]] = {}
    for region in regions:
        places.setdefault((grounds[region.field], plate.place(region.field)), []).append(region)
    in_ground = [ground for ground, _ in places]
    alone = {key for key in places if in_ground.count(key[0]) == 1}
    if not alone:
        largest = max(places, key=lambda key: len(places[key]))
        alone, places = {largest}, {largest: places[largest]}
    kept: list[Region] = []
    parts: list[Region] = []
    for key, together in places.items():
        pieces = _cut_place(plate, together, share, at_end) if key in alone else []
        kept += [first for first, _ in pieces] or together
        parts += [second for _, second in pieces]
    return (kept, parts) if parts else (regions, [])


def _cut_place(
    plate: Plate, together: list[Region], share: float, at_end: bool
) -> list[tuple[Region, Region]]:
    """Cut the regions of one place across their longer side; empty where they are too small for that."""
    height, width = (min(limits[1] for limits in axis) for axis in _limits(together))
    top, left = (max(limits[0] for limits in axis) for axis in _limits(together))
    by_columns = width - left >= height - top
    start, stop = (left, width) if by_columns else (top, height)
    gap = max(gap_px(plate.shape(region.field)) for region in together)
    length = stop - start
    part = (length - gap) // 2 if share == 0.5 else max(int(share * length), min(GAP_PX, length // 4))
    rest = length - gap - part
    if min(part, rest) < SMALLEST_PART_PX:
        return []
    kept, cut = (start, start + rest), (stop - part, stop)
    if not at_end:
        kept, cut = (stop - rest, stop), (start, start + part)
    return [(_within(region, by_columns, kept), _within(region, by_columns, cut)) for region in together]


def _within(region: Region, by_columns: bool, limits: tuple[int, int]) -> Region:
    return region._replace(columns=limits) if by_columns else region._replace(rows=limits)


def _limits(regions: list[Region]) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    return [region.rows for region in regions], [region.columns for region in regions]
