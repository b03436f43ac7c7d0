"""A run that makes an image again: its config, its inputs, and what is not as it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from ninefold.config import PipelineConfig
from ninefold.core.atomic import write_atomic
from ninefold.core.context import PipelineContext
from ninefold.core.errors import (
    ContractError,
    InputError,
    ModelError,
    StorageError,
    UserError,
)
from ninefold.core.model_refs import ModelRef, named_models
from ninefold.core.paths import expand_home
from ninefold.core.pipeline import Attempt, Pipeline
from ninefold.core.problems import suggest
from ninefold.core.record import StageRecord
from ninefold.core.values import ImageRecord, Json
from ninefold.core.wiring import Step
from ninefold.engines.engine_set import EngineSet
from ninefold.files.manifest import Manifest
from ninefold.reproduction.facts import OwnPromptFacts, PromptFacts, read_facts
from ninefold.reproduction.inputs import (
    FileInput,
    found_file,
    input_files,
    parameter_files,
)
from ninefold.reproduction.models import model_differences
from ninefold.reproduction.report import Difference
from ninefold.slots import CONFIG, LORAS, MODEL, NEGATIVE_PROMPT, PROMPT, SEED, WILDCARDS
from ninefold.stages.parameters import DIFFUSION_MODEL
from ninefold.stages.prompt import PromptStage
from ninefold.stages.publisher import PublisherStage

_ANYWAY = "Bring it back, or go on with what is here by --anyway."


@dataclass(frozen=True)
class Plan:
    """What is run, and what was found to be otherwise before it."""

    record: Manifest
    pipeline: Pipeline
    context: PipelineContext
    #: Models and inputs that are others, or missing.
    differences: tuple[Difference, ...]

    async def around(self, step: Step, context: PipelineContext, attempt: Attempt) -> StageRecord:
        """A step of the run; prompts are taken as they were resolved, for choices may be gone."""
        entry = self.record.stages.get(step.name, {})
        if isinstance(step.stage, PromptStage) and PROMPT.name in entry:
            return StageRecord(step.name, _resolved(step.stage, entry), metadata=dict(entry))
        made = await attempt()
        if chosen := entry.get("own_prompts"):
            context.add_metadata(step.name, own_prompts=chosen)
        return made


def plan_run(
    record: Manifest,
    context: PipelineContext,
    engines: EngineSet,
    given: Mapping[str, str],
    folders: Sequence[Path],
    *,
    anyway: bool,
) -> Plan:
    """What makes the image of `record` again in `context`, which is empty.

    `given` are files and models by the names of inputs; files are looked for in `folders`, too.
    Raises `UserError` where something is missing, or, unless `anyway`, changed.
    """
    inputs = dict(record.inputs)
    config = PipelineConfig.parse(record.config, "record.config")
    values, given = _models(config, inputs, given, engines)
    values |= {**_own_prompts(config, record), **_unsigned(config)}
    config = config.with_values(values, "record")
    wanted = [*input_files(inputs), *parameter_files(config.build(engines).steps, record)]
    _check_names(given, wanted)
    differences: list[Difference] = []
    paths: dict[str, Any] = {}
    for item in wanted:
        found = found_file(item, _path(given.get(item.name)), folders)
        if found is None:
            differences.append(_missing(item))
            continue
        if item.sha256 is not None and found.sha256 != item.sha256:
            differences.append(
                Difference(kind="input", name=item.name, was=item.sha256, now=found.sha256)
            )
        if item.entry is not None and found.picture is not None:
            inputs = _replaced(inputs, item.entry, found.picture)
        path = _write(context, item, found.data)
        if item.entry is None:
            paths[item.name] = str(path)
    if lacking := [item for item in differences if item.now is None]:
        raise InputError("\n".join(map(_unfound, lacking)))
    config = config.with_values(paths, "record")
    try:
        context.apply(StageRecord("input", inputs))
    except ContractError as error:
        raise InputError(f"record: {error} A plugin that made the image may be missing.") from None
    context.set(CONFIG, record.config)
    pipeline = config.build(engines)
    for step in pipeline.steps:
        entry = record.stages.get(step.name, {})
        others = model_differences(step, entry, context, engines)
        differences += [item for item in others if item not in differences]
    if differences and not anyway:
        kind = ModelError if any(item.kind == "model" for item in differences) else InputError
        raise kind("\n".join(f"{item}. {_ANYWAY}" for item in differences))
    _check(pipeline, context, record)
    return Plan(record, pipeline, context, tuple(differences))


def _models(
    config: PipelineConfig, inputs: Json, given: Mapping[str, str], engines: EngineSet
) -> tuple[dict[str, Any], dict[str, str]]:
    """Parameters and, in `inputs`, the slot that name models, as they are named here; and what
    remains of `given`. Records hold no folders, so a model that was a path is looked up by name."""
    left, values = dict(given), dict[str, Any]()
    if (model := inputs.get(MODEL.name)) is not None:
        inputs[MODEL.name] = left.pop(MODEL.name, None) or _at_hand(engines, DIFFUSION_MODEL, model)
    elif MODEL.name in left:
        inputs[MODEL.name] = left.pop(MODEL.name)
    for step in config.build(engines).steps:
        for named in named_models(type(step.stage.params), step.stage.params):
            key = f"{step.name}.{named.where}"
            here = left.pop(key, None) or _at_hand(engines, named.ref, named.name)
            if here != named.name and "." not in named.where:
                values[key] = here
    return values, left


def _at_hand(engines: EngineSet, ref: ModelRef, name: str) -> str:
    """The model's name, or the name of its file where only that is known here."""
    for each in (name, PurePath(name).stem):
        try:
            engines.check_model(ref, each)
        except UserError:
            continue
        return each
    return name


def _own_prompts(config: PipelineConfig, record: Manifest) -> dict[str, Any]:
    """Prompts of stages, with the choices that were made."""
    values: dict[str, Any] = {}
    for step in config.build().steps:
        facts = read_facts(OwnPromptFacts, record.stages.get(step.name, {}), step.name)
        for name, text in facts.own_prompts.items():
            parameter, _, label = name.partition(".")
            key = f"{step.name}.{parameter}"
            if label:
                known = values.get(key) or getattr(step.stage.params, parameter, {})
                values[key] = {**(known if isinstance(known, Mapping) else {}), label: text}
            else:
                values[key] = text
    return values


def _unsigned(config: PipelineConfig) -> dict[str, Any]:
    """Publishers' parameters: what is made to be compared is not signed, and not kept in the
    manifest store, where it would take the place of the first image."""
    return {
        f"{step.name}.sign": False
        for step in config.build().steps
        if isinstance(step.stage, PublisherStage)
    }


def _resolved(stage: PromptStage, entry: Json) -> Json:
    """What the prompt stage set."""
    facts = read_facts(PromptFacts, entry, stage.name)
    return {
        PROMPT.name: facts.prompt,
        NEGATIVE_PROMPT.name: facts.negative_prompt,
        SEED.name: facts.seed,
        LORAS.name: facts.loras,
        WILDCARDS.name: {name: list(texts) for name, texts in stage.params.wildcards.items()},
    }


def _check(pipeline: Pipeline, context: PipelineContext, record: Manifest) -> None:
    """Raise `ConfigError` with all that is known to stop the run; its prompts are resolved."""
    ahead, rest = context.scratch(), []
    for step in pipeline.steps:
        entry = record.stages.get(step.name, {})
        if isinstance(step.stage, PromptStage) and PROMPT.name in entry:
            ahead.apply(StageRecord("input", _resolved(step.stage, entry)))
        else:
            rest.append(step)
    Pipeline(rest, defaults=pipeline.defaults).check(ahead)


def _check_names(given: Mapping[str, str], wanted: Sequence[FileInput]) -> None:
    known = [item.name for item in wanted]
    for name in given:
        if name not in known:
            raise InputError(
                f"--input {name}: the image was made without one.{suggest(name, known)}"
            )


def _path(given: str | None) -> Path | None:
    return None if given is None else expand_home(given)


def _missing(item: FileInput) -> Difference:
    return Difference(kind="input", name=item.name, was=item.sha256 or "unknown", now=None)


def _unfound(item: Difference) -> str:
    return (
        f"{item.name}: expected the file of SHA-256 {item.was}, which is not here. Give it with "
        f"--input {item.name}=FILE."
    )


def _write(context: PipelineContext, item: FileInput, data: bytes) -> Path:
    path = context.file(item.path)
    try:
        write_atomic(path, data)
    except OSError as error:
        raise StorageError(
            f"cannot write {item.path!r}: {error.strerror or error}. Free some space or choose "
            "another folder."
        ) from error
    return path


def _replaced(inputs: Any, entry: Json, picture: ImageRecord) -> Any:
    """The inputs with what is true of another picture in the entry of the first."""
    if isinstance(inputs, Mapping):
        if dict(inputs) == entry:
            size = {"width": picture.width, "height": picture.height, "mode": picture.mode}
            return {**inputs, **size, "sha256": picture.sha256}
        return {name: _replaced(value, entry, picture) for name, value in inputs.items()}
    if isinstance(inputs, list):
        return [_replaced(value, entry, picture) for value in inputs]
    return inputs
