"""Trains the detector on rendered scenes, plain, blurred, and as the autoencoder gives them back.

Run `python -m training.detector`; it resumes by itself and writes runs/detector.onnx at the end.
"""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from training import data, half_size
from training.common import (
    RUNS,
    channels_last,
    log,
    parser,
    pick_device,
    reduced,
    to_tensor,
)
from training.data import PictureSet
from training.detector_eval import mean_average_precision
from training.detector_loss import Target, loss_of
from training.detector_net import Detector
from training.muon import with_adamw
from training.onnx_export import export
from training.scenes import CLASSES
from training.train_loop import TrainLoop

CHECKPOINT = RUNS / "detector.pt"
RATE = 2e-3
SIZES = (96, 128, 128, 160, 192, 192, 224)
"""Sides in pixels that a batch of squares is reduced to."""
SHORTER = 128
"""The shorter side of all other shapes: it makes the longer one a multiple of 32, too."""
SIDE = 192
"""What images are fitted to when the detector is used; a multiple of 32."""
QUARTER = 96
"""The side of a picture where four make a square."""
MOSAICS = ((2, 2), (2, 1), (1, 2))
"""Columns and rows of pictures that lie together, as wide and high images have room for more."""


class Scenes:
    """Random training batches: pictures of one shape with their boxes, randomly damaged."""

    def __init__(self, source: PictureSet, device: torch.device) -> None:
        self.source = source
        self.device = device
        self.plain = half_size.plain(source, device)
        self.decoded = half_size.decoded(source, device)

    def __len__(self) -> int:
        return len(self.source)

    def target(self, index: int, size: int, dx: float = 0.0, dy: float = 0.0) -> Target:
        """Class numbers and boxes of a picture whose shorter side has a size, moved."""
        k = size / self.source.side
        return [
            (CLASSES.index(name), (x0 * k + dx, y0 * k + dy, x1 * k + dx, y1 * k + dy))
            for name, (x0, y0, x1, y1) in self.source.boxes[index]
        ]

    def batch(self, count: int, rng: np.random.Generator) -> tuple[torch.Tensor, list[Target]]:
        """Single pictures at one of the sizes, or several squares together."""
        square = self.source.shape == "square"
        pool = self.decoded if rng.random() < 0.5 else self.plain
        chosen = np.sort(rng.integers(0, len(pool), count))
        pictures = to_tensor(pool[chosen], self.device)
        if square and rng.random() < 0.3:
            columns, rows = MOSAICS[rng.integers(len(MOSAICS))]
            pictures, targets = self.mosaic(pictures, chosen, columns, rows)
        else:
            size = int(rng.choice(SIZES)) if square else SHORTER
            pictures = resized(pictures, size)
            targets = [self.target(int(i), size) for i in chosen]
            if rng.random() < 0.5:
                pictures, targets = mirrored(pictures, targets)
        if rng.random() < 0.3:
            padded = functional.pad(pictures, (1, 1, 1, 1), mode="replicate")
            pictures = functional.avg_pool2d(padded, 3, 1)
        if rng.random() < 0.4:
            pictures = (pictures + 0.04 * rng.random() * torch.randn_like(pictures)).clamp(0, 1)
        pictures = pictures * float(rng.uniform(0.85, 1.0))
        return pictures.contiguous(memory_format=torch.channels_last), targets

    def mosaic(
        self, pictures: torch.Tensor, chosen: NDArray[np.int64], columns: int, rows: int
    ) -> tuple[torch.Tensor, list[Target]]:
        """Pages of several pictures side by side and above each other."""
        each, side = columns * rows, QUARTER if columns == rows else SIDE // 2
        small = resized(pictures, side)
        corners = [(x * side, y * side) for y in range(rows) for x in range(columns)]
        pages, targets = [], []
        for first in range(0, len(chosen) - each + 1, each):
            parts = torch.split(small[first : first + each], columns)
            pages.append(torch.cat([torch.cat(list(row), 2) for row in parts], 1))
            placed = zip(chosen[first : first + each], corners, strict=True)
            targets.append([t for i, at in placed for t in self.target(int(i), side, *at)])
        return torch.stack(pages), targets


def resized(pictures: torch.Tensor, size: int) -> torch.Tensor:
    """Pictures (N, 3, H, W) whose shorter side has a size."""
    k = size / min(pictures.shape[2:])
    sides = (round(pictures.shape[2] * k), round(pictures.shape[3] * k))
    return functional.interpolate(
        pictures, size=sides, mode="bilinear", antialias=True, align_corners=False
    )


def mirrored(pictures: torch.Tensor, targets: list[Target]) -> tuple[torch.Tensor, list[Target]]:
    """Left and right exchanged."""
    width = pictures.shape[3]
    turned: list[Target] = [
        [(kind, (width - x1, y0, width - x0, y1)) for kind, (x0, y0, x1, y1) in target]
        for target in targets
    ]
    return pictures.flip(3), turned


def export_onnx(model: Detector, path: Path) -> None:
    """Write the network with the metadata that ultralytics' exporter writes."""
    metadata = {
        "names": str(dict(enumerate(CLASSES))),
        "imgsz": str([SIDE, SIDE]),
        "stride": "32",
        "task": "detect",
        "license": "Apache-2.0",
    }
    names, axes = ("images", "output0"), ("height", "width", "cells")
    export(model.cpu().float().eval(), 3, SIDE, path, names, axes, metadata)


def main() -> None:
    """Train within the wall-clock budget, then export."""
    options = parser(__doc__, minutes=12, batch=24)
    options.set_defaults(data="poster")
    arguments = options.parse_args()
    device = pick_device(arguments.device, arguments.threads)
    shapes = [Scenes(source, device) for source in data.load_all(arguments.data)]
    torch.manual_seed(0)
    model = channels_last(Detector(len(CLASSES)).to(device)).train()
    optimisers = with_adamw(model.parameters(), RATE, decay=0)
    loop = TrainLoop(
        CHECKPOINT,
        arguments,
        device,
        {"model": model},
        optimisers,
        rate=RATE,
        weights=model.parameters(),
        clip=5.0,
    )
    rng, shape_rng = np.random.default_rng(loop.seed), random.Random(loop.seed)
    while loop.running:
        pictures, targets = data.pick(shapes, shape_rng).batch(arguments.batch, rng)
        with reduced(device):
            loss = loss_of(model, pictures, targets)
        loop.learn(loss)
        if loop.saved():
            score = mean_average_precision(model, device, SIDE)
            log("detector_held_out", step=loop.step, map50=score)
    if loop.is_main:
        export_onnx(model, RUNS / "detector.onnx")


if __name__ == "__main__":
    main()
