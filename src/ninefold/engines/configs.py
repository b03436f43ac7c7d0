"""The JSON files of a diffusers folder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ninefold.core.errors import ModelError
from ninefold.core.paths import ending
from ninefold.engines.families import Configs


def folder_configs(path: Path) -> Configs:
    """The configs of the parts of a model in a folder, each read once when first asked for."""

    @cache
    def config(part: str) -> Mapping[str, Any]:
        if not part:
            return read_json(path / "model_index.json", optional=True)
        name = "scheduler_config.json" if part.endswith("scheduler") else "config.json"
        return read_json(path / part / name, optional=True)

    return config


def no_configs(_: str) -> Mapping[str, Any]:
    """For models of which nothing but their weights is there."""
    return {}


def read_json(path: Path, *, optional: bool = False) -> Mapping[str, Any]:
    """A JSON object; where `optional`, empty for a file that is not there. Raises `ModelError`."""
    if optional and not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ModelError(
            f"{path.parent.name} is no diffusers folder: it has no {path.name}.{_holds(path)}"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path.parent.name}/{path.name} cannot be read: {error}.") from error
    if not isinstance(content, dict):
        raise ModelError(f"{path.parent.name}/{path.name}: expected a JSON object.")
    return content


def _holds(path: Path) -> str:
    """What a folder that is no model holds instead, as far as that helps."""
    there = sorted(_models_in(path.parent)) if path.parent.is_dir() else []
    if not there:
        return ""
    return f" It holds {', '.join(there[:3])}: name one of these."


def _models_in(folder: Path) -> Iterator[str]:
    for path in folder.iterdir():
        if ending(path) in (".safetensors", ".gguf") or (path / "model_index.json").is_file():
            yield f"{folder.name}/{path.name}"
