"""Whether the models that made an image are here, and are what they were."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from ninefold.core.context import PipelineContext
from ninefold.core.errors import UserError
from ninefold.core.values import Json
from ninefold.core.wiring import Step
from ninefold.engines.control import CONTROL
from ninefold.engines.engine_set import EngineSet
from ninefold.engines.hashing import SHORT_HASH
from ninefold.engines.matting import MATTING
from ninefold.imaging.resize import RESAMPLERS
from ninefold.reproduction.facts import DiffusionFacts, HelperFacts, read_facts
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
        *_others(step, entry, engines),
    ):
        try:
            now: str | None = hash_of()
        except (UserError, OSError):
            now = None
        if now is None or not same_hash(was, now):
            yield Difference(kind="model", name=name, was=was, now=now)


def same_hash(was: str, now: str) -> bool:
    """Whether a recorded hash is that of today: records of before hold its first digits alone."""
    return now == was or (len(was) >= SHORT_HASH and now.startswith(was))


def _diffusion(
    stage: Any, entry: Json, context: PipelineContext, engines: EngineSet
) -> Iterator[_Used]:
    if not isinstance(stage, DiffusionStage):
        return
    diffusion, model = engines.diffusion, stage.model(context)
    facts = read_facts(DiffusionFacts, entry, stage.name)
    if facts.model_hash is not None:
        yield f"model {model}", facts.model_hash, lambda: diffusion.describe(model).hash
    refiner = getattr(stage.params, "refiner", None)
    if refiner and facts.refiner_hash is not None:
        yield f"model {refiner}", facts.refiner_hash, lambda: diffusion.describe(refiner).hash
    for lora in facts.loras:
        if lora.hash is not None:
            hash_of = partial(diffusion.lora_hash, model, lora.name)
            yield f"LoRA {lora.name}", lora.hash, hash_of
    for item in facts.embeddings:
        if item.hash is not None:
            hash_of = partial(_embedding, engines, model, item.name)
            yield f"embedding {item.name}", item.hash, hash_of
    for used, given in zip(facts.control, stage.params.control, strict=False):
        yield f"control {given.model}", used.hash, partial(engines[CONTROL].hash, given.model)


def _others(step: Step, entry: Json, engines: EngineSet) -> Iterator[_Used]:
    facts = read_facts(HelperFacts, entry, step.name)
    if facts.detector_hash is not None:
        name = facts.detector
        yield f"detector {name}", facts.detector_hash, lambda: engines.detection.hash(name)
    for upscaler, digest in zip(facts.upscalers, facts.upscaler_hashes, strict=False):
        if upscaler not in RESAMPLERS:
            yield f"upscaler {upscaler}", digest, partial(engines.upscaling.hash, upscaler)
    if facts.matting_hash is not None:
        matte = facts.matting
        yield f"matting {matte}", facts.matting_hash, lambda: engines[MATTING].hash(matte)


def _embedding(engines: EngineSet, model: str, name: str) -> str:
    return next(iter(engines.diffusion.embedding_hashes(model, name)), "")
