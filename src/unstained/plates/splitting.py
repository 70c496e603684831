"""Who trains, who validates, who tests: a split in which no ground is ever seen from two sides."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self, TypeAlias

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from unstained.errors import BadInput, listed
from unstained.plates.plate import FieldName, Plate
from unstained.plates.regions import GAP_PX, SMALLEST_PART_PX, Region, cut_regions, whole_field

__all__ = ["Level", "Region", "Split", "shared_grounds", "split_plate"]

Level: TypeAlias = Literal["well", "field", "half"]
Grounds: TypeAlias = dict[FieldName, int]

TEST_SHARE = 0.2
VALIDATION_SHARE = 0.1
STRIP_SHARE = 1 / 8
ROLES = ("train", "validation", "test")


@dataclass(frozen=True)
class Split:
    """Regions by role; `level` says what parts training from test, `validation_level` from validation."""

    train: tuple[Region, ...]
    validation: tuple[Region, ...]
    test: tuple[Region, ...]
    level: Level
    warnings: tuple[str, ...] = ()
    validation_level: Level = "well"
    excluded: tuple[FieldName, ...] = ()

    def regions(self, role: str) -> tuple[Region, ...]:
        """Give the regions of `train`, `validation` or `test`."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[role]

    def to_json(self) -> dict[str, Any]:
        """Give plain values; regions read like `A01/2 [0:2048, 0:1024]` (rows, columns, px)."""
        return {
            "level": self.level,
            "validation_level": self.validation_level,
            **{role: [str(region) for region in self.regions(role)] for role in ROLES},
            "excluded": [str(name) for name in self.excluded],
            "warnings": list(self.warnings),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Make the split again from what `to_json` gave."""
        train, validation, test = (tuple(Region.parse(text) for text in values[role]) for role in ROLES)
        excluded = tuple(FieldName.parse(text) for text in values["excluded"])
        told = tuple(values["warnings"])
        return cls(train, validation, test, values["level"], told, values["validation_level"], excluded)


def split_plate(
    plate: Plate,
    *,
    test: Sequence[str] | None = None,
    validation: Sequence[str] | None = None,
    seed: int = 0,
    groups: Mapping[FieldName, int] | None = None,
) -> Split:
    """Part a plate into training, validation and test so that no pixel and no ground has two roles.

    `test` and `validation` name wells (`A03`) or fields (`A01/2`); left out or empty, they are chosen: whole
    wells where there are enough, else fields of one well that share no ground, else parts of one image with a
    gap between. `groups` numbers fields that overlap (same number, common ground); time points of one place
    belong together by themselves. Each step down is told in `Split.warnings`; the same seed, the same split.

    Raises
    ------
    UnknownField
        A named well or field isn't in the plate.
    BadInput
        Test and validation share ground, nothing is left to train on, or a single field is too small to cut.
    """
    grounds = shared_grounds(plate, groups or {})
    tested, validated = (list(plate.select(names)) if names else [] for names in (test, validation))
    _refuse_common_ground(grounds, tested, validated)
    free, excluded = _left_over(plate.fields, grounds, {"test": tested, "validation": validated})
    rng = np.random.default_rng(seed)
    if not tested:
        tested = _drawn(free, grounds, TEST_SHARE, (2, 2), rng)
        free = _without(free, tested)
    if not validated:
        validated = _drawn(free, grounds, VALIDATION_SHARE, (3, 4), rng)
        free = _without(free, validated)
    chosen = {"train": free, "validation": validated, "test": tested}
    regions = {role: [whole_field(plate, name) for name in names] for role, names in chosen.items()}
    for role, share in (("test", 0.5), ("validation", STRIP_SHARE)):
        if not regions[role]:
            at_end = bool(rng.integers(2))
            regions["train"], regions[role] = cut_regions(plate, grounds, regions["train"], share, at_end)
    seen = {part.field for parts in regions.values() for part in parts}
    excluded |= dict.fromkeys(_without(free, seen), "cut")
    return _finished(regions, excluded)


def shared_grounds(plate: Plate, groups: Mapping[FieldName, int]) -> Grounds:
    """Give each field a number; two share it exactly if places or overlaps link them, also through others."""
    links = [
        [("place", plate.place(name))] + ([("overlap", groups[name])] if name in groups else [])
        for name in plate.fields
    ]
    return dict(zip(plate.fields, _linked(links), strict=True))


def _linked(links: Sequence[Sequence[Hashable]]) -> list[int]:
    """Give each item a number; two share it exactly if they have a link in common, also through others."""
    ends = [(item, link) for item, its_links in enumerate(links) for link in its_links]
    number = {link: len(links) + index for index, link in enumerate(dict.fromkeys(link for _, link in ends))}
    rows, columns = [item for item, _ in ends], [number[link] for _, link in ends]
    size = len(links) + len(number)
    graph = coo_array((np.ones(len(ends)), (rows, columns)), shape=(size, size))
    return [int(label) for label in connected_components(graph, directed=False)[1][: len(links)]]


def _units(names: list[FieldName], numbers: list[int]) -> list[list[FieldName]]:
    units: dict[int, list[FieldName]] = {}
    for name, number in zip(names, numbers, strict=True):
        units.setdefault(number, []).append(name)
    return list(units.values())


def _drawn(
    free: list[FieldName], grounds: Grounds, share: float, enough: tuple[int, int], rng: np.random.Generator
) -> list[FieldName]:
    """Draw about a `share` of the wells, else of the grounds in one; none where there aren't `enough`.

    Wells that share ground are drawn together.
    """
    wells = _units(free, _linked([[("well", name.well), ("ground", grounds[name])] for name in free]))
    for units, least in zip((wells, _units(free, [grounds[name] for name in free])), enough, strict=True):
        if len(units) >= least:
            number = min(max(1, round(share * len(units))), len(units) - 1)
            chosen = rng.choice(len(units), size=number, replace=False)
            return sorted(name for index in chosen for name in units[index])
    return []


def _refuse_common_ground(grounds: Grounds, tested: list[FieldName], validated: list[FieldName]) -> None:
    for name in validated:
        for other in tested:
            if grounds[name] == grounds[other]:
                raise BadInput(
                    f"validation field {name} and test field {other} show the same ground; "
                    "name both for test or both for validation"
                )


def _left_over(
    fields: Sequence[FieldName], grounds: Grounds, named: Mapping[str, list[FieldName]]
) -> tuple[list[FieldName], dict[FieldName, str]]:
    """Give the unnamed fields that may be used, and those that share ground with a named one, by its role."""
    role_of = {grounds[name]: role for role, names in named.items() for name in names}
    unnamed = _without(fields, [name for names in named.values() for name in names])
    excluded = {name: role_of[grounds[name]] for name in unnamed if grounds[name] in role_of}
    free = _without(unnamed, excluded)
    if not free:
        raise BadInput(
            f"no field is left to train on: of {len(fields)} ({listed(fields)}) {len(fields) - len(unnamed)} "
            f"are named for test or validation, {len(excluded)} show their ground; name fewer, or none"
        )
    return free, excluded


def _without(names: Iterable[FieldName], taken: Iterable[FieldName]) -> list[FieldName]:
    gone = set(taken)
    return [name for name in names if name not in gone]


def _level(one: list[Region], other: list[Region]) -> Level:
    if {region.field for region in one} & {region.field for region in other}:
        return "half"
    wells = {region.field.well for region in one} & {region.field.well for region in other}
    return "field" if wells else "well"


TOLD_EXCLUSION = {
    "test": "{name} shows the same ground as a test field and is left out of training.",
    "validation": "{name} shows the same ground as a validation field and is left out of training.",
    "cut": "{name} overlaps the field that had to be cut in two and is left out.",
}
TOLD_LEVEL = {
    ("test", "field"): "Test fields lie in the same well as training fields ({where}): "
    "expect lower scores on a new well.",
    ("test", "half"): "Training and test are two parts of the same image ({where}) with a gap between: "
    "there is only one place to learn from, so the test score says little about new fields or wells.",
    ("validation", "field"): "Validation fields lie in the same well as training fields ({where}).",
    ("validation", "half"): "Validation is a strip of the training images ({where}) with a gap between: "
    "there are too few fields to set whole ones aside.",
}
TOLD_NO_VALIDATION = (
    "The training images are too small for a validation strip: nothing tells when to stop early."
)


def _finished(regions: dict[str, list[Region]], excluded: dict[FieldName, str]) -> Split:
    """Name the levels, say every step down, and refuse a split that has no test."""
    train, validation, test = (tuple(sorted(regions[role])) for role in ROLES)
    if not test:
        raise BadInput(
            f"{listed(region.field for region in train)}: one place, too small to cut into training and test "
            f"({SMALLEST_PART_PX} px each and a gap of {GAP_PX} px); import more fields"
        )
    warnings = [TOLD_EXCLUSION[why].format(name=name) for name, why in excluded.items()]
    levels = {role: _level(regions["train"], regions[role]) for role in ("test", "validation")}
    for role, level in levels.items():
        if level != "well":
            where = {part.field.well if level == "field" else str(part.field) for part in regions[role]}
            warnings.append(TOLD_LEVEL[role, level].format(where=listed(sorted(where))))
    warnings += [] if validation else [TOLD_NO_VALIDATION]
    left_out = tuple(sorted(excluded))
    return Split(train, validation, test, levels["test"], tuple(warnings), levels["validation"], left_out)
