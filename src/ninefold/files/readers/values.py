"""Values from strangers: JSON of bounded size, and fields that are what they should be or nothing.

What a reader takes from its `Fields` is gone from them, so what is left is what nobody understood.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")

#: Most characters of a JSON text: each may become some twenty-five bytes.
MAX_JSON = 8 << 20
#: Most characters of infotext.
MAX_INFOTEXT = 1 << 20
#: Most entries, and characters of each, of what is passed on without being understood.
_MOST_LEFT, _LONGEST_LEFT = 200, 2000
#: Numbers from here on are nobody's: products of smaller ones stay finite.
_TOO_LARGE = 10**25
_NUMBER = re.compile(r"\s*[+-]?(\d{1,25}(\.\d{0,25})?|\.\d{1,25})(e[+-]?\d{1,2})?\s*", re.I)
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
_SIZE = re.compile(r"(\d{1,6})x(\d{1,6})")
_HASH = re.compile(r"(?:0x|sha256:)?([0-9a-f]{8,64})", re.IGNORECASE)


def read_json(text: str) -> Any:
    """The value of a JSON text, or None where it is none or too large; None stands for NaN."""
    if len(text) > MAX_JSON:
        return None
    try:
        value = json.loads(text, parse_constant=_nothing)
        if _HALF.search(text):  # halves of surrogate pairs, which no text can hold
            plain = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
            value = json.loads(plain)
        return value
    except (ValueError, RecursionError):
        return None


def read_object(value: Any) -> Mapping[str, Any]:
    """A JSON object, or a text that holds one; empty where it is something else."""
    if isinstance(value, str):
        value = read_json(value) if value.lstrip()[:1] == "{" else None
    return value if isinstance(value, Mapping) else {}


def as_list(value: Any) -> list[Any]:
    """A JSON list; empty where it is something else."""
    return value if isinstance(value, list) else []


def as_text(value: Any) -> str:
    """Text, or a number as text; empty for anything else."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    return _digits(value)


def as_number(value: Any) -> float | None:
    """A number of at most 25 digits before the point, or a text that is one."""
    if isinstance(value, str):
        value = float(value) if _NUMBER.fullmatch(value) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if abs(found) < _TOO_LARGE else None  # neither is NaN


def as_whole(value: Any) -> int | None:
    """A whole number of at most 25 digits, or a text that is one."""
    if isinstance(value, str):
        value = int(value) if re.fullmatch(r"\s*[+-]?\d{1,25}\s*", value) else as_number(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if abs(value) < _TOO_LARGE else None


def as_hash(value: Any) -> str:
    """Hex digits of a hash in lower case, without what tools put before them."""
    match = _HASH.fullmatch(as_text(value).strip())
    return match[1].lower() if match else ""


def shown(value: Any) -> str:
    """A value as one text of bounded length."""
    if isinstance(value, str):
        text = value.replace("\0", "")
    else:
        try:
            text = json.dumps(value, ensure_ascii=False, default=str)
        except (ValueError, RecursionError):
            text = "..."
    return text if len(text) <= _LONGEST_LEFT else f"{text[: _LONGEST_LEFT - 1]}…"


def file_stem(name: str) -> str:
    """A model's name without folders (of any system) and without its ending."""
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    return re.sub(r"\.(safetensors|ckpt|pth?|bin|gguf|onnx|sft)$", "", last, flags=re.IGNORECASE)


class Fields:
    """A tool's fields, each taken once: as text, a number or a flag, by the first name that has
    one. What is of another form stays."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._left = dict(values)

    def __contains__(self, name: str) -> bool:
        return name in self._left

    def raw(self, *names: str) -> Any:
        """The value as it is, or None."""
        found = next((name for name in names if self._left.get(name) is not None), None)
        return None if found is None else self._left.pop(found)

    def text(self, *names: str) -> str:
        """Text, or an empty one."""
        found = next((name for name in names if as_text(self._left.get(name))), None)
        return "" if found is None else as_text(self._left.pop(found))

    def parsed(self, parse: Callable[[str], T], name: str) -> T:
        """What `parse` makes of a text; one of which it makes nothing stays."""
        if found := parse(as_text(self._left.get(name))):
            del self._left[name]
        return found

    def size(self, name: str) -> tuple[int | None, int | None]:
        """Width and height of a text such as `512x768`."""
        return self.parsed(_size, name) or (None, None)

    def number(self, *names: str) -> float | None:
        """A number."""
        found = next((n for n in names if as_number(self._left.get(n)) is not None), None)
        return None if found is None else as_number(self._left.pop(found))

    def whole(self, *names: str) -> int | None:
        """A whole number."""
        found = next((n for n in names if as_whole(self._left.get(n)) is not None), None)
        return None if found is None else as_whole(self._left.pop(found))

    def flag(self, *names: str) -> bool:
        """Whether it is true."""
        for name in names:
            value = self._left.get(name)
            if isinstance(value, bool) or as_text(value).lower() in ("true", "false", name.lower()):
                del self._left[name]
                return value is True or as_text(value).lower() in ("true", name.lower())
        return False

    def facts(self, *names: str) -> dict[str, str]:
        """Those fields as they are, of those that are there."""
        return {name: shown(self._left.pop(name)) for name in names if name in self._left}

    def drop(self, *names: str) -> None:
        """Leave out what says nothing beside what was taken."""
        for name in names:
            self._left.pop(name, None)

    def drop_where(self, name: str, *values: str) -> None:
        """Leave out a field whose value, as text, is one of those."""
        if name in self._left and shown(self._left[name]) in values:
            del self._left[name]

    def left(self) -> dict[str, str]:
        """What nobody took, but for what is empty."""
        found = {
            str(name)[:200]: shown(value)
            for name, value in list(self._left.items())[:_MOST_LEFT]
            if value not in (None, "", [], {})
        }
        if (more := len(self._left) - _MOST_LEFT) > 0:
            found["..."] = f"{more} more"
        return found


def _size(text: str) -> tuple[int, int] | tuple[()]:
    match = _SIZE.fullmatch(text.strip())
    return (int(match[1]), int(match[2])) if match else ()


def _nothing(_: str) -> None:
    """In place of NaN and infinity, which Python writes and JSON has not."""


def _digits(value: float) -> str:
    try:
        return str(value)
    except ValueError:  # more digits than Python writes
        return ""
