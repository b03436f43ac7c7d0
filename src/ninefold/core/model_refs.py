"""Parameters that name models, and of which kind.

    remover: Annotated[str, ModelRef("matting")] = Field("small", description="What cuts it out.")

What a request may name, what a check looks up, what a form offers and what is listed comes from
that, in every stage alike.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import PurePath
from typing import Any, Protocol

from pydantic import BaseModel, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from ninefold.core.annotations import fields_of, parts_of, places_in

#: The keyword of a JSON schema that says what a text names, as the fields of a `ModelRef`.
_SCHEMA_KEYWORD = "x-model"


@dataclass(frozen=True)
class ModelRef:
    """Says that a text names a model: of a kind of engine, by the kind's name or by what it calls
    its models (`detection` and `detector` are the same)."""

    kind: str
    #: Names that stand for no model but may be given, such as those of filters.
    also: tuple[str, ...] = ()

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        also = {"also": list(self.also)} if self.also else {}
        return {**handler(core_schema), _SCHEMA_KEYWORD: {"kind": self.kind, **also}}


@dataclass(frozen=True)
class NamedModel:
    """A model that a parameter names, and the dotted place of that parameter."""

    where: str
    ref: ModelRef
    name: str


class ModelCatalog(Protocol):
    """What says of a model whether it can be used: a set of engines."""

    def check_model(self, ref: ModelRef, model: str) -> None:
        """Raise `UserError` for a model that is not at hand, or is none of the kind."""


def model_refs(model: type[BaseModel]) -> tuple[ModelRef, ...]:
    """Every kind of reference to models among a model's fields, each once."""
    return tuple(dict.fromkeys(ref for refs in _referring(model).values() for ref in refs))


def named_models(
    model: type[BaseModel], values: BaseModel | Mapping[str, Any], *, given: bool = False
) -> Iterator[NamedModel]:
    """The models that values of `model` name, checked values or such as are yet to be checked.

    With `given`, only those that were given, not those that are defaults.
    """
    for place in places_in(model, values, only=_referring(model), given=given):
        for ref in place.metadata:
            if isinstance(ref, ModelRef):
                for where, text in _texts(place.value, place.where):
                    yield NamedModel(where, ref, text)


def with_choices(schema: Any, choices: Callable[[ModelRef], Sequence[str]]) -> Any:
    """A JSON schema in which every text that names a model is one of those that `choices` says."""
    if isinstance(schema, Mapping):
        found = {key: with_choices(value, choices) for key, value in schema.items()}
        if isinstance(named := schema.get(_SCHEMA_KEYWORD), Mapping):
            ref = ModelRef(named["kind"], tuple(named.get("also", ())))
            found["enum"] = list(choices(ref))
        return found
    return [with_choices(item, choices) for item in schema] if isinstance(schema, list) else schema


@cache
def _referring(model: type[BaseModel]) -> dict[str, tuple[ModelRef, ...]]:
    """The fields that may name models, with their references."""
    found = {
        name: tuple(part for part in parts_of(*field) if isinstance(part, ModelRef))
        for name, field in fields_of(model).items()
    }
    return {name: refs for name, refs in found.items() if refs}


def _texts(value: Any, where: str) -> Iterator[tuple[str, str]]:
    """The texts in a value, with their places; a path or URL is one, too."""
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, bytes | PurePath):
        yield where, os.fsdecode(value)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts(item, f"{where}.{key}")
    elif isinstance(value, Iterable):
        for index, item in enumerate(value):
            yield from _texts(item, f"{where}.{index}")
    elif value is not None:
        yield where, str(value)
