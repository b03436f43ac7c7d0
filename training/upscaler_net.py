"""The upscaler: a fixed cubic enlargement and a small residual network's detail."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

WIDTH, BLOCKS = 40, 4


class Residual(nn.Module):
    """Two convolutions around an activation, added to the input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(width, width, 3, padding=1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Same shape out."""
        out: torch.Tensor = x + self.body(x)
        return out


def cubic_kernel(factor: int) -> torch.Tensor:
    """Catmull-Rom weights (factor * factor, 1, 5, 5) of each output pixel inside a source pixel."""
    rows = []
    for phase in range(factor):
        offset = (phase + 0.5) / factor - 0.5
        x = (torch.arange(-2, 3) - offset).abs()
        near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
        row = torch.where(x < 1, near, torch.where(x < 2, far, torch.zeros(())))
        rows.append(row / row.sum())
    table = torch.stack(rows)
    return torch.einsum("ik,jl->ijkl", table, table).reshape(factor * factor, 1, 5, 5)


class Upscaler(nn.Module):
    """Pictures (N, 3, h, w) to (N, 3, h*s, w*s): a fixed cubic enlargement plus learned detail.

    The enlargement keeps mean colours by construction and is plain convolution, so it is as fast as
    the rest; the untrained network is exactly that enlargement.
    """

    kernel: torch.Tensor

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.register_buffer("kernel", cubic_kernel(factor).repeat(3, 1, 1, 1))
        self.head = nn.Conv2d(3, WIDTH, 3, padding=1)
        self.body = nn.Sequential(*(Residual(WIDTH) for _ in range(BLOCKS)), nn.LeakyReLU(0.1))
        self.tail = nn.Conv2d(WIDTH, 3 * factor * factor, 3, padding=1)
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(self.tail.bias)  # type: ignore[arg-type]

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Enlarge; the result may leave 0..1 slightly."""
        with torch.autocast(pictures.device.type, enabled=False):
            padded = functional.pad(pictures, (2, 2, 2, 2), mode="replicate")
            base = functional.conv2d(padded, self.kernel, groups=3)
        detail = self.tail(self.body(self.head(pictures - 0.5)))
        return functional.pixel_shuffle(base + detail, self.factor)


class Clipped(nn.Module):
    """The upscaler as it is exported: output clipped to 0..1."""

    def __init__(self, model: Upscaler) -> None:
        super().__init__()
        self.model = model

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Enlarge and clip."""
        out: torch.Tensor = self.model(pictures).clamp(0, 1)
        return out
