"""Latents of a picture set in one file; `python -m training.latents --data NAME` fills it.

Training may begin when a part is there: it sees what is added.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from training import autoencoder, data
from training.autoencoder import CHANNELS, SCALE
from training.common import RUNS, pick_device, reduced, to_tensor

BLOCK = 50
"""Pictures encoded at a time; the file is filled from the front, block by block."""


class Latents:
    """The half-precision latents of a set; delete runs/NAME.latents.npy to renew them."""

    def __init__(self, name: str, device: torch.device) -> None:
        self.pictures, self.first_seed = data.load(name)
        self.device = device
        count, size = self.pictures.shape[:2]
        path = RUNS / f"{name}.latents.npy"
        if path.exists():
            self.cache = np.load(path, mmap_mode="r+")
        else:
            shape = (count, CHANNELS, size // SCALE, size // SCALE)
            self.cache = np.lib.format.open_memmap(path, "w+", np.float16, shape)
        self.ready = 0

    def __len__(self) -> int:
        """How many latents are there by now."""
        while self.ready < len(self.cache):
            end = min(self.ready + BLOCK, len(self.cache))
            if not self.cache[end - 1].any():
                break
            self.ready = end
        return self.ready

    def take(self, chosen: NDArray[np.int64]) -> torch.Tensor:
        """Latents (N, C, h, w) of the chosen pictures."""
        return torch.from_numpy(self.cache[chosen]).float().to(self.device)

    @torch.no_grad()
    def fill(self, model: Any) -> None:
        """Encode what is missing."""
        while (start := len(self)) < len(self.cache):
            pictures = to_tensor(self.pictures[start : start + BLOCK]).to(self.device) * 2 - 1
            with reduced(self.device):
                encoded = model.encoder(pictures.contiguous(memory_format=torch.channels_last))
            self.cache[start : start + BLOCK] = encoded.half().cpu().numpy()


def main() -> None:
    """Fill a set's file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="poster")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    device = pick_device(arguments.device, arguments.threads)
    model = autoencoder.trained(device).to(memory_format=torch.channels_last)
    Latents(arguments.data, device).fill(model)


if __name__ == "__main__":
    main()
