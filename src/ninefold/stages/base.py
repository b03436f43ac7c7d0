"""What several stages share: engines, and the parameters of a diffusion pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from pydantic import Field

from ninefold.core.context import PipelineContext
from ninefold.core.errors import UserError
from ninefold.core.problems import suggest
from ninefold.core.slots import Slot
from ninefold.core.stage import PipelineStage, StageParams
from ninefold.core.values import Json
from ninefold.engines.base import EngineSet, ModelInfo
from ninefold.slots import LORAS, MODEL, NEGATIVE_PROMPT, PROMPT

#: The model that runs where nobody names one.
DEFAULT_MODEL = "poster"

P = TypeVar("P", bound=StageParams)


class SamplingParams(StageParams):
    """How a diffusion model is run."""

    model: str | None = Field(
        None, description="A model's name, folder or file; by default the pipeline's."
    )
    steps: int | None = Field(
        None, ge=1, le=200, description="Denoising steps; by default the model's own number."
    )
    guidance_scale: float | None = Field(
        None,
        ge=0,
        le=30,
        description="How closely the prompt is followed; by default the model's own value.",
    )
    scheduler: str | None = Field(
        None, description="Name of the scheduler; by default the model's own."
    )


class EngineStage(PipelineStage[P]):
    """A stage that runs models."""

    @property
    def engines(self) -> EngineSet:
        """The engines it was built with, or the shared default set."""
        if self._engines is None:
            from ninefold.engines.defaults import default_engines

            self._engines = default_engines()
        engines: EngineSet = self._engines
        return engines


def told(where: str, check: Callable[[], object]) -> Iterator[str]:
    """What `check` raises, as a problem of the parameter `where`."""
    try:
        check()
    except OSError as error:
        yield f"{where}: cannot be read: {error.strerror or error}."
    except (UserError, ValueError) as error:
        text = str(error)
        yield text if text.startswith(where) else f"{where}: {text}"


S = TypeVar("S", bound=SamplingParams)

#: What every diffusion stage reads, beside the image.
CONDITIONING: tuple[Slot[Any], ...] = (NEGATIVE_PROMPT, MODEL, LORAS)


class DiffusionStage(EngineStage[S]):
    """A stage that runs a diffusion model; its `accepts` include `CONDITIONING` and `PROMPT`."""

    def model_info(self, context: PipelineContext) -> ModelInfo:
        """What is known of the model that this stage uses; raises `ModelError`."""
        model = self.params.model or context.get(MODEL) or DEFAULT_MODEL
        return self.engines.diffusion.describe(model)

    def problems(self, context: PipelineContext) -> Iterator[str]:
        """Whether the model is at hand and the scheduler is known."""
        where = f"{self.name}.model" if self.params.model else "model"
        yield from told(where, lambda: self.model_info(context))
        scheduler, known = self.params.scheduler, self.engines.diffusion.schedulers()
        if scheduler is not None and scheduler not in known:
            yield f"{self.name}.scheduler: {scheduler!r} is unknown.{suggest(scheduler, known)}"

    def fingerprint(self, context: PipelineContext) -> Json | None:
        """The model's hash and what it asks for itself, the LoRAs' hashes, and what runs them."""
        diffusion, info = self.engines.diffusion, self.model_info(context)
        return {
            "model": info.hash,
            "guidance_rescale": info.guidance_rescale,
            "loras": [diffusion.lora_hash(lora.name) for lora in context.get(LORAS) or ()],
            "engines": dict(self.engines.versions),
        }

    def note(self, context: PipelineContext, info: Mapping[str, Any], *left_out: str) -> None:
        """Put what the engine tells of an image into the metadata, each of its warnings once."""
        kept = {key: value for key, value in info.items() if key not in ("warnings", *left_out)}
        context.add_metadata(self.name, **kept)
        for warning in info.get("warnings", ()):
            if warning not in context.metadata[self.name].get("warnings", ()):
                context.warn(self.name, warning)

    def conditioning(
        self, context: PipelineContext, info: ModelInfo, prompt: str | None = None
    ) -> dict[str, Any]:
        """The fields of a request that say what to paint and how, all of them set."""
        params = self.params
        guidance = params.guidance_scale
        return {
            "model": params.model or context.get(MODEL) or DEFAULT_MODEL,
            "prompt": (context.get(PROMPT) or "") if prompt is None else prompt,
            "negative_prompt": context.get(NEGATIVE_PROMPT) or "",
            "steps": params.steps or info.steps,
            "guidance_scale": info.guidance_scale if guidance is None else guidance,
            "scheduler": params.scheduler or info.scheduler,
            "loras": context.get(LORAS) or (),
        }
