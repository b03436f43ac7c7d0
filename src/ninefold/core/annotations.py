"""What the types of a model's fields are made of, however deep, and which value stands where."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel

#: What a field of a `TypedDict` may be wrapped in; by name, for `typing_extensions` has them too.
_QUALIFIERS = ("Required", "NotRequired", "ReadOnly")


@dataclasses.dataclass(frozen=True)
class Place:
    """A value and what is said of it."""

    #: Dotted, from the model's field on.
    where: str
    #: One of the types that the value may have; of a union each makes a place.
    annotation: Any
    #: What `Annotated` adds to it.
    metadata: tuple[Any, ...]
    value: Any


def parts_of(annotation: Any, metadata: Iterable[Any] = ()) -> Iterator[Any]:
    """Every type in an annotation, and all that `Annotated` adds to one: in unions, containers,
    nested models and dataclasses."""
    yield from _parts(annotation, metadata, set())


def fields_of(annotation: Any) -> dict[str, tuple[Any, tuple[Any, ...]]]:
    """The fields of a model, dataclass, `TypedDict` or `NamedTuple` by name, each its annotation
    and metadata; else none."""
    if not isinstance(annotation, type):
        return {}
    if issubclass(annotation, BaseModel):
        return {
            name: (field.annotation, tuple(field.metadata))
            for name, field in annotation.model_fields.items()
        }
    if dataclasses.is_dataclass(annotation):
        hints = get_type_hints(annotation, include_extras=True)
        return {field.name: _plain(hints[field.name]) for field in dataclasses.fields(annotation)}
    if _is_typed_dict(annotation) or _is_named_tuple(annotation):
        hints = get_type_hints(annotation, include_extras=True)
        return {name: _plain(hint) for name, hint in hints.items()}
    return {}


def _is_typed_dict(annotation: type) -> bool:
    return issubclass(annotation, dict) and hasattr(annotation, "__total__")


def _is_named_tuple(annotation: type) -> bool:
    return issubclass(annotation, tuple) and hasattr(annotation, "_fields")


def places_in(
    model: Any, values: Any, *, only: Collection[str], given: bool = False, where: str = ""
) -> Iterator[Place]:
    """Every place in the fields `only` of a model or the like, outer ones first.

    `values` are checked ones, or a mapping that is yet to be checked. With `given`, what is only a
    default is left out.
    """
    for name, field in fields_of(model).items():
        if name in only and not (given and _is_default(values, name)):
            value = _value(model, values, name)
            if value is not None:
                yield from _places(*field, value, f"{where}{name}", given)


def _parts(annotation: Any, metadata: Iterable[Any], seen: set[Any]) -> Iterator[Any]:
    annotation, inner = _plain(annotation)
    yield from (*metadata, *inner)
    if isinstance(annotation, type):
        if annotation in seen:
            return
        seen.add(annotation)
        yield annotation
    for part, more in fields_of(annotation).values():
        yield from _parts(part, more, seen)
    for part in get_args(annotation):
        yield from _parts(part, (), seen)


def _places(
    annotation: Any, metadata: Iterable[Any], value: Any, where: str, given: bool
) -> Iterator[Place]:
    annotation, inner = _plain(annotation)
    yield Place(where, annotation, (*metadata, *inner), value)
    args = get_args(annotation)
    if get_origin(annotation) in (Union, UnionType):
        for part in args:
            yield from _places(part, (), value, where, given)
    elif fields := fields_of(annotation):
        yield from places_in(annotation, value, only=fields, given=given, where=f"{where}.")
    elif args and isinstance(value, Mapping):
        for key, item in value.items():
            yield from _places(args[0], (), key, where, given)
            yield from _places(args[-1], (), item, f"{where}.{key}", given)
    elif args and isinstance(value, Iterable) and not isinstance(value, str | bytes):
        each = args if get_origin(annotation) is tuple and Ellipsis not in args else args[:1]
        for index, item in enumerate(value):
            part = each[min(index, len(each) - 1)]
            yield from _places(part, (), item, f"{where}.{index}", given)


def _plain(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """An annotation without `Annotated` and names for types, and what `Annotated` adds to it."""
    metadata: tuple[Any, ...] = ()
    while True:
        if hasattr(annotation, "__value__"):  # `type Name = ...`
            annotation = annotation.__value__
        elif get_origin(annotation) is Annotated:
            metadata = (*annotation.__metadata__, *metadata)
            annotation = annotation.__origin__
        elif getattr(get_origin(annotation), "_name", None) in _QUALIFIERS:
            annotation = get_args(annotation)[0]
        else:
            return annotation, metadata


def _is_default(values: Any, name: str) -> bool:
    return isinstance(values, BaseModel) and name not in values.model_fields_set


def _value(model: Any, values: Any, name: str) -> Any:
    """What values, checked or not, hold for a field; None for nothing."""
    if isinstance(values, Mapping):
        names = (name, *_aliases(model, name))
        return next((values[key] for key in names if key in values), None)
    if _is_named_tuple(model) and isinstance(values, list | tuple):
        return next(iter(values[list(fields_of(model)).index(name) :]), None)
    return getattr(values, name, None)


def _aliases(model: type, name: str) -> list[str]:
    """Other names under which a field of a model is given."""
    if not issubclass(model, BaseModel):
        return []
    field = model.model_fields[name]
    given = getattr(field.validation_alias, "choices", [field.validation_alias])
    return [alias for alias in (*given, field.alias) if isinstance(alias, str)]
