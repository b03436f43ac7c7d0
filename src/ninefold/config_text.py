"""The text of a config file as a document: YAML, JSON or TOML, of bounded size, no key twice."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from ninefold.core.errors import ConfigError

#: Largest config file that is read, in bytes.
MAX_BYTES = 2**20
#: Most values of a YAML file once its aliases are written out: `*name` can double a file each line.
MAX_VALUES = 200_000


def parse_document(text: str, where: str = "text") -> Any:
    """What a text in YAML holds, or in JSON, which is YAML; raises `ConfigError`.

    Errors name `where`. The text is of bounded size: whoever takes it from outside sees to that.
    """
    try:
        return _parse_yaml(text)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise _unreadable(where, error) from None


def load_document(path: Path) -> Any:
    """What a .yaml, .json or .toml file holds; raises `ConfigError`."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ConfigError(f"{path.name}: expected at most {MAX_BYTES} bytes.")
        return _parse(data.decode("utf-8-sig"), path.suffix.lower())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}.") from None
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        if isinstance(error, ConfigError):
            raise
        raise _unreadable(path.name, error) from None


def _unreadable(where: str, error: Exception) -> ConfigError:
    detail = " ".join(str(error).split())
    return ConfigError(f"{where}: does not parse: {detail}")


def _parse(text: str, suffix: str) -> Any:
    if suffix == ".toml":
        return tomllib.loads(text)
    if suffix == ".json":
        return json.loads(text, object_pairs_hook=_without_repeated_keys)
    if suffix in (".yaml", ".yml"):
        return _parse_yaml(text)
    raise ConfigError(
        f"config: expected a .yaml, .json or .toml file, got {suffix or 'no suffix'}."
    )


def _without_repeated_keys(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """The mapping; of two values under one key the first would be lost."""
    mapping: dict[str, Any] = {}
    for key, value in pairs:
        if key in mapping:
            raise ValueError(f"the key {key!r} stands twice in one mapping")
        mapping[key] = value
    return mapping


def _parse_yaml(text: str) -> Any:
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _count_values(node, {})
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _count_values(node: yaml.Node, counted: dict[int, int]) -> int:
    """How many values a node holds with its aliases written out; `counted` keeps them by node.

    Checked before the document is constructed, for merge keys (`<<`) are written out there.
    """
    known = counted.get(id(node))
    if known is not None:
        if known == 0:  # still being counted
            raise _error(node, "an alias stands for what it is part of")
        return known
    counted[id(node)] = 0
    total = 1
    for child in _children(node):
        total += _count_values(child, counted)
        if total > MAX_VALUES:
            raise _error(node, f"expected at most {MAX_VALUES:,} values with aliases written out")
    counted[id(node)] = total
    return total


def _children(node: yaml.Node) -> Iterable[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        keys: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in keys:
                    raise _error(key, f"the key {key.value!r} stands twice in one mapping")
                keys.add((key.tag, key.value))
        return [child for pair in node.value for child in pair]
    return node.value if isinstance(node, yaml.SequenceNode) else ()


def _error(node: yaml.Node, problem: str) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
