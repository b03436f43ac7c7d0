"""Stages that run models, and what those with a diffusion model share."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, TypeVar

from ninefold.core.context import PipelineContext
from ninefold.core.errors import InputError, StageError
from ninefold.core.model_refs import ModelCatalog
from ninefold.core.problems import problems_raised
from ninefold.core.progress import Progress
from ninefold.core.slots import Slot
from ninefold.core.stage import PipelineStage, StageParams
from ninefold.core.values import Json, Lora, Tiling
from ninefold.engines.call_settings import without_effect
from ninefold.engines.checks import strength_problems, task_problems, tiling_problems
from ninefold.engines.control import WITH_REFERENCES, Control
from ninefold.engines.diffusion import Generated, ModelInfo, TextToImage
from ninefold.engines.engine_set import EngineSet
from ninefold.engines.families import Task
from ninefold.engines.generation_record import GenerationRecord
from ninefold.engines.loras import FewSteps, few_steps, known_lora
from ninefold.engines.prompts import unknown_words
from ninefold.engines.schedulers import check_scheduler
from ninefold.imaging.boxes import Box
from ninefold.imaging.types import Pixels
from ninefold.prompts import possible_loras
from ninefold.slots import (
    CONTROL_IMAGES,
    IMAGE,
    LORAS,
    MASK,
    MODEL,
    NEGATIVE_PROMPT,
    PROMPT,
    REFERENCES,
    TILING,
    resolve_model,
)
from ninefold.stages.control import (
    control_of,
    entry_problems,
    fingerprint_of,
    named_images,
)
from ninefold.stages.parameters import SamplingParams
from ninefold.stages.sizes import mask_problems

P = TypeVar("P", bound=StageParams)


@dataclass(frozen=True)
class OwnPrompt:
    """What is painted, what is not, and the LoRAs that act beside the image's."""

    text: str
    negative: str
    loras: tuple[Lora, ...] = ()


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

    @property
    def model_catalog(self) -> ModelCatalog:
        """Its engines."""
        return self.engines


#: A warning of stages after which a seamless image has seams.
LOST_TILING = "The edges of the image no longer meet."

S = TypeVar("S", bound=SamplingParams)

#: What every diffusion stage reads, beside the image.
CONDITIONING: tuple[Slot[Any], ...] = (NEGATIVE_PROMPT, MODEL, LORAS, CONTROL_IMAGES)


class DiffusionStage(EngineStage[S]):
    """A stage that runs a diffusion model; its `accepts` include `CONDITIONING` and `PROMPT`."""

    #: What its model starts from; None where that hangs on the stages before it.
    task: ClassVar[Task | None] = None

    def model(self, context: PipelineContext) -> str:
        """The model that this stage uses, as it was named."""
        return resolve_model(self.params.model, context.get(MODEL))

    def model_info(self, context: PipelineContext) -> ModelInfo:
        """What is known of the model that this stage uses; raises `ModelError`."""
        return self.engines.diffusion.describe(self.model(context))

    def problems(self, context: PipelineContext) -> Iterator[str]:
        """Whether model, LoRAs and scheduler are at hand, and the model can start from an image
        where the stage does."""
        unusable = tuple(self.model_problems(context))
        yield from unusable
        if not unusable and self.changes_image:
            info = self.model_info(context)
            for problem in task_problems(self.task, info) if self.task else ():
                yield f"{self.name}: {problem}"
            strength = self.strength(context)
            if strength is not None:
                for problem in strength_problems(strength, info):
                    yield f"{self.name}.{problem}"
            most = info.family.max_steps
            if most and (self.params.steps or 0) > most:
                yield (
                    f"{self.name}.steps: expected at most {most}, which {info.name} can do, got "
                    f"{self.params.steps}."
                )
        yield from self.scheduler_problems(context)
        yield from self.lora_problems(
            context, "prompt", [lora.name for lora in context.get(LORAS) or ()]
        )
        if not unusable:
            for slot in (PROMPT, NEGATIVE_PROMPT):
                yield from self.embedding_problems(context, slot.name, context.get(slot) or "")
        if MASK in self.accepts and MASK in context and IMAGE in context:
            yield from mask_problems(context, context[IMAGE].size)
        if not unusable:
            yield from self._control_problems(context)

    def strength(self, context: PipelineContext) -> float | None:
        """How far it may change an image; None where it makes one, or where that is no parameter
        of its own."""
        return getattr(self.params, "strength", None) if IMAGE in self.requires else None

    def _control_problems(self, context: PipelineContext) -> Iterator[str]:
        if self.params.control and not self.changes_image:
            yield f"{self.name}.control: would have no effect. Leave it out."
            return
        if self.params.control and REFERENCES in self.accepts and REFERENCES in context:
            yield f"{self.name}.control: cannot act on an edit. {WITH_REFERENCES}"
            return
        has_source = IMAGE in self.requires or IMAGE in context
        info = self.model_info(context)
        for problem in entry_problems(self.params.control, context, info, self.engines, has_source):
            yield f"{self.name}.control.{problem}"

    def ignored_inputs(self, present: Collection[Slot[Any]]) -> Mapping[Slot[Any], str]:
        """Pictures that none of its `control` names."""
        if named_images(self.params.control):
            return {}
        why = f"No entry of {self.name}.control names one of them. Add one, or leave them out."
        return {CONTROL_IMAGES: why}

    def used_names(self, slot: Slot[Any]) -> Collection[str] | None:
        """Of pictures, those that its `control` names."""
        return named_images(self.params.control) if slot == CONTROL_IMAGES else None

    def control(
        self,
        context: PipelineContext,
        size: tuple[int, int],
        source: Pixels | None = None,
        crop: Box | None = None,
    ) -> tuple[Control, ...]:
        """What steers a request of `size` that starts from `source`, `crop` of the image."""

        def warn(text: str) -> None:
            self.warn_once(context, [text])

        entries = self.params.control
        return control_of(entries, context, self.engines, size, source, crop, warn)

    def embedding_problems(
        self, context: PipelineContext, where: str, prompt: str
    ) -> Iterator[str]:
        """What is wrong with the textual inversions that a prompt names."""
        diffusion, model = self.engines.diffusion, self.model(context)
        yield from problems_raised(where, partial(diffusion.embedding_hashes, model, prompt))

    def settings_without_effect(self, context: PipelineContext, info: ModelInfo) -> Iterator[str]:
        """What of the guidance scale and the image's negative prompt its model would not heed, and
        what LoRAs that were distilled for few steps change."""
        foreseen = (*(context.get(LORAS) or ()), *map(Lora, prompt_loras(context)))
        few = self._few_steps(context, info, foreseen)
        if few is not None:
            yield from self._changes_of(few, info)
            info = few.applied(info)
        scale = self.params.guidance_scale
        scale = info.guidance_scale if scale is None else scale
        negative = context.get(NEGATIVE_PROMPT) or ""
        yield from without_effect(info, negative, scale, self.params.true_cfg_scale)

    @property
    def changes_image(self) -> bool:
        """Whether its parameters leave anything to do."""
        return True

    def model_problems(self, context: PipelineContext) -> Iterator[str]:
        """Whether the model is at hand."""
        where = f"{self.name}.model" if self.params.model else "model"
        yield from problems_raised(where, lambda: self.model_info(context))

    def scheduler_problems(self, context: PipelineContext) -> Iterator[str]:
        """Whether the scheduler is known, and gives anything sensible with the model."""
        scheduler, known = self.params.scheduler, self.engines.diffusion.schedulers()
        if scheduler is not None:
            usable = not any(self.model_problems(context))
            kind = self.model_info(context).scheduler_kind if usable else None
            check = partial(check_scheduler, scheduler, kind, known)
            yield from problems_raised(f"{self.name}.scheduler", check)

    @classmethod
    def expected_steps(cls, params: Mapping[str, Any]) -> float:
        """As many as it is asked for."""
        steps = params.get("steps")
        return float(steps) if isinstance(steps, int) else cls.usual_steps

    def lora_problems(
        self, context: PipelineContext, where: str, names: Iterable[str]
    ) -> Iterator[str]:
        """What is wrong with LoRAs that are not at hand or not for the model, each once; `where`
        names the prompt."""
        diffusion, model = self.engines.diffusion, self.model(context)
        at_hand, is_known = diffusion.loras(), not any(self.model_problems(context))
        for name in dict.fromkeys(names):
            if is_known:
                yield from problems_raised(where, partial(diffusion.check_lora, model, name))
            else:
                yield from problems_raised(where, partial(known_lora, name, at_hand))

    def fingerprint(self, context: PipelineContext) -> Json | None:
        """The model's hash and what it asks for itself, the LoRAs' hashes, and what runs them."""
        diffusion, model = self.engines.diffusion, self.model(context)
        info = diffusion.describe(model)
        return {
            "model": info.hash,
            "guidance_rescale": info.guidance_rescale,
            "configs": info.config_hash,
            "defaults": [info.steps, info.guidance_scale, info.scheduler],
            **({"quantization": info.quantization} if info.quantization != "none" else {}),
            "loras": [diffusion.lora_hash(model, lora.name) for lora in context.get(LORAS) or ()],
            "embeddings": [
                diffusion.embedding_hashes(model, context.get(slot) or "")
                for slot in (PROMPT, NEGATIVE_PROMPT)
            ],
            "engines": dict(self.engines.versions),
            **fingerprint_of(self.params.control, self.engines),
        }

    def generate(
        self, context: PipelineContext, request: TextToImage, progress: Progress
    ) -> Generated:
        """What the engine makes; raises `StageError` for a black image, unless it is to warn."""
        result = self.engines.diffusion.run(request, progress)
        if result.defect is not None:
            if self.params.on_black == "fail":
                raise StageError(self.name, result.defect)
            context.warn(self.name, result.defect)
        return result

    def note(self, context: PipelineContext, record: GenerationRecord, *left_out: str) -> None:
        """Put what the engine says of an image into the metadata: of several calls the last one's,
        with the LoRAs and embeddings of all and each warning once."""
        found = record.to_json()
        before = context.metadata.get(self.name, {}).get("loras", [])
        found["loras"] = [*before, *(lora for lora in found["loras"] if lora not in before)]
        named = context.metadata.get(self.name, {}).get("embeddings", [])
        if found.get("embeddings") or named:
            new = (item for item in found.get("embeddings", ()) if item not in named)
            found["embeddings"] = [*named, *new]
        kept = {key: value for key, value in found.items() if key not in ("warnings", *left_out)}
        context.add_metadata(self.name, **kept)
        self.warn_once(context, record.warnings)

    def warn_once(self, context: PipelineContext, warnings: Iterable[str]) -> None:
        """Put warnings into the metadata that are not there yet."""
        for warning in warnings:
            if warning not in context.metadata.get(self.name, {}).get("warnings", ()):
                context.warn(self.name, warning)

    def kept_tiling(self, context: PipelineContext, info: ModelInfo) -> Tiling:
        """Which edges the stage lets meet: those that met before, where its model can."""
        tiling: Tiling = context.get(TILING) or "none"
        for problem in tiling_problems(tiling, info):
            self.warn_once(context, [f"{LOST_TILING} {problem}"])
            return "none"
        return tiling

    def warn_of_unknown_words(self, context: PipelineContext, text: str, info: ModelInfo) -> None:
        """Put a warning into the metadata where `text` has words that the model does not know."""
        if words := unknown_words(text, info):
            hint = f"It {info.hint.rstrip('.')}. " if info.hint else ""
            warning = (
                f"{info.name} does not know: {', '.join(words)}. {hint}"
                "For other subjects use a bigger model: --model FOLDER, FILE or hub name."
            )
            self.warn_once(context, [warning])

    def conditioning(
        self, context: PipelineContext, info: ModelInfo, own: OwnPrompt | None = None
    ) -> dict[str, Any]:
        """The fields of a request that say what to paint and how, all of them set.

        `own` is painted in place of the image's prompts, with its LoRAs beside the image's.
        """
        params = self.params
        guidance = params.guidance_scale
        loras: tuple[Lora, ...] = context.get(LORAS) or ()
        if own is None:
            own = OwnPrompt(context.get(PROMPT) or "", context.get(NEGATIVE_PROMPT) or "")
        loras = _joined(loras, own.loras) if own.loras else loras
        few = self._few_steps(context, info, loras)
        if few is not None:
            self.warn_once(context, self._changes_of(few, info))
            info = few.applied(info)
        return {
            "model": self.model(context),
            "prompt": own.text,
            "negative_prompt": own.negative,
            "steps": params.steps or info.steps,
            "guidance_scale": info.guidance_scale if guidance is None else guidance,
            "true_cfg_scale": params.true_cfg_scale,
            "scheduler": params.scheduler or info.scheduler,
            "quality": params.quality,
            "loras": loras,
        }

    def _few_steps(
        self, context: PipelineContext, info: ModelInfo, loras: Iterable[Lora]
    ) -> FewSteps | None:
        """What the LoRA that needs the fewest steps makes of the model's usual values."""
        diffusion, model = self.engines.diffusion, self.model(context)
        found = (
            few_steps(lora.name, diffusion.lora_names(model, lora.name), info)
            for lora in loras
            if lora.weight > 0
        )
        return min(filter(None, found), key=lambda few: few.steps, default=None)

    def _changes_of(self, few: FewSteps, info: ModelInfo) -> Iterator[str]:
        params = self.params
        return few.warnings(info, params.steps, params.guidance_scale, params.scheduler)


def prompt_loras(context: PipelineContext) -> tuple[str, ...]:
    """The LoRAs that the image's prompt may name; none where it cannot be read, as the stage
    `prompt` reports."""
    try:
        return possible_loras(context.get(PROMPT) or "")
    except InputError:
        return ()


def _joined(image: Iterable[Lora], own: Iterable[Lora]) -> tuple[Lora, ...]:
    """Those of the image and a stage's own: of one in both the stage's weight counts, 0 is none."""
    own = tuple(own)
    named = {lora.name for lora in own}
    found = (*(lora for lora in image if lora.name not in named), *own)
    return tuple(lora for lora in found if lora.weight or lora.text_encoder_weight)
