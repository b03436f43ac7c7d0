"""What can be chosen, as JSON values: stages and models, for the command line and the server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

from ninefold.core.errors import ModelError
from ninefold.core.model_refs import ModelRef, with_choices
from ninefold.core.plugins import Plugin
from ninefold.core.stage import PipelineStage
from ninefold.core.values import Json
from ninefold.engines import registry as engine_registry
from ninefold.engines.capabilities import capabilities
from ninefold.engines.diffusion import DIFFUSION
from ninefold.engines.engine_set import EngineSet
from ninefold.model_catalog import described, public_summary
from ninefold.stages import STAGES
from ninefold.stages import registry as stage_registry


def summary_of(stage: type[PipelineStage[Any]]) -> str:
    """What a stage does, in one line."""
    return (stage.__doc__ or "").strip().partition("\n")[0]


def describe_stage(
    stage: type[PipelineStage[Any]], choices: Callable[[ModelRef], Sequence[str]] | None = None
) -> Json:
    """A stage's slots, and the JSON schema of its parameters.

    With `choices`, of the models that a parameter may name, the schema lists them.
    """
    params = stage.params_type.model_json_schema()
    slots = {"requires": stage.requires, "accepts": stage.accepts, "provides": stage.provides}
    return {
        "name": stage.name,
        "summary": summary_of(stage),
        "optional": stage not in STAGES,
        **{kind: [slot.name for slot in given] for kind, given in slots.items()},
        "important": list(stage.important),
        "params": params if choices is None else with_choices(params, choices),
    }


def plugins() -> tuple[Plugin, ...]:
    """What installed packages add: stages first, then engines."""
    return (*stage_registry.installed().plugins, *engine_registry.installed().plugins)


def describe_model(engines: EngineSet, name: str) -> Json:
    """A diffusion model, or why it cannot be used; the hash of one in the library is empty where
    its weights would have to be read for it."""
    try:
        info = described(engines, name)
    except ModelError as error:
        return {"error": str(error)}
    return {
        "created": info.created,
        "hash": info.hash,
        "native_size": list(info.native_size),
        "size_multiple": info.size_multiple,
        "max_size": info.max_size,
        "steps": info.steps,
        "guidance_scale": info.guidance_scale,
        "guidance_rescale": info.guidance_rescale,
        "scheduler": info.scheduler,
        "scheduler_kind": info.scheduler_kind,
        "family": info.family.name,
        "starts_from": sorted(info.family.tasks),
        "capabilities": dict(capabilities(info)),
        "hint": info.hint,
        "examples": list(info.examples),
        **public_summary(engines, "diffusion", name),
    }


def other_models(engines: EngineSet) -> dict[str, tuple[str, ...]]:
    """Names of all that is at hand beside diffusion models."""
    found = {
        "schedulers": tuple(engines.diffusion.schedulers()),
        "loras": tuple(engines.diffusion.loras()),
        "embeddings": tuple(engines.diffusion.embeddings()),
    }
    for kind in engine_registry.installed().kinds.values():
        if kind is not DIFFUSION:
            refs = [ref for ref in stage_registry.references() if kind.answers_to(ref.kind)]
            names = (engines.models(ref) for ref in (ModelRef(kind.name), *refs))
            found[kind.plural] = tuple(dict.fromkeys(chain.from_iterable(names)))
    return found
