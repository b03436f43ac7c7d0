"""What the detector is trained for: which cells answer for which box, and how well they do."""

from __future__ import annotations

import torch
from torch.nn import functional

from training.detector_net import STRIDES, Detector

Target = list[tuple[int, tuple[float, float, float, float]]]
SMALL, MEDIUM = 44, 96
"""Longest sides, in pixels, up to which a box belongs to stride 8 and to stride 16."""


def cells_of(height: int, width: int, device: torch.device) -> torch.Tensor:
    """Centre x, centre y and stride (cells, 3) in the order of the network's output."""
    levels = []
    for stride in STRIDES:
        y, x = torch.meshgrid(
            torch.arange(height // stride, device=device, dtype=torch.float32),
            torch.arange(width // stride, device=device, dtype=torch.float32),
            indexing="ij",
        )
        centres = (torch.stack((x, y), -1).reshape(-1, 2) + 0.5) * stride
        levels.append(functional.pad(centres, (0, 1), value=float(stride)))
    return torch.cat(levels)


def assign(corners: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
    """For each cell the number of the box it answers for, or -1 (N, cells).

    `corners` (N, boxes, 4) hold a picture's boxes, largest first; boxes of no size stand for
    none. Cells near the centre of a box answer, at the one level that fits its size; where two
    boxes claim a cell, the smaller has it.
    """
    low, high = corners[:, :, None, :2], corners[:, :, None, 2:]
    sides = high - low
    stride = cells[None, None, :, 2]
    longest = sides.amax(-1)
    level = torch.where(longest < SMALL, 8, torch.where(longest < MEDIUM, 16, 32))
    reach = torch.minimum(1.2 * cells[:, 2:], sides / 2 + 2)
    near = ((cells[None, None, :, :2] - (low + high) / 2).abs() < reach).all(-1)
    mine = near & (level == stride) & (longest > 0)
    numbers = torch.arange(1, corners.shape[1] + 1, device=corners.device)
    owner: torch.Tensor = (mine * numbers[None, :, None]).amax(1) - 1
    return owner


def iou(a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """IoU of paired boxes (N, 4), and its generalised form (Rezatofighi et al. 2019)."""
    inner = (
        (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp_min(0).prod(1)
    )
    union = (a[:, 2:] - a[:, :2]).clamp_min(0).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - inner
    hull = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(1)
    ratio = inner / union.clamp_min(1e-6)
    return ratio, ratio - (hull - union) / hull.clamp_min(1e-6)


def pad(targets: list[Target], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Corners (N, boxes, 4), largest first, and classes (N, boxes); missing boxes are zeros."""
    most = max(1, *(len(target) for target in targets))
    corners = torch.zeros(len(targets), most, 4)
    kinds = torch.zeros(len(targets), most, dtype=torch.long)
    for n, target in enumerate(targets):
        for i, (kind, box) in enumerate(sorted(target, key=lambda item: -_area(item[1]))):
            corners[n, i], kinds[n, i] = torch.tensor(box), kind
    return corners.to(device), kinds.to(device)


def _area(box: tuple[float, float, float, float]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def loss_of(model: Detector, pictures: torch.Tensor, targets: list[Target]) -> torch.Tensor:
    """Quality focal loss on classes (Li et al. 2020) and generalised IoU on boxes."""
    places, logits = model.raw(pictures)
    corners, kinds = pad(targets, pictures.device)
    owner = assign(corners, cells_of(pictures.shape[2], pictures.shape[3], pictures.device))
    image, cell = (owner >= 0).nonzero(as_tuple=True)
    number = owner[image, cell]
    ratio, general = iou(places[image, cell], corners[image, number])
    wanted = torch.zeros_like(logits)
    wanted[image, cell, kinds[image, number]] = ratio.detach().clamp_min(0.1)
    focal = (
        functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
        * (wanted - logits.sigmoid()).abs().square()
    )
    return (focal.sum() + 2.0 * (1 - general).sum()) / max(1, len(cell))
