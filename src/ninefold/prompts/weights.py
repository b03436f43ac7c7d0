"""Attention weights in AUTOMATIC1111's syntax, as the text encoder reads a resolved prompt.

`(word)` is 1.1 times as strong, `[word]` 1.1 times weaker, `(word:1.3)` 1.3 times as strong;
nesting multiplies; a backslash before a bracket makes it a plain one; `BREAK` alone starts the
next chunk of the text encoder. An unclosed bracket counts up to the end. Syntax as in
`modules/prompt_parser.py` of AUTOMATIC1111/stable-diffusion-webui.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

_ROUND = 1.1
_SQUARE = 1 / 1.1
#: Weights beyond this only burn an image; a typing slip such as `(a:100)` is held to it.
MAX_WEIGHT = 10.0
_OPENING = {")": "(", "]": "["}

_TOKEN = re.compile(
    r"""
    (?P<escape> \\[()\[\]\\] )
  | (?P<close>  :\s*+(?P<weight>[+-]?(?:\d++(?:\.\d*+)?|\.\d++))\s*+\) )
  | (?P<mark>   [()\[\]] )
  | (?P<break>  (?<!\w)BREAK(?!\w) )
  | (?P<text>   [^\\()\[\]:B]+ | . )
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Fragment:
    """A piece of a prompt and how strongly it acts; `chunk` starts a new encoder chunk."""

    text: str
    weight: float = 1.0
    chunk: bool = False


@dataclass
class _Piece:
    text: str
    weight: float = 1.0
    chunk: bool = False


def parse_prompt(prompt: str) -> tuple[Fragment, ...]:
    """Split a prompt into weighted fragments; never fails, whatever the brackets.

    Neighbours of equal weight are joined, weights lie within 0 to `MAX_WEIGHT`, and a prompt
    without any brackets comes back as one fragment. Blanks around a BREAK go with it.
    """
    found: list[_Piece] = []
    rounds: list[int] = []
    squares: list[int] = []
    chunk = False

    def weigh(start: int, factor: float) -> None:
        for piece in found[start:]:
            piece.weight *= factor

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
            _trim_end(found)
            chunk = True
        else:
            text = match["escape"][1:] if match["escape"] else match[0]
            if chunk and not match["escape"]:
                text = text.lstrip()
            if text:
                found.append(_Piece(text, chunk=chunk))
                chunk = False
    for start in rounds:
        weigh(start, _ROUND)
    for start in squares:
        weigh(start, _SQUARE)
    return _joined(found)


@dataclass(frozen=True)
class WeightSpan:
    """Where a prompt's text encoder is told something: characters `start` to `end`, excluded."""

    start: int
    end: int
    kind: Literal["weight", "chunk", "escape"]
    #: Of brackets: how much stronger they make what is in them, by themselves.
    weight: float | None = None
    #: Whether the bracket is closed; one that is not counts up to the end.
    closed: bool = True


def weight_spans(prompt: str) -> tuple[WeightSpan, ...]:
    """The brackets, BREAKs and escapes that `parse_prompt` reads, in the order of their ends."""
    spans: list[WeightSpan] = []
    open_brackets: dict[str, list[int]] = {"(": [], "[": []}
    factors = {"(": _ROUND, "[": _SQUARE}
    for match in _TOKEN.finditer(prompt):
        start, end, mark = match.start(), match.end(), match["mark"]
        if mark in open_brackets:
            open_brackets[mark].append(start)
        elif match["weight"] is not None and open_brackets["("]:
            given = float(match["weight"])
            spans.append(WeightSpan(open_brackets["("].pop(), end, "weight", given))
        elif mark in _OPENING and open_brackets[opening := _OPENING[mark]]:
            factor = factors[opening]
            spans.append(WeightSpan(open_brackets[opening].pop(), end, "weight", factor))
        elif match["break"] is not None:
            spans.append(WeightSpan(start, end, "chunk"))
        elif match["escape"] is not None:
            spans.append(WeightSpan(start, end, "escape"))
    for opening, starts in open_brackets.items():
        spans += [
            WeightSpan(start, len(prompt), "weight", factors[opening], closed=False)
            for start in starts
        ]
    return tuple(spans)


def plain_text(prompt: str) -> str:
    """The prompt as an encoder without weights should read it."""
    return "".join(f" {part.text}" if part.chunk else part.text for part in parse_prompt(prompt))


def _trim_end(pieces: list[_Piece]) -> None:
    """Remove blanks at the end; an empty piece stays, for brackets count them."""
    for piece in reversed(pieces):
        piece.text = piece.text.rstrip()
        if piece.text or piece.chunk:
            return


def _joined(pieces: list[_Piece]) -> tuple[Fragment, ...]:
    joined: list[Fragment] = []
    texts: list[str] = []
    for piece in pieces:
        # Rounding makes `([word])` plain again, where floats would leave 0.9999999999999999.
        weight = round(min(max(piece.weight, 0.0), MAX_WEIGHT), 6)
        if joined and not piece.chunk and (joined[-1].weight == weight or not piece.text):
            texts.append(piece.text)
            continue
        if joined:
            joined[-1] = replace(joined[-1], text="".join(texts))
        texts = [piece.text]
        joined.append(Fragment("", weight, piece.chunk))
    if joined:
        joined[-1] = replace(joined[-1], text="".join(texts))
    return tuple(joined) or (Fragment(""),)
