"""What a tree becomes on its way to text, and how pieces are put together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ninefold.core.values import Lora


@dataclass(frozen=True)
class Gap:
    """Where something left no text."""


@dataclass(frozen=True)
class Source:
    """A part that stays as it is written, to be resolved later."""

    text: str


Piece = str | Source | Lora | Gap
GAP = Gap()

_AROUND = " \t\r\n,"


def holds_text(pieces: Iterable[Piece]) -> bool:
    """Whether anything of them is text."""
    return any(isinstance(piece, Source) or (isinstance(piece, str) and piece) for piece in pieces)


def close_gaps(pieces: Iterable[Piece]) -> list[str | Source]:
    """The text of pieces, where a gap leaves no doubled blank or comma.

    `a, GAP, b` is `a, b`, `a GAP b` is `a b`, and at either end blanks and commas beside a gap go.
    Where there is no gap, nothing changes.
    """
    closed: list[str | Source] = []
    gap = False
    for piece in pieces:
        if isinstance(piece, Gap):
            gap = True
        elif isinstance(piece, Source):
            closed.append(piece)
            gap = False
        elif isinstance(piece, str):
            text = _met(closed, piece) if gap else piece
            if text:
                closed.append(text)
                gap = False
    while gap and closed and isinstance(last := closed[-1], str):
        closed.pop()
        if text := last.rstrip(_AROUND):
            closed.append(text)
            break
    return closed


def _met(before: list[str | Source], text: str) -> str:
    """`text` as it follows a gap; blanks at the end of what is before it may go, too."""
    if not before:
        return text.lstrip(_AROUND)
    left = before[-1]
    if not isinstance(left, str):
        return text
    bare, rest = left.rstrip(), text.lstrip()
    if rest.startswith(","):
        if bare.endswith(","):
            rest = rest[1:]
        before[-1] = bare
        return rest
    if bare != left and rest != text:  # blanks on both sides
        if "\n" in text[: len(text) - len(rest)] and "\n" not in left[len(bare) :]:
            before[-1] = bare
            return text
        return rest
    return text
