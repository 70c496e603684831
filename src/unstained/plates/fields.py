"""Names of wells and fields, and the fingerprint by which a field's pixels are known again."""

import hashlib
import re
from typing import NamedTuple

import numpy as np

from unstained.arrays import RawPlane
from unstained.errors import BadInput

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
