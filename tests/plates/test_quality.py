"""The check of a plate: what it counts, what it finds wrong, how it reads."""

import json
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter

from unstained.errors import BadInput
from unstained.plates.importing import import_plate
from unstained.plates.plate import FieldName
from unstained.plates.quality import PlateCheck, check_plate


@dataclass
class FakePlate:
    planes: dict
    places: dict = field(default_factory=dict)
    sizes_um: dict = field(default_factory=dict)
    name: str = "fake"
    pixel_size_um: float | None = 0.5

    @property
    def fields(self):
        return tuple(sorted({name for name, _ in self.planes}))

    @property
    def wells(self):
        return tuple(dict.fromkeys(name.well for name in self.fields))

    @property
    def channels(self):
        return tuple(dict.fromkeys(channel for _, channel in self.planes))

    def shape(self, name):
        return next(plane.shape for (other, _), plane in self.planes.items() if other == name)

    def place(self, name):
        return self.places.get(name, str(name))

    def field_info(self, name):
        return {"pixel_size_um": self.sizes_um.get(name, self.pixel_size_um)}

    def read(self, name, channel):
        plane = self.planes[name, channel]
        if plane.dtype == object:
            raise BadInput(f"field {name}, channel {channel} is damaged")
        return plane


def nuclei(seed, sigma=1.5, side=256, number=20):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    plane = np.full((side, side), 100.0)
    for centre_y, centre_x in rng.uniform(20, side - 20, (number, 2)):
        plane[np.hypot(y - centre_y, x - centre_x) < 11] = 800
    return rng.poisson(gaussian_filter(plane, sigma)).astype(np.uint16)


def plate_of(*planes, channel="DNA", **kwargs):
    return FakePlate(
        {(FieldName("A01", number), channel): plane for number, plane in enumerate(planes)}, **kwargs
    )


def faults(check):
    return {(fault.field, fault.fault) for fault in check.faults}


def test_a_sound_plate_has_no_faults_and_says_what_is_there():
    check = check_plate(plate_of(*(nuclei(seed) for seed in range(5))))
    assert (check.wells, check.fields, check.places, check.pixel_size_um) == (1, 5, 5, 0.5)
    assert check.field_px == ((256, 256),)
    assert (check.faults, check.problems, check.overlaps) == ((), (), ())
    (channel,) = check.channels
    assert (channel.channel, channel.dtype, channel.bits_used, channel.saturated) == (
        "DNA",
        "uint16",
        10,
        0.0,
    )
    assert channel.edge_width_px == pytest.approx(1.5, abs=0.3)


def test_empty_blurred_constant_and_unreadable_fields_are_named_with_the_reason():
    noise = np.random.default_rng(0).poisson(100, (256, 256)).astype(np.uint16)
    planes = [nuclei(0), noise, nuclei(2, sigma=6), np.full((256, 256), 7, np.uint16), np.array([[None]])]
    check = check_plate(plate_of(*planes, nuclei(5), nuclei(6)))
    assert faults(check) == {
        ("A01/1", "empty"),
        ("A01/2", "blurred"),
        ("A01/3", "constant"),
        ("A01/4", "unreadable"),
    }
    reasons = {fault.fault: fault.reason for fault in check.faults}
    assert "px wide" in reasons["blurred"]
    assert reasons["constant"] == "every pixel is 7"


def test_a_field_is_blurred_against_the_others_of_its_channel():
    check = check_plate(plate_of(*(nuclei(seed, sigma=1.5) for seed in range(5)), nuclei(9, sigma=3.5)))
    assert faults(check) == {("A01/5", "blurred")}
    alone = check_plate(plate_of(*(nuclei(seed, sigma=3.5) for seed in range(6))))
    assert faults(alone) == set()


@pytest.mark.parametrize(
    ("dtype", "ceiling", "bits"), [(np.uint8, 255, 8), (np.uint16, 4095, 12), (np.uint16, 65535, 16)]
)
def test_pixels_at_the_ceiling_of_the_camera_are_counted(dtype, ceiling, bits):
    plane = (nuclei(0) / 900 * ceiling * 0.8).clip(0, ceiling - 1).astype(dtype)
    plane[:16, :64] = ceiling
    check = check_plate(plate_of(plane))
    assert check.channels[0].saturated == pytest.approx(16 * 64 / 256**2)
    assert check.channels[0].bits_used == bits
    assert faults(check) == {("A01/0", "saturated")}


def test_the_brightest_pixel_alone_is_no_saturation():
    plane = nuclei(0)
    plane[plane == plane.max()] = 3000
    assert check_plate(plate_of(plane)).channels[0].saturated == 0.0


def test_a_dead_channel_and_contradictions_are_problems():
    dead = np.zeros((256, 256), np.uint16)
    small = nuclei(3)[:200]
    plate = plate_of(dead, dead, sizes_um={FieldName("A01", 1): 0.7})
    assert "DNA is dead: every pixel of every field is 0" in check_plate(plate).problems
    assert "fields disagree on the pixel size: 0.5 µm, 0.7 µm" in check_plate(plate).problems
    mixed = check_plate(plate_of(nuclei(1), small, nuclei(2).astype(np.float32)))
    assert "fields differ in size" in mixed.problems
    assert "DNA is stored in several types: float32, uint16" in mixed.problems


def test_time_points_are_counted_as_one_place_and_uneven_ones_are_a_problem():
    places = {FieldName("A01", 0): "p", FieldName("A01", 1): "p"}
    check = check_plate(plate_of(nuclei(0), nuclei(1), nuclei(2), places=places))
    assert check.places == 2
    assert "places have unequal numbers of time points: 1, 2" in check.problems


def test_overlapping_fields_are_listed_with_their_offset():
    big = nuclei(4, side=512, number=80)
    check = check_plate(plate_of(big[:300, :300], big[:300, 120:420], nuclei(8)[:256, :256]))
    (found,) = check.overlaps
    assert (found.first, found.second) == ("A01/0", "A01/1")
    assert (found.dy_px, found.dx_px) == pytest.approx((0, 120), abs=1)
    assert any(line.startswith("overlap: A01/0 and A01/1 share 60%") for line in check.lines())


def test_the_record_is_plain_json_and_reads_back():
    check = check_plate(plate_of(nuclei(0), nuclei(1)))
    assert PlateCheck.model_validate(json.loads(check.model_dump_json())) == check
    assert check.lines()[0] == "fake: 1 wells, 2 fields of 256 × 256 px, 0.5 µm a pixel"


def test_a_real_plate_tells_the_shift_of_its_channels(shared_data, tmp_path):
    source = shared_data / "scratch-assay"
    rows = (
        pd.read_csv(source / "manifest.csv")
        .query("field in (4, 7)")
        .assign(t=lambda table: table.field, field=0)
    )
    rows["path"] = [str(source / path) for path in rows.path]
    (tmp_path / "images").mkdir()
    rows.drop(columns="z").to_csv(tmp_path / "images" / "manifest.csv", index=False)
    check = check_plate(import_plate(tmp_path / "images", tmp_path / "plate.zarr"))
    assert (check.fields, check.places, check.pixel_size_um) == (2, 1, 0.619)
    assert [(found.label_free, found.stained, found.reliable) for found in check.shifts] == [
        ("OBLIQUE", "DNA", True)
    ] * 2
    assert all(max(abs(found.dy_px), abs(found.dx_px)) < 1.5 for found in check.shifts)
    assert check.overlaps == ()
