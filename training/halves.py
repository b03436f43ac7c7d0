"""A picture set at half its size, as rendered and as the autoencoder gives it back.

Run `python -m training.halves --data poster`. The judge and the detector learn from both: what
the text-to-image model draws has passed the decoder too, and its latents are never quite clean.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from training import autoencoder, data
from training.common import RUNS, pick_device, reduced, to_bytes, to_tensor

BLOCK = 50
NOISE = 0.4
"""The decoded pictures' latents carry noise of a deviation between 0 and this."""
DECODED = 2400
"""How many pictures of a set are decoded; it takes longer than rendering them."""


def plain(name: str) -> NDArray[np.uint8]:
    """Every picture of a set (N, size / 2, size / 2, 3), averaged over 2x2 pixels."""
    path = RUNS / f"{name}.half.npy"
    if not path.exists():
        pictures, _ = data.load(name)
        count, size = pictures.shape[:2]
        out, temporary = _open(path, count, size // 2)
        for first in range(0, count, BLOCK):
            blocks = pictures[first : first + BLOCK].reshape(-1, size // 2, 2, size // 2, 2, 3)
            out[first : first + BLOCK] = np.rint(blocks.mean(axis=(2, 4), dtype=np.float32))
        out.flush()
        os.replace(temporary, path)
    loaded: NDArray[np.uint8] = np.load(path, mmap_mode="r")
    return loaded


@torch.no_grad()
def decoded(name: str, device: torch.device) -> NDArray[np.uint8]:
    """The first pictures of a set through the autoencoder, with noise on their latents."""
    path = RUNS / f"{name}.decoded.npy"
    if not path.exists():
        model = autoencoder.trained(device).to(memory_format=torch.channels_last)
        pictures, _ = data.load(name)
        count = min(DECODED, len(pictures))
        out, temporary = _open(path, count, pictures.shape[1] // 2)
        generator = torch.Generator().manual_seed(0)
        for first in range(0, count, BLOCK):
            batch = to_tensor(pictures[first : min(first + BLOCK, count)]) * 2 - 1
            batch = batch.to(device).contiguous(memory_format=torch.channels_last)
            with reduced(device):
                latents = model.encoder(batch).float()
                strength = NOISE * torch.rand(len(latents), 1, 1, 1, generator=generator)
                noise = strength * torch.randn(latents.shape, generator=generator)
                output = model.decoder(latents + noise.to(device)).float()
            out[first : first + len(batch)] = to_bytes(functional.avg_pool2d((output + 1) / 2, 2))
        out.flush()
        os.replace(temporary, path)
    loaded: NDArray[np.uint8] = np.load(path, mmap_mode="r")
    return loaded


def _open(path: Path, count: int, size: int) -> tuple[np.memmap[Any, np.dtype[np.uint8]], Path]:
    temporary = path.with_name(f"{path.stem}.part.npy")
    shape = (count, size, size, 3)
    return np.lib.format.open_memmap(temporary, "w+", np.uint8, shape), temporary


def main() -> None:
    """Make both files of a set where they are missing, and the held-out set's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="poster")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    device = pick_device(arguments.device, arguments.threads)
    begun = time.monotonic()
    for name in (arguments.data, "held_out"):
        print(f"{name}: {len(plain(name))} halved, {len(decoded(name, device))} decoded")
    print(f"{time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
