"""Names of wells and fields, and the fingerprint by which a field's pixels are known again."""

import hashlib
import re
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from unstained.arrays import RawPlane
from unstained.errors import BadInput

FORMATS = ((8, 12), (16, 24), (32, 48))
"""Rows and columns of plates: 96, 384, 1536 wells."""

_WELL = re.compile(r"([A-Za-z]{1,2})[ _-]?0*([0-9]{1,3})")


def split_well(well: str) -> tuple[str, int] | None:
    """Give row letters and column number of a well (`a1`, `A01`, `AF48`); None where it has another form."""
    match = _WELL.fullmatch(well.strip())
    return (match[1].upper(), int(match[2])) if match else None


def well_name(well: str) -> str:
    """Write a well the one way it is written here: capital row, column of two digits.

    Raises
    ------
    BadInput
        The text has no row letters followed by a column number.
    """
    parts = split_well(well)
    if parts is None:
        raise BadInput(f"{well!r} is no well; wells are written as row and column, for example A01 or AF48")
    return f"{parts[0]}{parts[1]:02d}"


def well_order(well: str) -> tuple[int, str, int]:
    """Give the key that sorts wells by row, then column; Z comes before AA."""
    row, column = split_well(well) or (well, 0)
    return len(row), row, column


def well_place(well: str) -> tuple[int, int] | None:
    """Give row and column of a well, from 0 (A01 → 0, 0; AA01 → 26, 0); None for another kind of name."""
    parts = split_well(well)
    if parts is None:
        return None
    letters, column = parts
    row = 0
    for letter in letters:
        row = 26 * row + ord(letter) - ord("A") + 1
    return row - 1, column - 1


def row_name(row: int) -> str:
    """Name a row counted from 0: A … Z, AA …."""
    return ("" if row < 26 else chr(ord("A") + row // 26 - 1)) + chr(ord("A") + row % 26)


def plate_format(places: Iterable[tuple[int, int]]) -> tuple[int, int]:
    """Give rows and columns of the smallest plate (96, 384, 1536 wells) that holds all places."""
    needed = [1 + max((place[axis] for place in places), default=0) for axis in (0, 1)]
    fitting = (size for size in FORMATS if size[0] >= needed[0] and size[1] >= needed[1])
    return next(fitting, (needed[0], needed[1]))


class FieldName(NamedTuple):
    """One field of a plate; written `A01/0`, sorted by row, column and field."""

    well: str
    field: int

    @classmethod
    def parse(cls, text: str) -> "FieldName":
        """Read `A01/2` (or `a1/2`).

        Raises
        ------
        BadInput
            The text isn't well, slash, number.
        """
        well, slash, field = text.partition("/")
        if not slash or not field.strip().isdigit():
            raise BadInput(f"{text!r} is no field; fields are written as well and number, for example A01/2")
        return cls(well_name(well), int(field))

    @property
    def _order(self) -> tuple[int, str, int, int]:
        return (*well_order(self.well), self.field)

    def __str__(self) -> str:
        return f"{self.well}/{self.field}"

    def __lt__(self, other: tuple[object, ...]) -> bool:
        return self._order < FieldName(*other)._order  # type: ignore[arg-type]

    def __gt__(self, other: tuple[object, ...]) -> bool:
        return self._order > FieldName(*other)._order  # type: ignore[arg-type]


def fingerprint(plane: RawPlane) -> str:
    """Give the SHA-256 by which a plane (Y X) is known again, whatever file it is in.

    It covers the type, the shape, and the pixels row by row, low byte first.
    """
    pixels = np.ascontiguousarray(plane, dtype=plane.dtype.newbyteorder("<"))
    kind = f"{pixels.dtype.str} {' '.join(str(side) for side in pixels.shape)}\n"
    return hashlib.sha256(kind.encode("ascii") + pixels.tobytes()).hexdigest()
