"""What requests may ask of this machine: no path, no model of their own choice, no endless work."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

from ninefold.config import PipelineConfig
from ninefold.core.context import PipelineContext
from ninefold.core.errors import ConfigError, UserError
from ninefold.core.pipeline import Pipeline
from ninefold.core.problems import suggest
from ninefold.engines.engine_set import EngineSet
from ninefold.imaging.resize import RESAMPLERS
from ninefold.jobs.submission import every_variant
from ninefold.settings import Settings
from ninefold.stages.registry import stage_types

#: Parameters that name a model, in whatever stage: a name that is not on a list could be a path.
_MODEL_FIELDS = ("model", "detector", "upscaler")


class Limits:
    """The one place that looks through what a request asks for."""

    def __init__(self, settings: Settings, engines: EngineSet) -> None:
        self._settings, self._engines = settings, engines

    def models(self, field: str = "model") -> tuple[str, ...]:
        """The models that a request may name there: those at hand by name, and the settings'."""
        at_hand = {
            "model": self._engines.diffusion.models,
            "detector": self._engines.detection.models,
            "upscaler": self._engines.upscaling.models,
        }
        filters = RESAMPLERS if field == "upscaler" else ()
        return (*at_hand[field](), *filters, *self._settings.models)

    def config_problems(self, document: Mapping[str, Any]) -> Iterator[str]:
        """What a config from outside may not say; the document may have other faults, too."""
        stages = document.get("stages")
        stages = stages if isinstance(stages, list) else []
        if len(stages) > self._settings.max_stages:
            yield f"config.stages: expected at most {self._settings.max_stages}, got {len(stages)}."
        yield from self.model_problems(document.get("model"), "model")
        for item in stages:
            if isinstance(item, Mapping) and isinstance(params := item.get("params"), Mapping):
                yield from self.stage_problems(item.get("stage"), params)

    def override_problems(self, overrides: Mapping[str, Any]) -> Iterator[str]:
        """The same of parameters by `stage.parameter`."""
        for key, value in overrides.items():
            name, dot, parameter = key.partition(".")
            if dot:
                stage, _, number = name.rpartition("_")
                yield from self.stage_problems(
                    stage if number.isdigit() else name, {parameter: value}
                )
            elif name == "model":
                yield from self.model_problems(value, "model")

    def model_problems(self, name: Any, where: str, field: str = "model") -> Iterator[str]:
        """Whether a request may name this model."""
        known = self.models(field)
        if isinstance(name, str) and name not in known:
            yield f"{where}: {name!r} is not served here.{suggest(name, known)}"

    def input_problems(self, slots: Mapping[str, Any], where: str) -> Iterator[str]:
        """What an input may not say."""
        for name in ("prompt", "negative_prompt"):
            length = len(slots.get(name) or "")
            if length > self._settings.max_prompt:
                yield (
                    f"{where}.{name}: expected at most {self._settings.max_prompt} characters, got "
                    f"{length}."
                )
        yield from self.model_problems(slots.get("model"), f"{where}.model")

    def variants(
        self, config: PipelineConfig, inputs: Sequence[Mapping[str, Any]], count: int
    ) -> list[dict[str, Any]]:
        """The slots of each input once for every way to read its prompt; raises `InputError`."""
        return every_variant(config.build(self._engines), inputs, count, self._settings.max_group)

    def check_jobs(self, jobs: int) -> None:
        """Raise `ConfigError` for more jobs than one request may ask for."""
        if jobs > self._settings.max_group:
            raise ConfigError(
                f"group: expected at most {self._settings.max_group} jobs, got {jobs} or more. Ask "
                "for fewer at a time."
            )

    def check_size(
        self,
        config: PipelineConfig,
        inputs: Sequence[Mapping[str, Any]],
        sizes: Mapping[str, tuple[int, int]],
        count: int = 1,
    ) -> None:
        """Raise `ConfigError` for more jobs, or more pixels in all, than one request may ask for.

        `sizes` are those of the source images, by upload id.
        """
        self.check_jobs(len(inputs) * count)
        pipeline = config.build(self._engines)
        kinds = Counter(
            (slots.get("model"), sizes.get(slots.get("image") or "")) for slots in inputs
        )
        pixels = count * sum(
            number * _largest(pipeline, model, source) for (model, source), number in kinds.items()
        )
        if pixels > self._settings.max_output_pixels:
            raise ConfigError(
                f"output: expected at most {self._settings.max_output_pixels:,} pixels in all, got "
                f"{pixels:,}. Ask for fewer or smaller images."
            )

    def stage_problems(self, stage: Any, params: Mapping[str, Any]) -> Iterator[str]:
        """Paths and models among a stage's parameters; fits plugins' stages, too."""
        known = stage_types().get(stage) if isinstance(stage, str) else None
        fields = known.params_type.model_fields if known is not None else {}
        for name, value in params.items():
            where = f"{stage}.{name}"
            if value is None or name not in fields:
                continue
            if name in _MODEL_FIELDS:
                yield from self.model_problems(value, where, name)
            elif _holds_path(fields[name].annotation):
                yield f"{where}: files of the server are not taken in requests. Leave it out."


def _largest(pipeline: Pipeline, model: str | None, source: tuple[int, int] | None) -> int:
    """Pixels of the largest image that a job makes on its way, as its stages tell them."""
    context = PipelineContext(**({} if model is None else {"model": model}))
    pipeline.prepare(context)
    size, largest = source, math.prod(source or (0,))
    for step in pipeline.steps:
        # A size that cannot be is reported with the config's other problems.
        with suppress(UserError):
            size = step.stage.output_size(context, size)
        largest = max(largest, math.prod(size or (0,)))
    return largest


def _holds_path(annotation: Any) -> bool:
    """Whether a parameter's type has room for a path."""
    if isinstance(annotation, type):
        return issubclass(annotation, Path)
    if get_origin(annotation) in (Union, UnionType) or get_args(annotation):
        return any(_holds_path(part) for part in get_args(annotation))
    return False
