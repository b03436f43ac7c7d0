"""Picture sets at half their size, as rendered and as the autoencoder gives it back.

Run `python -m training.half_size --data poster`. The judge and the detector learn from both: what
the text-to-image model draws has passed the decoder too, and its latents are never quite clean.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from training import autoencoder, data
from training.common import RUNS, pick_device, reduced, set_parser, to_bytes, to_tensor
from training.data import PictureSet

BLOCK = 50
NOISE = 0.4
"""The decoded pictures' latents carry noise of a deviation between 0 and this."""
DECODED, DECODED_OTHERS = 2400, 400
"""How many squares, and pictures of each other shape, are decoded: it takes time."""
FULL, FULL_OTHERS = 450, 12
"""The same of those that keep their size, which few need."""


def plain(source: PictureSet, device: torch.device) -> NDArray[np.uint8]:
    """Every picture of a set (N, height / 2, width / 2, 3), averaged over 2x2 pixels."""
    path = RUNS / f"{source.name}.half.npy"
    if not path.exists():
        _write(path, source, len(source), lambda batch: functional.avg_pool2d(batch, 2), device, 2)
    loaded: NDArray[np.uint8] = np.load(path, mmap_mode="r")
    return loaded


def decoded(source: PictureSet, device: torch.device, half: bool = True) -> NDArray[np.uint8]:
    """The first pictures of a set through the autoencoder, with noise on their latents.

    At half their size, or else at their own.
    """
    factor = 2 if half else 1
    path = RUNS / f"{source.name}.decoded{'' if half else '-full'}.npy"
    if not path.exists():
        model = autoencoder.trained(device).to(memory_format=torch.channels_last)
        generator = torch.Generator().manual_seed(0)

        def through(batch: torch.Tensor) -> torch.Tensor:
            batch = (batch * 2 - 1).contiguous(memory_format=torch.channels_last)
            with reduced(device):
                latents = model.encoder(batch).float()
                strength = NOISE * torch.rand(len(latents), 1, 1, 1, generator=generator)
                noise = strength * torch.randn(latents.shape, generator=generator)
                output = model.decoder(latents + noise.to(device)).float()
            return functional.avg_pool2d((output + 1) / 2, factor)

        squares, others = (DECODED, DECODED_OTHERS) if half else (FULL, FULL_OTHERS)
        most = squares if source.shape == "square" else others
        _write(path, source, min(most, len(source)), through, device, factor)
    loaded: NDArray[np.uint8] = np.load(path, mmap_mode="r")
    return loaded


@torch.no_grad()
def _write(
    path: Path,
    source: PictureSet,
    count: int,
    changed: Callable[[torch.Tensor], torch.Tensor],
    device: torch.device,
    factor: int,
) -> None:
    """The first pictures of a set, made smaller by a factor, as a file that appears whole."""
    temporary = path.with_name(f"{path.stem}.part.npy")
    _, height, width, _ = source.pictures.shape
    shape = (count, height // factor, width // factor, 3)
    out = np.lib.format.open_memmap(temporary, "w+", np.uint8, shape)
    for first in range(0, count, BLOCK):
        batch = to_tensor(source.pictures[first : min(first + BLOCK, count)], device)
        out[first : first + len(batch)] = to_bytes(changed(batch))
    out.flush()
    os.replace(temporary, path)


def main() -> None:
    """Make both files of every shape, and the held-out set's, where they are missing."""
    arguments = set_parser(__doc__).parse_args()
    device = pick_device(arguments.device, arguments.threads)
    begun = time.monotonic()
    for source in (*data.load_all(arguments.data), data.load("held_out")):
        sizes = len(plain(source, device)), len(decoded(source, device))
        print(f"{source.name}: {sizes[0]} halved, {sizes[1]} decoded")
    print(f"{time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
