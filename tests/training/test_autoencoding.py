"""Training an autoencoder: it learns what a few patterns make, keeps its course, and can be drawn from."""

import numpy as np
import pytest
import torch

from unstained.errors import BadInput
from unstained.networks.autoencoder import AutoencoderSettings
from unstained.training.autoencoding import (
    LIMIT,
    AutoencodingSettings,
    draw_crops,
    encode_crops,
    restore_crops,
    train_autoencoder,
)

TINY = AutoencodingSettings(
    network=AutoencoderSettings(side_px=32, code=8, width=4, depth=3), epochs=30, early=2, learning_rate=3e-3
)


def toys(number: int, seed: int) -> np.ndarray:
    """Mix three smooth patterns at random: crops of three degrees of freedom."""
    y, x = np.mgrid[:32, :32] / 32
    patterns = np.stack([np.sin(2 * np.pi * y), np.cos(2 * np.pi * x), np.sin(2 * np.pi * (x + y))])
    weights = np.random.default_rng(seed).normal(0, 0.5, (number, 3))
    return np.einsum("np,pyx->nyx", weights, patterns).astype(np.float16)


@pytest.fixture(scope="module")
def learnt():
    return train_autoencoder(toys(96, 0), TINY, held_out=toys(24, 1))


def test_the_error_falls_also_on_crops_that_are_not_learnt_from(learnt):
    first, last = learnt.course[0], learnt.course[-1]
    assert [line.epoch for line in learnt.course] == list(range(1, 31))
    assert last.loss < 0.25 * first.loss
    assert last.held_out < 0.35 * float(np.var(toys(24, 1).astype(float)))
    restored = restore_crops(learnt.network, toys(24, 1))
    shown = np.clip(toys(24, 1), -LIMIT, LIMIT)
    assert np.mean((restored - shown) ** 2) == pytest.approx(last.held_out, rel=1e-3)


def test_the_early_state_is_that_after_its_epoch(learnt):
    shorter = train_autoencoder(toys(96, 0), TINY.updated(epochs=2))
    early, late, again = (
        encode_crops(network, toys(4, 2)) for network in (learnt.early, learnt.network, shorter.network)
    )
    np.testing.assert_array_equal(early, again)
    assert np.abs(early - late).max() > 0.1


def test_drawn_crops_follow_the_codes_they_are_drawn_from(learnt):
    rng = np.random.default_rng(0)
    same = np.tile(encode_crops(learnt.network, toys(1, 3)), (5, 1))
    for drawn in draw_crops(learnt.network, same, 3, rng):
        np.testing.assert_allclose(drawn, restore_crops(learnt.network, toys(1, 3))[0], atol=1e-4)
    codes = encode_crops(learnt.network, toys(96, 0))
    drawn = draw_crops(learnt.network, codes, 300, rng)
    assert drawn.std(axis=0).mean() == pytest.approx(toys(300, 4).astype(float).std(axis=0).mean(), rel=0.3)


def test_what_lies_beyond_the_limit_is_clipped(learnt):
    crops = toys(2, 5)
    crops[:, 3, 3] = LIMIT
    brighter = crops.copy()
    brighter[:, 3, 3] = 900
    np.testing.assert_array_equal(encode_crops(learnt.network, crops), encode_crops(learnt.network, brighter))


def test_of_many_crops_some_are_learnt_from_and_chance_outside_stays_as_it_was():
    few = TINY.updated(epochs=1, most_crops=10)
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    thinned, some = (train_autoencoder(crops, few) for crops in (toys(40, 0), toys(40, 0)[::4]))
    assert torch.equal(torch.rand(3), expected)
    assert thinned.course == some.course


def test_of_many_held_out_crops_some_tell_the_error():
    few = TINY.updated(epochs=1, most_crops=10)
    every, some = (train_autoencoder(toys(10, 0), few, held) for held in (toys(40, 1), toys(40, 1)[::4]))
    assert every.course == some.course


@pytest.mark.parametrize("shape", [(0, 32, 32), (4, 32, 16), (4, 16, 16)])
def test_crops_of_another_size_are_refused(shape):
    with pytest.raises(BadInput, match="32 px can't learn"):
        train_autoencoder(np.zeros(shape, np.float16), TINY)
