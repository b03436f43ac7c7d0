"""Prompts with placeholders, as stages have: choices are made first, and then they are filled in.

What is filled in is text. It is not read again, so nothing in a resolved prompt or in a detector's
label can make a choice, name a wildcard or bring a LoRA.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ninefold.core.errors import InputError
from ninefold.core.values import Lora
from ninefold.prompts.loras import tag_content
from ninefold.prompts.resolved import possible_loras, resolve_parts
from ninefold.prompts.wildcards import Wildcards
from ninefold.prompts.writing import escape

#: Longest prompt that filling in may make, in characters.
MAX_FILLED = 20_000

# Stand for placeholders while the rest is resolved: characters that mean nothing to anyone
# (Unicode's noncharacters), as many as the placeholder has, so that places in messages are right.
_PLACEHOLDERS = ("prompt", "negative_prompt", "label")
_MARKS = {
    name: chr(0xFDD0 + number) * len(f"{{{name}}}") for number, name in enumerate(_PLACEHOLDERS)
}
_PLACEHOLDER = re.compile(rf"(?<!\\)((?:\\\\)*)\{{({'|'.join(_PLACEHOLDERS)})\}}")
_MARK = re.compile("|".join(_MARKS.values()))
_NAMES = {mark: name for name, mark in _MARKS.items()}


@dataclass(frozen=True)
class TemplatePart:
    """A part of a template with every choice made, and the LoRAs that it brings."""

    marked: str
    loras: tuple[Lora, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """As it was written, with its placeholders."""
        return _unmarked(self.marked)

    def filled(self, where: str, **texts: str) -> str:
        """What is painted; raises `InputError` where that is too long."""
        filled = _MARK.sub(lambda match: texts.get(_NAMES[match[0]], ""), self.marked)
        if len(filled) > MAX_FILLED:
            raise InputError(
                f"{where}: with its placeholders filled in, expected at most {MAX_FILLED:,} "
                f"characters, got {len(filled):,}. Write {{prompt}} less often."
            )
        return filled


def resolve_template(
    text: str,
    *,
    seed: int,
    wildcards: Wildcards,
    where: str,
    separator: str | None = None,
    negative: bool = False,
) -> tuple[TemplatePart, ...]:
    """The parts of `text` between separators; raises as `resolve` does."""
    try:
        parts = resolve_parts(
            _marked(text),
            separator,
            seed=seed,
            wildcards=wildcards,
            where=where,
            negative=negative,
        )
    except InputError as error:
        raise InputError(_unmarked(str(error))) from None
    for lora in (lora for part in parts for lora in part.loras):
        if _MARK.search(lora.name):
            raise InputError(
                f"{where}: expected a LoRA's name in <lora:...>, got {_unmarked(lora.name)!r}. "
                "Placeholders are filled in as text alone."
            )
    return tuple(
        TemplatePart(part.text, part.loras, tuple(map(_unmarked, part.warnings))) for part in parts
    )


def template_loras(text: str, where: str, wildcards: Wildcards | None = None) -> tuple[str, ...]:
    """As `possible_loras`, of a prompt with placeholders."""
    return possible_loras(_marked(text), where, wildcards)


def written_template(parts: Sequence[TemplatePart], separator: str | None) -> str:
    """A template that is resolved to `parts`, whatever the seed and the wildcards."""
    texts = [
        _unmarked(escape(part.marked))
        + "".join(f"<lora:{tag_content(lora)}>" for lora in part.loras)
        for part in parts
    ]
    return f" {separator} ".join(texts) if separator else "".join(texts)


def as_text(label: str) -> str:
    """A label as a prompt that says it: brackets in it give no weight."""
    return re.sub(r"[\\()\[\]]", r"\\\g<0>", label)


def _marked(text: str) -> str:
    return _PLACEHOLDER.sub(lambda match: match[1] + _MARKS[match[2]], text)


def _unmarked(text: str) -> str:
    return _MARK.sub(lambda match: f"{{{_NAMES[match[0]]}}}", text)
