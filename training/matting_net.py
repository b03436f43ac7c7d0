"""A small U-Net that separates the subject from the background."""

from __future__ import annotations

import torch
from torch import nn

WIDTHS = (16, 32, 56, 80, 112)
"""Feature channels at strides 2, 4, 8, 16 and 32."""
FULL = 12
"""Feature channels at the picture's own size."""
STRIDE = 2 ** len(WIDTHS)
"""What a picture's sides must be multiples of."""


def block(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """Convolution, batch norm, SiLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
        nn.BatchNorm2d(outputs, momentum=0.03),
        nn.SiLU(),
    )


class Up(nn.Module):
    """Brings a coarse level to the next finer one, whose own features it adds."""

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(coarse, fine, 1)
        self.mix = block(fine, fine)

    def forward(self, coarse: torch.Tensor, fine: torch.Tensor) -> torch.Tensor:
        """(N, coarse, h, w) and (N, fine, 2h, 2w) to (N, fine, 2h, 2w)."""
        grown = nn.functional.interpolate(
            self.reduce(coarse), scale_factor=2.0, mode="bilinear", align_corners=False
        )
        out: torch.Tensor = self.mix(fine + grown)
        return out


class MattingNet(nn.Module):
    """Pictures (N, 3, H, W) in 0..1, sides multiples of STRIDE, to logits (N, 1, H, W)."""

    def __init__(self) -> None:
        super().__init__()
        inputs = (3, *WIDTHS[:-1])
        self.down = nn.ModuleList(
            nn.Sequential(block(i, o, 2), block(o, o)) for i, o in zip(inputs, WIDTHS, strict=True)
        )
        self.up = nn.ModuleList(
            Up(coarse, fine) for coarse, fine in zip(WIDTHS[:0:-1], WIDTHS[-2::-1], strict=True)
        )
        self.detail = block(3, FULL)
        self.reduce = nn.Conv2d(WIDTHS[0], FULL, 1)
        self.head = nn.Sequential(block(FULL, FULL), nn.Conv2d(FULL, 1, 3, 1, 1))

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Logits in float32; their sigmoid is alpha."""
        centred = pictures - 0.5
        levels, x = [], centred
        for down in self.down:
            x = down(x)
            levels.append(x)
        for up, fine in zip(self.up, levels[-2::-1], strict=True):
            x = up(x, fine)
        grown = nn.functional.interpolate(
            self.reduce(x), scale_factor=2.0, mode="bilinear", align_corners=False
        )
        out: torch.Tensor = self.head(self.detail(centred) + grown).float()
        return out


class Alpha(nn.Module):
    """The network as it is exported: alpha instead of logits."""

    def __init__(self, model: MattingNet) -> None:
        super().__init__()
        self.model = model

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Alpha (N, 1, H, W) in 0..1."""
        out: torch.Tensor = self.model(pictures).sigmoid()
        return out
