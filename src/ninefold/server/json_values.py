"""What JSON may hold here: its grammar allows more than can be stored or repeated."""

from __future__ import annotations

import math
from typing import Any

#: Lists and objects inside each other. Python's readers give up at 1,000, writers at 255.
MAX_NESTING = 100


def check_json(value: Any, *, finite: bool = True) -> None:
    """Raise `ValueError` for text that no file can hold (lone surrogates), and for nesting beyond
    `MAX_NESTING`; where `finite`, for numbers that JSON has not, too."""
    waiting = [(value, 1)]
    while waiting:
        item, depth = waiting.pop()
        if isinstance(item, str):
            _check_text(item)
        elif isinstance(item, float) and finite and not math.isfinite(item):
            raise ValueError(f"expected JSON, whose numbers are finite, got {item}")
        elif isinstance(item, dict | list):
            if depth > MAX_NESTING:
                raise ValueError(
                    f"expected at most {MAX_NESTING} lists and objects inside each other, got more"
                )
            if isinstance(item, dict):
                for name in item:
                    _check_text(name)
            inner = item.values() if isinstance(item, dict) else item
            waiting += [(one, depth + 1) for one in inner]


def _check_text(text: str) -> None:
    if text.isascii():  # known at once, also of an image in base64
        return
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"expected text in UTF-8, got {text[:40]!a}") from None
