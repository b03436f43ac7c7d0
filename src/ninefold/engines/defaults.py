"""The engine set that stages share when they are given none."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ninefold.core.errors import ContractError
from ninefold.engines.engine_set import EngineSet, EngineStats
from ninefold.engines.kinds import EngineKind
from ninefold.engines.registry import ENGINES, EngineClass, installed, make_plugin_engine
from ninefold.engines.resources import EngineResources
from ninefold.engines.settings import EngineSettings

_LIBRARIES = ("torch", "diffusers", "transformers", "peft", "onnxruntime", "numpy", "pillow")

_log = logging.getLogger(__name__)


@cache
def default_engines() -> EngineSet:
    """The process's shared engines, set by `NINEFOLD_*` variables when first asked for.

    Cheap: torch and ONNX Runtime are imported with the first request. Raises `ConfigError`.
    """
    return build_engines(EngineSettings.from_environment())


def build_engines(settings: EngineSettings) -> EngineSet:
    """Every installed engine, sharing no loaded model with any other set.

    A plugin's engine that cannot be used is reported in the log, and left out.
    """
    resources = EngineResources(settings)
    engines: dict[EngineKind[Any], list[Any]] = {}
    for kind, classes in installed().engines.items():
        made = (_made(engine, resources) for engine in classes)
        engines[kind] = [engine for engine in made if engine is not None]
    for plugin in installed().plugins:
        if plugin.problem is not None:
            _log.warning("%s", plugin.report)

    def stats() -> EngineStats:
        return EngineStats(resources.residency.sizes(), resources.batches())

    return EngineSet(
        engines,
        _versions(),
        settings.wildcards,
        stats,
        resources.local_models,
        signing=settings,
        marks=settings.marks_folder,
    )


def _made(engine: EngineClass, resources: EngineResources) -> Any:
    """An engine with these settings; None for a plugin's that they do not suit, which is logged."""
    if engine in ENGINES:
        return engine(resources)
    try:
        return make_plugin_engine(engine, resources)
    except ContractError as error:
        _log.warning("plugin engine %r: %s", engine.name, error)
        return None


def _versions() -> Mapping[str, str]:
    found = {}
    for library in _LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found
