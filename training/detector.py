"""Trains the detector on rendered scenes, plain, blurred, and as the autoencoder gives them back.

Run `python -m training.detector`; it resumes by itself and writes runs/detector.onnx at the end.
"""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from training import autoencoder, data
from training.common import RUNS, Budget, load, log, parser, pick_device, save, to_tensor
from training.detector_eval import mean_average_precision
from training.detector_net import STRIDES, Detector
from training.onnx_export import export
from training.scenes import CLASSES

CHECKPOINT = RUNS / "detector.pt"
Target = list[tuple[int, tuple[float, float, float, float]]]


class Scenes:
    """Random training batches: pictures with their boxes, at random sizes, randomly damaged."""

    def __init__(self, name: str, device: torch.device) -> None:
        self.pictures, _ = data.load(name)
        self.boxes = json.loads((RUNS / f"{name}.json").read_text())["boxes"]
        self.device = device
        self.decoder: Any = autoencoder.trained(device) if autoencoder.CHECKPOINT.exists() else None

    def target(self, index: int, scale: float, dx: float = 0.0, dy: float = 0.0) -> Target:
        """Class numbers and boxes of a picture, scaled and moved."""
        found: Target = []
        for name, (x0, y0, x1, y1) in self.boxes[index]:
            found.append(
                (
                    CLASSES.index(name),
                    (x0 * scale + dx, y0 * scale + dy, x1 * scale + dx, y1 * scale + dy),
                )
            )
        return found

    @torch.no_grad()
    def batch(self, count: int, rng: np.random.Generator) -> tuple[torch.Tensor, list[Target]]:
        """Single pictures at 96..256 px, or four in a square."""
        chosen = rng.integers(0, len(self.pictures), count)
        pictures = to_tensor(self.pictures[np.sort(chosen)]).to(self.device)
        chosen = np.sort(chosen)
        if self.decoder is not None and rng.random() < 0.4:
            latents = self.decoder.encoder(pictures * 2 - 1)
            latents = latents + 0.15 * rng.random() * torch.randn_like(latents)
            pictures = ((self.decoder.decoder(latents) + 1) / 2).clamp(0, 1)
        if rng.random() < 0.3:
            return self.mosaic(pictures, chosen)
        size = int(rng.choice((96, 128, 128, 160, 192, 256)))
        pictures = functional.interpolate(
            pictures, size=size, mode="bilinear", antialias=True, align_corners=False
        )
        if rng.random() < 0.3:
            pictures = functional.avg_pool2d(
                functional.pad(pictures, (1, 1, 1, 1), mode="replicate"), 3, 1
            )
        if rng.random() < 0.4:
            pictures = (pictures + 0.04 * rng.random() * torch.randn_like(pictures)).clamp(0, 1)
        return pictures * float(rng.uniform(0.85, 1.0)), [
            self.target(int(i), size / 128) for i in chosen
        ]

    def mosaic(
        self, pictures: torch.Tensor, chosen: np.ndarray[tuple[int], np.dtype[np.int64]]
    ) -> tuple[torch.Tensor, list[Target]]:
        """Four pictures side by side at 96 px each."""
        small = functional.interpolate(
            pictures, size=96, mode="bilinear", antialias=True, align_corners=False
        )
        pages, targets = [], []
        for first in range(0, len(chosen) - 3, 4):
            a, b, c, d = small[first : first + 4]
            pages.append(torch.cat((torch.cat((a, b), 2), torch.cat((c, d), 2)), 1))
            corners = ((0, 0), (96, 0), (0, 96), (96, 96))
            targets.append(
                [
                    t
                    for i, (dx, dy) in enumerate(corners)
                    for t in self.target(int(chosen[first + i]), 0.75, dx, dy)
                ]
            )
        return torch.stack(pages), targets


def assign(targets: Target, cells: torch.Tensor, strides: torch.Tensor) -> torch.Tensor:
    """For each cell the number of the box it answers for, or -1: centre cells of one level."""
    owner = torch.full((len(cells),), -1, dtype=torch.long)
    order = sorted(range(len(targets)), key=lambda i: -_area(targets[i][1]))
    for number in order:
        x0, y0, x1, y1 = targets[number][1]
        side = max(x1 - x0, y1 - y0)
        level = 8 if side < 44 else 16 if side < 96 else 32
        near_x = (cells[:, 0] - (x0 + x1) / 2).abs() < torch.clamp(
            strides * 1.2, max=(x1 - x0) / 2 + 2
        )
        near_y = (cells[:, 1] - (y0 + y1) / 2).abs() < torch.clamp(
            strides * 1.2, max=(y1 - y0) / 2 + 2
        )
        owner[near_x & near_y & (strides == level)] = number
    return owner


def _area(box: tuple[float, float, float, float]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def iou(a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """IoU of paired boxes, and its generalised form (Rezatofighi et al. 2019)."""
    inner = (
        (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp_min(0).prod(1)
    )
    union = (a[:, 2:] - a[:, :2]).clamp_min(0).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - inner
    hull = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(1)
    ratio = inner / union.clamp_min(1e-6)
    return ratio, ratio - (hull - union) / hull.clamp_min(1e-6)


def loss_of(model: Detector, pictures: torch.Tensor, targets: list[Target]) -> torch.Tensor:
    """Quality focal loss on classes (Li et al. 2020) and generalised IoU on boxes."""
    boxes, logits = model.raw(pictures)
    height, width = pictures.shape[2:]
    grid = [
        ((x + 0.5) * s, (y + 0.5) * s, float(s))
        for s in STRIDES
        for y in range(height // s)
        for x in range(width // s)
    ]
    cells = torch.tensor(grid)
    wanted = torch.zeros_like(logits)
    box_loss, positives = boxes.sum() * 0, 0
    for n, target in enumerate(targets):
        owner = assign(target, cells[:, :2], cells[:, 2])
        mine = (owner >= 0).nonzero()[:, 0].to(boxes.device)
        if len(mine) == 0:
            continue
        number = owner[owner >= 0].to(boxes.device)
        truth = torch.tensor([box for _, box in target], device=boxes.device)[number]
        kind = torch.tensor([c for c, _ in target], device=boxes.device)[number]
        ratio, general = iou(boxes[n, mine], truth)
        wanted[n, mine, kind] = ratio.detach().clamp_min(0.1)
        box_loss = box_loss + (1 - general).sum()
        positives += len(mine)
    probability = logits.sigmoid()
    focal = (
        functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
        * (wanted - probability).abs().square()
    )
    return (focal.sum() + 2.0 * box_loss) / max(1, positives)


def main() -> None:
    """Train within the wall-clock budget, then export."""
    options = parser(__doc__, minutes=12, batch=16).parse_args()
    device = pick_device(options.device, options.threads)
    scenes = Scenes(options.data, device)
    model = Detector(len(CLASSES)).to(device).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-3)
    step, spent = 0, 0.0
    if (state := load(CHECKPOINT, options.fresh, device)) is not None:
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        step, spent = state["step"], state["spent"]
    budget = Budget(options.minutes, spent, flat=0.3)
    rng = np.random.default_rng(step)
    last = time.monotonic()
    while budget.progress < 1:
        for group in optimiser.param_groups:
            group["lr"] = 3e-3 * budget.scale
        loss = loss_of(model, *scenes.batch(options.batch, rng))
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimiser.step()
        step += 1
        if step % 50 == 0:
            log("detector", step=step, seconds=budget.spent, loss=loss.item())
        if time.monotonic() - last > 150 or budget.progress >= 1:
            last = time.monotonic()
            save(
                CHECKPOINT,
                {
                    "model": model.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "step": step,
                    "spent": budget.spent,
                },
            )
            log(
                "detector_held_out",
                step=step,
                map50=mean_average_precision(model, device, 128),
                map50_192=mean_average_precision(model, device, 192),
            )
    names = dict(enumerate(CLASSES))
    metadata = {
        "names": str(names),
        "imgsz": "[128, 128]",
        "stride": "32",
        "task": "detect",
        "license": "Apache-2.0",
    }
    export(
        model.cpu().eval(),
        3,
        192,
        RUNS / "detector.onnx",
        ("images", "output0"),
        ("height", "width", "cells"),
        metadata,
    )


if __name__ == "__main__":
    main()
