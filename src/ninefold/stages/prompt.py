"""The first stage: what was typed becomes what is painted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import Annotated, Any, ClassVar

from pydantic import Field, StringConstraints, field_validator

from ninefold.core.blocking import run_blocking
from ninefold.core.context import PipelineContext
from ninefold.core.errors import InputError
from ninefold.core.pipeline import Pipeline
from ninefold.core.problems import suggest
from ninefold.core.slots import Slot
from ninefold.core.stage import PipelineStage, StageParams
from ninefold.core.values import Json, Lora
from ninefold.engines.settings import EngineSettings
from ninefold.prompts import ResolvedPrompt, Wildcards, list_variants, possible_loras, resolve
from ninefold.prompts.loras import added
from ninefold.prompts.resolving import MAX_TEXT
from ninefold.prompts.wildcards import check_name
from ninefold.slots import LORAS, MAX_PROMPT, NEGATIVE_PROMPT, PROMPT, SEED, WILDCARDS, resolve_seed


class PromptParams(StageParams):
    """Parameters of `prompt`."""

    negative_prompt: str = Field(
        "",
        max_length=MAX_PROMPT,
        description="What the image should not show; added to the input's.",
    )
    styles: tuple[str, ...] = Field((), description="Names of styles to apply, in order.")
    style_texts: dict[str, Annotated[str, StringConstraints(max_length=MAX_PROMPT)]] = Field(
        default_factory=dict,
        description="Styles by name: a text around `{prompt}`, or one that is appended.",
    )
    wildcards: dict[str, tuple[Annotated[str, StringConstraints(max_length=MAX_TEXT)], ...]] = (
        Field(default_factory=dict, description="Choices for `__name__`, by name.")
    )
    allow_blank: bool = Field(
        False, description="Take a prompt that is blank, or is so beside its LoRA tags."
    )

    @field_validator("wildcards")
    @classmethod
    def _usable(cls, wildcards: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        if empty := [name for name, choices in wildcards.items() if not choices]:
            raise ValueError(f"expected at least one choice for {', '.join(empty)}, got none")
        for problem in filter(None, map(check_name, wildcards)):
            raise ValueError(problem)
        return wildcards


class PromptStage(PipelineStage[PromptParams]):
    """Resolves variants, wildcards, styles and LoRA tags, and fixes the seed."""

    name = "prompt"
    params_type = PromptParams
    usual_steps = 0.0
    important = ("negative_prompt", "styles")
    version: ClassVar[str] = "3"
    requires = (PROMPT,)
    accepts = (NEGATIVE_PROMPT, SEED, LORAS)
    provides = (PROMPT, NEGATIVE_PROMPT, SEED, LORAS, WILDCARDS)

    def is_missing(self, context: PipelineContext, slot: Slot[Any]) -> bool:
        """As every stage; but a blank prompt may be allowed."""
        if slot is PROMPT and self.params.allow_blank:
            return slot not in context
        return super().is_missing(context, slot)

    async def execute(self, context: PipelineContext) -> PipelineContext:
        """Set `prompt`, `negative_prompt`, `seed`, `loras` and `wildcards`."""
        template = context[PROMPT]
        seed = resolve_seed(context.get(SEED))
        prompt, negative = await run_blocking(context, self._resolved, context, seed)
        context[PROMPT] = prompt.text
        context[NEGATIVE_PROMPT] = negative.text
        context[SEED] = seed
        context[LORAS] = loras = added((*(context.get(LORAS) or ()), *prompt.loras))
        context[WILDCARDS] = self.params.wildcards
        context.add_metadata(
            self.name,
            template=template,
            prompt=prompt.text,
            negative_prompt=negative.text,
            seed=seed,
            styles=list(self.params.styles),
            loras=[lora.to_json() for lora in loras],
        )
        for warning in (*prompt.warnings, *negative.warnings):
            context.warn(self.name, warning)
        return context

    def problems(self, context: PipelineContext) -> Iterator[str]:
        """Whether the prompt's syntax, wildcards, styles and LoRA tags can be resolved."""
        if self.is_missing(context, PROMPT):
            return
        try:
            self._resolved(context, context.get(SEED) or 0)
        except InputError as error:
            yield str(error)

    def dry_run(self, context: PipelineContext) -> None:
        """Set `wildcards`, and as `loras` those that the prompt and its styles may bring."""
        context[WILDCARDS] = self.params.wildcards
        with suppress(InputError):  # reported by `problems`
            styled = self._styled(context.get(PROMPT) or "")
            names = possible_loras(styled, wildcards=None if SEED in context else self.wildcards)
            if "__" in styled or "<" in styled:  # choices may bring others
                chosen = self._resolved(context, context.get(SEED) or 0)[0].loras
                names = tuple(dict.fromkeys((*names, *(lora.name for lora in chosen))))
            given = context.get(LORAS) or ()
            context[LORAS] = added((*given, *map(Lora, names)))

    def fingerprint(self, context: PipelineContext) -> Json | None:
        """The choices of the wildcards that count; None where the seed is yet to be drawn."""
        seed = context.get(SEED)
        if seed is None:
            return None
        wildcards = Wildcards(self.params.wildcards, self.wildcards.folder)
        self._resolved(context, seed, wildcards)
        return {"wildcards": wildcards.used()}

    @cached_property
    def wildcards(self) -> Wildcards:
        """What `__name__` may stand for: the parameter's choices, and the folder of the settings.

        Raises `ConfigError` for settings that cannot be read.
        """
        if self._engines is not None:
            return Wildcards(self.params.wildcards, self._engines.wildcards)
        return Wildcards(self.params.wildcards, EngineSettings.from_environment().wildcards)

    def variants(self, prompt: str, limit: int) -> list[str]:
        """Every prompt that the braces can become; raises as `prompts.list_variants` does."""
        return list_variants(prompt, limit, self.wildcards)

    def _resolved(
        self, context: PipelineContext, seed: int, wildcards: Wildcards | None = None
    ) -> tuple[ResolvedPrompt, ResolvedPrompt]:
        """The prompt and the negative prompt with every choice made."""
        wildcards = wildcards or self.wildcards
        styled = self._styled(context[PROMPT])
        prompt = resolve(styled, seed=seed, wildcards=wildcards)
        if not prompt.text.strip():
            if not self.params.allow_blank:
                raise InputError(
                    "prompt: expected text beside its LoRA tags and blank choices, got none."
                )
            prompt = replace(prompt, text="")
        negative = resolve(
            self._negative(context),
            seed=seed,
            wildcards=wildcards,
            where="negative_prompt",
            negative=True,
        )
        return prompt, negative

    def _negative(self, context: PipelineContext) -> str:
        given = context.get(NEGATIVE_PROMPT)
        return ", ".join(text for text in (given, self.params.negative_prompt) if text)

    def _styled(self, prompt: str) -> str:
        for name in self.params.styles:
            if name not in self.params.style_texts:
                known = suggest(name, self.params.style_texts)
                raise InputError(f"prompt.styles: {name!r} is unknown.{known}")
            text = self.params.style_texts[name]
            around = text if "{prompt}" in text else f"{{prompt}}, {text}"
            length = len(around) + around.count("{prompt}") * (len(prompt) - len("{prompt}"))
            if length > MAX_TEXT:  # before it is made: each style may repeat what is before it
                raise InputError(
                    f"prompt: with the style {name!r} expected at most {MAX_TEXT:,} characters, "
                    f"got {length:,}. Write {{prompt}} less often in it, or take fewer styles."
                )
            prompt = around.replace("{prompt}", prompt)
        return prompt


def prompt_variants(pipeline: Pipeline, prompt: str, limit: int) -> list[str]:
    """Every prompt that the braces in `prompt` can become in a pipeline; raises `InputError`.

    Its first prompt stage says what wildcards there are.
    """
    for step in pipeline.steps:
        if isinstance(step.stage, PromptStage):
            return step.stage.variants(prompt, limit)
    return list_variants(prompt, limit)
