"""A large field is worked on by parts: the parts don't show, and memory hardly knows the field's size."""

import json
import subprocess
import sys

import numpy as np
import pytest
from scipy.ndimage import shift

from unstained.networks import normalisation
from unstained.networks.normalisation import Normalisation, percentiles
from unstained.networks.resampling import network_plane, resample
from unstained.prediction import grids
from unstained.prediction.engine import Engine


def field(rows: int, columns: int, dtype: str = "uint16") -> np.ndarray:
    y, x = np.mgrid[:rows, :columns]
    noise = np.random.default_rng(rows).integers(0, 300, (rows, columns))
    return (2000 + 800 * np.sin(y / 9) * np.cos(x / 13) + 2 * y + noise).astype(dtype)


@pytest.fixture
def by_parts(monkeypatch):
    """Give a function after which fields are worked on a few rows at a time."""
    return lambda: monkeypatch.setattr(normalisation, "BAND_PX", 700)


@pytest.mark.parametrize("percents", [(1, 50, 99), (0, 12.3, 100), (33.3,)])
@pytest.mark.parametrize("values", [
    np.random.default_rng(0).normal(size=(41, 30)), np.zeros((3, 3)), np.array([[-0.5]]),
    np.repeat([[-1e30, -1.0, 0.0, 2.0, 1e-30]], 7, axis=0), field(50, 60) - 2000.0,
])  # fmt: skip
def test_percentiles_by_parts_are_numpys(values, percents):
    plane = values.astype(np.float32)
    found = percentiles(lambda: np.array_split(plane, 3), plane.size, percents)
    np.testing.assert_allclose(found, np.percentile(plane, percents), rtol=1e-6, atol=1e-37)


@pytest.mark.parametrize("dtype", ["uint16", "float32", ">u2"])
@pytest.mark.parametrize("settings", [{}, {"flatten": 0}, {"contrasts": (0.1, 0.2, 0.3)}])
@pytest.mark.parametrize("zoom", [1.0, 0.6, 1.7])
def test_what_a_network_sees_is_the_same_by_parts(by_parts, dtype, settings, zoom):
    plane = field(131, 90, dtype)
    whole = network_plane(plane, Normalisation(**settings), zoom)
    by_parts()
    np.testing.assert_allclose(network_plane(plane, Normalisation(**settings), zoom), whole, atol=1e-5)


@pytest.mark.parametrize("shape", [(50, 71), (200, 130), (131, 40)])
def test_resampling_is_the_same_by_parts(by_parts, shape):
    plane = field(131, 90, "float32")
    whole = resample(plane, shape)
    by_parts()
    np.testing.assert_allclose(resample(plane, shape), whole, rtol=1e-6)


@pytest.mark.parametrize("offset_px", [(0.0, 0.0), (1.3, -2.6), (-9.5, 4.0), (30.2, 0.1), (-0.12, 0.02)])
def test_a_stain_moved_by_parts_is_moved_as_a_whole(by_parts, offset_px):
    by_parts()
    plane = field(131, 90, "float32")
    expected = shift(plane, offset_px, order=1, mode="nearest")
    grids.move(plane, np.array(offset_px))
    np.testing.assert_allclose(plane, expected, rtol=1e-6)


@pytest.mark.parametrize("card", [
    {"offsets_px": ((1.3, -2.6),)}, {"working_scale": 0.7}, {"light_deg": 0.0, "average_flips": True},
])  # fmt: skip
def test_a_prediction_is_the_same_by_parts(by_parts, random_model, card):
    plane = field(150, 121)
    model = random_model(**card)
    whole = Engine(model).predict(plane, 0.5)
    with_embedding = Engine(model).predict_with_embedding(plane, 0.5).stains
    np.testing.assert_allclose(with_embedding, whole, rtol=1e-5, atol=1e-3 * np.ptp(whole))
    by_parts()
    found = Engine(model, memory_gib=1e-4).predict(plane, 0.5)
    assert np.abs(found - whole).max() < 1e-4 * np.ptp(whole)


PEAK = """
import json, sys
import numpy as np, torch
from unstained.networks.bundle import Model, ModelCard
from unstained.networks.normalisation import StainScale
from unstained.networks.unet import UNet, UNetSettings
from unstained.prediction.engine import Engine

def peak_gib():
    line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    return int(line.split()[1]) / 2**20

torch.set_num_threads(1)
network = UNetSettings(width=4, batch_norm=True)
card = ModelCard(name="t", stains=("nuclei",), input="TL", targets=("DNA",), scales=(StainScale(gain=2),),
                 network=network, offsets_px=((0.4, -0.3),))
model = Engine(Model(card, UNet(network).eval()), quiet=True, memory_gib=0.25)
model.predict(np.zeros((64, 64), np.uint16))
before = peak_gib()
side = int(sys.argv[1])
model.predict(np.random.default_rng(0).integers(0, 4000, (side, side), dtype=np.uint16))
print(json.dumps([before, peak_gib()]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_a_stitched_field_needs_itself_its_stain_and_the_networks_share():
    """8192² px within 1.5 GiB in all: .125 GiB of pixels, .25 of stain, .25 for the network, libraries."""
    told = subprocess.run([sys.executable, "-c", PEAK, "8192"], check=True, capture_output=True, text=True)
    before, peak = json.loads(told.stdout.splitlines()[-1])
    assert peak < 1.5
    assert peak - before < 0.125 + 0.25 + 0.25 + 0.25
