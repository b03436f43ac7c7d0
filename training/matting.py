"""Trains the matting network on rendered scenes and their exact masks.

Run `python -m training.matting`; it resumes by itself and writes runs/matting.onnx at the end.
Half of what it sees has passed the autoencoder with noise on its latents, so that its edges are
those of generated pictures; all of it is blurred, compressed, noisy or recoloured at random.
"""

from __future__ import annotations

import io
import os
import random
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional

from training import data, half_size
from training.common import (
    RUNS,
    channels_last,
    log,
    parser,
    pick_device,
    reduced,
    sheet,
    to_bytes,
    to_tensor,
)
from training.data import PictureSet
from training.matting_net import Alpha, MattingNet
from training.muon import with_adamw
from training.onnx_export import export
from training.silhouettes import subject_mask
from training.train_loop import TrainLoop

CHECKPOINT = RUNS / "matting.pt"
RATE = 2e-3
SIDES = (96, 128, 128, 160, 192, 256)
"""Shorter sides in pixels that batches of squares have."""
OTHER_SIDE = 128
"""The shorter side of all other shapes: it makes the longer one a multiple of 32, too."""
SIDE = 256
"""What images are fitted to when the network is used; a multiple of 32."""
USUAL = 128
"""A batch has as many pixels as `--batch` pictures of this side: of larger ones there are fewer."""
LIKELY = 0.5
"""From this alpha on a pixel is the subject's where an IoU is counted."""


class Cutouts:
    """Random training batches of one shape: pictures and their masks, randomly damaged."""

    def __init__(self, source: PictureSet, device: torch.device) -> None:
        self.source, self.device = source, device
        self.masks = masks(source)
        self.decoded = half_size.decoded(source, device, half=False)

    def __len__(self) -> int:
        return len(self.source)

    def batch(self, count: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Pictures (N, 3, H, W) and coverage (N, 1, H, W), both in 0..1."""
        side = int(rng.choice(SIDES)) if self.source.shape == "square" else OTHER_SIDE
        pool = self.decoded if rng.random() < 0.5 else self.source.pictures
        chosen = np.sort(rng.integers(0, len(pool), max(2, count * USUAL**2 // side**2)))
        pictures = to_tensor(pool[chosen], self.device)
        coverage = to_tensor(self.masks[chosen][..., None], self.device)
        if rng.random() < 0.5:
            pictures, coverage = pictures.flip(3), coverage.flip(3)
        k = side / self.source.side
        sides = (round(pictures.shape[2] * k), round(pictures.shape[3] * k))
        pictures, coverage = resized(pictures, sides), resized(coverage, sides)
        return damaged(pictures, rng).contiguous(memory_format=torch.channels_last), coverage


def masks(source: PictureSet) -> NDArray[np.uint8]:
    """The coverage (N, height, width) of every picture of a set, 0..255; made where missing."""
    path = RUNS / f"{source.name}.masks.npy"
    if not path.exists():
        temporary = path.with_name(f"{path.stem}.part.npy")
        shape = source.pictures.shape[:3]
        out = np.lib.format.open_memmap(temporary, "w+", np.uint8, shape)
        for index in range(len(source)):
            out[index] = np.asarray(subject_mask(source.scene(index), source.side))
        out.flush()
        os.replace(temporary, path)
    loaded: NDArray[np.uint8] = np.load(path, mmap_mode="r")
    return loaded


def resized(pictures: torch.Tensor, sides: tuple[int, int]) -> torch.Tensor:
    """Pictures (N, C, H, W) at another height and width."""
    if tuple(pictures.shape[2:]) == sides:
        return pictures
    return functional.interpolate(
        pictures, size=sides, mode="bilinear", antialias=True, align_corners=False
    )


def damaged(pictures: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Pictures (N, 3, H, W) as scaling, saving, cameras and other palettes leave them."""
    if rng.random() < 0.25:  # enlarged from something smaller
        sides = pictures.shape[2:]
        pictures = functional.interpolate(
            pictures, scale_factor=float(rng.uniform(0.4, 0.8)), mode="area"
        )
        pictures = functional.interpolate(pictures, sides, mode="bilinear")
    if rng.random() < 0.25:
        padded = functional.pad(pictures, (1, 1, 1, 1), mode="replicate")
        pictures = functional.avg_pool2d(padded, 3, 1)
    if rng.random() < 0.3:
        turned = torch.eye(3)[torch.from_numpy(rng.permutation(3))]
        mixed = torch.lerp(torch.eye(3), turned, float(rng.uniform(0, 0.6)))
        pictures = torch.einsum("ij,njhw->nihw", mixed.to(pictures.device), pictures)
    pictures = pictures.clamp(0, 1) ** float(np.exp(rng.uniform(-0.35, 0.35)))
    middle = float(rng.uniform(0.3, 0.7))
    pictures = (pictures - middle) * float(rng.uniform(0.75, 1.2)) + middle
    if rng.random() < 0.4:
        pictures = pictures + 0.05 * rng.random() * torch.randn_like(pictures)
    pictures = pictures.clamp(0, 1)
    if rng.random() < 0.25:
        quality = int(rng.integers(40, 96))
        compressed = [as_jpeg(picture, quality) for picture in to_bytes(pictures)]
        pictures = to_tensor(np.stack(compressed), pictures.device)
    return pictures


def as_jpeg(picture: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    """A picture (H, W, 3) after a JPEG of a quality 1..95."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def loss_of(logits: torch.Tensor, coverage: torch.Tensor) -> torch.Tensor:
    """Cross-entropy, and one minus the soft IoU of each picture that has a subject."""
    entropy = functional.binary_cross_entropy_with_logits(logits, coverage)
    alpha = logits.sigmoid()
    both = (alpha * coverage).sum((1, 2, 3))
    either = (alpha + coverage - alpha * coverage).sum((1, 2, 3))
    there = (coverage.sum((1, 2, 3)) > 0).float()
    soft = (both + 1) / (either + 1)
    # The IoU of anti-aliased coverage with itself is a little below 1: it is the smallest loss.
    return entropy + 0.5 * ((1 - soft) * there).sum() / there.sum().clamp_min(1)


def overlap(alpha: NDArray[np.floating], coverage: NDArray[np.floating]) -> float:
    """IoU of what is at least LIKELY in two maps in 0..1; 1 where neither holds anything."""
    found, true = alpha >= LIKELY, coverage >= LIKELY
    either = int(np.count_nonzero(found | true))
    return int(np.count_nonzero(found & true)) / either if either else 1.0


@torch.no_grad()
def held_out_overlap(model: MattingNet, device: torch.device, count: int = 128) -> float:
    """The mean IoU on held-out renders; writes some of them to runs/matting.png."""
    held_out = data.load("held_out")
    true = masks(held_out)
    model.eval()
    scores, cut = [], []
    for first in range(0, count, 16):
        pictures = to_tensor(held_out.pictures[first : first + 16], device)
        alpha = model(pictures.contiguous(memory_format=torch.channels_last)).sigmoid()
        cut.append(to_bytes(pictures * alpha + (1 - alpha) * 0.9))
        for offset, found in enumerate(alpha[:, 0].cpu().numpy()):
            scores.append(overlap(found, true[first + offset] / 255.0))
    model.train()
    sheet(np.concatenate(cut)[:32], 8, RUNS / "matting.png")
    return float(np.mean(scores))


def export_onnx(model: MattingNet, path: Path) -> None:
    """Write the network; its metadata says what an image is fitted to and how values are read."""
    metadata = {
        "task": "matting",
        "imgsz": str([SIDE, SIDE]),
        "stride": "32",
        "mean": str([0.0, 0.0, 0.0]),
        "std": str([1.0, 1.0, 1.0]),
        "license": "Apache-2.0",
    }
    network = Alpha(model.cpu().float()).eval()
    export(network, 3, SIDE, path, ("pictures", "alpha"), ("height", "width"), metadata)


def main() -> None:
    """Train within the wall-clock budget, then export."""
    options = parser(__doc__, minutes=60, batch=8)
    options.set_defaults(data="poster")
    arguments = options.parse_args()
    device = pick_device(arguments.device, arguments.threads)
    shapes = [Cutouts(source, device) for source in data.load_all(arguments.data)]
    torch.manual_seed(0)
    model = channels_last(MattingNet().to(device)).train()
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
        pictures, coverage = data.pick(shapes, shape_rng).batch(arguments.batch, rng)
        with reduced(device):
            logits = model(pictures)
        loop.learn(loss_of(logits, coverage))
        if loop.saved():
            log("matting_held_out", step=loop.step, iou=held_out_overlap(model, device))
    if loop.is_main:
        export_onnx(model, RUNS / "matting.onnx")


if __name__ == "__main__":
    main()
