"""Losses have the values that their formulas say."""

import pytest
import torch

from unstained.errors import BadSettings
from unstained.training.losses import (
    bce,
    correlations,
    gradient,
    mse,
    named_loss,
    pearson,
    pooled_pearson,
)


@pytest.fixture
def real() -> torch.Tensor:
    return torch.rand(3, 2, 16, 16, generator=torch.Generator().manual_seed(0))


def test_pearson_ignores_gain_and_offset_and_knows_the_sign(real: torch.Tensor) -> None:
    assert pearson(3 * real - 7, real).item() == pytest.approx(0, abs=1e-4)
    assert pearson(-real, real).item() == pytest.approx(1, abs=1e-4)


def test_pearson_is_half_without_relation() -> None:
    ramp = torch.linspace(-1, 1, 16).expand(1, 1, 16, 16)
    assert pearson(ramp, ramp.transpose(2, 3)).item() == pytest.approx(0.5, abs=1e-5)


def test_correlation_agrees_with_torch(real: torch.Tensor) -> None:
    other = torch.rand(real.shape, generator=torch.Generator().manual_seed(1))
    r, contrast = correlations(other, real)
    expected = torch.corrcoef(torch.stack([other[1, 1].flatten(), real[1, 1].flatten()]))[0, 1]
    assert r[1, 1].item() == pytest.approx(expected.item(), abs=1e-4)
    assert contrast.sum() == 6


def test_constant_crops_are_skipped(real: torch.Tensor) -> None:
    flat = real.clone()
    flat[0] = 0.3
    predicted = -real
    assert pearson(predicted, flat).item() == pytest.approx(1, abs=1e-4)
    assert pearson(predicted, torch.zeros_like(real)).item() == 0


def test_pearson_of_a_constant_prediction_has_a_gradient_without_nan(real: torch.Tensor) -> None:
    predicted = torch.zeros_like(real, requires_grad=True)
    pearson(predicted, real).backward()
    assert predicted.grad is not None
    assert torch.isfinite(predicted.grad).all()


def test_pooled_pearson_is_the_correlation_over_all_crops_of_a_stain(real: torch.Tensor) -> None:
    other = real + torch.rand(real.shape, generator=torch.Generator().manual_seed(1))
    r = [torch.corrcoef(torch.stack([other[:, i].flatten(), real[:, i].flatten()]))[0, 1] for i in (0, 1)]
    assert pooled_pearson(other, real).item() == pytest.approx((2 - sum(r).item()) / 4, abs=1e-5)
    brighter = torch.arange(3).view(3, 1, 1, 1) * 10.0  # crops of unlike brightness, each predicted as flat
    assert pooled_pearson(brighter.expand_as(real), real + brighter).item() < 0.01


def test_sums_weigh_their_parts(real: torch.Tensor) -> None:
    predicted = real.flip(-1)
    total = named_loss("mse+0.5*pearson")(predicted, real)
    assert total.item() == pytest.approx((mse(predicted, real) + 0.5 * pearson(predicted, real)).item())
    assert mse(torch.full((1, 1, 2, 2), 3.0), torch.ones(1, 1, 2, 2)).item() == 4
    assert bce(torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2)).item() == pytest.approx(0.6931, abs=1e-4)


@pytest.mark.parametrize("name", ["mae", "mse+", "x*mse", "-1*mse", "mse+0*pearson", "nan*mse", "inf*mse"])
def test_unknown_losses_are_refused_in_one_line(name: str) -> None:
    with pytest.raises(BadSettings, match="is not a sum of losses") as caught:
        named_loss(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("weight", [2, 5, 10])
def test_missing_signal_costs_more_than_extra_signal(weight: int) -> None:
    zero, signal = torch.zeros(1, 1, 4, 4), torch.full((1, 1, 4, 4), 3.0)
    loss = named_loss(f"asymmetric{weight}")
    assert loss(signal, zero).item() == pytest.approx(9)
    assert loss(zero, signal).item() == pytest.approx(9 * weight)
    assert loss(signal, signal).item() == 0


def test_the_gradient_loss_sees_slopes_alone(real: torch.Tensor) -> None:
    ramp = torch.arange(16.0).expand(1, 1, 16, 16)
    assert gradient(real + 5, real).item() == pytest.approx(0, abs=1e-6)
    assert gradient(3 * ramp, ramp).item() == pytest.approx(2)
    assert gradient(ramp, -ramp.transpose(2, 3)).item() == pytest.approx(2)
