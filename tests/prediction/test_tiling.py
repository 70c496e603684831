"""Tiles neither show nor change anything; the thesis' way of tiling does."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis.strategies import integers, sampled_from

from unstained.errors import BadSettings
from unstained.networks.unet import UNet, UNetSettings
from unstained.prediction.tiling import THESIS_TILING, Tiling, predict_outputs, predict_tiled

SHAPE = UNetSettings(width=4, depth=2, batch_norm=True, outputs=2)


@pytest.fixture(scope="module")
def network() -> UNet:
    """Random weights, and batch norm with statistics of its own, as after training."""
    torch.manual_seed(0)
    network = UNet(SHAPE)
    with torch.no_grad():
        for _ in range(3):
            network(torch.randn(2, 1, 64, 64) * 2 + 1)
    return network.eval()


def as_function(network: UNet):
    def predict(window):
        with torch.inference_mode():
            return network(torch.from_numpy(np.ascontiguousarray(window))[None])[0].numpy()

    return predict


def whole(shape: tuple[int, int]) -> Tiling:
    return Tiling.for_network(SHAPE, max(shape) + 3 * SHAPE.halo)


def field(rows: int, columns: int) -> np.ndarray:
    return np.random.default_rng(rows * 1000 + columns).normal(size=(rows, columns)).astype(np.float32)


@settings(max_examples=40, deadline=None)
@given(
    rows=integers(1, 300),
    columns=integers(1, 300),
    tile=sampled_from([16, 48, 64, 160]),
    cut=integers(0, 2),
)
def test_tiling_neither_adds_nor_loses_light(rows, columns, tile, cut):
    """With a network that changes nothing, the stitched field is the field, and a constant is constant."""
    halo = 16 * min(cut, (tile - 1) // 32)
    plane = field(rows, columns)
    for tiling in (Tiling(tile=tile, halo=halo), Tiling(tile=tile, halo=min(cut, 7), mode="centre")):
        stitched = predict_tiled(plane, lambda window: window, tiling)
        np.testing.assert_array_equal(stitched, plane[None])


@settings(max_examples=25, deadline=None)
@given(rows=integers(1, 170), columns=integers(60, 170), tile=integers(20, 40))
def test_tiled_equals_whole(network, rows, columns, tile):
    """Any size, with batch norm and random weights: within 1e-5 of the range."""
    plane = field(rows, columns)
    one_pass = predict_tiled(plane, as_function(network), whole(plane.shape))
    tiling = Tiling.for_network(SHAPE, 4 * tile)
    tiled = predict_tiled(plane, as_function(network), tiling)
    assert one_pass.shape == tiled.shape == (2, rows, columns)
    assert np.abs(tiled - one_pass).max() < 1e-5 * np.ptp(one_pass)


def test_the_thesis_network_tiled_equals_whole():
    torch.manual_seed(1)
    shape = UNetSettings(width=2)
    predict = as_function(UNet(shape).eval())
    plane = field(515, 470)
    one_pass = predict_tiled(plane, predict, Tiling.for_network(shape, 1024))
    tiled = predict_tiled(plane, predict, Tiling.for_network(shape, 1))
    assert Tiling.for_network(shape, 1).step < 470
    assert np.abs(tiled - one_pass).max() < 1e-4 * np.ptp(one_pass)


def test_a_halo_too_short_shows(network):
    """The test above can fail: with half the halo, the difference is there."""
    plane = field(160, 160)
    one_pass = predict_tiled(plane, as_function(network), whole(plane.shape))
    short = Tiling(tile=32, halo=4, multiple=SHAPE.multiple)
    tiled = predict_tiled(plane, as_function(network), short)
    assert np.abs(tiled - one_pass).max() > 1e-3 * np.ptp(one_pass)


def test_a_multiple_of_the_pooling_goes_through_unchanged(network):
    """No padding, nothing cropped: the network's own output."""
    plane = field(64, 96)
    direct = as_function(network)(plane[None])
    np.testing.assert_array_equal(predict_tiled(plane, as_function(network), whole(plane.shape)), direct)


def test_what_is_missing_to_a_multiple_is_mirrored():
    """Beyond the edge the network sees the field's mirror image, not darkness."""
    seen = []
    plane = field(10, 23)
    predict_tiled(plane, lambda window: seen.append(window) or window, Tiling())
    mirrored = np.concatenate([plane, plane[-2:-8:-1]])
    np.testing.assert_array_equal(seen, [[np.hstack([mirrored, mirrored[:, -2:-11:-1]])]])


def test_centre_crops_of_the_thesis_differ_from_one_pass(network):
    plane = field(300, 300)
    one_pass = predict_tiled(plane, as_function(network), whole(plane.shape))
    cropped = predict_tiled(plane, as_function(network), THESIS_TILING)
    assert cropped.shape == one_pass.shape
    assert np.abs(cropped - one_pass).max() > 1e-3 * np.ptp(one_pass)


def test_the_thesis_cuts_windows_of_256_px_every_226_px():
    seen = []

    def predict(window):
        seen.append((window.shape, int(window[0, 15, 15])))
        return window

    plane = np.add.outer(np.arange(500) * 1000, np.arange(300)).astype(np.float32)
    predict_tiled(plane, predict, THESIS_TILING)
    assert seen[:3] == [((1, 256, 256), 0), ((1, 256, 256), 226), ((1, 256, 256), 226_000)]
    assert len(seen) == 6


def test_coarser_outputs_join_up_too(network):
    """The bottleneck of tiles is that of one pass."""

    def predict(window):
        with torch.inference_mode():
            levels = network.encode(torch.from_numpy(np.ascontiguousarray(window))[None])
            return [network.decode(levels)[0].numpy(), levels[-1][0].numpy()]

    plane = field(131, 150)
    stains, bottleneck = predict_outputs(plane, predict, whole(plane.shape))
    tiled_stains, tiled_bottleneck = predict_outputs(plane, predict, Tiling.for_network(SHAPE, 112))
    assert bottleneck.shape == tiled_bottleneck.shape == (16, 33, 38)
    np.testing.assert_allclose(tiled_bottleneck, bottleneck, atol=1e-5)
    np.testing.assert_allclose(tiled_stains, stains, atol=1e-5)


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"tile": 224, "halo": 112}, "larger than two halos"),
        ({"tile": 250, "halo": 0}, "multiple of 16"),
        ({"tile": 256, "halo": 15}, "multiple of 16"),
        ({"tile": 256, "halo": 16, "multiple": 32}, "multiple of 32"),
    ],
)
def test_tilings_that_would_not_be_exact_are_refused(values, fault):
    with pytest.raises(BadSettings, match=fault):
        Tiling.checked(values)
