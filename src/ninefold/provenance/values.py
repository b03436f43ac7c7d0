"""JSON data from a stranger's manifest: what it should be or nothing, and of bounded size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Most items of a list or an object, and characters of a text.
MOST_ITEMS, _LONGEST = 500, 2000
_LONGEST_KEY, _DEPTH = 200, 6


def as_mapping(value: Any) -> Mapping[str, Any]:
    """A JSON object; empty where it is something else."""
    return value if isinstance(value, dict) else {}


def as_short_text(value: Any) -> str | None:
    """The beginning of a text; None where it is something else."""
    return value[:_LONGEST] if isinstance(value, str) else None


def bounded(value: Any, depth: int = _DEPTH) -> Any:
    """`value` cut to a size that can be shown."""
    if isinstance(value, str):
        return value[:_LONGEST]
    if isinstance(value, dict):
        pairs = sorted(value.items())[: MOST_ITEMS if depth else 0]
        return {str(key)[:_LONGEST_KEY]: bounded(item, depth - 1) for key, item in pairs}
    if isinstance(value, list):
        return [bounded(item, depth - 1) for item in value[: MOST_ITEMS if depth else 0]]
    return value
