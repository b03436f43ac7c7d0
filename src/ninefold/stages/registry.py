"""Stages by name: the nine, the optional ones, and those of installed plugins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from ninefold.core.errors import ConfigError, ContractError
from ninefold.core.model_refs import ModelRef, model_refs
from ninefold.core.plugins import Plugin, load_plugins
from ninefold.core.problems import suggest
from ninefold.core.stage import PipelineStage, check_stage_type
from ninefold.engines.registry import find_kind
from ninefold.stages import OPTIONAL, STAGES


@dataclass(frozen=True)
class Installed:
    """What this Python has: stages by name, the nine first, and all that plugins offer."""

    stages: Mapping[str, type[PipelineStage[Any]]]
    plugins: tuple[Plugin, ...]

    @property
    def broken(self) -> dict[str, str]:
        """What is wrong with those that cannot be used, by name."""
        return {plugin.name: plugin.report for plugin in self.plugins if plugin.problem}


@cache
def installed() -> Installed:
    """The stages at hand; plugins name theirs in the entry points `ninefold.stages`, such as
    `my_stage = "my_package.module:MyStage"`."""
    own = {stage.name: stage for stage in (*STAGES, *OPTIONAL)}
    found, plugins = load_plugins("stage", own, _check)
    return Installed({**own, **found}, tuple(plugins))


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


def references() -> tuple[ModelRef, ...]:
    """Every way in which a parameter of any stage names models, each once."""
    found = (ref for stage in stage_types().values() for ref in model_refs(stage.params_type))
    return tuple(dict.fromkeys(found))


def _check(stage: Any) -> None:
    """Raise `ContractError` for what is no stage, or names models of a kind that is not there."""
    check_stage_type(stage)
    for ref in model_refs(stage.params_type):
        try:
            find_kind(ref.kind)
        except ConfigError as error:
            raise ContractError(f"its parameters name a {error}") from None
