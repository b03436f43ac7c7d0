"""Small helpers for tests: coroutines, pictures and what lies in a folder."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pylibjxl
from PIL import Image

from ninefold.core.progress import PreviewMaker, Progress
from ninefold.core.stage import PipelineStage
from ninefold.engines.detection import DETECTION, Detection, FakeDetection
from ninefold.engines.diffusion import DIFFUSION, Generated, TextToImage
from ninefold.engines.engine_set import EngineSet
from ninefold.engines.fake_diffusion import FakeDiffusion
from ninefold.engines.families import family_of_class
from ninefold.imaging.types import Mask, Pixels
from ninefold.testing import fake_engines
from ninefold.testing.helpers import files_in, run

Stage = PipelineStage[Any]

pylibjxl.register_pillow()  # so that Pillow opens JPEG XL files in tests, by a reader not ours


def picture(width: int, height: int, seed: int = 9) -> Pixels:
    """A smooth ramp with noise and a hard edge: something for every operation to act on."""
    y, x = np.mgrid[0:height, 0:width]
    noise = np.random.default_rng(seed).integers(0, 24, (height, width))
    edge = np.where(x > width // 2, 40, 0)
    planes = [
        x * 150 // max(1, width) + noise + edge,
        y * 170 // max(1, height) + noise,
        200 - x * 120 // max(1, width) + noise - edge,
    ]
    return np.stack(planes, axis=2).clip(0, 255).astype(np.uint8)


def pixels_of(path: Path) -> Pixels:
    """The RGB pixels of a file."""
    with Image.open(path) as image:
        return np.array(image.convert("RGB"))


def box_mask(width: int, height: int, box: tuple[int, int, int, int]) -> Pixels:
    """White inside the box, black outside."""
    mask = np.zeros((height, width, 3), np.uint8)
    left, top, right, bottom = box
    mask[top:bottom, left:right] = 255
    return mask


def holds(image: Pixels, crop: Pixels) -> bool:
    """Whether `crop` is a part of `image`, pixel for pixel."""
    height, width = crop.shape[:2]
    first = crop[0].tobytes()
    for top in range(image.shape[0] - height + 1):
        row = image[top].tobytes()
        at = row.find(first)
        while at >= 0:
            left = at // 3
            if np.array_equal(image[top : top + height, left : left + width], crop):
                return True
            at = row.find(first, at + 1)
    return False


def psnr(one: Pixels, other: Pixels) -> float:
    """Peak signal-to-noise ratio in decibels; infinite for equal pictures."""
    error = np.mean((one.astype(np.float64) - other.astype(np.float64)) ** 2)
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))


@dataclass(frozen=True)
class RecordingDiffusion(FakeDiffusion):
    """The fake engine, and what it was asked for."""

    requests: list[TextToImage] = field(default_factory=list)

    def run(self, request: TextToImage, progress: Progress) -> Generated:
        self.requests.append(request)
        return super().run(request, progress)


@dataclass(frozen=True)
class HeldDiffusion(FakeDiffusion):
    """The fake engine, which goes on after so many steps once `go` is set."""

    after: int = 0
    go: threading.Event = field(default_factory=threading.Event)

    def run(self, request: TextToImage, progress: Progress) -> Generated:
        if self.after == 0:
            assert self.go.wait(60)
        return super().run(request, _Held(progress, self))


@dataclass(frozen=True)
class _Held:
    """The progress of an engine that is held."""

    progress: Progress
    engine: HeldDiffusion

    def step(self, done: int, total: int, preview: PreviewMaker | None = None) -> None:
        self.progress.step(done, total, preview)
        if done == self.engine.after:
            assert self.engine.go.wait(60)

    def check(self) -> None:
        self.progress.check()


@dataclass(frozen=True)
class FixedDetection(FakeDetection):
    """Finds what it was reported to."""

    found: tuple[Detection, ...] = ()
    asked: list[float] = field(default_factory=list)

    def labels(self, model: str) -> tuple[str, ...]:
        return tuple(sorted({item.label for item in self.found} | set(super().labels(model))))

    def detect(
        self, model: str, image: Pixels, confidence: float, words: Sequence[str] = ()
    ) -> Sequence[Detection]:
        super().detect(model, image, confidence)
        self.asked.append(confidence)
        return tuple(item for item in self.found if item.score >= confidence)


def recording_engines(
    found: Sequence[Detection] | None = None, pipeline_class: str | None = None
) -> tuple[EngineSet, list[TextToImage]]:
    """Fake engines and the list of what their diffusion is asked for; `found` is detected.

    With a diffusers `pipeline_class`, their model can do what models of that class can.
    """
    diffusion = RecordingDiffusion()
    if pipeline_class is not None:
        diffusion = RecordingDiffusion(family=family_of_class(pipeline_class))
    engines = fake_engines().with_engines(DIFFUSION, diffusion)
    if found is not None:
        engines = engines.with_engines(DETECTION, FixedDetection(found=tuple(found)))
    return engines, diffusion.requests


__all__ = [
    "FixedDetection",
    "HeldDiffusion",
    "Mask",
    "Pixels",
    "RecordingDiffusion",
    "Stage",
    "box_mask",
    "files_in",
    "holds",
    "picture",
    "pixels_of",
    "psnr",
    "recording_engines",
    "run",
]
