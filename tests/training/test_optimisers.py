"""Muon's steps against singular vectors and the published iteration."""

import numpy as np
import pytest
import torch
from torch import nn

from unstained.training.optimisers import LEARNING_RATES, VECTOR_SHARE, Muon, make_optimiser, polar_factor


@pytest.mark.parametrize("shape", [(16, 144), (40, 40), (144, 16), (1, 9)])
def test_the_polar_factor_is_nearly_the_orthogonal_matrix_of_the_singular_vectors(
    shape: tuple[int, int],
) -> None:
    matrix = torch.from_numpy(np.random.default_rng(0).normal(size=shape)).float()
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    found = polar_factor(1e4 * matrix)
    assert found.shape == shape
    # The same singular vectors, and values between .7 and 1.2 (Jordan et al. 2024), whatever the length.
    values = u.T @ found @ v.T
    assert torch.allclose(values, torch.diag(values.diag()), atol=2e-3)
    assert values.diag().min() > 0.65
    assert values.diag().max() < 1.25


def test_a_gradient_of_zero_stays_zero() -> None:
    assert torch.equal(polar_factor(torch.zeros(3, 5)), torch.zeros(3, 5))


def test_the_polar_factor_is_jordans_iteration() -> None:
    matrix = torch.from_numpy(np.random.default_rng(1).normal(size=(8, 20)))
    expected = matrix / matrix.norm()
    for _ in range(5):
        gram = expected @ expected.T
        expected = 3.4445 * expected + (-4.7750 * gram + 2.0315 * gram @ gram) @ expected
    assert torch.allclose(polar_factor(matrix), expected, atol=1e-10)


def test_a_first_step_moves_matrices_by_their_polar_factor_and_vectors_by_their_sign() -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(2, 36, 3)
    before = [weight.detach().clone() for weight in layer.parameters()]
    for weight in layer.parameters():
        weight.grad = torch.randn_like(weight)
    Muon(layer.parameters(), lr=0.1).step()
    kernel, bias = (after.detach() - then for after, then in zip(layer.parameters(), before, strict=True))
    expected = -0.1 * 2**0.5 * polar_factor(layer.weight.grad.flatten(1))  # 36 outputs, 18 inputs
    assert torch.allclose(kernel.flatten(1), expected, atol=1e-4)
    assert torch.allclose(bias, -0.1 * VECTOR_SHARE * layer.bias.grad.sign(), atol=1e-6)


@pytest.mark.parametrize("name", LEARNING_RATES)
def test_an_optimiser_takes_its_own_rate_unless_one_is_given(name: str) -> None:
    weights = [nn.Parameter(torch.zeros(2, 2))]
    own, given = (make_optimiser(name, weights, rate, 0.0) for rate in (None, 0.125))  # type: ignore[arg-type]
    assert own.param_groups[0]["lr"] == LEARNING_RATES[name]  # type: ignore[index]
    assert given.param_groups[0]["lr"] == 0.125
