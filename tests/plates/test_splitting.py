"""Splits that can't leak: properties over random plates, and each fallback by example."""

from dataclasses import dataclass, field
from itertools import combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unstained.errors import BadInput, UnknownField
from unstained.plates.plate import FieldName
from unstained.plates.regions import Region, gap_px
from unstained.plates.splitting import Split, shared_grounds, split_plate

ROLES = ("train", "validation", "test")


@dataclass
class FakePlate:
    shapes: dict
    places: dict = field(default_factory=dict)
    path: str = "fake.zarr"

    @property
    def fields(self):
        return tuple(sorted(self.shapes))

    def shape(self, name):
        return self.shapes[name]

    def place(self, name):
        return self.places.get(name, str(name))

    def select(self, names):
        found = [name for name in self.fields if name.well in names or str(name) in names]
        known = {name.well for name in self.fields} | {str(name) for name in self.fields}
        if not set(names) <= known:
            raise UnknownField(str(names), self.path, self.fields)
        return tuple(found)


def plate_of(*names, shape=(400, 600), places=None):
    fields = [FieldName.parse(name) for name in names]
    by_name = {FieldName.parse(name): place for name, place in (places or {}).items()}
    return FakePlate(dict.fromkeys(fields, shape), by_name)


def texts(regions):
    return sorted({str(region.field) for region in regions})


@st.composite
def plates(draw):
    wells = draw(
        st.lists(st.sampled_from(["A01", "A02", "A10", "B01", "B02", "H12"]), min_size=1, unique=True)
    )
    names = [FieldName(well, number) for well in wells for number in range(draw(st.integers(1, 4)))]
    shape = draw(st.sampled_from([(400, 600), (700, 500), (210, 576), (2048, 2048)]))
    places = {name: f"place {draw(st.integers(0, 3))}" for name in names if draw(st.integers(0, 3)) == 0}
    groups = {name: draw(st.integers(0, 3)) for name in names if draw(st.integers(0, 3)) == 0}
    return FakePlate(dict.fromkeys(names, shape), places), groups


def tried(plate, **asked):
    """Split, or give None where the plate has nothing left to train on or can't be cut."""
    try:
        return split_plate(plate, **asked)
    except BadInput:
        return None


def apart(one, other):
    """Tell whether two rectangles share no pixel."""
    return any(a[1] <= b[0] or b[1] <= a[0] for a, b in zip(one[1:], other[1:], strict=True))


def no_pixel_has_two_roles(plate, split):
    for first, second in combinations(ROLES, 2):
        for one, other in product(split.regions(first), split.regions(second)):
            if plate.place(one.field) == plate.place(other.field) and not apart(one, other):
                return False
    return True


@settings(max_examples=60, deadline=None)
@given(plates(), st.integers(0, 5))
def test_no_pixel_and_no_ground_has_two_roles(drawn, seed):
    plate, groups = drawn
    split = tried(plate, seed=seed, groups=groups)
    if split is None:
        return
    assert split.train
    assert split.test
    assert no_pixel_has_two_roles(plate, split)
    grounds = shared_grounds(plate, groups)
    for one, other in combinations(ROLES, 2):
        first, second = split.regions(one), split.regions(other)
        for ground in {grounds[r.field] for r in first} & {grounds[r.field] for r in second}:
            shown = {plate.place(r.field) for r in (*first, *second) if grounds[r.field] == ground}
            assert len(shown) == 1, "a ground seen from two sides must be one place, cut with a gap"


@settings(max_examples=60, deadline=None)
@given(plates(), st.integers(0, 5))
def test_the_level_says_what_the_regions_show(drawn, seed):
    plate, groups = drawn
    split = tried(plate, seed=seed, groups=groups)
    if split is None:
        return
    train, test = ({r.field for r in split.regions(role)} for role in ("train", "test"))
    if split.level == "half":
        assert train & test
    else:
        grounds = shared_grounds(plate, groups)
        assert not {grounds[name] for name in train} & {grounds[name] for name in test}
    if split.level == "well":
        assert not {name.well for name in train} & {name.well for name in test}
    else:
        assert any(word in " ".join(split.warnings) for word in ("same well", "same image"))


@settings(max_examples=40, deadline=None)
@given(plates(), st.integers(0, 5), st.data())
def test_what_is_named_for_test_is_test_whole_and_alone(drawn, seed, data):
    plate, groups = drawn
    name = data.draw(st.sampled_from(plate.fields))
    split = tried(plate, test=[str(name)], seed=seed, groups=groups)
    if split is None:
        return
    height, width = plate.shape(name)
    assert split.test == (Region(name, (0, height), (0, width)),)
    grounds = shared_grounds(plate, groups)
    others = {region.field for region in (*split.train, *split.validation)}
    assert grounds[name] not in {grounds[other] for other in others}
    left_out = {other for other in plate.fields if grounds[other] == grounds[name]} - {name}
    assert left_out <= set(split.excluded)
    assert others | set(split.excluded) | {name} == set(plate.fields)


@settings(max_examples=30, deadline=None)
@given(plates(), st.integers(0, 5))
def test_the_same_seed_gives_the_same_split_and_json_brings_it_back(drawn, seed):
    plate, groups = drawn
    split = tried(plate, seed=seed, groups=groups)
    assert split == tried(plate, seed=seed, groups=groups)
    if split is not None:
        assert Split.from_json(split.to_json()) == split


def test_seeds_differ():
    plate = plate_of(*(f"A{number:02d}/0" for number in range(1, 13)))
    assert len({split_plate(plate, seed=seed).test for seed in range(10)}) > 3


def test_a_plate_is_split_by_well_without_warnings():
    plate = plate_of(
        *(f"{row}{column:02d}/{number}" for row in "AB" for column in range(1, 6) for number in (0, 1))
    )
    split = split_plate(plate)
    wells = {role: {region.field.well for region in split.regions(role)} for role in ROLES}
    assert (split.level, split.validation_level, split.warnings) == ("well", "well", ())
    assert {role: len(names) for role, names in wells.items()} == {"train": 7, "validation": 1, "test": 2}


def test_wells_that_share_ground_stay_on_one_side():
    plate = plate_of("A01/0", "A02/0", "A03/0", "A04/0", "A05/0")
    groups = {FieldName("A01", 0): 1, FieldName("A05", 0): 1}
    for seed in range(12):
        split = split_plate(plate, seed=seed, groups=groups)
        sides = [{region.field.well for region in split.regions(role)} for role in ROLES]
        assert all(len({"A01", "A05"} & side) in (0, 2) for side in sides)


def test_two_wells_part_into_test_and_training_with_a_strip_to_validate():
    split = split_plate(plate_of("A01/0", "A02/0", shape=(800, 1000)))
    assert (split.level, split.validation_level) == ("well", "half")
    (train,), (validation,) = split.train, split.validation
    assert train.rows == validation.rows == (0, 800)
    assert validation.columns[1] - validation.columns[0] == 125
    ends = sorted([train.columns, validation.columns])
    assert ends[1][0] - ends[0][1] == gap_px((800, 1000)) == 64


def test_the_named_field_of_one_well_leaves_strips_of_the_others():
    split = split_plate(plate_of("A01/0", "A01/1", "A01/2", shape=(2048, 2048)), test=["A01/2"])
    assert split.level == "field"
    assert texts(split.test) == ["A01/2"]
    assert texts(split.train) == texts(split.validation) == ["A01/0", "A01/1"]
    kept = sum((r.rows[1] - r.rows[0]) * (r.columns[1] - r.columns[0]) for r in split.train)
    assert kept / (2 * 2048**2) > 0.8
    assert any("same well" in warning for warning in split.warnings)
    assert any("strip" in warning for warning in split.warnings)


def test_five_fields_of_one_well_give_a_whole_field_to_validation():
    split = split_plate(plate_of(*(f"A01/{number}" for number in range(6))), test=["A01/5"])
    assert (split.level, split.validation_level) == ("field", "field")
    assert [len(split.regions(role)) for role in ROLES] == [4, 1, 1]


def test_one_image_falls_back_to_halves_with_gaps():
    split = split_plate(plate_of("A01/0", shape=(500, 2000)))
    assert (split.level, split.validation_level) == ("half", "half")
    (train,), (validation,), (test,) = split.train, split.validation, split.test
    assert test.columns[1] - test.columns[0] == 950
    for one, other in ((train, test), (validation, test), (train, validation)):
        gaps = [b[0] - a[1] for a, b in (sorted(pair) for pair in zip(one[1:], other[1:], strict=True))]
        assert max(gaps) >= 100
    assert any("two parts of the same image" in warning for warning in split.warnings)


def test_time_points_are_cut_at_one_line():
    times = [f"A01/{number}" for number in range(5)]
    split = split_plate(plate_of(*times, shape=(210, 576), places=dict.fromkeys(times, "A01/0")))
    assert split.level == "half"
    for role in ROLES:
        assert len(split.regions(role)) == 5
        assert len({(region.rows, region.columns) for region in split.regions(role)}) == 1


def test_an_unnamed_field_on_the_ground_of_a_test_field_is_left_out_aloud():
    plate = plate_of("A01/0", "A01/1", "A02/0", "A03/0", places={"A01/0": "p", "A02/0": "p"})
    split = split_plate(plate, test=["A01/0"])
    assert split.excluded == (FieldName("A02", 0),)
    assert "A02/0 shows the same ground as a test field and is left out of training." in split.warnings


def test_naming_every_time_point_but_one_leaves_nothing_to_train_on():
    places = dict.fromkeys(("A01/0", "A01/1"), "p")
    with pytest.raises(BadInput, match="no field is left to train on"):
        split_plate(plate_of("A01/0", "A01/1", places=places), test=["A01/0"])


def test_test_and_validation_on_one_ground_are_refused():
    plate = plate_of("A01/0", "A01/1", "A02/0")
    groups = {FieldName("A01", 0): 4, FieldName("A01", 1): 4}
    with pytest.raises(BadInput, match="show the same ground"):
        split_plate(plate, test=["A01/0"], validation=["A01/1"], groups=groups)
    with pytest.raises(BadInput, match="show the same ground"):
        split_plate(plate, test=["A01/0"], validation=["A01"])


def test_an_unknown_well_is_refused():
    with pytest.raises(UnknownField):
        split_plate(plate_of("A01/0"), test=["C07"])


def test_a_single_small_image_is_refused():
    with pytest.raises(BadInput, match="too small to cut"):
        split_plate(plate_of("A01/0", shape=(100, 120)))


def test_a_small_image_that_leaves_no_strip_says_so():
    split = split_plate(plate_of("A01/0", shape=(70, 170)))
    assert split.validation == ()
    assert any("too small for a validation strip" in warning for warning in split.warnings)


def test_of_overlapping_fields_alone_one_is_cut_and_the_others_left_out():
    plate = plate_of("A01/0", "A01/1", shape=(800, 800))
    split = split_plate(plate, groups=dict.fromkeys(plate.fields, 3))
    assert split.level == "half"
    assert len(split.excluded) == 1
    assert any("had to be cut" in warning for warning in split.warnings)
    assert texts(split.train) == texts(split.test) != texts([Region(split.excluded[0], (0, 1), (0, 1))])


def test_grounds_link_through_third_fields():
    plate = plate_of("A01/0", "A01/1", "A01/2", "A02/0", places={"A01/1": "p", "A01/2": "p"})
    grounds = shared_grounds(plate, {FieldName("A01", 0): 7, FieldName("A01", 1): 7})
    assert len({grounds[FieldName("A01", number)] for number in range(3)}) == 1
    assert grounds[FieldName("A02", 0)] not in {grounds[FieldName("A01", 0)]}


def test_a_region_reads_back_and_nonsense_does_not():
    region = Region(FieldName("H12", 3), (0, 2048), (17, 900))
    assert str(region) == "H12/3 [0:2048, 17:900]"
    assert Region.parse(str(region)) == region
    with pytest.raises(BadInput, match="is not a region"):
        Region.parse("H12/3")


@pytest.mark.parametrize(("shape", "gap"), [((210, 576), 64), ((2048, 2048), 103), ((1280, 100), 64)])
def test_the_gap_is_five_percent_of_the_side_and_at_least_64_px(shape, gap):
    assert gap_px(shape) == gap
