"""The engines of a command, as a file of settings says."""

from __future__ import annotations

from pathlib import Path

from ninefold.core.settings import read_settings
from ninefold.engines.defaults import build_engines, default_engines
from ninefold.engines.engine_set import EngineSet
from ninefold.settings import Settings


def engines_for(
    file: Path | None,
    given: EngineSet | None,
    memory: str | None = None,
    data: Path | None = None,
) -> EngineSet:
    """The engines `given`, or those of the settings' file, or those of the environment; `memory`
    and `data` take the place of what they say of these.

    Raises `ConfigError` with every problem of the settings.
    """
    if given is not None:
        return given
    if file is None and memory is None and data is None:
        return default_engines()
    return build_engines(read_settings(Settings, file=file, flags={"memory": memory, "data": data}))
