"""Stages by name: the nine, and those of installed plugins."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points
from typing import Any

from ninefold.core.errors import ConfigError, ContractError
from ninefold.core.problems import suggest
from ninefold.core.stage import PipelineStage
from ninefold.stages import STAGES

#: Where a plugin's package names its stages: `my_stage = "my_package.module:MyStage"`.
ENTRY_POINTS = "ninefold.stages"


@cache
def stage_types() -> dict[str, type[PipelineStage[Any]]]:
    """Every stage by name, the nine first.

    Raises `ContractError` for a plugin that does not load, is no stage, or takes a name that
    is taken.
    """
    found: dict[str, type[PipelineStage[Any]]] = {stage.name: stage for stage in STAGES}
    for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda point: point.name):
        plugin = f"plugin stage {point.name!r} ({point.value})"
        try:
            stage = point.load()
        except Exception as error:
            raise ContractError(f"{plugin}: cannot be loaded: {error!r}") from error
        if not (isinstance(stage, type) and issubclass(stage, PipelineStage)):
            raise ContractError(f"{plugin}: expected a PipelineStage, got {stage!r}")
        if stage.name != point.name:
            raise ContractError(f"{plugin}: its class calls itself {stage.name!r}")
        if stage.name in found:
            raise ContractError(f"{plugin}: the name is taken by {found[stage.name].__module__}")
        found[stage.name] = stage
    return found


def find_stage(name: str) -> type[PipelineStage[Any]]:
    """The stage called `name`; raises `ConfigError` naming the nearest one."""
    try:
        return stage_types()[name]
    except KeyError:
        raise ConfigError(f"stage {name!r}: unknown.{suggest(name, stage_types())}") from None
