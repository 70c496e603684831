"""FLOP of a network, counted by hand where it is small."""

import pytest

from unstained.cost.flop import forward_flop, step_flop
from unstained.networks.unet import UNetSettings


def test_flop_of_a_small_network_are_those_of_its_convolutions():
    # one halving, 2 and 4 filters; multiply-adds a pixel of the top, each two FLOP: down 9·(1·2 + 2·2);
    # below, a quarter as many pixels, 9·(2·4 + 4·4); the way up 4·2 (2×2 taps, each pixel has one); up
    # 9·(4·2 + 2·2); head 2·1
    by_hand = 2 * (9 * 6 + 9 * 24 / 4 + 4 * 2 + 9 * 12 + 2)
    assert forward_flop(UNetSettings(width=2, depth=1), 64) == pytest.approx(by_hand)


def test_a_step_takes_about_three_times_a_prediction_and_grows_with_the_batch():
    network = UNetSettings(width=8, depth=2, batch_norm=True)
    one = step_flop(network, 64, 1)
    assert one / (64**2 * forward_flop(network, 64)) == pytest.approx(3, rel=0.05)
    assert step_flop(network, 64, 4) == pytest.approx(4 * one)
