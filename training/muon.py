"""Muon: momentum made orthogonal (Jordan et al. 2024), with AdamW for what is no matrix."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from training.common import reduces

#: Coefficients of the quintic Newton-Schulz step, and how many are taken.
_A, _B, _C = 3.4445, -4.7750, 2.0315
_STEPS = 5


def orthogonal(matrices: torch.Tensor) -> torch.Tensor:
    """The nearest matrices with singular values of about 1; `matrices` are (N, rows, columns)."""
    wide = matrices.shape[1] <= matrices.shape[2]
    x: torch.Tensor = matrices if wide else matrices.mT
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    x = x.to(torch.bfloat16 if reduces(matrices.device) else torch.float32)
    for _ in range(_STEPS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=_B, alpha=_C), x, beta=_A)
    return (x if wide else x.mT).to(matrices.dtype)


class Muon(torch.optim.Optimizer):
    """Updates weights of two and more dimensions, convolutions as (out, in x height x width)."""

    def __init__(
        self, parameters: Iterable[nn.Parameter], lr: float = 0.02, momentum: float = 0.95
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Take one step, with all matrices of one shape at once."""
        for group in self.param_groups:
            alike: dict[tuple[int, int], list[nn.Parameter]] = {}
            for weight in group["params"]:
                if weight.grad is not None:
                    alike.setdefault(weight.flatten(1).shape, []).append(weight)
            for (rows, columns), weights in alike.items():
                updates = orthogonal(torch.stack(self._updates(weights, group["momentum"])))
                # Every entry moves by about the same, whatever the matrix's shape.
                updates *= group["lr"] * (-0.2 * max(rows, columns) ** 0.5)
                moves = [u.view_as(w) for u, w in zip(updates, weights, strict=True)]
                torch._foreach_add_([*weights], moves)

    def _updates(self, weights: list[nn.Parameter], momentum: float) -> list[torch.Tensor]:
        """The moving gradients (rows, columns), looked ahead (Nesterov)."""
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        for weight, gradient in zip(weights, gradients, strict=True):
            if not self.state[weight]:
                self.state[weight]["momentum"] = torch.zeros_like(gradient)
        moving = [self.state[weight]["momentum"] for weight in weights]
        torch._foreach_mul_(moving, momentum)
        torch._foreach_add_(moving, gradients)
        ahead = torch._foreach_add(gradients, moving, alpha=momentum)
        return [update.flatten(1) for update in ahead]


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
