"""Whether the models that made an image are here, and are what they were."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from ninefold.core.context import PipelineContext
from ninefold.core.errors import ConfigError, UserError
from ninefold.core.values import Json
from ninefold.core.wiring import Step
from ninefold.engines.control import CONTROL
from ninefold.engines.engine_set import EngineSet
from ninefold.engines.matting import MATTING
from ninefold.imaging.resize import RESAMPLERS
from ninefold.reproduction.report import Difference
from ninefold.stages.base import DiffusionStage

#: What it is called, the hash that was recorded, and what tells the hash that it has now.
_Used = tuple[str, str, Callable[[], str]]


def model_differences(
    step: Step, entry: Json, context: PipelineContext, engines: EngineSet
) -> Iterator[Difference]:
    """Models of a step that are missing or changed; `entry` is what the record says of it."""
    for name, was, hash_of in (
        *_diffusion(step.stage, entry, context, engines),
        *_others(entry, engines),
    ):
        try:
            now: str | None = hash_of()
        except (UserError, ConfigError, OSError):
            now = None
        if now != was:
            yield Difference(kind="model", name=name, was=was, now=now)


def _diffusion(
    stage: Any, entry: Json, context: PipelineContext, engines: EngineSet
) -> Iterator[_Used]:
    if not isinstance(stage, DiffusionStage):
        return
    diffusion, model = engines.diffusion, stage.model(context)
    if "model_hash" in entry:
        yield f"model {model}", entry["model_hash"], lambda: diffusion.describe(model).hash
    refiner = getattr(stage.params, "refiner", None)
    if refiner and "refiner_hash" in entry:
        yield f"model {refiner}", entry["refiner_hash"], lambda: diffusion.describe(refiner).hash
    for lora in entry.get("loras", ()):
        if "hash" in lora:
            name = lora["name"]
            yield f"LoRA {name}", lora["hash"], partial(diffusion.lora_hash, model, name)
    for item in entry.get("embeddings", ()):
        name = item["name"]
        yield f"embedding {name}", item["hash"], partial(_embedding, engines, model, name)
    for used, given in zip(entry.get("control", ()), stage.params.control, strict=False):
        yield f"control {given.model}", used["hash"], partial(engines[CONTROL].hash, given.model)


def _others(entry: Json, engines: EngineSet) -> Iterator[_Used]:
    if "detector_hash" in entry:
        name = entry["detector"]
        yield f"detector {name}", entry["detector_hash"], lambda: engines.detection.hash(name)
    for upscaler, digest in zip(
        entry.get("upscalers", ()), entry.get("upscaler_hashes", ()), strict=False
    ):
        if upscaler not in RESAMPLERS:
            yield f"upscaler {upscaler}", digest, partial(engines.upscaling.hash, upscaler)
    if "matting_hash" in entry:
        matte = entry["matting"]
        yield f"matting {matte}", entry["matting_hash"], lambda: engines[MATTING].hash(matte)


def _embedding(engines: EngineSet, model: str, name: str) -> str:
    return next(iter(engines.diffusion.embedding_hashes(model, name)), "")
