"""Common ground of fields: found at known offsets, not found where there is none."""

from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import pytest
import tifffile
from scipy.ndimage import gaussian_filter

from unstained.plates.overlaps import common_ground, fine_pattern, match_patterns, overlapping_fields
from unstained.plates.plate import FieldName

A0, A1, A2 = (FieldName("A01", number) for number in range(3))
B0 = FieldName("B01", 0)


@dataclass
class FakePlate:
    planes: dict
    places: dict = field(default_factory=dict)

    @property
    def fields(self):
        return tuple(self.planes)

    @property
    def wells(self):
        return tuple(dict.fromkeys(name.well for name in self.planes))

    def place(self, name):
        return self.places.get(name, str(name))

    def read(self, name, channel):
        return self.planes[name]


def ground(seed: int, height: int = 500, width: int = 500) -> np.ndarray:
    """Draw texture as a label-free image has it: grains of some px in bounded patches."""
    rng = np.random.default_rng(seed)
    grains = gaussian_filter(rng.normal(size=(height, width)), 2)
    patches = gaussian_filter(rng.normal(size=(height, width)), 15) > 0
    return (grains / grains.std() * (0.2 + patches)).astype(np.float32)


def noisy(plane: np.ndarray, seed: int, strength: float = 0.3) -> np.ndarray:
    return plane + strength * np.random.default_rng(seed).normal(size=plane.shape)


@pytest.mark.parametrize(("dy", "dx"), [(0, 225), (170, 170), (-125, 0), (60, -200), (12, 7)])
def test_common_ground_is_found_where_it_is(dy, dx):
    big = ground(0, 800, 800)
    first = big[250:500, 250:500]
    second = big[250 + dy : 500 + dy, 250 + dx : 500 + dx]
    found = match_patterns(fine_pattern(noisy(first, 1)), fine_pattern(noisy(second, 2)))
    assert found is not None
    assert found[:2] == pytest.approx((dy, dx), abs=1)
    assert found[4] == pytest.approx((250 - abs(dy)) * (250 - abs(dx)) / 250**2, abs=0.02)


def test_the_offset_is_in_pixels_of_the_image_where_it_was_reduced():
    big = ground(1, 1400, 1400)
    pieces = big[:960, :960], big[300:1260, 90:1050]
    found = match_patterns(*(fine_pattern(piece) for piece in pieces))
    assert found is not None
    assert found[:2] == pytest.approx((300, 90), abs=3)


def test_different_places_share_nothing():
    patterns = [fine_pattern(noisy(ground(seed, 250, 250), seed)) for seed in range(8)]
    assert [match_patterns(a, b) for a, b in combinations(patterns, 2)] == [None] * 28


def test_two_nuclei_that_happen_to_fit_are_not_common_ground():
    """Sparse discs of one size: some small overlap always fits well, but no offset alone does."""
    y, x = np.mgrid[:256, :256]
    patterns = []
    for seed in range(7):
        centres = np.random.default_rng(seed).uniform(20, 236, (20, 2))
        plane = sum((np.hypot(y - cy, x - cx) < 11).astype(float) for cy, cx in centres)
        patterns.append(fine_pattern(noisy(gaussian_filter(plane, 1.5), seed, 0.02)))
    assert [match_patterns(a, b) for a, b in combinations(patterns, 2)] == [None] * 21


def test_dust_and_light_of_the_microscope_are_not_common_ground():
    """Every field carries the same vignette and dust; the cells differ."""
    y, x = np.mgrid[:250, :250]
    light = 1 - ((y - 125) ** 2 + (x - 125) ** 2) / 60000
    dust = 5 * gaussian_filter((np.random.default_rng(7).random((250, 250)) > 0.998).astype(float), 2) * 25
    fields = [(20 + ground(seed, 250, 250) - dust) * light for seed in range(5)]
    patterns = [fine_pattern(noisy(plane, seed)) for seed, plane in enumerate(fields)]
    assert [match_patterns(a, b) for a, b in combinations(patterns, 2)] == [None] * 10


def test_one_place_taken_twice_is_found_at_offset_zero():
    plane = ground(3, 250, 250)
    found = match_patterns(fine_pattern(noisy(plane, 1)), fine_pattern(noisy(plane, 2)))
    assert found is not None
    assert found[:2] == (0, 0)


def test_a_constant_field_has_no_common_ground_with_anything():
    constant = fine_pattern(np.full((250, 250), 9, np.uint16))
    assert match_patterns(constant, constant) is None
    assert match_patterns(constant, fine_pattern(ground(0, 250, 250))) is None


def test_fields_of_one_well_are_compared_and_places_are_not():
    big = ground(5, 300, 700)
    left, middle, right = big[:, :250], big[:, 150:400], big[:, 420:670]
    plate = FakePlate({A0: left, A1: middle, A2: right, B0: left})
    (found,) = overlapping_fields(plate, "TL")
    assert (found.first, found.second) == (A0, A1)
    assert (found.dy, found.dx) == pytest.approx((0, 150), abs=1)
    assert overlapping_fields(FakePlate(plate.planes, {A0: "p", A1: "p"}), "TL") == ()


def test_fields_linked_through_another_have_one_number():
    big = ground(6, 300, 700)
    plate = FakePlate({A0: big[:, :250], A1: big[:, 180:430], A2: big[:, 380:630], B0: ground(8, 300, 250)})
    numbers = common_ground(plate, "TL")
    assert set(numbers) == {A0, A1, A2}
    assert len(set(numbers.values())) == 1
    assert common_ground(FakePlate({A0: big[:, :250], B0: big[:, :250]}), "TL") == {}


def test_real_fields_of_one_well_share_nothing_and_their_crops_do(shared_data):
    planes = [tifffile.imread(shared_data / f"hela-rpe1/images/A01_f{number}_TL.tif") for number in range(3)]
    patterns = [fine_pattern(plane) for plane in planes]
    assert [match_patterns(patterns[a], patterns[b]) for a, b in ((0, 1), (0, 2), (1, 2))] == [None] * 3
    found = match_patterns(fine_pattern(planes[0][:1000, :1000]), fine_pattern(planes[0][880:1880, 0:1000]))
    assert found is not None
    assert found[:2] == pytest.approx((880, 0), abs=3)
