"""A prompt with every choice made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from ninefold.core.errors import InputError
from ninefold.core.values import Lora
from ninefold.prompts.checking import check
from ninefold.prompts.choosing import RandomChooser
from ninefold.prompts.loras import added, lora_names
from ninefold.prompts.other_syntax import warnings_for
from ninefold.prompts.parser import parse_prompt_tree
from ninefold.prompts.pieces import Piece, close_gaps
from ninefold.prompts.resolving import Resolver
from ninefold.prompts.tree import Text
from ninefold.prompts.wildcards import Wildcards


@dataclass(frozen=True)
class ResolvedPrompt:
    """What is painted, and with which LoRAs."""

    #: To the letter what was given, where it held no syntax.
    text: str
    #: Each once, in order; of one that was named twice the sum of its weights.
    loras: tuple[Lora, ...] = ()
    #: What the user should hear of: other tools' syntax that is painted.
    warnings: tuple[str, ...] = ()


def resolve(
    text: str,
    *,
    seed: int,
    wildcards: Wildcards | None = None,
    where: str = "prompt",
    negative: bool = False,
) -> ResolvedPrompt:
    """Make every choice in `text`; the same seed and `where` make the same ones.

    Raises `InputError` that starts with `where` (or with a wildcard's file and line) for text that
    cannot be read, whatever the seed, for more work than `resolving` allows, and for LoRA tags in
    a `negative` prompt, in whatever variant.
    """
    if (fixed := _fixed(text, None, where)) is not None:
        return fixed[0]
    return _finished(_pieces(text, seed, wildcards or Wildcards(), where, negative), text, where)


def resolve_parts(
    text: str,
    separator: str | None,
    *,
    seed: int,
    wildcards: Wildcards | None = None,
    where: str = "prompt",
    negative: bool = False,
) -> tuple[ResolvedPrompt, ...]:
    """As `resolve`, in the parts that the separator divides the result into, each with its LoRAs.

    One part where there is no separator, or none in the result; blanks around others are left out.
    """
    if (fixed := _fixed(text, separator, where)) is not None:
        return fixed
    pieces = _pieces(text, seed, wildcards or Wildcards(), where, negative)
    return _parts(pieces, separator, text, where)


@lru_cache(maxsize=256)
def _fixed(text: str, separator: str | None, where: str) -> tuple[ResolvedPrompt, ...] | None:
    """The parts of a text without choices and tags, which are the same for every job; else None."""
    if not all(isinstance(node, Text) for node in parse_prompt_tree(text, where)):
        return None
    return _parts(_pieces(text, 0, Wildcards(), where, False), separator, text, where)


def _parts(
    pieces: Sequence[Piece], separator: str | None, text: str, where: str
) -> tuple[ResolvedPrompt, ...]:
    parts: list[list[Piece]] = [[]]
    for piece in pieces:
        if separator is None or not isinstance(piece, str):
            parts[-1].append(piece)
            continue
        first, *rest = piece.split(separator)
        parts[-1].append(first)
        parts += [[each] for each in rest]
    found = tuple(_finished(part, text, where) for part in parts)
    if len(found) > 1:
        found = tuple(replace(part, text=part.text.strip()) for part in found)
    return found


def _pieces(text: str, seed: int, wildcards: Wildcards, where: str, negative: bool) -> list[Piece]:
    nodes = parse_prompt_tree(text, where)
    check(nodes, wildcards, where)
    pieces = Resolver(RandomChooser(seed, where), wildcards, where).resolve(nodes)
    if negative:
        chosen = (piece.name for piece in pieces if isinstance(piece, Lora))
        for name in (*lora_names(nodes), *chosen):
            raise InputError(
                f"{where}: LoRA {name} cannot act in it alone. Write the tag into the prompt."
            )
    return pieces


def _finished(pieces: list[Piece], source: str, where: str) -> ResolvedPrompt:
    painted = "".join(piece for piece in close_gaps(pieces) if isinstance(piece, str))
    loras = [piece for piece in pieces if isinstance(piece, Lora)]
    return ResolvedPrompt(painted, added(loras), tuple(warnings_for(painted, source, where)))


def possible_loras(
    text: str, where: str = "prompt", wildcards: Wildcards | None = None
) -> tuple[str, ...]:
    """The LoRAs that a prompt's tags name, in whatever variant; raises `InputError`.

    With `wildcards`, those too that the lines of its wildcards name, as far as `check` looks.
    """
    if _fixed(text, None, where) is not None:
        return ()
    nodes = parse_prompt_tree(text, where)
    named = lora_names(nodes)
    return (
        named
        if wildcards is None
        else tuple(dict.fromkeys((*named, *check(nodes, wildcards, where))))
    )
