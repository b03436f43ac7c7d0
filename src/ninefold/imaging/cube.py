"""Reading .cube files (Adobe, "Cube LUT Specification", version 1.0, 2013)."""

import math
from dataclasses import dataclass, field

import numpy as np

from ninefold.imaging.lut import CubeLut, Triple

LARGEST_CUBE = 65
LARGEST_CURVE = 65536

_SIZES = {"LUT_1D_SIZE": LARGEST_CURVE, "LUT_3D_SIZE": LARGEST_CUBE}
_DOMAINS = ("DOMAIN_MIN", "DOMAIN_MAX")
# Not in the specification, but what DaVinci Resolve writes instead of a domain.
_RANGES = ("LUT_1D_INPUT_RANGE", "LUT_3D_INPUT_RANGE")


@dataclass
class _Header:
    title: str = ""
    kind: str = ""
    size: int = 0
    domain: dict[str, Triple] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)


def parse_cube(text: str) -> CubeLut:
    """Read a 1D (2..65536 entries) or 3D (2..65 a side) table.

    Raises ValueError with the line number for anything that the specification does not allow:
    an unknown or repeated keyword, one after the table has begun, a missing size, a wrong count of
    numbers or rows, a value that is not finite, an empty domain.
    """
    header, rows = _Header(), list[Triple]()
    number = 0
    for number, raw in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if line[0].isalpha() and not line.lower().startswith(("nan", "inf")):
            if rows:
                raise _error(number, "table rows only, once the table has begun", line)
            _keyword(header, number, line)
            continue
        if not header.kind:
            raise _error(number, "LUT_1D_SIZE or LUT_3D_SIZE before the table", line)
        rows.append(_triple(number, line.split()))
        if len(rows) > _row_count(header):
            raise _error(number, f"{_row_count(header)} table rows", "one more")
    if not header.kind:
        raise _error(number, "LUT_1D_SIZE or LUT_3D_SIZE", "the end of the file")
    if len(rows) != _row_count(header):
        raise _error(number, f"{_row_count(header)} table rows", f"{len(rows)} and the end")
    return _build(header, rows)


def _build(header: _Header, rows: list[Triple]) -> CubeLut:
    table = np.array(rows, dtype=np.float32)
    if header.kind == "LUT_3D_SIZE":
        table = table.reshape(header.size, header.size, header.size, 3)
    low = header.domain.get("DOMAIN_MIN", (0.0, 0.0, 0.0))
    high = header.domain.get("DOMAIN_MAX", (1.0, 1.0, 1.0))
    if not all(a < b for a, b in zip(low, high, strict=True)):
        raise ValueError(f".cube: expected DOMAIN_MIN below DOMAIN_MAX, got {low} and {high}")
    return CubeLut(table, header.title, low, high)


def _row_count(header: _Header) -> int:
    return header.size if header.kind == "LUT_1D_SIZE" else header.size**3


def _keyword(header: _Header, number: int, line: str) -> None:
    word, *rest = line.split()
    if word in header.seen:
        raise _error(number, f"{word} once", "it again")
    header.seen.add(word)
    if word == "TITLE":
        header.title = _title(number, line)
    elif word in _SIZES:
        if header.kind:
            raise _error(number, "either LUT_1D_SIZE or LUT_3D_SIZE", "both")
        header.kind, header.size = word, _size(number, word, rest)
    elif word in _DOMAINS:
        header.domain[word] = _triple(number, rest)
    elif word in _RANGES:
        low, high = _numbers(number, rest, 2)
        header.domain |= {"DOMAIN_MIN": (low, low, low), "DOMAIN_MAX": (high, high, high)}
    else:
        raise _error(number, f"one of TITLE, {', '.join((*_SIZES, *_DOMAINS))}", word)


def _title(number: int, line: str) -> str:
    text = line.removeprefix("TITLE").strip()
    if len(text) < 2 or not (text[0] == text[-1] == '"'):
        raise _error(number, "a title in double quotes", text)
    return text[1:-1]


def _size(number: int, word: str, rest: list[str]) -> int:
    wanted = f"{word} from 2 to {_SIZES[word]}"
    # The length first: Python's int has an error of its own for thousands of digits.
    if len(rest) == 1 and len(rest[0]) < 9 and rest[0].isascii() and rest[0].isdigit():
        size = int(rest[0])
        if 2 <= size <= _SIZES[word]:
            return size
    raise _error(number, wanted, " ".join(rest))


def _triple(number: int, words: list[str]) -> Triple:
    red, green, blue = _numbers(number, words, 3)
    return red, green, blue


def _numbers(number: int, words: list[str], count: int) -> list[float]:
    try:
        values = [float(word) for word in words]
    except ValueError:
        values = []
    # Python reads 1_0 as ten; the specification does not.
    if len(values) != count or not all(map(math.isfinite, values)) or "_" in "".join(words):
        raise _error(number, f"{count} finite numbers", " ".join(words))
    return values


def _error(number: int, expected: str, got: str) -> ValueError:
    return ValueError(f".cube line {number}: expected {expected}, got {got[:80] or 'nothing'}")
