"""CBOR, read: what is needed to look into a COSE signature.

Source: RFC 8949. Lengths must be definite, as C2PA asks for; of simple values and floating point
numbers only false, true and null are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_MOST_DEPTH = 32
_SIMPLE = {20: False, 21: True, 22: None}


@dataclass(frozen=True)
class Tagged:
    """A value with a tag."""

    tag: int
    value: Any


def decode_cbor(data: bytes) -> Any:
    """The value that `data` is, to its last byte; raises ValueError where it is none."""
    value, end = _item(data, 0, 0)
    if end != len(data):
        raise ValueError(f"CBOR: expected one value, got {len(data) - end} bytes more")
    return value


def _item(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    if depth > _MOST_DEPTH:
        raise ValueError("CBOR: nested too deeply")
    kind, number, at = _head(data, at)
    if kind == 0:
        return number, at
    if kind == 1:
        return -1 - number, at
    if kind in (2, 3):
        end = at + number
        if end > len(data):
            raise ValueError("CBOR: cut short")
        return (data[at:end] if kind == 2 else data[at:end].decode()), end
    if kind == 4:
        items = []
        for _ in range(number):
            value, at = _item(data, at, depth + 1)
            items.append(value)
        return items, at
    if kind == 5:
        pairs: dict[Any, Any] = {}
        for _ in range(number):
            key, at = _item(data, at, depth + 1)
            if not isinstance(key, int | str | bytes) or key in pairs:
                raise ValueError("CBOR: expected keys that are numbers or text, each once")
            pairs[key], at = _item(data, at, depth + 1)
        return pairs, at
    if kind == 6:
        value, at = _item(data, at, depth + 1)
        return Tagged(number, value), at
    if number not in _SIMPLE or data[at - 1] & 31 != number:
        raise ValueError("CBOR: expected no number with a fraction")
    return _SIMPLE[number], at


def _head(data: bytes, at: int) -> tuple[int, int, int]:
    """Major type, argument, and where the content begins."""
    if at >= len(data):
        raise ValueError("CBOR: cut short")
    kind, short = data[at] >> 5, data[at] & 31
    at += 1
    if short < 24:
        return kind, short, at
    if short > 27:
        raise ValueError("CBOR: expected a definite length")
    end = at + (1 << (short - 24))
    if end > len(data):
        raise ValueError("CBOR: cut short")
    return kind, int.from_bytes(data[at:end], "big"), end
