"""Text for pictures: lines that fit, and characters that the font lacks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from PIL import ImageFont

Font = ImageFont.FreeTypeFont
#: Looked for among the system's fonts, the widest first, where Pillow's own lacks characters.
SYSTEM_FONTS = (
    "NotoSansCJK-Regular.ttc",
    "ARIALUNI.TTF",
    "Arial Unicode.ttf",
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "LiberationSans-Regular.ttf",
    "segoeui.ttf",
    "Arial.ttf",
)
#: So many characters of a text are looked at; more than any tile has room for.
MAX_CHARACTERS = 4_000
#: A blank where no line may break.
NO_BREAK = "\xa0"
_TOKENS = re.compile(r"[^ \t]+[ \t]*|[ \t]+")
#: A character that no font has: what it is drawn as stands for all that are missing.
_UNASSIGNED = "\U0010ffff"


def load_font(size: int, file: Path | None = None) -> Font:
    """The font of `file` (TrueType or OpenType), or Pillow's own.

    Raises ValueError where the file is none.
    """
    if file is None:
        font = ImageFont.load_default(size)
        if not isinstance(font, ImageFont.FreeTypeFont):  # a Pillow without FreeType
            raise ValueError("expected a Pillow with FreeType, got one without; install its wheel")
        return font
    try:
        return ImageFont.truetype(str(file), size)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{file.name}: expected a TrueType or OpenType font, got a file that is none "
            f"({error}); choose another"
        ) from None


def fitting_font(texts: Sequence[str]) -> Path | None:
    """The system's font that has the most characters of `texts`; None for Pillow's own.

    Pillow's has little more than ASCII; it stays wherever no other has more.
    """
    best, least = None, len(missing_characters(texts, load_font(12)))
    for name in SYSTEM_FONTS if least else ():
        try:
            font = ImageFont.truetype(name, 12)
        except OSError:
            continue
        if isinstance(font.path, str) and (lacks := len(missing_characters(texts, font))) < least:
            best, least = Path(font.path), lacks
    return best


def wrapped(text: str, font: Font, width: int, most: int) -> list[str]:
    """Lines of at most `width` pixels, at most `most` of them; an ellipsis ends what is cut.

    Lines break at blanks, and within words that are wider than a line.
    """
    cut = len(text) > MAX_CHARACTERS
    lines: list[str] = []
    for paragraph in text[:MAX_CHARACTERS].splitlines() or [""]:
        lines += _broken(paragraph, font, width)
        if len(lines) > most:
            cut, lines = True, lines[:most]
            break
    if cut and lines:
        last = lines[-1].rstrip()
        while last and font.getlength(last + "…") > width:
            last = last[:-1]
        lines[-1] = last + "…"
    return lines


def missing_characters(texts: Iterable[str], font: Font) -> list[str]:
    """The characters that `font` has no glyph for, in order."""
    unknown = _shape(_UNASSIGNED, font)
    characters = sorted({letter for text in texts for letter in text[:MAX_CHARACTERS]})
    return [
        letter
        for letter in characters
        if not letter.isspace() and letter.isprintable() and _shape(letter, font) == unknown
    ]


def _broken(paragraph: str, font: Font, width: int) -> list[str]:
    lines, line = [], ""
    for token in _TOKENS.findall(paragraph):
        if font.getlength((line + token).rstrip()) <= width:
            line += token
            continue
        if line:
            lines.append(line.rstrip())
        line = token
        while font.getlength(line.rstrip()) > width and len(line) > 1:
            end = _fitting(line, font, width)
            lines.append(line[:end])
            line = line[end:]
    lines.append(line.rstrip())
    return lines


def _fitting(word: str, font: Font, width: int) -> int:
    """How many characters of a word fit a line; at least one."""
    low, high = 1, len(word)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if font.getlength(word[:middle]) <= width else (low, middle - 1)
    return low


def _shape(letter: str, font: Font) -> Any:
    mask = font.getmask(letter)
    return mask.size, bytes(mask)
