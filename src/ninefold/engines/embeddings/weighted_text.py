"""A prompt as plain text with a weight for each character, and where it lies in another text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ninefold.engines.prompts import Fragment, parse_prompt

#: What chat templates write after a prompt, before the answer; its words are not the prompt's.
_ANSWER = "<|im_start|>assistant"


@dataclass(frozen=True)
class Place:
    """The characters `start` to `end` of a text, and the weight of every character of the text."""

    start: int
    end: int
    weights: tuple[float, ...]


@dataclass(frozen=True)
class WeightedText:
    """A prompt without its syntax; blanks around it are left out, as encoders may do."""

    text: str
    weights: tuple[float, ...]
    fragments: tuple[Fragment, ...]

    @classmethod
    def parse(cls, prompt: str) -> WeightedText:
        """Read weights and BREAK."""
        fragments = parse_prompt(prompt)
        text, weights = "", []
        for fragment in fragments:
            piece = f" {fragment.text}" if fragment.chunk else fragment.text
            text += piece
            weights += [fragment.weight] * len(piece)
        start = len(text) - len(text.lstrip())
        text = text.strip()
        return cls(text, tuple(weights[start : start + len(text)]), fragments)

    @property
    def weighted(self) -> bool:
        """Whether any weight is not 1."""
        return any(weight != 1.0 for weight in self.weights)

    def find(self, text: str) -> Place | None:
        """Where the prompt lies in what a tokenizer gets: in a template, in small letters, or
        cleaned of this and that."""
        if not self.text:
            return None
        end = text.rfind(_ANSWER)
        within = text if end < 0 else text[:end]
        found = [match.start() for match in re.finditer(re.escape(self.text), within, re.I)]
        if found:
            return _place(text, [(found[-1], found[-1] + len(self.text), self.weights)])
        runs, at = [], 0
        for fragment in self.fragments:
            if not (piece := fragment.text.strip()):
                continue
            match = re.compile(re.escape(piece), re.I).search(within, at)
            if match is None:
                return None
            at = match.end()
            runs.append((match.start(), at, (fragment.weight,) * (at - match.start())))
        return _place(text, runs)


def _place(text: str, runs: Sequence[tuple[int, int, Sequence[float]]]) -> Place:
    weights = [1.0] * len(text)
    for start, end, values in runs:
        weights[start:end] = values
    return Place(runs[0][0], runs[-1][1], tuple(weights))


def token_weight(text: str, place: Place, start: int, end: int) -> float:
    """The weight of a token that stands for the characters `start` to `end`: of its first letter,
    for tokens hold the blank before a word; 1 for a token that stands for none."""
    if start >= end:
        return 1.0
    blanks = len(text[start:end]) - len(text[start:end].lstrip())
    return place.weights[min(start + blanks, end - 1)]


def words_from(text: str, cut: int, end: int) -> str:
    """The words of `text` up to `end` that lie after `cut`, or that it goes through."""
    if cut > 0 and not text[cut - 1 : cut + 1].isspace() and " " not in text[cut - 1 : cut + 1]:
        cut = text.rfind(" ", 0, cut) + 1
    return text[cut:end].strip()
