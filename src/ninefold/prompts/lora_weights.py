"""The weight of one LoRA in a prompt, set to another."""

from __future__ import annotations

from dataclasses import replace

from ninefold.core.errors import InputError
from ninefold.core.values import Lora
from ninefold.prompts.loras import MAX_LORA_WEIGHT, parse_lora, tag_content
from ninefold.prompts.parser import try_parse
from ninefold.prompts.tree import LoraTag, Text, walk

#: What stands in no name of a LoRA: it would end the tag.
_NOT_IN_NAMES = frozenset(":<>{}|\n")


def lora_called(name: str) -> str:
    """The name of a LoRA as tags have it; raises ValueError where it can be none."""
    if not name.strip() or _NOT_IN_NAMES & set(name):
        raise ValueError(f"expected the name of a LoRA, such as lora:sketch, got {name!r}")
    return parse_lora(name).name


def lora_weight(value: object) -> float:
    """A number as a weight; raises ValueError where it can be none."""
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not -MAX_LORA_WEIGHT <= value <= MAX_LORA_WEIGHT
    ):
        raise ValueError(f"expected a weight from -10 to 10, got {repr(value)[:60]}")
    return value


def with_lora_weight(prompt: str, name: str, weight: float) -> str:
    """The prompt in which the LoRA has that weight: in its tag, or in one before the prompt.

    A tag's own weight for the text encoder and its strengths by block stay. A prompt that is blank
    or cannot be read is left as it is. Raises `InputError` for several tags of the LoRA, whose
    weights would add up, and for one that a choice is a part of.
    """
    nodes = try_parse(prompt)
    if nodes is None or not prompt.strip():
        return prompt
    tags = [node for node in walk(nodes) if isinstance(node, LoraTag) and _names(node, name)]
    if len(tags) > 1:
        raise InputError(
            f"prompt: expected at most one tag of LoRA {name!r}, whose weight is to be set, got "
            f"{len(tags)}. Leave one out."
        )
    if not tags:
        return f"<lora:{tag_content(Lora(name, weight))}>{prompt}"
    (tag,) = tags
    if len(tag.content) > 1:
        raise InputError(
            f"prompt: expected a tag such as <lora:{name}:0.8>, whose weight is to be set, got "
            f"{prompt[tag.at : tag.end]!r}. Write it without a choice."
        )
    content = replace(parse_lora(_text(tag)), weight=weight)
    return f"{prompt[: tag.at]}<lora:{tag_content(content)}>{prompt[tag.end :]}"


def _names(tag: LoraTag, name: str) -> bool:
    """Whether a tag is of this LoRA; one may be called by its file's name alone."""
    own, colon, _ = _text(tag).partition(":")
    if not own.strip() or not (colon or len(tag.content) == 1):
        return False
    called = parse_lora(own).name
    return called == name or (
        ("/" in called) != ("/" in name) and called.rpartition("/")[2] == name.rpartition("/")[2]
    )


def _text(tag: LoraTag) -> str:
    first = tag.content[0] if tag.content else None
    return first.text if isinstance(first, Text) else ""
