"""Writes studio/openapi.json, which the studio's types are made from: `python -m tools.openapi`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ninefold.server.app import create_app
from ninefold.settings import Settings

FILE = Path(__file__).resolve().parent.parent / "studio" / "openapi.json"
#: What of the server is no business of the studio: the APIs of others.
_OTHERS = ("/v1/images", "/sdapi", "/internal", "/adetailer", "/controlnet", "/metrics")
_REF = "#/components/schemas/"


def document() -> str:
    """The served document, but for other APIs, examples and the version."""
    served = create_app(Settings()).openapi()
    paths = {
        path: _without_examples(item)
        for path, item in served["paths"].items()
        if not path.startswith(_OTHERS)
    }
    schemas = _without_examples(served["components"]["schemas"])
    used = {name: schemas[name] for name in sorted(_used(paths, schemas))}
    return (
        json.dumps(
            {
                "openapi": served["openapi"],
                "info": {"title": served["info"]["title"], "version": ""},
                "paths": paths,
                "components": {"schemas": used},
            },
            indent=1,
            ensure_ascii=False,
        )
        + "\n"
    )


def _used(paths: dict[str, Any], schemas: dict[str, Any]) -> set[str]:
    """The names of the schemas that paths refer to, by others, too."""
    found: set[str] = set()
    open_ones = [paths]
    while open_ones:
        for name in set(_references(open_ones.pop())) - found:
            found.add(name)
            open_ones.append(schemas[name])
    return found


def _references(value: object) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _references(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            if name == "$ref" and isinstance(item, str):
                yield item.removeprefix(_REF)
            else:
                yield from _references(item)


def _without_examples(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_examples(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: {field: _without_examples(schema) for field, schema in item.items()}
        if name == "properties"
        else _without_examples(item)
        for name, item in value.items()
        if name == "properties" or name not in ("example", "examples")
    }


if __name__ == "__main__":
    FILE.write_text(document(), encoding="utf-8")
