"""Each part of the graph does what the function it is named after does."""

import numpy as np
import pytest
from scipy.fft import next_fast_len
from scipy.ndimage import shift

from unstained.exchange import fields, lights
from unstained.exchange.values import Graph
from unstained.networks import light, normalisation, resampling

runtime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")


@pytest.fixture(scope="module")
def plane(field):
    return field(83, 120).astype(np.float32)


def computed(part, plane: np.ndarray) -> np.ndarray:
    """Run one part of a graph on a plane (Y X)."""
    graph = Graph()
    image = graph.value("image")
    made = part(image)
    given = made if made.kind == "float32" else made.cast("float32")
    written = graph.finished((image, (1, 1, "Y", "X")), (given, ()), "made", {})
    session = runtime.InferenceSession(written, providers=["CPUExecutionProvider"])
    return np.squeeze(session.run(None, {"image": plane[None, None]})[0])


@pytest.mark.parametrize("zoom", [0.31, 0.5591643051508346, 0.9, 1.0, 1.7])
def test_resampling(plane, zoom):
    found = computed(lambda it: fields.resampled(it, fields.working_sides(fields.sides_of(it), zoom)), plane)
    expected = resampling.working_plane(plane, zoom)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_percentiles_are_numpy_s(plane):
    percents = (0.0, 1.0, 37.7, 50.0, 99.5, 100.0)
    for percent in percents:
        found = computed(lambda it, at=percent: fields.percentiles(it, (at,))[0], plane)
        assert found == pytest.approx(np.percentile(plane, percent), rel=1e-6)


@pytest.mark.parametrize("flatten", [0.01, 0.125, 1.0])
def test_slow_light(plane, flatten):
    found = computed(lambda it: fields.slow_light(it, flatten), plane)
    np.testing.assert_allclose(found, normalisation.slow_light(plane, flatten * 83), rtol=1e-5)


@pytest.mark.parametrize("contrasts", [None, (0.01, 0.02, 0.03), (0.01, 0.02, 9.0), (1.0, 2.0, 3.0)])
def test_normalisation(plane, contrasts):
    settings = normalisation.Normalisation(contrasts=contrasts)
    found = computed(lambda it: fields.normalised(it, settings), plane)
    expected = settings.apply(plane)
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.ptp(expected))


@pytest.mark.parametrize("turns", range(4))
def test_turning(plane, turns):
    found = computed(lambda it: fields.turned(it, it.whole(turns)), plane)
    np.testing.assert_array_equal(found, np.rot90(plane, turns))


@pytest.mark.parametrize("offset", [(0.0, 0.0), (1.17, -0.37), (-2.0, 0.5), (0.0, 3.0)])
def test_moving(plane, offset):
    found = computed(lambda it: fields.moved(it, offset), plane)
    np.testing.assert_allclose(found, shift(plane, offset, order=1, mode="nearest"), rtol=1e-5)


@pytest.mark.parametrize("shape", [(83, 120), (16, 32), (5, 1)])
def test_mirroring_to_a_multiple(plane, shape):
    part = plane[: shape[0], : shape[1]]
    margins = [(0, -side % 16) for side in shape]
    found = computed(lambda it: fields.mirrored_to(it, 16), part)
    np.testing.assert_array_equal(found, np.pad(part, margins, mode="reflect"))


def test_flipping(plane):
    np.testing.assert_array_equal(computed(lambda it: fields.flipped(it, (2, 3)), plane), plane[::-1, ::-1])
    np.testing.assert_array_equal(computed(lambda it: fields.flipped(it, (3,)), plane), plane[:, ::-1])


@pytest.mark.parametrize("turns", range(4))
def test_light(field, turns):
    seen = normalisation.Normalisation().apply(field(220, 260, turns))
    expected = light.quarter_turns(light.find_light(seen))
    assert computed(lambda it: lights.turns_of(it, 0.0), seen) == expected
    assert expected == -turns % 4


def test_lengths_of_fourier_transforms_are_scipy_s():
    lengths = np.array(lights.FAST_LENGTHS)
    for least in (1, 7, 97, 131, 1145 + 48, 2048 + 48, 100_000):
        assert lengths[lengths >= least].min() == next_fast_len(least, real=True)
