"""JSON in one form only, so that equal values have equal bytes (RFC 8785)."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

#: From here on ECMAScript writes numbers with an exponent: above, in digits before the point, and
#: below, in zeros behind it (ECMA-262, Number::toString).
_LONGEST_WHOLE, _MOST_ZEROS = 21, 6


def canonical_json(value: Any) -> bytes:
    """`value` as UTF-8 JSON without blanks, keys in the order of their UTF-16 code units.

    Floats are written as ECMAScript writes them. Whole numbers are written with all their digits,
    also beyond 2**53, where RFC 8785 knows none: a seed has 63 bits. A lone surrogate becomes `?`.

    Raises ValueError for NaN, infinities, and what JSON does not hold.
    """
    return "".join(_written(value)).encode("utf-8", "replace")


def _written(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield "{"
        for number, key in enumerate(sorted(value, key=_utf16)):
            yield f"{',' if number else ''}{_text(key)}:"
            yield from _written(value[key])
        yield "}"
    elif isinstance(value, list | tuple):
        yield "["
        for number, item in enumerate(value):
            if number:
                yield ","
            yield from _written(item)
        yield "]"
    elif isinstance(value, float):
        yield _number(value)
    elif value is None or isinstance(value, bool | int):
        yield json.dumps(value)
    else:
        yield _text(value)


def _utf16(key: Any) -> bytes:
    if not isinstance(key, str):
        raise ValueError(f"expected text as key, got {key!r}; convert it first")
    return key.encode("utf-16-be", "surrogatepass")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected a JSON value, got {value!r}; convert it first")
    return json.dumps(value, ensure_ascii=False)


def _number(value: float) -> str:
    """As ECMA-262 6.1.6.1.20 writes it, from the shortest digits that read back the same."""
    if not math.isfinite(value):
        raise ValueError(f"expected a finite number, got {value}; JSON holds no other")
    if value == 0:
        return "0"  # -0, too
    mantissa, _, exponent = f"{abs(value)!r}e0".partition("e")
    whole, _, part = mantissa.partition(".")
    digits = (whole + part).lstrip("0")
    # Where the point stands, counted from the first digit.
    point = len(whole) + int(exponent.partition("e")[0])
    point -= len(whole + part) - len(digits)
    digits = digits.rstrip("0")
    sign = "-" if value < 0 else ""
    if len(digits) <= point <= _LONGEST_WHOLE:
        return f"{sign}{digits}{'0' * (point - len(digits))}"
    if 0 < point <= _LONGEST_WHOLE:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -_MOST_ZEROS < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    tail = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{tail}e{point - 1:+d}"
