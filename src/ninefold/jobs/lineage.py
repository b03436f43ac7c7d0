"""Reruns: what a new job takes over from the one it is made from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ninefold.cache import named_files
from ninefold.config import PipelineConfig
from ninefold.core.context import PipelineContext
from ninefold.core.errors import ConfigError, InputError
from ninefold.core.record import StageRecord
from ninefold.files.atomic import link_atomic
from ninefold.jobs.events import Done
from ninefold.jobs.spec import JobSpec
from ninefold.jobs.submission import digest_of


def again(
    parent: str,
    spec: JobSpec,
    done: Sequence[Done],
    from_stage: str | None,
    changes: Mapping[str, Any],
) -> JobSpec:
    """The spec of a job that goes on from `from_stage` of another with `changes`.

    Raises `ConfigError` or `InputError`.
    """
    config, start = _changed(spec, from_stage, changes)
    kept = _before(done, start, [step.name for step in config.build().steps])
    return replace(
        spec,
        config=config.document(),
        created_at=PipelineContext().created_at,
        digest=digest_of(parent, config.document(), start),
        parent=parent,
        group=None,
        records=tuple(item.record.to_json() for item in kept),
    )


def take_over(spec: JobSpec, source: Path, target: Path) -> None:
    """Put the parent's files that `spec` names into the new job's folder; raises `InputError`."""
    context = PipelineContext(target)
    try:
        for record in (StageRecord("input", spec.input), *spec.reused()):
            for name, _ in named_files(record):
                link_atomic(source / name, context.file(name))
    except FileNotFoundError as error:
        shutil.rmtree(target, ignore_errors=True)
        raise InputError(
            f"{source.name}: its file {Path(str(error.filename)).name} is gone. Submit the job "
            "anew."
        ) from None


def _changed(
    spec: JobSpec, from_stage: str | None, changes: Mapping[str, Any]
) -> tuple[PipelineConfig, str]:
    """The config with `changes`, and the step to start from; raises `ConfigError`."""
    config = spec.pipeline_config
    names = [step.name for step in config.build().steps]
    if from_stage is not None and from_stage not in names:
        raise ConfigError(
            f"from_stage: no stage {from_stage!r} in this job. It has {', '.join(names)}."
        )
    named: dict[str, Any] = {}
    for key, value in changes.items():
        if "." not in key and from_stage is None:
            raise ConfigError(f"changes: expected stage.parameter, got {key!r}.")
        named[key if "." in key else f"{from_stage}.{key}"] = value
    settings = [f"{key}={json.dumps(value)}" for key, value in named.items()]
    config = config.with_settings(settings) if settings else config
    touched = [names.index(key.partition(".")[0]) for key in named]
    start = names.index(from_stage) if from_stage is not None else min(touched, default=0)
    if early := [key for key, index in zip(named, touched, strict=True) if index < start]:
        raise ConfigError(
            f"changes: {', '.join(early)} belong to stages before {names[start]}, which are "
            "taken over as they are. Start from an earlier stage."
        )
    return config, names[start]


def _before(done: Sequence[Done], start: str, names: Sequence[str]) -> list[Done]:
    """What was done before `start` began for the last time; raises `InputError`."""
    last = max((i for i, item in enumerate(done) if item.record.step == start), default=len(done))
    kept = list(done[:last])
    reached = {item.record.step for item in kept if item.record.succeeded}
    missing = [name for name in names[: names.index(start)] if name not in reached]
    if missing:
        raise InputError(
            f"from_stage: the job stopped before {start}: it has no {missing[0]}. "
            f"Rerun it from {missing[0]}."
        )
    return kept
