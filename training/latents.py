"""Latents of a picture set, encoded the first time they are asked for and kept on disk."""

from __future__ import annotations

import numpy as np
import torch
from diffusers import AutoencoderTiny
from numpy.typing import NDArray

from training import data
from training.autoencoder import CHANNELS, SCALE
from training.common import RUNS, to_tensor


class Latents:
    """A growing cache of half-precision latents; delete runs/NAME.latents.npy to renew it."""

    def __init__(self, name: str, autoencoder: AutoencoderTiny, device: torch.device) -> None:
        self.pictures, self.first_seed = data.load(name)
        self.autoencoder = autoencoder
        self.device = device
        count, size = self.pictures.shape[:2]
        side = size // SCALE
        shape = (count, CHANNELS, side, side)
        path = RUNS / f"{name}.latents.npy"
        if path.exists():
            self.cache = np.load(path, mmap_mode="r+")
        else:
            self.cache = np.lib.format.open_memmap(path, "w+", np.float16, shape)
        self.filled = np.array([bool(row.any()) for row in self.cache[:, 0, 0]])

    def __len__(self) -> int:
        """How many pictures the set has."""
        return len(self.cache)

    @torch.no_grad()
    def take(self, chosen: NDArray[np.int64]) -> torch.Tensor:
        """Latents (N, C, h, w) of the chosen pictures."""
        missing = np.unique(chosen[~self.filled[chosen]])
        if len(missing):
            encoded = self.autoencoder.encoder(
                to_tensor(self.pictures[missing]).to(self.device) * 2 - 1
            )
            self.cache[missing] = encoded.half().cpu().numpy()
            self.filled[missing] = True
        return torch.from_numpy(self.cache[chosen]).float().to(self.device)
