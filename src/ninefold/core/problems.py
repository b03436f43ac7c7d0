"""Validation errors as lines that say what was expected, what was got, and the remedy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import PurePath
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from ninefold.core.errors import UserError

T = TypeVar("T")


def check_texts(value: T) -> T:
    """`value`, in which no text holds a NUL character; raises ValueError where one does.

    Neither files' names nor PostgreSQL can hold them, and no model has a token for them.
    """
    if isinstance(value, str | PurePath):
        if (at := str(value).find("\0")) >= 0:
            raise ValueError(
                f"expected text without NUL characters, got one as character {at + 1}; leave it out"
            )
    elif isinstance(value, Mapping):
        for key, item in value.items():
            check_texts(key)
            check_texts(item)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            check_texts(item)
    return value


def problems_of(error: ValidationError, where: str, known: Iterable[str] = ()) -> tuple[str, ...]:
    """One line for each problem, each starting with the dotted place below `where`.

    `known` are the names that would have been right, for the remedy of a misspelt one.
    """
    names = tuple(known)
    lines = []
    errors = error.errors(include_url=False)
    for item in errors:
        depth = len(item["loc"])
        if any(len(at := other["loc"]) > depth and at[:depth] == item["loc"] for other in errors):
            continue  # a list that is too short only because an item of it was refused
        place = ".".join([where, *(str(part) for part in item["loc"])]).strip(".")
        line = described(item, names)
        lines.append(f"{place}: {line}" if place else line)
    return tuple(lines)


def problems_raised(where: str, check: Callable[[], object]) -> Iterator[str]:
    """What `check` raises, as a problem of the parameter `where`."""
    try:
        check()
    except OSError as error:
        yield f"{where}: cannot be read: {error.strerror or error}."
    except (UserError, ValueError) as error:
        text = str(error)
        yield text if text.startswith(where) else f"{where}: {text}"


def described(item: Any, known: Iterable[str] = ()) -> str:
    """One of pydantic's error items in words."""
    if item["type"] == "extra_forbidden":
        return f"unknown.{suggest(str(item['loc'][-1]), known)}"
    if item["type"] == "missing":
        return "missing."
    if item["type"] == "string_unicode":
        return f"expected text in UTF-8, got {_short(item['input'])}."
    message = item["msg"].removeprefix("Value error, ").rstrip(".")
    # What a whole document lacks is said by its fields, not by its beginning.
    whole = not item["loc"] and isinstance(item["input"], Mapping)
    got = "" if whole or "got" in message else f", got {_short(item['input'])}"
    return f"{message[:1].lower()}{message[1:]}{got}."


def suggest(name: str, known: Iterable[str]) -> str:
    """A remedy for a misspelt `name`: the nearest known one, or all of them."""
    names = sorted(known)
    if near := get_close_matches(name, names, 1):
        return f" Did you mean {near[0]!r}?"
    return f" Known: {', '.join(names)}." if names else ""


def field_names(model: type[BaseModel]) -> tuple[str, ...]:
    """The parameters of a model, in order."""
    return tuple(model.model_fields)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
