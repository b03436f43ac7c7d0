"""Marks published pixels: the last step before files are written."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ninefold.core.values import Json
from ninefold.engines.engine_set import EngineSet
from ninefold.engines.watermark import WATERMARK
from ninefold.imaging.likeness import psnr
from ninefold.imaging.types import Alpha, Pixels


@dataclass(frozen=True)
class Watermarker:
    """Puts identifiers into images."""

    engines: EngineSet
    model: str
    strength: float

    def size_problem(self, width: int, height: int) -> str | None:
        """Why an image of this size cannot be marked, with the remedy; None for one that can."""
        return self.engines[WATERMARK].size_problem(self.model, width, height)

    @property
    def algorithm(self) -> str:
        """The watermark's name."""
        return self.engines[WATERMARK].algorithm(self.model)

    def described(self) -> Json:
        """What metadata says of it, the same for every image."""
        return {
            "model": self.model,
            "algorithm": self.algorithm,
            "strength": self.strength,
            "hash": self.engines[WATERMARK].hash(self.model),
        }

    def marked(
        self, pixels: Pixels, alpha: Alpha | None, identifier: bytes
    ) -> tuple[Pixels, float | None]:
        """The image with the watermark, and its PSNR in dB; None where no pixel changed.

        The colours of pixels that are fully transparent stay.
        """
        marked = self.engines[WATERMARK].embed(self.model, pixels, identifier, self.strength)
        if alpha is not None:
            marked = np.where(alpha[..., None] == 0, pixels, marked)
        likeness = psnr(pixels, marked)
        return marked, round(likeness, 2) if np.isfinite(likeness) else None
