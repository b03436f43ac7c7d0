"""What became of prompts in a model's text encoders, and what the user should hear of it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ninefold.engines.embeddings.weighted_text import WeightedText

#: Characters of a prompt that a warning shows.
_SHOWN = 300


@dataclass(frozen=True)
class Cut:
    """The end of a prompt that an encoder did not read."""

    encoder: str
    #: Tokens that it reads.
    limit: int
    words: str


@dataclass
class Findings:
    """What was cut, who read all, and whose weights acted."""

    cuts: list[Cut] = field(default_factory=list)
    #: Encoders that read a prompt to its end.
    whole: set[str] = field(default_factory=set)
    #: Prompts of which some row was weighed.
    weighed: set[WeightedText] = field(default_factory=set)

    def add(self, other: Findings) -> None:
        """Take in what was found elsewhere."""
        self.cuts += other.cuts
        self.whole |= other.whole
        self.weighed |= other.weighed

    def warnings(self, weighted: Iterable[WeightedText]) -> Iterator[str]:
        """Weights of `weighted` prompts that did not act, and what encoders left out."""
        for side in dict.fromkeys(weighted):
            if side not in self.weighed:
                yield (
                    f"The weights in {_short(side.text)} do not act: of this model's text encoders "
                    "none tells which part of its result stands for which word."
                )
        by_words: dict[str, list[Cut]] = defaultdict(list)
        for cut in dict.fromkeys(self.cuts):
            by_words[cut.words].append(cut)
        cut_off = {cut.encoder for cut in self.cuts}
        for words, cuts in by_words.items():
            encoders = " and ".join(dict.fromkeys(cut.encoder for cut in cuts))
            others = sorted(self.whole - cut_off)
            rest = f" {' and '.join(others)} read all of it." if others else ""
            yield (
                f"The prompt is longer than the {cuts[0].limit} tokens that {encoders} can read; "
                f"left out there: {_short(words)}.{rest}"
            )


def encoder_name(encoder: Any) -> str:
    """What people call a text encoder, from its class."""
    return re.split(r"Text|Encoder|For|Model|_", type(encoder).__name__)[0] or "the encoder"


def _short(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")
