"""The rows of a group: each an input with the config that its jobs get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ninefold.config import PipelineConfig
from ninefold.core.errors import InputError
from ninefold.core.pipeline import Pipeline
from ninefold.core.values import Json
from ninefold.engines.defaults import default_engines
from ninefold.engines.engine_set import EngineSet
from ninefold.jobs.spec import document_of
from ninefold.prompts.listing import TooManyVariantsError, shown_count
from ninefold.stages.prompt import prompt_variants

#: A config, or the name of a preset.
Config = PipelineConfig | str
#: Slots by name; a prompt alone may be given as text.
Input = Mapping[str, Any] | str


@dataclass(frozen=True)
class GroupRow:
    """An input of a group, its files in place, and the config of its jobs.

    Rows with the same parameters share one config object, which is then built once.
    """

    config: PipelineConfig
    slots: Mapping[str, Any]
    #: What its problems begin with, such as `inputs.3`; empty for the input that is alone.
    place: str = ""

    def problem(self, line: str) -> str:
        """A problem under the row that has it."""
        return f"{self.place}: {line}" if self.place else line


class Pipelines:
    """The pipelines and documents of configs, made once each; their stages look models up once."""

    def __init__(self, engines: EngineSet | None) -> None:
        self._engines = (engines or default_engines()).keep_lookups()
        self._pipelines: dict[int, tuple[PipelineConfig, Pipeline]] = {}  # an id holds as it lives
        self._documents: dict[int, Json] = {}

    def of(self, config: PipelineConfig) -> Pipeline:
        """The pipeline of a config."""
        if id(config) not in self._pipelines:
            self._pipelines[id(config)] = config, config.build(self._engines)
        return self._pipelines[id(config)][1]

    def document(self, config: PipelineConfig) -> Json:
        """What a spec holds for a config."""
        self.of(config)
        if id(config) not in self._documents:
            self._documents[id(config)] = document_of(config)
        return self._documents[id(config)]


def rows_of(config: Config, inputs: Input | Sequence[Input]) -> list[GroupRow]:
    """The rows of inputs that all have the same config; raises `ConfigError`."""
    checked = config_of(config)
    if isinstance(inputs, str | Mapping):
        return [GroupRow(checked, slots_of(inputs))]
    return [
        GroupRow(checked, slots_of(given), f"inputs.{number}")
        for number, given in enumerate(inputs)
    ]


def config_of(config: Config) -> PipelineConfig:
    """A config, or that of a preset; raises `ConfigError`."""
    return PipelineConfig.preset(config) if isinstance(config, str) else config


def slots_of(given: Input) -> dict[str, Any]:
    """An input as slots."""
    return {"prompt": given} if isinstance(given, str) else dict(given)


def every_variant(
    rows: Sequence[GroupRow], pipelines: Pipelines, count: int, max_jobs: int
) -> list[GroupRow]:
    """Each row once for every prompt that its own can become.

    Raises `InputError` where these, `count` times, are more than `max_jobs`: before they are gone
    through, and without a look at the rows after that.
    """
    found: list[GroupRow] = []
    for number, row in enumerate(rows):
        pipeline = pipelines.of(row.config)
        prompt = row.slots.get("prompt", pipeline.defaults.get("prompt"))
        if not isinstance(prompt, str):  # reported with the job's other problems
            found.append(row)
            continue
        try:
            prompts = prompt_variants(pipeline, prompt, max_jobs // count - len(found))
        except TooManyVariantsError as error:
            jobs = shown_count((len(found) + error.count) * count)
            rest = " or more" if number + 1 < len(rows) else ""
            raise InputError(
                f"group: expected at most {max_jobs:,} jobs, got {jobs}{rest}. The prompt of "
                f"{row.place or 'the input'} has {shown_count(error.count)} variants."
            ) from None
        except InputError as error:
            raise InputError(row.problem(str(error))) from None
        found += [replace(row, slots={**row.slots, "prompt": text}) for text in prompts]
    return found
