"""How weights move: Muon, for few steps on few images, and PyTorch's own optimisers by name."""

from collections.abc import Callable, Iterable
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adadelta, AdamW, Optimizer

OptimiserName: TypeAlias = Literal["muon", "adamw", "sgd", "adadelta"]

LEARNING_RATES: dict[OptimiserName, float] = {"muon": 0.02, "adamw": 3e-3, "sgd": 0.05, "adadelta": 1.0}
"""What each optimiser takes where no learning rate is given; a peak, but for adadelta, which keeps it."""

POLAR_STEPS = 5
POLAR_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
VECTOR_SHARE = 0.15


class Muon(Optimizer):
    """Steps of momentum, orthogonalised: every direction of a weight matrix moves equally far.

    A convolution (out in Y X) is taken as a matrix (out, in·Y·X). Biases and batch-norm weights act like
    diagonal matrices, whose orthogonal factor is the sign; their steps are `VECTOR_SHARE` as long.
    Jordan et al. 2024, https://kellerjordan.github.io/posts/muon. `torch.optim.Muon` takes no convolutions,
    and its bfloat16 iteration lasts longer than all else in a step on a CPU without bfloat16.
    """

    def __init__(
        self, weights: Iterable[nn.Parameter], lr: float, momentum: float = 0.95, weight_decay: float = 0.0
    ) -> None:
        super().__init__(weights, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move all weights once; gives what `closure` gives."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._move(weight, group)
        return loss

    def _move(self, weight: Any, group: dict[str, Any]) -> None:
        gradient, state = weight.grad, self.state[weight]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(weight)
        momentum = state["momentum"].lerp_(gradient, 1 - group["momentum"])
        ahead = gradient.lerp(momentum, group["momentum"])  # Nesterov's
        if weight.ndim > 1:
            weight.mul_(1 - group["lr"] * group["weight_decay"])
            matrix = ahead.flatten(1)
            longer = max(1.0, matrix.shape[0] / matrix.shape[1]) ** 0.5
            weight.add_(polar_factor(matrix).view_as(weight), alpha=-group["lr"] * longer)
        else:
            weight.add_(ahead.sign(), alpha=-group["lr"] * VECTOR_SHARE)


def polar_factor(matrix: Tensor) -> Tensor:
    """Give roughly the nearest orthogonal matrix (rows columns): singular values end between 0.7 and 1.2.

    Jordan's quintic Newton–Schulz iteration, done on the smaller Gram matrix G = M Mᵀ: each round multiplies
    M by P = aI + bG + cG², so that G becomes PGP; the long M is multiplied once, at the end.
    """
    if matrix.shape[0] > matrix.shape[1]:
        return polar_factor(matrix.T).T
    a, b, c = POLAR_COEFFICIENTS
    unit = matrix / matrix.norm().clamp(min=1e-12)
    gram = unit @ unit.T
    identity = torch.eye(len(gram), device=gram.device, dtype=gram.dtype)
    product = identity
    for _ in range(POLAR_STEPS):
        factor = a * identity + b * gram + c * gram @ gram
        product = factor @ product
        gram = factor @ gram @ factor
    polar: Tensor = product @ unit
    return polar


def make_optimiser(
    name: OptimiserName, weights: Iterable[nn.Parameter], learning_rate: float | None, weight_decay: float
) -> Optimizer:
    """Make an optimiser by name; without a learning rate it takes its own."""
    rate = LEARNING_RATES[name] if learning_rate is None else learning_rate
    match name:
        case "muon":
            return Muon(weights, rate, weight_decay=weight_decay)
        case "adamw":
            return AdamW(weights, lr=rate, weight_decay=weight_decay)
        case "sgd":
            return SGD(weights, lr=rate, momentum=0.9, nesterov=True, weight_decay=weight_decay)
        case "adadelta":
            return Adadelta(weights, lr=rate, rho=0.95, weight_decay=weight_decay)
