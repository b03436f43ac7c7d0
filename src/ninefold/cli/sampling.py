"""What everybody sets by name (`--size`, `--steps`, ...), as parameters of a pipeline's stages.

The size is that of `text_to_image`. Steps, guidance and scheduler are those of `text_to_image` and
of every other stage that runs the same model, but for those to which the config or `--set` gives
a value, or a model, of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from ninefold.config import WITHOUT_LORAS, PipelineConfig
from ninefold.core.errors import ConfigError
from ninefold.core.problems import problems_of
from ninefold.core.wiring import Step
from ninefold.prompts.loras import MAX_LORA_WEIGHT
from ninefold.stages.parameters import SamplingParams

_SIZE = re.compile(r"\s*(\d{1,9})\s*[x\N{MULTIPLICATION SIGN}]\s*(\d{1,9})\s*", re.IGNORECASE)
#: What no LoRA tag of a prompt can hold.
_NO_NAME = re.compile(r"[:<>\n]")


def parse_size(text: str) -> tuple[int, int]:
    """Width and height in pixels that --size says; raises `ConfigError`."""
    if (found := _SIZE.fullmatch(text)) is None:
        raise ConfigError(
            f"--size: expected WIDTHxHEIGHT in pixels, such as 768x512, got {text[:40]!r}."
        )
    return int(found[1]), int(found[2])


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """What the command line said; None where it said nothing."""

    size: str | None = None
    steps: int | None = None
    guidance: float | None = None
    scheduler: str | None = None
    quality: str | None = None
    loras: tuple[str, ...] = ()

    def values(self, config: PipelineConfig, settings: tuple[str, ...]) -> dict[str, Any]:
        """Parameters by `stage.parameter`; `settings` were given with --set and are in `config`.

        Raises `ConfigError` with every problem.
        """
        problems: list[str] = []
        size = self._sides(problems)
        same: dict[str, Any] = {
            "steps": self.steps,
            "guidance_scale": self.guidance,
            "scheduler": self.scheduler,
            "quality": self.quality,
        }
        same = {name: value for name, value in same.items() if value is not None}
        try:
            SamplingParams(**same)
        except ValidationError as error:
            problems += [_named(line) for line in problems_of(error, "")]
        painters = tuple(_painters(config))
        makers = [painter for painter in painters if painter.makes_size]
        if size and not makers:
            problems.append(
                "--size: no stage of this pipeline paints an image of a size. Leave it out; "
                "--set upscaler.upscale_factor=2 scales, where there is an upscaler."
            )
        if same and not painters:
            given = ", ".join(f"--{_OPTIONS[name]}" for name in same)
            problems.append(
                f"{given}: no stage of this pipeline runs a diffusion model. Leave it out."
            )
        if self.loras and not config.applies_loras:
            problems.append(f"--lora: {WITHOUT_LORAS}")
        said = {setting.partition("=")[0].strip() for setting in settings}
        values = {
            f"{maker.name}.{side}": pixels for maker in makers for side, pixels in size.items()
        }
        for painter in painters:
            for name, value in same.items():
                key = f"{painter.name}.{name}"
                if painter.makes_size or not (
                    painter.own_model or key in said or painter.has(name)
                ):
                    values[key] = value
        problems += [
            f"--{_OPTIONS[key.partition('.')[2]]}: --set {key} was given, too. Leave one out."
            for key in values
            if key in said
        ]
        if problems:
            raise ConfigError(problems)
        return values

    def tagged(self, prompt: str | None) -> str | None:
        """The prompt with a tag for each LoRA before it; raises `ConfigError`."""
        problems: list[str] = []
        tags = [self._tag(lora, prompt or "", problems) for lora in self.loras]
        if problems:
            raise ConfigError(problems)
        return prompt if prompt is None or not prompt.strip() else "".join([*tags, prompt])

    def _sides(self, problems: list[str]) -> dict[str, int]:
        if self.size is None:
            return {}
        try:
            width, height = parse_size(self.size)
        except ConfigError as error:
            problems.append(str(error))
            return {}
        return {"width": width, "height": height}

    def _tag(self, lora: str, prompt: str, problems: list[str]) -> str:
        name, colon, text = lora.rpartition(":")
        name, text = (name, text) if colon else (lora, "1")
        try:
            weight = float(text)
        except ValueError:
            weight = float("nan")
        name = name.strip()
        if not name or _NO_NAME.search(name) or not -MAX_LORA_WEIGHT <= weight <= MAX_LORA_WEIGHT:
            problems.append(
                f"--lora: expected NAME or NAME:WEIGHT with a weight from -10 to 10, got {lora!r}. "
                "A name holds none of : < >."
            )
        elif re.search(rf"<lora:\s*{re.escape(name)}\s*[:>]", prompt):
            problems.append(f"--lora: the prompt has a tag for {name!r}, too. Leave one out.")
        elif (
            sum(other.rpartition(":")[0].strip() == name or other == name for other in self.loras)
            > 1
        ):
            problems.append(f"--lora: {name!r} was given more than once. Leave one out.")
        return f"<lora:{name}:{weight:g}>"


#: Options by the parameter that they set.
_OPTIONS = {
    "width": "size",
    "height": "size",
    "steps": "steps",
    "guidance_scale": "guidance",
    "scheduler": "scheduler",
    "quality": "quality",
}


@dataclass(frozen=True)
class _Painter:
    """A step that runs a diffusion model, and what its config says."""

    step: Step
    params: dict[str, Any]

    @property
    def name(self) -> str:
        return self.step.name

    @property
    def makes_size(self) -> bool:
        """Whether it makes an image of any size asked for, as `text_to_image` does."""
        return {"width", "height"} <= set(type(self.step.stage.params).model_fields)

    @property
    def own_model(self) -> bool:
        return self.has("model")

    def has(self, parameter: str) -> bool:
        return self.params.get(parameter) is not None


def _painters(config: PipelineConfig) -> Iterator[_Painter]:
    for item, step in zip(config.stages, config.build().steps, strict=True):
        if isinstance(step.stage.params, SamplingParams):
            yield _Painter(step, item.params)


def _named(problem: str) -> str:
    """A problem of a parameter as one of the option that sets it."""
    parameter, colon, rest = problem.partition(":")
    return f"--{_OPTIONS.get(parameter, parameter)}{colon}{rest}"
