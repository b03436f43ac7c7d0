"""A prompt with every choice made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ninefold.core.values import Lora
from ninefold.prompts.checking import check
from ninefold.prompts.choosing import RandomChooser
from ninefold.prompts.loras import lora_names
from ninefold.prompts.other_syntax import warnings_for
from ninefold.prompts.parser import parse_prompt_tree
from ninefold.prompts.pieces import close_gaps
from ninefold.prompts.resolving import Resolver
from ninefold.prompts.wildcards import Wildcards


@dataclass(frozen=True)
class ResolvedPrompt:
    """What is painted, and with which LoRAs."""

    #: To the letter what was given, where it held no syntax.
    text: str
    #: Each once, in order; of one that was named twice the last weights.
    loras: tuple[Lora, ...] = ()
    #: What the user should hear of: other tools' syntax that is painted, a LoRA named twice.
    warnings: tuple[str, ...] = ()


def resolve(
    text: str, *, seed: int, wildcards: Wildcards | None = None, where: str = "prompt"
) -> ResolvedPrompt:
    """Make every choice in `text`; the same seed and `where` make the same ones.

    Raises `InputError` that starts with `where` (or with a wildcard's file and line) for text that
    cannot be read, whatever the seed, and for more work than `resolving` allows.
    """
    wildcards = wildcards or Wildcards()
    nodes = parse_prompt_tree(text, where)
    check(nodes, wildcards, where)
    pieces = Resolver(RandomChooser(seed, where), wildcards, where).resolve(nodes)
    painted = "".join(piece for piece in close_gaps(pieces) if isinstance(piece, str))
    loras = [piece for piece in pieces if isinstance(piece, Lora)]
    last = {lora.name: lora for lora in loras}
    warnings = (*warnings_for(painted, where), *_twice(loras, last, where))
    return ResolvedPrompt(painted, tuple(last.values()), warnings)


def possible_loras(text: str, where: str = "prompt") -> tuple[str, ...]:
    """The LoRAs that a prompt's tags name, in whatever variant; raises `InputError`."""
    return lora_names(parse_prompt_tree(text, where))


def _twice(loras: Sequence[Lora], last: dict[str, Lora], where: str) -> Iterator[str]:
    for name, lora in last.items():
        weights = {(one.weight, one.text_encoder_weight) for one in loras if one.name == name}
        if len(weights) > 1:
            yield (
                f"{where}: LoRA {name} is named more than once; its last weight counts, "
                f"{lora.weight:g}."
            )
