"""Stages that paint by prompts of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar, TypeVar

from pydantic import Field

from ninefold.core.context import PipelineContext
from ninefold.core.errors import InputError
from ninefold.core.values import Json
from ninefold.engines.diffusion import ModelInfo
from ninefold.prompts import Wildcards
from ninefold.prompts.templates import (
    TemplatePart,
    as_text,
    resolve_template,
    template_loras,
    written_template,
)
from ninefold.slots import MAX_PROMPT, NEGATIVE_PROMPT, PROMPT, SEED, WILDCARDS
from ninefold.stages.base import DiffusionStage, OwnPrompt
from ninefold.stages.parameters import SamplingParams


class PromptedParams(SamplingParams):
    """How a diffusion model is run, with prompts of its own; a stage adds its `prompt`."""

    prompt: str = ""
    negative_prompt: str = Field(
        "{negative_prompt}",
        max_length=MAX_PROMPT,
        description="What it should not show; {negative_prompt} is the image's.",
    )


Q = TypeVar("Q", bound=PromptedParams)


class PromptedStage(DiffusionStage[Q]):
    """A diffusion stage with prompts of its own; its `accepts` include `SEED` and `WILDCARDS`.

    They are resolved as the image's prompt is, and the LoRAs that they name act in the stage alone.
    """

    #: What divides a prompt into parts, if anything does.
    separator: ClassVar[str | None] = None

    def own_prompts(self) -> Mapping[str, str]:
        """Its prompts by the parameters that they stand in."""
        return {"prompt": self.params.prompt, "negative_prompt": self.params.negative_prompt}

    def resolved_prompts(
        self, context: PipelineContext, wildcards: Wildcards | None = None
    ) -> dict[str, tuple[TemplatePart, ...]]:
        """Its prompts in parts, with the choices that the seed makes; raises `InputError`."""
        wildcards = wildcards or self._wildcards(context)
        return {name: self._resolved(context, name, wildcards) for name in self.own_prompts()}

    def noted_prompts(self, context: PipelineContext) -> dict[str, tuple[TemplatePart, ...]]:
        """As `resolved_prompts`; those with choices go into the metadata, with these made."""
        found = self.resolved_prompts(context)
        given = self.own_prompts()
        written = {name: written_template(parts, self.separator) for name, parts in found.items()}
        chosen = {name: text for name, text in written.items() if text != given[name]}
        if chosen:
            context.add_metadata(self.name, own_prompts=chosen)
        return found

    def own_prompt(
        self,
        context: PipelineContext,
        info: ModelInfo,
        prompt: TemplatePart,
        negative: TemplatePart,
        label: str = "",
    ) -> OwnPrompt:
        """What is painted, its placeholders filled in; its warnings go into the metadata."""
        self.warn_once(context, (*prompt.warnings, *negative.warnings))
        where = f"{self.name}.prompt"
        self.warn_of_unknown_words(context, prompt.filled(where), info)
        texts = {
            "prompt": context.get(PROMPT) or "",
            "negative_prompt": context.get(NEGATIVE_PROMPT) or "",
            "label": as_text(label),
        }
        filled = prompt.filled(where, **texts)
        return OwnPrompt(
            filled, negative.filled(f"{self.name}.negative_prompt", **texts), prompt.loras
        )

    def problems(self, context: PipelineContext) -> Iterator[str]:
        """As of every diffusion stage, and whether its prompts can be resolved."""
        yield from super().problems(context)
        for name, text in self.own_prompts().items():
            where = f"{self.name}.{name}"
            try:
                parts = self._resolved(context, name, self._wildcards(context))
            except InputError as error:
                yield str(error)
            else:
                # Without a seed any line of a wildcard may yet be drawn.
                drawn = None if SEED in context else self._wildcards(context)
                possible = template_loras(text, where, drawn)
                chosen = [lora.name for part in parts for lora in part.loras]
                yield from self.lora_problems(context, where, (*possible, *chosen))
                if not any(self.model_problems(context)):
                    for part in parts:
                        yield from self.embedding_problems(context, where, part.text)

    def fingerprint(self, context: PipelineContext) -> Json | None:
        """As of every diffusion stage, and of the wildcards and LoRAs of its prompts."""
        wildcards = self._wildcards(context)
        own = tuple(self.resolved_prompts(context, wildcards).values())
        loras = [lora.name for parts in own for part in parts for lora in part.loras]
        diffusion = self.engines.diffusion
        return {
            **(super().fingerprint(context) or {}),
            "own_loras": [diffusion.lora_hash(self.model(context), name) for name in loras],
            "own_embeddings": [
                diffusion.embedding_hashes(self.model(context), part.text)
                for parts in own
                for part in parts
            ],
            "wildcards": wildcards.used(),
        }

    def _resolved(
        self, context: PipelineContext, name: str, wildcards: Wildcards
    ) -> tuple[TemplatePart, ...]:
        return resolve_template(
            self.own_prompts()[name],
            seed=context.get(SEED) or 0,
            wildcards=wildcards,
            where=f"{self.name}.{name}",
            separator=self.separator,
            negative=name == "negative_prompt",
        )

    def _wildcards(self, context: PipelineContext) -> Wildcards:
        return Wildcards(context.get(WILDCARDS) or {}, self.engines.wildcards)
