"""The value in `stage.parameter=value`, as a person types it in a shell.

A parameter that takes text, a path or one of several words gets what was typed, to the letter;
`null` is no value where it may have none. Every other value is YAML: `20`, `true`, `[png, webp]`,
`{face: a smile}`. Texts within a list or mapping are read as texts, whatever they look like, and
`#` begins no comment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from pathlib import PurePath
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, SecretStr, ValidationError

_NUMBER = re.compile(r"\s*-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?\s*")
#: Stands for `#` while YAML is read, to which it might begin a comment: a character of no text.
_HASH = "\ue023"


def parse_parameter(model: type[BaseModel], name: str, text: str) -> Any:
    """`text` as the value of the field `name` of `model`; what does not fit is refused later."""
    field = model.model_fields.get(name)
    kinds = tuple(_members(field.annotation)) if field is not None else ()
    texts = [kind for kind in kinds if _is_text(kind)]
    optional = NoneType in kinds
    if texts and optional and text == "null":
        return None
    if texts and not text and optional and all(_is_path(kind) for kind in texts):
        return None  # no path is empty
    if texts and all(_is_text(kind) or kind is NoneType for kind in kinds):
        return text

    def fits(value: Any) -> bool:
        try:
            model.model_validate({name: value})
        except ValidationError as error:
            return all(item["loc"][:1] != (name,) for item in error.errors())
        return True

    typed = _yaml(text, _Typed)
    if texts:  # and something else besides: text is what is not clearly that
        number = isinstance(typed, int | float) and not isinstance(typed, bool)
        plain = typed is None or isinstance(typed, str) or (number and not _NUMBER.fullmatch(text))
        return text if plain or not fits(typed) else typed
    if field is None or fits(typed):
        return typed
    words = _yaml(text, _Words)  # every scalar of it as text
    candidates = [words, text]
    if not isinstance(words, list | dict):
        candidates.append([words] if words else [])  # a list of one item, or of none
    return next((value for value in candidates if fits(value)), typed)


class _NoAliases:
    """YAML without `*name`, by which a short text could stand for one without end."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):  # type: ignore[attr-defined]
            raise yaml.YAMLError("expected no alias")
        return super().compose_node(parent, index)  # type: ignore[misc]


class _Typed(_NoAliases, yaml.SafeLoader):
    """Scalars as what they look like."""


class _Words(_NoAliases, yaml.BaseLoader):
    """Every scalar as text."""


def _yaml(text: str, loader: type[_Typed] | type[_Words]) -> Any:
    """`text` as YAML without comments, or as it is where it is none."""
    if _HASH in text:
        return text
    try:
        value = yaml.load(text.replace("#", _HASH), loader)
    except (yaml.YAMLError, ValueError, RecursionError):  # ValueError: a day that is in no month
        return text
    return _with_hashes(value)


def _with_hashes(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace(_HASH, "#")
    if isinstance(value, list):
        return [_with_hashes(item) for item in value]
    if isinstance(value, dict):
        return {_with_hashes(key): _with_hashes(item) for key, item in value.items()}
    return value


def _members(annotation: Any) -> Iterator[Any]:
    """The alternatives of a type, without what is annotated to them."""
    if (alias := getattr(annotation, "__value__", None)) is not None:  # `type X = ...`
        yield from _members(alias)
    elif (named := getattr(annotation, "__supertype__", None)) is not None:  # NewType
        yield from _members(named)
    elif isinstance(annotation, TypeVar):
        yield from _members(annotation.__bound__ or object)
    elif (origin := get_origin(annotation)) is Annotated:
        yield from _members(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for member in get_args(annotation):
            yield from _members(member)
    else:
        yield annotation


def _is_text(kind: Any) -> bool:
    """Whether a type is text: `str`, a path, a secret, or words to choose from."""
    if get_origin(kind) is Literal:
        return all(isinstance(word, str) for word in get_args(kind))
    if not isinstance(kind, type):
        return False
    if issubclass(kind, Enum):
        return all(isinstance(item.value, str) for item in kind)
    return issubclass(kind, str | PurePath | SecretStr)


def _is_path(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, PurePath)
