"""The first stage: what was typed becomes what is painted."""

from __future__ import annotations

import os
import random
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from ninefold.core.blocking import run_blocking
from ninefold.core.context import PipelineContext
from ninefold.core.errors import InputError
from ninefold.core.problems import suggest
from ninefold.core.slots import Slot
from ninefold.core.stage import PipelineStage, StageParams
from ninefold.core.values import Json, Lora
from ninefold.engines.prompts import LORA_TAG
from ninefold.slots import LORAS, NEGATIVE_PROMPT, PROMPT, SEED

#: A folder of text files, one choice a line; `__colours__` takes a line of `colours.txt`.
WILDCARDS_VARIABLE = "NINEFOLD_WILDCARDS"

_WILDCARD = re.compile(r"__([\w/*-]+?)__")
_DYNAMIC = re.compile(r"[{}]|__|\$\{")
_MAX_LORA_WEIGHT = 10.0


class PromptParams(StageParams):
    """Parameters of `prompt`."""

    negative_prompt: str = Field(
        "", max_length=4000, description="What the image should not show; added to the input's."
    )
    styles: tuple[str, ...] = Field((), description="Names of styles to apply, in order.")
    style_texts: dict[str, str] = Field(
        default_factory=dict,
        description="Styles by name: a text around `{prompt}`, or one that is appended.",
    )
    wildcards: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="Choices for `__name__`, by name."
    )
    allow_blank: bool = Field(
        False, description="Take a prompt that is blank, or is so beside its LoRA tags."
    )

    @field_validator("wildcards")
    @classmethod
    def _not_empty(cls, wildcards: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        if empty := [name for name, choices in wildcards.items() if not choices]:
            raise ValueError(f"expected at least one choice for {', '.join(empty)}, got none")
        return wildcards


class PromptStage(PipelineStage[PromptParams]):
    """Resolves variants, wildcards, styles and LoRA tags, and fixes the seed."""

    name = "prompt"
    params_type = PromptParams
    requires = (PROMPT,)
    accepts = (NEGATIVE_PROMPT, SEED)
    provides = (PROMPT, NEGATIVE_PROMPT, SEED, LORAS)

    def lacks(self, context: PipelineContext, slot: Slot[Any]) -> bool:
        """As every stage; but a blank prompt may be allowed."""
        if slot is PROMPT and self.params.allow_blank:
            return slot not in context
        return super().lacks(context, slot)

    async def execute(self, context: PipelineContext) -> PipelineContext:
        """Set `prompt`, `negative_prompt`, `seed` and `loras`."""
        template = context[PROMPT]
        seed = context.get(SEED)
        if seed is None:
            seed = secrets.randbelow(2**32)
        styled, negative = self._styled(template), self._negative(context)
        prompt, negative = await run_blocking(
            context, _resolved, (styled, negative), seed, self.params.wildcards
        )
        prompt, loras = _without_lora_tags(prompt)
        if not prompt and not self.params.allow_blank:
            raise InputError("prompt: expected text beside its LoRA tags, got none.")
        context[PROMPT] = prompt
        context[NEGATIVE_PROMPT] = negative
        context[SEED] = seed
        context[LORAS] = loras
        context.add_metadata(
            self.name,
            template=template,
            prompt=prompt,
            negative_prompt=negative,
            seed=seed,
            styles=list(self.params.styles),
            loras=[{"name": lora.name, "weight": lora.weight} for lora in loras],
        )
        return context

    def problems(self, context: PipelineContext) -> Iterator[str]:
        """Whether the prompt's syntax, wildcards, styles and LoRA tags can be resolved."""
        if not context.get(PROMPT):
            return
        try:
            texts = (self._styled(context[PROMPT]), self._negative(context))
            _without_lora_tags(_resolved(texts, context.get(SEED) or 0, self.params.wildcards)[0])
        except InputError as error:
            yield str(error)

    def fingerprint(self, context: PipelineContext) -> Json | None:
        """Nothing more; None where the seed is yet to be drawn, or a folder's files count."""
        if context.get(SEED) is None or os.environ.get(WILDCARDS_VARIABLE):
            return None
        return {}

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
            prompt = around.replace("{prompt}", prompt)
        return prompt


def _resolved(
    templates: tuple[str, ...], seed: int, wildcards: dict[str, tuple[str, ...]]
) -> tuple[str, ...]:
    """Each template with one choice for every `{a|b}` and `__name__`, fixed by `seed`."""
    chosen = random.Random(seed)
    return tuple(
        _choose(text, chosen.getrandbits(32), wildcards) if _DYNAMIC.search(text) else text
        for text in templates
    )


def all_variants(template: str, limit: int) -> list[str]:
    """Every prompt that `{a|b}` in `template` can become, at most `limit`; raises `InputError`."""
    if not _DYNAMIC.search(template):
        return [template]
    from dynamicprompts.generators import CombinatorialPromptGenerator
    from pyparsing import ParseBaseException

    generator = CombinatorialPromptGenerator(_wildcard_manager({}))
    try:
        return [str(prompt).strip() for prompt in generator.generate(template, limit)]
    except ParseBaseException as error:
        raise _unreadable(template, error.loc) from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"prompt: variants cannot be resolved: {error}") from None


def _unreadable(template: str, place: int) -> InputError:
    return InputError(
        f"prompt: cannot be read at character {place + 1} ({template[place:][:20]!r}). "
        "Variants are written {a|b}, with every brace closed."
    )


def _choose(template: str, seed: int, wildcards: dict[str, tuple[str, ...]]) -> str:
    from dynamicprompts.generators import RandomPromptGenerator
    from pyparsing import ParseBaseException

    manager = _wildcard_manager(wildcards)
    known = set(manager.get_collection_names())
    for name in _WILDCARD.findall(template):
        if "*" not in name and name not in known:
            remedy = suggest(name, known) or f" Set {WILDCARDS_VARIABLE} to a folder of text files."
            raise InputError(f"prompt: wildcard __{name}__ is unknown.{remedy}")
    try:
        chosen: list[str] = RandomPromptGenerator(manager, seed=seed).generate(template)
        return chosen[0].strip()
    except ParseBaseException as error:
        raise _unreadable(template, error.loc) from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"prompt: variants cannot be resolved: {error}") from None


def _wildcard_manager(wildcards: dict[str, tuple[str, ...]]) -> Any:
    from dynamicprompts.wildcards import WildcardManager

    roots: dict[str, list[Any]] = {"": [{name: list(items) for name, items in wildcards.items()}]}
    if folder := os.environ.get(WILDCARDS_VARIABLE):
        roots[""].append(Path(folder))
    return WildcardManager(root_map=roots)


def _without_lora_tags(prompt: str) -> tuple[str, tuple[Lora, ...]]:
    loras: dict[str, Lora] = {}
    for name, weight in LORA_TAG.findall(prompt):
        try:
            value = float(weight or 1.0)
        except ValueError:
            value = float("inf")
        if not -_MAX_LORA_WEIGHT <= value <= _MAX_LORA_WEIGHT:
            raise InputError(
                f"prompt: expected a weight from -10 to 10 in <lora:{name}:...>, got {weight!r}. "
                "Write <lora:name:0.8>."
            )
        loras[name.strip()] = Lora(name.strip(), value)
    text = re.sub(r"\s+", " ", LORA_TAG.sub("", prompt)).strip(" ,")
    return text, tuple(loras.values())
