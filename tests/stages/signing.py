"""Runs whose publisher signs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ninefold import PipelineConfig, PipelineContext
from ninefold.core.settings import read_settings
from ninefold.core.signing import SigningSettings
from ninefold.engines.engine_set import EngineSet
from ninefold.slots import OUTPUTS
from ninefold.testing import fake_engines
from tests.certificates import actions, active_manifest

from ..support import run

MEDIA_TYPES = {kind: f"image/{kind}" for kind in ("png", "jpeg", "webp", "avif", "jxl")}
FULL = PipelineConfig.preset("full")


def published(
    folder: Path,
    config: PipelineConfig | dict[str, Any] = FULL,
    engines: EngineSet | None = None,
    **data: Any,
) -> PipelineContext:
    """A run of `config` that succeeds."""
    config = config if isinstance(config, PipelineConfig) else PipelineConfig.parse(config)
    data = {"prompt": "a red house", "seed": 7} | data
    context = PipelineContext(
        folder, job_id="job", **{k: v for k, v in data.items() if v is not None}
    )
    run(config.build(engines or fake_engines()).execute(context))
    context.raise_for_error()
    return context


def only(*stages: Any, **params: Any) -> dict[str, Any]:
    """A config of `stages` and a publisher that signs."""
    steps = [item if isinstance(item, dict) else {"stage": item} for item in stages]
    params = {"sign": True, "name": "{job_id}"} | params
    return {"stages": [*steps, {"stage": "publisher", "params": params}]}


def manifest_of(context: PipelineContext, number: int = 0) -> dict[str, Any]:
    output = context[OUTPUTS][number]
    return active_manifest(output.path.read_bytes(), output.media_type)


def done(manifest: dict[str, Any]) -> list[tuple[str, str]]:
    return [(a["action"], a["parameters"]["io.ninefold.stage"]) for a in actions(manifest)]


def with_settings(engines: EngineSet, **environ: str) -> EngineSet:
    return replace(engines, signing=read_settings(SigningSettings, environ))
