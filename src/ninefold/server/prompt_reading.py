"""Prompts as clients see them read: every construct in its place, and what may come of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from ninefold.core.errors import ConfigError, InputError, UserError
from ninefold.engines.engine_set import EngineSet
from ninefold.engines.loras import known_lora
from ninefold.prompts import ResolvedPrompt, Wildcards, count_variants, resolve
from ninefold.prompts.resolving import MAX_TEXT
from ninefold.prompts.spans import PromptMessage, Span, SpanKind, prompt_spans, utf16_offsets
from ninefold.server.limits import Limits
from ninefold.slots import MAX_PROMPT, MAX_SEED, next_seed
from ninefold.stages.prompt import PromptStage

#: Most examples of what a prompt may become.
MAX_EXAMPLES = 3
#: The largest number of variants that is told; it stands for itself and all above.
MAX_VARIANTS = 10**9
#: LoRAs that are looked up: to suggest a name takes time.
_MAX_LORAS = 20

_UNITS = "In UTF-16 code units, as JavaScript counts a string's length."


class PromptRequest(BaseModel):
    """A prompt to be read; nothing is painted."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={
            "examples": [{"prompt": "a {red|blue} house <lora:ink:0.8>", "seed": 7}]
        },
    )

    prompt: Annotated[str, StringConstraints(max_length=MAX_PROMPT)]
    kind: Literal["prompt", "negative"] = "prompt"
    model: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = Field(
        None, description="One of `GET /v1/models`: LoRAs are checked against it, too."
    )
    wildcards: dict[str, list[Annotated[str, StringConstraints(max_length=MAX_TEXT)]]] = Field(
        default_factory=dict,
        max_length=1000,
        description="Choices for `__name__`, as `wildcards` of the stage `prompt` has them.",
    )
    seed: int = Field(
        0, ge=0, lt=MAX_SEED, strict=True, description="The seed of the first example."
    )


class PromptSpan(BaseModel):
    """What a part of the prompt is read as; spans lie inside each other, the outer ones first."""

    start: int = Field(description=_UNITS)
    end: int = Field(description="Excluded. " + _UNITS)
    kind: SpanKind
    name: str | None = Field(
        None, description="Of a wildcard, a variable or a LoRA, where it is fixed."
    )
    weight: float | None = Field(
        None,
        description="Of brackets the factor, of an option how likely it is beside 1, of a LoRA its "
        "weight.",
    )
    choices: int | None = Field(None, description="Of variants and wildcards, where it is known.")
    known: bool | None = Field(
        None, description="Of a LoRA or a wildcard: whether it is here and fits; null if not known."
    )


class PromptNote(BaseModel):
    """A problem or a warning, where it is."""

    start: int = Field(description=_UNITS)
    end: int = Field(description="Excluded. " + _UNITS)
    message: str


class PromptLora(BaseModel):
    """A LoRA that a reading of a prompt brings."""

    name: str
    weight: float
    text_encoder_weight: float | None = Field(None, description="Null where it is the same.")
    blocks: str = Field("", description="Strengths by block; empty for none.")


class PromptExample(BaseModel):
    """What a job with this seed paints."""

    seed: int
    prompt: str
    loras: list[PromptLora]


class PromptDocument(BaseModel):
    """How a prompt is read."""

    spans: list[PromptSpan]
    problems: list[PromptNote]
    warnings: list[PromptNote]
    variants: int | None = Field(
        description=f"How many jobs `variants` makes of it, at most; {MAX_VARIANTS} for so many or "
        "more, null where they cannot be counted."
    )
    examples: list[PromptExample] = Field(
        description=f"Up to {MAX_EXAMPLES} that differ, of seeds in a row; none where there are "
        "problems."
    )


def read_prompt(request: PromptRequest, limits: Limits, engines: EngineSet) -> PromptDocument:
    """How a prompt is read here; raises `ConfigError` for a request that cannot be met."""
    problems = list(limits.input_problems({"prompt": request.prompt}, "body"))
    problems += limits.model_problems(request.model, "model")
    if problems:
        raise ConfigError(problems)
    engines = engines.keep_lookups()
    wildcards = PromptStage(engines=engines, wildcards=request.wildcards).wildcards
    negative = request.kind == "negative"
    where = "negative_prompt" if negative else "prompt"
    found = prompt_spans(request.prompt, wildcards, where=where, negative=negative)
    loras = _looked_up(found.spans, request.model, engines)
    notes = list(found.problems)
    for span in found.spans if not negative else ():
        if span.kind == "lora" and (problem := loras.get(span.name)) is not None:
            notes.append(PromptMessage(span.start, span.end, f"{where}: {problem}"))
    examples: list[PromptExample] = []
    if not notes:
        try:
            examples = _examples(request, wildcards, where)
        except InputError as error:
            notes.append(PromptMessage(0, len(request.prompt), str(error)))
    units = utf16_offsets(request.prompt)
    return PromptDocument(
        spans=[_span(span, units, loras) for span in found.spans],
        problems=_notes(notes, units),
        warnings=_notes(found.warnings, units),
        variants=_variants(request.prompt, wildcards),
        examples=examples,
    )


def _looked_up(
    spans: Sequence[Span], model: str | None, engines: EngineSet
) -> dict[str, str | None]:
    """What is wrong with each LoRA that is named, None for nothing; of very many with the first."""
    names = dict.fromkeys(span.name for span in spans if span.kind == "lora" and span.name)
    found: dict[str, str | None] = {}
    for name in islice(names, _MAX_LORAS):
        found[name] = None
        try:
            if model is None:
                known_lora(name, engines.diffusion.loras())
            else:
                engines.diffusion.check_lora(model, name)
        except UserError as error:
            found[name] = str(error)
    return found


def _span(span: Span, units: Sequence[int], loras: Mapping[str, str | None]) -> PromptSpan:
    known = None
    if span.kind == "lora" and span.name in loras:
        known = loras[span.name] is None
    elif span.kind == "wildcard" and span.name:
        known = span.choices is not None
    return PromptSpan(
        start=units[span.start],
        end=units[span.end],
        kind=span.kind,
        name=span.name or None,
        weight=span.weight,
        choices=span.choices,
        known=known,
    )


def _notes(messages: Sequence[PromptMessage], units: Sequence[int]) -> list[PromptNote]:
    order = sorted(messages, key=lambda note: (note.start, note.end))
    return [
        PromptNote(start=units[note.start], end=units[note.end], message=note.message)
        for note in order
    ]


def _examples(request: PromptRequest, wildcards: Wildcards, where: str) -> list[PromptExample]:
    """Readings that differ, of seeds in a row; raises `InputError`."""
    found: dict[ResolvedPrompt, int] = {}
    for index in range(MAX_EXAMPLES):
        seed = next_seed(request.seed, index)
        negative = request.kind == "negative"
        resolved = resolve(
            request.prompt, seed=seed, wildcards=wildcards, where=where, negative=negative
        )
        found.setdefault(resolved, seed)
    return [
        PromptExample(
            seed=seed, prompt=one.text, loras=[PromptLora(**lora.to_json()) for lora in one.loras]
        )
        for one, seed in found.items()
    ]


def _variants(prompt: str, wildcards: Wildcards) -> int | None:
    try:
        return min(count_variants(prompt, wildcards), MAX_VARIANTS)
    except InputError:
        return None
