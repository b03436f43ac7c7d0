"""The upscaler: Lanczos' enlargement and a small residual network's detail."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

WIDTH, BLOCKS = 40, 4
SMALL = 4 / 255
"""Detail of this size is halved, and what is much smaller left out."""


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


def lanczos_kernel(factor: int) -> torch.Tensor:
    """Lanczos weights of three lobes (factor * factor, 1, 7, 7) for the outputs of a pixel."""
    rows = []
    for phase in range(factor):
        x = torch.arange(-3, 4) - ((phase + 0.5) / factor - 0.5)
        row = torch.where(x.abs() < 3, torch.sinc(x) * torch.sinc(x / 3), torch.zeros(()))
        rows.append(row / row.sum())
    table = torch.stack(rows)
    return torch.einsum("ik,jl->ijkl", table, table).reshape(factor * factor, 1, 7, 7)


class Upscaler(nn.Module):
    """Pictures (N, 3, h, w) to (N, 3, h*s, w*s): Lanczos' enlargement plus learned detail.

    The enlargement keeps mean colours by construction and is plain convolution, so it is as fast as
    the rest; the untrained network is all but that enlargement. Detail of a few levels is
    held back: on smooth pictures, where nothing is to be gained, Lanczos is left alone.
    """

    kernel: torch.Tensor

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor
        kernel = lanczos_kernel(factor).repeat(3, 1, 1, 1)
        self.register_buffer("kernel", kernel, persistent=False)
        self.head = nn.Conv2d(3, WIDTH, 3, padding=1)
        self.body = nn.Sequential(*(Residual(WIDTH) for _ in range(BLOCKS)), nn.LeakyReLU(0.1))
        self.tail = nn.Conv2d(WIDTH, 3 * factor * factor, 3, padding=1)
        nn.init.normal_(self.tail.weight, std=1e-3)
        nn.init.zeros_(self.tail.bias)  # type: ignore[arg-type]

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Enlarge; the result may leave 0..1 slightly."""
        with torch.autocast(pictures.device.type, enabled=False):
            padded = functional.pad(pictures, (3, 3, 3, 3), mode="replicate")
            base = functional.conv2d(padded, self.kernel, groups=3)
        detail = self.tail(self.body(self.head(pictures - 0.5))).float()
        square = detail.square()
        detail = detail * (square / (square + SMALL**2))
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
