"""The network is the thesis' to the weight, and reaches no further than it says."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis.strategies import integers
from torch import nn

from unstained.networks.unet import UNet, UNetSettings, weight_count


def test_weight_counts_are_the_published_ones():
    """SCIENCE §2: the thesis' network, and FRM's ending (LaChance & Cohen 2020)."""
    assert weight_count(UNet(UNetSettings())) == 1_940_817
    assert weight_count(UNet(UNetSettings(ending="frm"))) == 1_938_625


def test_bottleneck_of_a_256_px_crop_has_65536_numbers():
    network = UNet(UNetSettings()).eval()
    with torch.inference_mode():
        crop = torch.rand(1, 1, 256, 256)
        assert network.embed(crop).shape == (1, 256, 16, 16)
        assert network(crop).shape == (1, 1, 256, 256)
        assert torch.equal(network.encode(crop)[-1], network.embed(crop))


def test_weights_start_he_normal():
    """He et al. 2015: variance 2 / (inputs to one output), biases 0."""
    torch.manual_seed(0)
    convolution = UNet(UNetSettings()).down[4].second
    inputs = convolution.in_channels * 9
    assert convolution.weight.var().item() == pytest.approx(2 / inputs, rel=0.01)
    assert convolution.weight.mean().item() == pytest.approx(0, abs=3e-4)
    # Normal, not uniform: kurtosis 3 against 1.8.
    weights = convolution.weight.flatten()
    assert (weights**4).mean().item() / weights.var().item() ** 2 == pytest.approx(3, abs=0.05)
    assert torch.count_nonzero(convolution.bias) == 0


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_halo_bounds_how_far_a_pixel_reaches_and_is_no_longer_than_it_must_be(depth, monkeypatch):
    """The gradient of single output pixels, at every position relative to the pooling grid."""
    # A maximum has a gradient at one of its pixels alone; the mean shows all that can count.
    monkeypatch.setattr(nn.functional, "max_pool2d", nn.functional.avg_pool2d)
    network = UNet(UNetSettings(depth=depth, width=2, batch_norm=True)).eval().double()
    halo, multiple = network.settings.halo, network.settings.multiple
    plane = torch.randn(1, 1, 2 * halo + 2 * multiple, multiple, dtype=torch.double, requires_grad=True)
    stain = network(plane)[0, 0]
    reach = 0
    for row in range(halo, halo + multiple):
        (gradient,) = torch.autograd.grad(stain[row, 0], plane, retain_graph=True)
        touched = gradient[0, 0].abs().amax(1).nonzero()[:, 0]
        reach = max(reach, row - int(touched.min()), int(touched.max()) - row)
    assert halo - multiple < reach <= halo


def test_batch_norm_divides_by_the_root_of_the_variance():
    """The thesis' Eq. 16 lacks the square root; (x − µ) / √(σ² + ε) has unit variance."""
    network = UNet(UNetSettings(width=4, depth=1, batch_norm=True)).train()
    planes = torch.randn(4, 1, 32, 32) * 7 + 3
    normalised = network.down[0].first(planes)
    assert normalised.mean(dim=(0, 2, 3)).abs().max() < 1e-5
    np.testing.assert_allclose(normalised.var(dim=(0, 2, 3), unbiased=False).detach(), 1, rtol=1e-3)


def test_residual_blocks_add_their_input():
    torch.manual_seed(0)
    block = UNet(UNetSettings(width=4, depth=1, residual=True)).eval().down[0]
    nn.init.zeros_(block.second.weight)
    planes = torch.rand(1, 1, 8, 8)
    assert torch.allclose(block(planes), nn.functional.elu(block.skip(planes)))


def test_dropout_changes_training_alone():
    torch.manual_seed(0)
    network = UNet(UNetSettings(width=4, depth=2))
    planes = torch.rand(1, 1, 16, 16)
    assert not torch.equal(network.train()(planes), network(planes))
    assert torch.equal(network.eval()(planes), network(planes))


@settings(max_examples=10, deadline=None)
@given(rows=integers(1, 4), columns=integers(1, 4), depth=integers(1, 3), outputs=integers(1, 3))
def test_any_multiple_of_the_pooling_fits(rows, columns, depth, outputs):
    network = UNet(UNetSettings(width=2, depth=depth, outputs=outputs)).eval()
    side = network.settings.multiple
    planes = torch.rand(1, 1, rows * side, columns * side)
    assert network(planes).shape == (1, outputs, rows * side, columns * side)


def test_frm_ending_refuses_what_it_cannot_be():
    with pytest.raises(ValueError, match="one output"):
        UNetSettings(ending="frm", outputs=2)
