"""A diffusion engine that paints in microseconds, for tests of what is built on engines.

It keeps the protocol's promises (same request, same bytes; another field, another picture;
steps reported; errors of the right type) and knows nothing of art.
"""

from __future__ import annotations

import time
from dataclasses import MISSING, Field, dataclass, fields
from typing import Any

import numpy as np

from ninefold.core.errors import InputError
from ninefold.core.progress import Progress
from ninefold.core.timing import current_clock
from ninefold.engines.checks import check_request
from ninefold.engines.control import (
    FAKE_FAMILY,
    ControlBase,
    FakeControl,
    used_control,
    without_effect,
)
from ninefold.engines.diffusion import Generated, ImageToImage, Inpaint, ModelInfo, TextToImage
from ninefold.engines.ensemble import ensemble_problems
from ninefold.engines.families import Family
from ninefold.engines.faults import FakeModels, fake_hash, random_from
from ninefold.engines.generation_record import GenerationRecord, UsedLora
from ninefold.engines.loras import known_lora
from ninefold.engines.schedulers import NAMES, check_scheduler
from ninefold.imaging.types import Pixels

_LORA_HASH = fake_hash(0)


@dataclass(frozen=True)
class FakeDiffusion(FakeModels):
    """Paints gradients whose colours and tilt hang on every field of the request."""

    steps_delay: float = 0.0
    words: frozenset[str] = frozenset()
    known_loras: tuple[str, ...] = ("sketch",)
    wait_delay: float = 0.0
    load_delay: float = 0.0
    #: Most images of one call, as its callers learn.
    at_once: int = 8
    #: Seeds whose images come out black, as from a model whose numbers overflow.
    black_seeds: frozenset[int] = frozenset()
    #: What its models can start from, and how many references they take.
    family: Family = ModelInfo.family

    names = ("poster",)
    digest = fake_hash(0)

    def schedulers(self) -> tuple[str, ...]:
        """The names of the real engine."""
        return NAMES

    def loras(self) -> tuple[str, ...]:
        """The names it was made with."""
        return self.known_loras

    def lora_hash(self, model: str, lora: str) -> str:
        """The same for all; raises `InputError` for an unknown name."""
        known_lora(lora, self.known_loras)
        return _LORA_HASH

    def check_lora(self, model: str, lora: str) -> None:
        """Raise `InputError` for an unknown name."""
        known_lora(lora, self.known_loras)

    def lora_names(self, model: str, lora: str) -> tuple[str, ...]:
        """Its name; raises `InputError` for an unknown one."""
        return (known_lora(lora, self.known_loras),)

    def embeddings(self) -> tuple[str, ...]:
        """None."""
        return ()

    def embedding_hashes(self, model: str, prompt: str) -> tuple[str, ...]:
        """None."""
        return ()

    def describe(self, model: str) -> ModelInfo:
        """A model of 128 x 128 pixels; raises `ModelError` for any name but `poster`."""
        self.check(model)
        return ModelInfo(
            name=model,
            hash=self.digest,
            native_size=(128, 128),
            size_multiple=16,
            max_size=512,
            steps=4,
            guidance_scale=4.0,
            scheduler="default",
            words=self.words,
            examples=("a red house by the sea",),
            hint="A fake that paints gradients." if self.words else "",
            min_size=32,
            control=ControlBase(FAKE_FAMILY),
            family=self.family,
        )

    def batch_limit(self, model: str, width: int, height: int) -> int:
        """As many as it is made for; raises `ModelError`."""
        self.describe(model)
        return self.at_once

    def run(self, request: TextToImage, progress: Progress) -> Generated:
        """Paint; raises `InputError`, `ModelError`, the fault, or what `progress` raises."""
        progress.check()
        info = self.describe(request.model)
        check_request(request, info)
        check_scheduler(request.scheduler)
        if request.refiner and (
            problems := [*ensemble_problems(info, self.describe(request.refiner))]
        ):
            raise InputError("\n".join(problems))
        for lora in request.loras:
            known_lora(lora.name, self.known_loras)
        for waited, loaded in ((self.wait_delay, 0.0), (0.0, self.load_delay)):
            if waited:
                current_clock.get().waiting()
            time.sleep(waited + loaded)
            current_clock.get().add(waited=waited, loaded=loaded)
        self.faults.strike(_call_name(request))
        painted = _paint(request)
        for step in range(request.steps):
            if self.steps_delay:
                time.sleep(self.steps_delay)
            progress.step(step + 1, request.steps, lambda: painted[::4, ::4])
        record = _record(request, info)
        if request.seed in self.black_seeds:
            defect = "poster gave a black image, as the fake engine was asked to."
            return Generated(np.zeros_like(painted), record, defect)
        return Generated(_mixed(request, painted), record)


def _call_name(request: TextToImage) -> str:
    if isinstance(request, Inpaint):
        return "inpaint"
    return "image_to_image" if isinstance(request, ImageToImage) else "text_to_image"


def _is_asked(request: TextToImage, item: Field[Any]) -> bool:
    """False for what a request leaves as it is: a new field changes no picture by being there."""
    always = item.default is MISSING or item.name == "loras"
    return always or getattr(request, item.name) != item.default


def _paint(request: TextToImage) -> Pixels:
    names = [item.name for item in fields(request) if _is_asked(request, item)]
    values = [getattr(request, name) for name in names if name != "references"]
    values += request.references
    content = b"\0".join(
        value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode()
        for value in values
    )
    draw = random_from(content)
    start, end = draw.integers(0, 256, (2, 3))
    tilt: float = draw.random() * 2 * np.pi
    down = np.linspace(-1, 1, request.height)[:, None]
    across = np.linspace(-1, 1, request.width)[None, :]
    ramp = (1 + np.sin(3 * (across * np.cos(tilt) + down * np.sin(tilt)))) / 2
    blended = start + (end - start) * ramp[..., None]
    painted: Pixels = np.rint(blended).astype(np.uint8)
    return painted


def _mixed(request: TextToImage, painted: Pixels) -> Pixels:
    if not isinstance(request, ImageToImage):
        return painted
    share = request.strength
    mixed: Pixels = np.rint(request.image * (1 - share) + painted * share).astype(np.uint8)
    if isinstance(request, Inpaint):
        outside = request.mask <= 0
        mixed[outside] = request.image[outside]
    return mixed


def _record(request: TextToImage, info: ModelInfo) -> GenerationRecord:
    return GenerationRecord(
        model=info.name,
        model_hash=info.hash,
        seed=request.seed,
        steps=request.steps,
        steps_run=request.steps,
        guidance_scale=request.guidance_scale,
        true_cfg_scale=request.true_cfg_scale,
        scheduler=request.scheduler,
        size=(request.width, request.height),
        device="fake",
        quality=request.quality,
        refiner=request.refiner or None,
        refiner_hash=info.hash if request.refiner else "",
        handover=request.handover,
        dtype="uint8",
        loras=tuple(UsedLora(lora.name, lora.weight, _LORA_HASH) for lora in request.loras),
        control=tuple(
            used_control(item, FakeControl().info(item.model)) for item in request.control
        ),
        tiling=request.tiling,
        strength=request.strength if isinstance(request, ImageToImage) else None,
        warnings=tuple(
            text
            for item in request.control
            for text in without_effect(item, FakeControl().info(item.model), request.steps)
        ),
    )
