"""Prompt weights in AUTOMATIC1111's syntax, and words that a model does not know. Pure text.

`(word)` is 1.1 times as strong, `[word]` 1.1 times weaker, `(word:1.3)` 1.3 times as strong;
nesting multiplies; a backslash before a bracket makes it a plain one; `BREAK` alone starts the
next chunk of the text encoder. An unclosed bracket counts up to the end. Syntax as in
`modules/prompt_parser.py` of AUTOMATIC1111/stable-diffusion-webui.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ninefold.engines.base import ModelInfo

_ROUND = 1.1
_SQUARE = 1 / 1.1
#: Weights beyond this only burn an image; a typing slip such as `(a:100)` is held to it.
MAX_WEIGHT = 10.0

#: `<lora:name>` or `<lora:name:weight>`.
LORA_TAG = re.compile(r"<lora:([^:<>]+)(?::([^:<>]*))?>")
_TOKEN = re.compile(
    r"""
    (?P<escape> \\[()\[\]\\] )
  | (?P<close>  :\s*(?P<weight>[+-]?(?:\d+\.?\d*|\.\d+))\s*\) )
  | (?P<mark>   [()\[\]] )
  | (?P<break>  \s*\bBREAK\b\s* )
  | (?P<text>   (?:(?!\s*\bBREAK\b)[^\\()\[\]:])+ | [\\:\s] )
    """,
    re.VERBOSE,
)
_WORD = re.compile(r"(?<!\w)[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")


@dataclass(frozen=True)
class Fragment:
    """A piece of a prompt and how strongly it acts; `chunk` starts a new encoder chunk."""

    text: str
    weight: float = 1.0
    chunk: bool = False


def parse_prompt(prompt: str) -> tuple[Fragment, ...]:
    """Split a prompt into weighted fragments; never fails, whatever the brackets.

    Neighbours of equal weight are joined, weights lie within 0 to `MAX_WEIGHT`, and a prompt
    without any brackets comes back as one fragment.
    """
    found: list[Fragment] = []
    rounds: list[int] = []
    squares: list[int] = []
    chunk = False

    def weigh(start: int, factor: float) -> None:
        found[start:] = [replace(item, weight=item.weight * factor) for item in found[start:]]

    for match in _TOKEN.finditer(prompt):
        mark = match["mark"]
        if mark == "(":
            rounds.append(len(found))
        elif mark == "[":
            squares.append(len(found))
        elif match["weight"] is not None and rounds:
            weigh(rounds.pop(), float(match["weight"]))
        elif mark == ")" and rounds:
            weigh(rounds.pop(), _ROUND)
        elif mark == "]" and squares:
            weigh(squares.pop(), _SQUARE)
        elif match["break"] is not None:
            chunk = True
        else:
            text = match["escape"][1:] if match["escape"] else match[0]
            found.append(Fragment(text, chunk=chunk))
            chunk = False
    for start in rounds:
        weigh(start, _ROUND)
    for start in squares:
        weigh(start, _SQUARE)
    return _joined(found)


def plain_text(prompt: str) -> str:
    """The prompt as an encoder without weights should read it."""
    return "".join(f" {part.text}" if part.chunk else part.text for part in parse_prompt(prompt))


def lora_names(prompt: str) -> tuple[str, ...]:
    """The LoRAs that a prompt names as it was written, in whatever variant."""
    return tuple(dict.fromkeys(name.strip() for name, _ in LORA_TAG.findall(prompt)))


def unknown_words(prompt: str, info: ModelInfo) -> tuple[str, ...]:
    """Words of the prompt that the model was not trained on, in order, each once, lower-case.

    A plural counts as known where its singular is. Empty for models that list no words.
    """
    if not info.words:
        return ()
    words = (match[0].lower() for match in _WORD.finditer(plain_text(prompt)))
    return tuple(dict.fromkeys(word for word in words if not _known(word, info.words)))


def _known(word: str, words: frozenset[str]) -> bool:
    if any(form in words for form in (word, *_folded(word))):
        return True
    parts = re.split(r"['\u2019-]", word)
    return len(parts) > 1 and all(
        len(part) == 1 or any(form in words for form in (part, *_folded(part))) for part in parts
    )


def _folded(word: str) -> tuple[str, ...]:
    forms = [f"{word}s", f"{word}es"]
    if word.endswith("s"):
        forms.append(word[:-1])
    if word.endswith("es"):
        forms.append(word[:-2])
    if word.endswith("ies"):
        forms.append(f"{word[:-3]}y")
    if word.endswith("y"):
        forms.append(f"{word[:-1]}ies")
    if word.endswith("ves"):
        forms.append(f"{word[:-3]}f")
    return tuple(forms)


def _joined(fragments: list[Fragment]) -> tuple[Fragment, ...]:
    joined: list[Fragment] = []
    for item in fragments:
        # Rounding makes `([word])` plain again, where floats would leave 0.9999999999999999.
        weight = round(min(max(item.weight, 0.0), MAX_WEIGHT), 6)
        if joined and joined[-1].weight == weight and not item.chunk:
            joined[-1] = replace(joined[-1], text=joined[-1].text + item.text)
        else:
            joined.append(replace(item, weight=weight))
    return tuple(joined) or (Fragment(""),)
