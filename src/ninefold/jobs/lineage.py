"""Reruns: what a new job takes over from the one it is made from."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ninefold.cache import named_files
from ninefold.config import PipelineConfig
from ninefold.core.atomic import link_all
from ninefold.core.context import PipelineContext
from ninefold.core.errors import ConfigError, InputError
from ninefold.core.record import StageRecord
from ninefold.core.slots import find_slot
from ninefold.jobs.events import Done
from ninefold.jobs.spec import JobSpec, digest_of, document_of
from ninefold.slots import CONTROL_IMAGES

#: Slots that a rerun may be given anew; others come from stages, or are named by the config.
CHANGEABLE = ("prompt", "negative_prompt", "seed", "model", "image", "mask", "references")


@dataclass(frozen=True)
class Rerun:
    """A job that goes on from a stage of another."""

    spec: JobSpec
    from_stage: str
    #: Steps that are taken over, and those that will be carried out, in the order of the pipeline.
    reused: tuple[str, ...]
    runs: tuple[str, ...]


def prepared_rerun(
    parent: str,
    spec: JobSpec,
    done: Sequence[Done],
    from_stage: str | None,
    changes: Mapping[str, Any],
    given: Mapping[str, Any],
    folder: Path,
) -> Rerun:
    """A job that goes on from `from_stage` of another with `changes`.

    `given` are slots of its input that are others; files among them are put into its `folder`.
    Raises `ConfigError` or `InputError`.
    """
    spec, reader = _given_anew(spec, given, folder)
    config, start, names = _changed(spec, from_stage, changes, reader)
    spec = _without_unnamed_pictures(spec, config)
    kept = _before(done, start, names)
    document = document_of(config)
    spec = replace(
        spec,
        config=document,
        created_at=PipelineContext().created_at,
        digest=digest_of(parent, document, start, spec.input),
        parent=parent,
        from_stage=start,
        changes={
            **{key if "." in key else f"{from_stage}.{key}": changes[key] for key in changes},
            **given,
        },
        group=None,
        records=tuple(item.record.to_json() for item in kept),
    )
    place = names.index(start)
    return Rerun(spec, start, tuple(names[:place]), tuple(names[place:]))


def take_over(spec: JobSpec, source: Path, target: Path, given: Collection[str] = ()) -> None:
    """Put the parent's files that `spec` names into the new job's folder; raises `InputError`.

    Those of the slots that were `given` anew lie there already.
    """
    context = PipelineContext(target)
    kept = {name: value for name, value in spec.input.items() if name not in given}
    try:
        link_all(
            (source / name, context.file(name))
            for record in (StageRecord("input", kept), *spec.reused())
            for name, _ in named_files(record)
        )
    except FileNotFoundError as error:
        shutil.rmtree(target, ignore_errors=True)
        raise InputError(
            f"{source.name}: its file {Path(str(error.filename)).name} is gone. Submit the job "
            "anew."
        ) from None


def _given_anew(
    spec: JobSpec, given: Mapping[str, Any], folder: Path
) -> tuple[JobSpec, tuple[str, str] | None]:
    """The spec with other slots, and the first step on which any of them acts, with its slot.

    Raises `InputError` or `ConfigError`.
    """
    if unknown := [name for name in given if name not in CHANGEABLE]:
        raise InputError(
            f"input: a rerun changes {', '.join(CHANGEABLE)}; for another {unknown[0]}, submit "
            "anew."
        )
    if not given:
        return spec, None
    context = PipelineContext(folder)
    for name, value in given.items():
        context.set(name, value)
    values = context.slots_as_json()
    # As they were said: a config's own seed and model stay there.
    of_config = {
        name: value
        for name, value in values.items()
        if name in PipelineConfig.model_fields and name not in spec.input
    }
    of_input = {name: value for name, value in values.items() if name not in of_config}
    if "model" in of_config:  # the components are those of the model that it was
        of_config["components"] = None
    config = PipelineConfig.parse({**spec.config, **of_config})
    spec = replace(spec, config=config.document(), input={**spec.input, **of_input})
    present = {find_slot(name) for name in spec.input}
    for step in config.build().steps:
        ignored = {slot.name for slot in step.stage.ignored_inputs(present)}
        reads = {slot.name for slot in (*step.stage.requires, *step.stage.accepts)} - ignored
        for name in values:
            if name in reads:
                return spec, (step.name, name)
        present.update(step.stage.provides)
    return spec, None


def _without_unnamed_pictures(spec: JobSpec, config: PipelineConfig) -> JobSpec:
    """The spec without pictures of control that no stage of its changed config names."""
    pictures = spec.input.get(CONTROL_IMAGES.name)
    if not pictures:
        return spec
    named = config.control_images()
    kept = {name: picture for name, picture in pictures.items() if name in named}
    others = {key: value for key, value in spec.input.items() if key != CONTROL_IMAGES.name}
    return replace(spec, input={**others, **({CONTROL_IMAGES.name: kept} if kept else {})})


def _changed(
    spec: JobSpec,
    from_stage: str | None,
    changes: Mapping[str, Any],
    reader: tuple[str, str] | None,
) -> tuple[PipelineConfig, str, Sequence[str]]:
    """The config with `changes`, the step to start from, and all steps; raises `ConfigError`.

    `reader` is a step that reads another input, and the slot.
    """
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
    config = config.with_values(named, "changes") if named else config
    touched = [names.index(key.partition(".")[0]) for key in named]
    if reader is not None:
        named[reader[1]] = None
        touched.append(names.index(reader[0]))
    start = names.index(from_stage) if from_stage is not None else min(touched, default=0)
    if early := [key for key, index in zip(named, touched, strict=True) if index < start]:
        raise ConfigError(
            f"changes: {', '.join(early)} belong to stages before {names[start]}, which are "
            "taken over as they are. Start from an earlier stage, or name none."
        )
    return config, names[start], names


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
