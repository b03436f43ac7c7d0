"""What requests may ask of this machine: no path, no model of their own choice, no endless work."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ninefold.config import PipelineConfig
from ninefold.core.annotations import parts_of, places_in
from ninefold.core.context import PipelineContext
from ninefold.core.errors import ConfigError, UserError
from ninefold.core.model_refs import ModelRef, NamedModel, named_models
from ninefold.core.pipeline import Pipeline
from ninefold.core.problems import suggest
from ninefold.core.stage import StageParams
from ninefold.core.values import ImageRecord
from ninefold.core.wiring import step_names
from ninefold.engines.engine_set import EngineSet
from ninefold.jobs.group_rows import GroupRow, Pipelines, every_variant
from ninefold.settings import Settings
from ninefold.slots import IMAGE, MASK, MODEL, NEGATIVE_PROMPT, PROMPT, REFERENCES
from ninefold.stages.parameters import DIFFUSION_MODEL
from ninefold.stages.registry import stage_types


class Limits:
    """The one place that looks through what a request asks for."""

    def __init__(self, settings: Settings, engines: EngineSet) -> None:
        self._settings, self._engines = settings, engines

    def models(self, ref: ModelRef = DIFFUSION_MODEL) -> tuple[str, ...]:
        """The models that a request may name there: those at hand by name, and the settings'."""
        return (*self._engines.models(ref), *self._settings.models)

    def config_problems(self, document: Mapping[str, Any]) -> Iterator[str]:
        """What a config from outside may not say; the document may have other faults, too."""
        stages = document.get("stages")
        stages = stages if isinstance(stages, list) else []
        if len(stages) > self._settings.max_stages:
            yield f"config.stages: expected at most {self._settings.max_stages}, got {len(stages)}."
        yield from self._length_problems(document, "config")
        yield from self._named_problems(named_models(PipelineConfig, document))
        items = [item for item in stages if isinstance(item, Mapping)]
        for step, item in zip(step_names(str(i.get("stage")) for i in items), items, strict=True):
            if isinstance(params := item.get("params"), Mapping):
                yield from self.stage_problems(item.get("stage"), params, step)

    def override_problems(
        self, config: PipelineConfig, overrides: Mapping[str, Any]
    ) -> Iterator[str]:
        """The same of parameters by `stage.parameter`, of the stages of `config`."""
        given: dict[str, dict[str, Any]] = {}
        for key, value in overrides.items():
            name, dot, parameter = key.partition(".")
            if dot:
                given.setdefault(name, {})[parameter] = value
            else:
                yield from self._length_problems({name: value}, "overrides")
                yield from self._named_problems(named_models(PipelineConfig, {name: value}))
        for name, params in given.items():
            if (step := config.step_named(name)) is not None:
                # All of them together, as they will be checked.
                yield from self.stage_problems(step.stage, {**step.params, **params}, name)

    def model_problems(
        self, name: Any, where: str, ref: ModelRef = DIFFUSION_MODEL
    ) -> Iterator[str]:
        """Whether a request may name this model."""
        known = self.models(ref)
        if not isinstance(name, str) or name in known:
            return
        for part in name.split("|"):  # MODEL|COMPONENTS
            if part not in known:
                yield f"{where}: {part!r} is not served here.{suggest(part, known)}"

    def input_problems(self, slots: Mapping[str, Any], where: str) -> Iterator[str]:
        """What an input may not say."""
        yield from self._length_problems(slots, where)
        yield from self.model_problems(slots.get(MODEL.name), f"{where}.{MODEL.name}")

    def _length_problems(self, slots: Mapping[str, Any], where: str) -> Iterator[str]:
        """Prompts that are longer than they may be here."""
        for name in (PROMPT.name, NEGATIVE_PROMPT.name):
            prompt = slots.get(name)
            length = len(prompt) if isinstance(prompt, str) else 0
            if length > self._settings.max_prompt:
                yield (
                    f"{where}.{name}: expected at most {self._settings.max_prompt} characters, got "
                    f"{length}."
                )

    def variants(self, rows: Sequence[GroupRow], count: int) -> list[GroupRow]:
        """Each row once for every way to read its prompt; raises `InputError`."""
        return every_variant(rows, Pipelines(self._engines), count, self._settings.max_group)

    def check_jobs(self, jobs: int) -> None:
        """Raise `ConfigError` for more jobs than one request may ask for."""
        if jobs > self._settings.max_group:
            raise ConfigError(
                f"group: expected at most {self._settings.max_group} jobs, got {jobs} or more. Ask "
                "for fewer at a time."
            )

    def check_size(
        self,
        rows: Sequence[GroupRow],
        sizes: Mapping[str, tuple[int, int]],
        count: int = 1,
    ) -> None:
        """Raise `ConfigError` for more jobs, or more pixels in all, than one request may ask for.

        `sizes` are those of the source and reference images, by the upload ids that rows have yet.
        """
        self.check_jobs(len(rows) * count)
        pipelines = Pipelines(self._engines)
        kinds = Counter(
            (
                pipelines.of(row.config),
                row.slots.get(MODEL.name),
                sizes.get(_shape_from(row.slots) or ""),
                tuple(name for name in _PICTURES if row.slots.get(name)),
            )
            for row in rows
        )
        pixels = count * sum(number * _largest(*kind) for kind, number in kinds.items())
        if pixels > self._settings.max_output_pixels:
            raise ConfigError(
                f"output: expected at most {self._settings.max_output_pixels:,} pixels in all, got "
                f"{pixels:,}. Ask for fewer or smaller images."
            )

    def stage_problems(
        self, stage: Any, params: Mapping[str, Any], step: str | None = None
    ) -> Iterator[str]:
        """Paths and models among a stage's parameters; fits plugins' stages, too.

        `step` is its name in the pipeline, where that is another.
        """
        known = stage_types().get(stage) if isinstance(stage, str) else None
        if known is None:
            return
        values: StageParams | Mapping[str, Any] = params
        with suppress(ValidationError):  # which is reported with the config's other problems
            values = known.params_type.model_validate(params)
        yield from self._named_problems(
            named_models(known.params_type, values, given=True), f"{step or stage}."
        )
        params_type: type[StageParams] = known.params_type
        paths = _path_fields(params_type)
        for place in places_in(params_type, values, only=paths, given=True):
            if isinstance(place.annotation, type) and issubclass(place.annotation, Path):
                yield (
                    f"{step or stage}.{place.where}: files of the server are not taken in "
                    "requests. Leave it out."
                )

    def _named_problems(self, named: Iterable[NamedModel], where: str = "") -> Iterator[str]:
        for item in named:
            yield from self.model_problems(item.name, f"{where}{item.where}", item.ref)


def _shape_from(slots: Mapping[str, Any]) -> str | None:
    """The upload whose shape the image takes on, where no size is asked for."""
    image: str | None = slots.get(IMAGE.name)
    return image or next(iter(slots.get(REFERENCES.name) or ()), None)


def _largest(
    pipeline: Pipeline, model: str | None, source: tuple[int, int] | None, given: tuple[str, ...]
) -> int:
    """Pixels of the largest image that a job makes on its way, as its stages tell them.

    `given` are slots of pictures, which are taken to be as large as the source: what a model can
    start from hangs on them.
    """
    context = PipelineContext(**({} if model is None else {MODEL.name: model}))
    pipeline.prepare(context)
    size = source if not given else None
    if source is not None:
        record = ImageRecord(Path("given.png"), *source, "RGB", "", "input")
        for name in given:
            context[name] = (record,) if name == REFERENCES.name else record
    largest = math.prod(source or (0,))
    for step in pipeline.steps:
        # A size that cannot be is reported with the config's other problems.
        with suppress(UserError):
            size = step.stage.output_size(context, size)
        largest = max(largest, math.prod(size or (0,)))
    return largest


#: Slots that hold pictures of the caller's.
_PICTURES = (IMAGE.name, MASK.name, REFERENCES.name)


@cache
def _path_fields(params_type: type[StageParams]) -> frozenset[str]:
    """The parameters that have room for a path."""
    return frozenset(
        name
        for name, field in params_type.model_fields.items()
        if any(isinstance(t, type) and issubclass(t, Path) for t in parts_of(field.annotation))
    )
