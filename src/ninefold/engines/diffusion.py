"""Diffusion: requests that are fully set, what comes of them, and the engines that fulfil them.

A stage resolves its optional parameters once, with `DiffusionEngine.describe`, and nothing in a
request is optional. Pixels are uint8 arrays, height x width x 3, RGB.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from ninefold.core.progress import Progress
from ninefold.core.values import Lora, Tiling
from ninefold.engines.control import Control, ControlBase
from ninefold.engines.families import Family, Task
from ninefold.engines.generation_record import GenerationRecord
from ninefold.engines.kinds import Engine, EngineKind
from ninefold.engines.quantization import Quantization
from ninefold.engines.sampler_table import SchedulerKind
from ninefold.engines.step_cache import Quality
from ninefold.imaging.types import Floats, Mask, Pixels

#: Of models of which nothing is known: those of engines of other packages, say.
_ANY = Family(
    name="", text="", image="", inpaint="", native=512, steps=30, scheduler="noise", seamless=True
)


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a diffusion model before it is run."""

    name: str
    #: The SHA-256 over the weights, in hex.
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
    #: Which schedulers fit it: see `engines.schedulers.scheduler_names`.
    scheduler_kind: SchedulerKind = "noise"
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
    #: What control models must fit; None where it cannot be steered by pictures.
    control: ControlBase | None = None
    #: First ten hex digits of the SHA-256 over its configs, which say how its weights are run.
    config_hash: str = ""
    #: How its weights are stored where that is not as in its files; changes its images.
    quantization: Quantization = "none"
    #: Components on which a quantisation that was asked for does not act: their files are packed.
    packed: tuple[str, ...] = ()
    #: When its weights were written, in seconds since the epoch; 0 where nobody knows.
    created: int = 0
    #: Largest area in pixels that it can be asked for; 0 where only sides are limited.
    max_area: int = 0
    #: How it is run, with what was made of the family for this model.
    family: Family = _ANY
    #: What that was recognised by, beside the model's class; empty where nothing else was needed.
    recognised_by: str = ""

    @property
    def takes_references(self) -> bool:
        """Whether it is an edit model, which changes reference images as the prompt says."""
        return "edit" in self.family.tasks


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
    #: Of classifier-free guidance where `guidance_scale` is that of a distilled model; 1 is none.
    true_cfg_scale: float = 1.0
    control: tuple[Control, ...] = ()
    quality: Quality = "lossless"
    #: Images of any size, for models that change or combine images as the prompt says.
    references: tuple[Pixels, ...] = field(default=(), repr=False)
    #: A model that takes over at `handover`, a part of the schedule (an ensemble of experts;
    #: https://arxiv.org/abs/2211.01324); empty for none.
    refiner: str = ""
    handover: float = 1.0
    tiling: Tiling = "none"


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
class LatentsToImage(TextToImage):
    """The part of the schedule after `handover`, from another model's `latents` (channels, h, w).

    Engines ask one another for it; a stage names the model as `refiner` of its request.
    """

    latents: Floats = field(kw_only=True, repr=False)


def task_of(request: TextToImage) -> Task:
    """What the image of a request starts from."""
    if request.references:
        return "edit"
    if isinstance(request, Inpaint):
        return "inpaint"
    return "image" if isinstance(request, ImageToImage | LatentsToImage) else "text"


@dataclass(frozen=True)
class Generated:
    """An image and what made it."""

    image: Pixels = field(repr=False)
    record: GenerationRecord
    #: Why the image is black, and what to do; None where it is as the model meant it.
    defect: str | None = None
    #: Of an image that another model goes on with: channels, h, w, as denoisers take them.
    latents: Floats | None = field(default=None, repr=False)


class DiffusionEngine(Engine, Protocol):
    """Runs diffusion models. Calls block and may come from any thread."""

    def schedulers(self) -> tuple[str, ...]:
        """Names of the schedulers that a request may ask for."""

    def loras(self) -> tuple[str, ...]:
        """Names of the LoRAs that a request may ask for."""

    def lora_hash(self, model: str, lora: str) -> str:
        """The hash of a LoRA's weights in hex; raises `InputError` for one not at hand."""

    def check_lora(self, model: str, lora: str) -> None:
        """Raise `InputError` or `ModelError` for a LoRA that is not at hand, damaged, or made for
        another family than `model`, as far as its header tells."""

    def lora_names(self, model: str, lora: str) -> tuple[str, ...]:
        """What a LoRA is called: its path below the folder that it was found in, or its name in
        the library, and titles in its header; raises as `check_lora` does."""

    def embeddings(self) -> tuple[str, ...]:
        """Names of the textual inversions that a prompt may name."""

    def embedding_hashes(self, model: str, prompt: str) -> tuple[str, ...]:
        """Hex digits of the hashes of the textual inversions that a prompt names.

        Raises `InputError` for one that is not at hand, and `ModelError` for one that is damaged or
        made for another family than `model`.
        """

    def describe(self, model: str) -> ModelInfo:
        """What is known of `model`, without running it; raises `ModelError`."""

    def batch_limit(self, model: str, width: int, height: int) -> int:
        """Most images of that size that one call may make, at least 1; raises `ModelError`.

        How many requests are worth making at once, where nobody else asks.
        """

    def run(self, request: TextToImage, progress: Progress) -> Generated:
        """Fulfil a request of any of the three kinds; raises `ModelError` or `InputError`."""


DIFFUSION: EngineKind[DiffusionEngine] = EngineKind("diffusion", DiffusionEngine, runs="run")
