"""What can be chosen, as JSON values: stages and models, for the command line and the server."""

from __future__ import annotations

from typing import Any

from ninefold.core.errors import ModelError
from ninefold.core.stage import PipelineStage
from ninefold.core.values import Json
from ninefold.engines.diffusion import ModelInfo
from ninefold.engines.engine_set import EngineSet
from ninefold.imaging.resize import RESAMPLERS


def summary_of(stage: type[PipelineStage[Any]]) -> str:
    """What a stage does, in one line."""
    return (stage.__doc__ or "").strip().partition("\n")[0]


def describe_stage(stage: type[PipelineStage[Any]]) -> Json:
    """A stage's slots, and the JSON schema of its parameters."""
    slots = {"requires": stage.requires, "accepts": stage.accepts, "provides": stage.provides}
    return {
        "name": stage.name,
        "summary": summary_of(stage),
        **{kind: [slot.name for slot in given] for kind, given in slots.items()},
        "params": stage.params_type.model_json_schema(),
    }


def describe_model(engines: EngineSet, name: str) -> Json:
    """A diffusion model, or why it cannot be used."""
    try:
        info: ModelInfo = engines.diffusion.describe(name)
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
        "hint": info.hint,
        "examples": list(info.examples),
    }


def other_models(engines: EngineSet) -> dict[str, tuple[str, ...]]:
    """Names of all that is at hand beside diffusion models."""
    return {
        "schedulers": tuple(engines.diffusion.schedulers()),
        "loras": tuple(engines.diffusion.loras()),
        "detectors": tuple(engines.detection.models()),
        "upscalers": (*engines.upscaling.models(), *RESAMPLERS),
    }
