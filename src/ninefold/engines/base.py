"""What a stage asks of the models: requests, results and the protocols that engines fulfil.

Requests are fully set: a stage resolves its optional parameters once, with
`DiffusionEngine.describe`, and nothing in a request is optional. Pixels are uint8 arrays,
height x width x 3, RGB.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ninefold.core.progress import Progress
from ninefold.core.values import Lora
from ninefold.imaging.types import Mask, Pixels


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a diffusion model before it is run."""

    name: str
    #: First ten hex digits of the SHA-256 over the weights.
    hash: str
    #: Width and height in pixels that the model was trained at.
    native_size: tuple[int, int]
    #: Width and height must be multiples of this.
    size_multiple: int
    #: Largest width and height that the model can be asked for.
    max_size: int
    steps: int
    guidance_scale: float
    scheduler: str
    #: Lower-case words that the model was trained on; empty where it knows language at large.
    words: frozenset[str] = frozenset()
    #: Prompts that show what the model can do.
    examples: tuple[str, ...] = ()
    #: One line on what the model knows, for the warning about unknown words.
    hint: str = ""
    #: Smallest width and height that the model can be asked for.
    min_size: int = 64
    #: Pixels a side of what one position of the latents stands for.
    latent_scale: int = 8
    #: How far a guided prediction is brought back to the contrast of the prompt's own (0 to 1;
    #: https://arxiv.org/abs/2305.08891, 3.4). Against burnt colours; 0 leaves it to the pipeline.
    guidance_rescale: float = 0.0
    #: When its weights were written, in seconds since the epoch; 0 where nobody knows.
    created: int = 0


@dataclass(frozen=True)
class TextToImage:
    """An image from text alone."""

    model: str
    prompt: str
    negative_prompt: str
    width: int
    height: int
    steps: int
    guidance_scale: float
    scheduler: str
    seed: int
    loras: tuple[Lora, ...] = ()


@dataclass(frozen=True)
class ImageToImage(TextToImage):
    """A source image, changed as far as `strength` (0 keeps it, 1 replaces it) allows.

    `image` is `height` x `width` x 3.
    """

    image: Pixels = field(kw_only=True, repr=False)
    strength: float = field(kw_only=True)


@dataclass(frozen=True)
class Inpaint(ImageToImage):
    """Like `ImageToImage`, but only where `mask` (`height` x `width`, 0 to 1) is set."""

    mask: Mask = field(kw_only=True, repr=False)


@dataclass(frozen=True)
class Generated:
    """An image and what made it (JSON values, for the stage's metadata)."""

    image: Pixels = field(repr=False)
    info: Mapping[str, Any] = field(default_factory=dict)
    #: Why the image is black, and what to do; None where it is as the model meant it.
    defect: str | None = None


class DiffusionEngine(Protocol):
    """Runs diffusion models. Calls block and may come from any thread."""

    def models(self) -> tuple[str, ...]:
        """Names of the models that are at hand without a download."""

    def schedulers(self) -> tuple[str, ...]:
        """Names of the schedulers that a request may ask for."""

    def loras(self) -> tuple[str, ...]:
        """Names of the LoRAs that a request may ask for."""

    def lora_hash(self, name: str) -> str:
        """Hex digits of the hash of a LoRA's weights; raises `InputError` for one not at hand."""

    def describe(self, model: str) -> ModelInfo:
        """What is known of `model`, without running it; raises `ModelError`."""

    def batch_limit(self, model: str, width: int, height: int) -> int:
        """Most images of that size that one call may make, at least 1; raises `ModelError`.

        How many requests are worth making at once, where nobody else asks.
        """

    def run(self, request: TextToImage, progress: Progress) -> Generated:
        """Fulfil a request of any of the three kinds; raises `ModelError` or `InputError`."""


@dataclass(frozen=True)
class Detection:
    """One thing found in an image; the box is in pixels, right and bottom exclusive."""

    label: str
    score: float
    left: float
    top: float
    right: float
    bottom: float


class DetectionEngine(Protocol):
    """Finds things in images."""

    def models(self) -> tuple[str, ...]:
        """Names of the detectors that are at hand."""

    def hash(self, model: str) -> str:
        """First ten hex digits of the SHA-256 of the weights; raises `ModelError`."""

    def labels(self, model: str) -> tuple[str, ...]:
        """What the detector can find."""

    def detect(self, model: str, image: Pixels, confidence: float) -> Sequence[Detection]:
        """Everything found with at least `confidence` (0 to 1), best first, overlaps removed."""


class UpscaleEngine(Protocol):
    """Super-resolution by a fixed factor per model."""

    def models(self) -> tuple[str, ...]:
        """Names of the upscalers that are at hand."""

    def hash(self, model: str) -> str:
        """First ten hex digits of the SHA-256 of the weights; raises `ModelError`."""

    def scale(self, model: str) -> int:
        """The factor of the model: 2 or 4 for the built-in ones."""

    def margin(self, model: str) -> int:
        """Input pixels at a tile's edge that its missing neighbours may have touched."""

    def upscale(self, model: str, image: Pixels) -> Pixels:
        """The whole image at once, `scale` times as wide and high."""


@dataclass(frozen=True)
class EngineStats:
    """What engines hold, and what they counted since they were made."""

    #: Bytes of each loaded model, by kind (`diffusion`, `detector`, `upscaler`) and name.
    resident: Mapping[tuple[str, str], int] = field(default_factory=dict)
    #: How many diffusion calls made so many images at once.
    batches: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class EngineSet:
    """The engines that a pipeline's stages share."""

    diffusion: DiffusionEngine
    detection: DetectionEngine
    upscaling: UpscaleEngine
    #: Names and versions of the libraries underneath, for manifests.
    versions: Mapping[str, str] = field(default_factory=dict)
    #: The folder of text files that `__name__` in a prompt chooses from; None where there is none.
    wildcards: Path | None = None
    #: Asked from any thread at any time; quick.
    stats: Callable[[], EngineStats] = EngineStats
