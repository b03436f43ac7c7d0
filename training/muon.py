"""Muon: momentum made orthogonal (Jordan et al. 2024), with AdamW for what is no matrix."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from training.common import reduces

#: Coefficients of the quintic Newton-Schulz step, and how many are taken.
_A, _B, _C = 3.4445, -4.7750, 2.0315
_STEPS = 5


def orthogonal(matrix: torch.Tensor) -> torch.Tensor:
    """The nearest matrix with singular values of about 1; `matrix` is (rows, columns)."""
    wide = matrix.shape[0] <= matrix.shape[1]
    x: torch.Tensor = matrix if wide else matrix.T
    x = (x / (x.norm() + 1e-7)).to(torch.bfloat16 if reduces(matrix.device) else torch.float32)
    for _ in range(_STEPS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=_B, alpha=_C), x, beta=_A)
    return (x if wide else x.T).to(matrix.dtype)


class Muon(torch.optim.Optimizer):
    """Updates weights of two and more dimensions, convolutions as (out, in x height x width)."""

    def __init__(
        self, parameters: Iterable[nn.Parameter], lr: float = 0.02, momentum: float = 0.95
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Take one step."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["momentum"] = torch.zeros_like(weight.grad)
                moving = state["momentum"].mul_(group["momentum"]).add_(weight.grad)
                update = weight.grad.add(moving, alpha=group["momentum"]).flatten(1)
                # Every entry moves by about the same, whatever the matrix's shape.
                scale = 0.2 * max(update.shape) ** 0.5
                weight.add_(orthogonal(update).view_as(weight), alpha=-group["lr"] * scale)


def with_adamw(
    weights: Iterable[nn.Parameter], rate: float, decay: float
) -> list[torch.optim.Optimizer]:
    """Muon for matrices and kernels, AdamW with a weight decay for all else."""
    known = list(weights)
    return [
        Muon([weight for weight in known if weight.ndim > 1], lr=rate),
        torch.optim.AdamW(
            [weight for weight in known if weight.ndim <= 1], lr=rate, weight_decay=decay
        ),
    ]
