"""A stage's parameters in words, from the JSON schema of their model."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]

_TYPES = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "boolean": "true or false",
    "object": "mapping",
}


@dataclass(frozen=True)
class Parameter:
    """One parameter, every field a short text."""

    name: str
    type: str
    limits: str
    default: str
    description: str


def parameters_of(model: type[BaseModel]) -> tuple[Parameter, ...]:
    """Every parameter of `model`, in order."""
    schema = model.model_json_schema()
    definitions, required = schema.get("$defs", {}), schema.get("required", ())
    return tuple(
        Parameter(
            name,
            _type(field, definitions),
            _limits(_one(field)),
            "none, it must be given" if name in required else _default(field),
            field.get("description", ""),
        )
        for name, field in schema.get("properties", {}).items()
    )


def _one(schema: Schema) -> Schema:
    """The alternative that is not null, where there is just one."""
    others = [item for item in schema.get("anyOf", ()) if item.get("type") != "null"]
    return others[0] if len(others) == 1 else schema


def _type(schema: Schema, definitions: Schema) -> str:
    schema = _one(schema)
    if reference := schema.get("$ref"):
        return _type(definitions[reference.rpartition("/")[2]], definitions)
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    if "anyOf" in schema:
        return " or ".join(_type(item, definitions) for item in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}), definitions)}"
    if isinstance(extra := schema.get("additionalProperties"), dict):
        return f"mapping of names to {_type(extra, definitions)}"
    if schema.get("format") == "path":
        return "file"
    return _TYPES.get(schema.get("type", ""), "any value")


def _limits(schema: Schema) -> str:
    parts = []
    for key, words in (("minimum", "from"), ("exclusiveMinimum", "above")):
        if key in schema:
            parts.append(f"{words} {_number(schema[key])}")
    for key, words in (("maximum", "to"), ("exclusiveMaximum", "below")):
        if key in schema:
            parts.append(f"{words} {_number(schema[key])}")
    if "maxLength" in schema:
        parts.append(f"at most {schema['maxLength']} characters")
    if "minItems" in schema:
        parts.append(f"at least {schema['minItems']}")
    return " ".join(parts)


def _number(value: float) -> str:
    return f"{value:g}" if value % 1 else f"{int(value)}"


def _default(schema: Schema) -> str:
    value = schema.get("default")  # made by a factory, such as an empty mapping, it is not named
    if value in (None, [], {}, ""):
        return "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
