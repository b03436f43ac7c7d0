"""A pipeline as data: JSON, YAML or TOML in, a `Pipeline` out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from ninefold.config_text import load_document
from ninefold.core.errors import ConfigError
from ninefold.core.frozen import FrozenDict, frozen
from ninefold.core.pipeline import Pipeline
from ninefold.core.problems import check_texts, field_names, problems_of, suggest
from ninefold.core.stage import PipelineStage
from ninefold.core.wiring import OnError, Step, step_names
from ninefold.engines.references import with_components
from ninefold.parameter_text import parse_parameter
from ninefold.slots import CONFIG, MAX_PROMPT, MAX_SEED, MODEL, NEGATIVE_PROMPT, PROMPT, SEED
from ninefold.stages.control import named_images
from ninefold.stages.parameters import DIFFUSION_MODEL, SamplingParams
from ninefold.stages.registry import find_stage, stage_types

#: Fields of a config that settings may name beside the stages' parameters.
_OWN = ("prompt", "negative_prompt", "model", "components", "seed")
#: What is said where LoRAs are asked for of a config that does not apply them.
WITHOUT_LORAS = "expected a pipeline with the stage prompt, which applies LoRAs. Add it."

_PRESETS = files("ninefold") / "presets"


class StageConfig(BaseModel):
    """One stage of a pipeline."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stage: str = Field(description="Name of the stage.")
    #: As they were given; the pipeline is made of them once, so they cannot be changed.
    params: Annotated[dict[str, Any], AfterValidator(frozen)] = Field(
        default_factory=FrozenDict, description="Its parameters."
    )
    on_error: OnError = Field("stop", description="Stop when it fails, or skip it and warn.")

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """One alternative for each stage, with the schema of its own parameters."""
        schema = handler.resolve_ref_schema(handler(core_schema))
        shared = schema["properties"]
        schema["oneOf"] = [
            {
                "properties": {
                    "stage": {"const": name},
                    "params": handler(stage.params_type.__pydantic_core_schema__),
                    "on_error": shared["on_error"],
                },
                "required": ["stage"],
            }
            for name, stage in stage_types().items()
        ]
        return schema


class PipelineConfig(BaseModel):
    """Which stages run, in what order, with which parameters."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    description: str = Field("", description="One line on what it is for.")
    prompt: str | None = Field(
        None, max_length=MAX_PROMPT, description="What the image shows where no prompt is given."
    )
    negative_prompt: str | None = Field(
        None, max_length=MAX_PROMPT, description="What it does not show where none is given."
    )
    model: Annotated[str, DIFFUSION_MODEL] | None = Field(
        None, description="The diffusion model where none is given."
    )
    components: Annotated[str, DIFFUSION_MODEL] | None = Field(
        None,
        description="A diffusers folder or a hub name, from which `model` takes the components "
        "that it lacks: text encoders, decoder, tokenizers. In a stage's own `model`, or a job's, "
        "write MODEL|COMPONENTS.",
    )
    seed: int | None = Field(
        None,
        ge=0,
        lt=MAX_SEED,
        description="The seed where none is given; null takes a random one.",
    )
    stages: tuple[StageConfig, ...] = Field(min_length=1, description="The stages, in order.")

    _without_nul = field_validator(
        "description", "prompt", "negative_prompt", "model", "components"
    )(check_texts)

    @model_validator(mode="after")
    def _components_of_a_model(self) -> Self:
        if self.components is not None and self.model is None:
            raise ValueError("components: expected beside a model. Name the model, too.")
        return self

    @classmethod
    def preset(cls, name: str) -> Self:
        """A config that ships with ninefold: `draft`, `standard` or `full`."""
        if name not in presets():
            raise ConfigError(f"preset {name!r}: unknown.{suggest(name, presets())}")
        config = _built_preset(name)
        return config if type(config) is cls else cls.parse(_preset(name), f"preset {name}")

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a .yaml, .json or .toml file; raises `ConfigError` with every problem."""
        path = Path(path)
        return cls.parse(load_document(path), path.name)

    @classmethod
    def parse(cls, document: Any, where: str = "config") -> Self:
        """Check a document that was already read; raises `ConfigError` with every problem."""
        config = cls._checked(document, where)
        _ = config._pipeline
        return config

    @classmethod
    def _checked(cls, document: Any, where: str) -> Self:
        """A config whose stages' parameters are yet to be checked; raises `ConfigError`."""
        if not isinstance(document, Mapping):
            raise ConfigError(
                f"{where}: expected a mapping with a list of stages, got {type(document).__name__}."
            )
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            known = (*field_names(cls), *field_names(StageConfig))
            problems = (*problems_of(error, where, known), *_stage_problems(document))
            raise ConfigError(problems) from None

    def build(self, engines: Any = None) -> Pipeline:
        """The pipeline; raises `ConfigError` with every problem of every stage at once.

        Its stages are made and checked once, the first time; with other `engines` they are the
        same but for those.
        """
        return self._pipeline.with_engines(engines)

    @cached_property
    def _pipeline(self) -> Pipeline:
        steps = []
        problems: list[str] = []
        for name, item in zip(self._places(), self.stages, strict=True):
            try:
                steps.append(Step(_stage(item), item.on_error))
            except ConfigError as error:
                problems += (_of_step(line, item.stage, name) for line in error.problems)
        if problems:
            raise ConfigError(problems)
        return Pipeline(steps, defaults=self._defaults())

    def _defaults(self) -> dict[str, Any]:
        """The slots that it sets where nobody gives them."""
        model = None if self.model is None else with_components(self.model, self.components)
        found = {
            PROMPT.name: self.prompt,
            NEGATIVE_PROMPT.name: self.negative_prompt,
            MODEL.name: model,
            SEED.name: self.seed,
            CONFIG.name: self.document(),
        }
        return {name: value for name, value in found.items() if value is not None}

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """As of every pydantic model."""
        twin = super().model_copy(update=update, deep=deep)
        twin.__dict__.pop("_pipeline", None)  # another config, another pipeline
        return twin

    def document(self) -> dict[str, Any]:
        """The config as JSON values, without what is at its default."""
        document: dict[str, Any] = self.model_dump(mode="json", exclude_defaults=True)
        return document

    def resolved(self) -> dict[str, Any]:
        """The config as JSON values with every parameter of every stage written out."""
        document: dict[str, Any] = self.model_dump(mode="json")
        for item, step in zip(document["stages"], self._pipeline.steps, strict=True):
            item["params"] = step.stage.params.model_dump(mode="json")
        return document

    def to_yaml(self) -> str:
        """The config as YAML, as `load` reads it."""
        document = self.document()
        text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
        if yaml.safe_load(text) != document:  # PyYAML loses Unicode's own line ends unescaped
            text = yaml.safe_dump(document, sort_keys=False)
        return text

    def with_settings(self, settings: Iterable[str]) -> Self:
        """A copy with `stage.parameter=value` settings applied; `parameter_text` says how a
        value is written.

        A stage that is repeated is set as `detailer_2.confidence=0.5`. Raises `ConfigError` with
        every problem.
        """
        problems = []
        values: dict[str, Any] = {}
        for setting in settings:
            key, separator, text = setting.partition("=")
            key = key.strip()
            if not separator:
                problems.append(f"--set {setting}: expected stage.parameter=value.")
            elif isinstance(found := self._field(key), str):
                problems.append(f"--set {setting}: {found}")
            else:
                values[key] = parse_parameter(*found, text)
        return self._with(values, "--set", problems)

    def with_values(self, values: Mapping[str, Any], where: str = "overrides") -> Self:
        """A copy with parameters by `stage.parameter`, each a value as the config would hold it.

        Raises `ConfigError` with every problem, named as those of `where`.
        """
        problems = [
            f"{where} {key}: {found}".lstrip()
            for key in values
            if isinstance(found := self._field(key), str)
        ]
        return self._with(values, where, problems)

    def _with(self, values: Mapping[str, Any], where: str, problems: Sequence[str]) -> Self:
        """A copy with values of known fields; others are among the `problems` already."""
        if not values and not problems:
            return self
        document: dict[str, Any] = self.model_dump(mode="json")
        if "model" in values:  # the components are those of the model that it was
            document["components"] = None
        places = self._places()
        same_stages = True
        for key, value in values.items():
            stage, _, parameter = key.partition(".")
            if parameter and stage in places:
                document["stages"][places[stage]]["params"][parameter] = value
                same_stages = False
            elif not parameter and stage in _OWN:
                document[stage] = value
        try:
            config = self._checked(document, where)
            if same_stages:
                config.__dict__["_pipeline"] = self._pipeline.with_defaults(config._defaults())
            _ = config._pipeline
        except ConfigError as error:
            problems = [*problems, *error.problems]
        if problems:
            raise ConfigError(problems)
        return config

    def step_named(self, name: str) -> StageConfig | None:
        """The step that is called so when the pipeline runs; None where none is."""
        place = self._places().get(name)
        return None if place is None else self.stages[place]

    @property
    def applies_loras(self) -> bool:
        """Whether it has the stage that reads the LoRA tags of prompts."""
        return any(item.stage == "prompt" for item in self.stages)

    def control_images(self) -> tuple[str, ...]:
        """The pictures that `control` of its stages names, each once."""
        params = [step.stage.params for step in self._pipeline.steps]
        entries = [e for item in params if isinstance(item, SamplingParams) for e in item.control]
        return named_images(entries)

    def _places(self) -> dict[str, int]:
        """Index of each stage by its step's name."""
        names = step_names(item.stage for item in self.stages)
        return {name: index for index, name in enumerate(names)}

    def _field(self, key: str) -> tuple[type[BaseModel], str] | str:
        """The model and the field that a key stands for, or what is wrong with the key."""
        stage, _, parameter = key.partition(".")
        if not parameter:
            known = "expected stage.parameter=value, model=... or seed=..."
            return (type(self), stage) if stage in _OWN else known
        places = self._places()
        if stage not in places:
            return f"no stage {stage!r} in this pipeline.{suggest(stage, places)}"
        return find_stage(self.stages[places[stage]].stage).params_type, parameter


def _stage(item: StageConfig) -> PipelineStage[Any]:
    """The stage that `item` describes; raises `ConfigError` with every problem of it."""
    stage = find_stage(item.stage)
    if "engines" in item.params:  # would be taken for the argument beside the parameters
        raise ConfigError(f"{item.stage}.engines: unknown.")
    return stage(**item.params)


def _of_step(problem: str, stage: str, name: str) -> str:
    """A problem of a stage under the name of its step, where that is another."""
    rest = problem.removeprefix(stage)
    return problem if rest == problem else f"{name}{rest}"


def _stage_problems(document: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the stages' parameters in a document that has other faults too."""
    stages = document.get("stages")
    entries = []
    for entry in stages if isinstance(stages, list | tuple) else ():
        with suppress(ValidationError):  # which is reported itself
            entries.append(StageConfig.model_validate(entry))
    names = step_names(entry.stage for entry in entries)
    for name, entry in zip(names, entries, strict=True):
        try:
            _stage(entry)
        except ConfigError as error:
            yield from (_of_step(line, entry.stage, name) for line in error.problems)


def presets() -> dict[str, str]:
    """Names and descriptions of the configs that ship with ninefold, smallest first."""
    return {name: str(_preset(name)["description"]) for name in ("draft", "standard", "full")}


@cache
def _preset(name: str) -> Mapping[str, Any]:
    document: Mapping[str, Any] = yaml.safe_load(
        (_PRESETS / f"{name}.yaml").read_text(encoding="utf-8")
    )
    return document


@cache
def _built_preset(name: str) -> PipelineConfig:
    return PipelineConfig.parse(_preset(name), f"preset {name}")
