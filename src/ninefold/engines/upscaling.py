"""Upscaling: super-resolution by a fixed factor per model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ninefold.engines.faults import FakeModels, fake_hash
from ninefold.engines.kinds import Engine, EngineKind
from ninefold.imaging.types import Pixels

_FAKE_SCALES = {"2x": 2, "4x": 4}
#: The fake reads no pixel beyond the one that it enlarges.
_FAKE_MARGIN = 0


class UpscaleEngine(Engine, Protocol):
    """Super-resolution by a fixed factor per model."""

    def scale(self, model: str) -> int:
        """The factor of the model: 2 or 4 for the built-in ones."""

    def margin(self, model: str) -> int:
        """Input pixels at a tile's edge that its missing neighbours may have touched."""

    def upscale(self, model: str, image: Pixels) -> Pixels:
        """The whole image at once, `scale` times as wide and high."""


@dataclass(frozen=True)
class FakeUpscale(FakeModels):
    """Repeats pixels."""

    names = tuple(_FAKE_SCALES)

    def hash(self, model: str) -> str:
        """A constant per model; raises `ModelError` for unknown names."""
        return fake_hash(10 + self.scale(model))

    def scale(self, model: str) -> int:
        """2 for `2x`, 4 for `4x`; raises `ModelError` for unknown names."""
        self.check(model)
        return _FAKE_SCALES[model]

    def margin(self, model: str) -> int:
        """None: a pixel hangs on no other; raises `ModelError` for unknown names."""
        self.check(model)
        return _FAKE_MARGIN

    def upscale(self, model: str, image: Pixels) -> Pixels:
        """Each pixel `scale` x `scale` times; raises `ModelError` for unknown names."""
        factor = self.scale(model)
        self.faults.strike("upscale")
        return image.repeat(factor, axis=0).repeat(factor, axis=1)


UPSCALING: EngineKind[UpscaleEngine] = EngineKind(
    "upscaling", UpscaleEngine, runs="upscale", model="upscaler", fake=FakeUpscale
)
