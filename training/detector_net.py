"""A small anchor-free detector whose output has the YOLO-v8 export layout."""

from __future__ import annotations

import torch
from torch import nn

STRIDES = (8, 16, 32)
WIDTHS = (48, 80, 112)
HEAD = 48


def block(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """Convolution, batch norm, SiLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
        nn.BatchNorm2d(outputs, momentum=0.03),
        nn.SiLU(),
    )


class Head(nn.Module):
    """Decoupled branches: class logits (N, classes, h, w) and sides in strides (N, 4, h, w)."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.reduce = nn.Sequential(nn.Conv2d(width, HEAD, 1), nn.SiLU())
        self.classify = nn.Sequential(block(HEAD, HEAD), nn.Conv2d(HEAD, classes, 1))
        self.regress = nn.Sequential(block(HEAD, HEAD), nn.Conv2d(HEAD, 4, 1))
        nn.init.constant_(self.classify[-1].bias, -4.6)  # type: ignore[arg-type]

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Both branches in float32; sides are positive."""
        x = self.reduce(x)
        sides = self.regress(x).float()
        return self.classify(x).float(), nn.functional.softplus(sides + 1.0)


class Detector(nn.Module):
    """Pictures (N, 3, H, W) in 0..1, H and W multiples of 32, to (N, 4 + classes, cells)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        at8, at16, at32 = WIDTHS
        self.stem = nn.Sequential(block(3, 16, 2), block(16, 32, 2), block(32, 32))
        self.stage8 = nn.Sequential(block(32, at8, 2), block(at8, at8))
        self.stage16 = nn.Sequential(block(at8, at16, 2), block(at16, at16))
        self.stage32 = nn.Sequential(block(at16, at32, 2), block(at32, at32))
        self.from16 = nn.Conv2d(at16, at8, 1)
        self.from32 = nn.Conv2d(at32, at16, 1)
        self.heads = nn.ModuleList([Head(width, classes) for width in WIDTHS])

    def features(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Feature maps at strides 8, 16 and 32, each seeing the coarser ones."""
        at8 = self.stage8(self.stem(pictures))
        at16 = self.stage16(at8)
        at32 = self.stage32(at16)
        at16 = at16 + nn.functional.interpolate(self.from32(at32), scale_factor=2.0)
        at8 = at8 + nn.functional.interpolate(self.from16(at16), scale_factor=2.0)
        return at8, at16, at32

    def raw(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Boxes x0, y0, x1, y1 in pixels (N, cells, 4) and class logits (N, cells, classes)."""
        all_boxes, all_logits = [], []
        for head, stride, level in zip(self.heads, STRIDES, self.features(pictures), strict=True):
            logits, sides = head(level)
            x, y = cell_centres(level, stride)
            left, top, right, bottom = (sides * stride).unbind(1)
            boxes = torch.stack((x - left, y - top, x + right, y + bottom), dim=-1)
            all_boxes.append(boxes.flatten(1, 2))
            all_logits.append(logits.flatten(2).transpose(1, 2))
        return torch.cat(all_boxes, 1), torch.cat(all_logits, 1)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """cx, cy, width, height in pixels, then class probabilities."""
        boxes, logits = self.raw(pictures)
        x0, y0, x1, y1 = boxes.unbind(-1)
        place = torch.stack(((x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0), dim=1)
        return torch.cat((place, logits.sigmoid().transpose(1, 2)), dim=1)


def cell_centres(level: torch.Tensor, stride: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Pixel coordinates of a feature map's cells: x (1, w) and y (h, 1)."""
    y = (torch.arange(level.shape[2], device=level.device, dtype=torch.float32) + 0.5) * stride
    x = (torch.arange(level.shape[3], device=level.device, dtype=torch.float32) + 0.5) * stride
    return x[None, :], y[:, None]
