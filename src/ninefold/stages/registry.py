"""Stages by name: the nine, and those of installed plugins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from ninefold.core.errors import ConfigError, ContractError
from ninefold.core.problems import suggest
from ninefold.core.stage import PipelineStage, check_stage_type
from ninefold.stages import STAGES

#: Where a plugin's package names its stages: `my_stage = "my_package.module:MyStage"`.
ENTRY_POINTS = "ninefold.stages"


@dataclass(frozen=True)
class Installed:
    """What this Python has: stages by name, the nine first, and what is wrong with the others."""

    stages: Mapping[str, type[PipelineStage[Any]]]
    #: By the name under which a plugin offers a stage that cannot be used: why it cannot.
    broken: Mapping[str, str]


@cache
def installed() -> Installed:
    """The stages at hand; a plugin that does not load takes no other stage with it."""
    stages: dict[str, type[PipelineStage[Any]]] = {stage.name: stage for stage in STAGES}
    broken: dict[str, str] = {}
    for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda point: point.name):
        try:
            stages[point.name] = _loaded(point, stages)
        except ContractError as error:
            broken[point.name] = f"plugin stage {point.name!r} ({point.value}): {error}"
    return Installed(stages, broken)


def stage_types() -> Mapping[str, type[PipelineStage[Any]]]:
    """Every stage that can be used, by name, the nine first."""
    return installed().stages


def find_stage(name: str) -> type[PipelineStage[Any]]:
    """The stage called `name`; raises `ConfigError` that names the nearest one, or says why a
    plugin's cannot be used."""
    found = installed()
    if name in found.stages:
        return found.stages[name]
    if name in found.broken:
        raise ConfigError(f"{found.broken[name]} Mend or remove the plugin.")
    raise ConfigError(f"stage {name!r}: unknown.{suggest(name, found.stages)}")


def _loaded(
    point: EntryPoint, taken: Mapping[str, type[PipelineStage[Any]]]
) -> type[PipelineStage[Any]]:
    """The stage behind an entry point; raises `ContractError`."""
    if point.name in taken:
        raise ContractError(f"the name is taken by {taken[point.name].__module__}.")
    try:
        stage = point.load()
    except (Exception, SystemExit) as error:
        raise ContractError(f"cannot be loaded: {error!r}.") from error
    check_stage_type(stage)
    if stage.name != point.name:
        raise ContractError(f"its class calls itself {stage.name!r}.")
    found: type[PipelineStage[Any]] = stage
    return found
