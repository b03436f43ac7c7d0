"""The axes of a grid: a parameter each, with the values it takes from cell to cell."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from ninefold.cli.options import RunOptions
from ninefold.core.errors import ConfigError, InputError
from ninefold.prompts.lora_weights import lora_called, lora_weight, with_lora_weight
from ninefold.sheets.axes import LORA, MAX_VALUES, WORDS, axis_labels, lora_of

#: Options that an axis may vary, as they are called on the command line, beside `stage.parameter`.
_SAMPLING = {"size": str, "steps": int, "guidance": float, "scheduler": str, "quality": str}
_OWN = {"model": str, "seed": int, "strength": float, "components": str}
#: Values of these are texts, in which a dash is no range.
_TEXTS = frozenset({WORDS, "model", "components", "size", "scheduler", "quality"})
_NUMBER = r"-?\d+(?:\.\d+)?"
_RANGE = re.compile(rf"({_NUMBER})-({_NUMBER})(?::({_NUMBER}))?")
_NUMERIC = re.compile(_NUMBER)
_KINDS = {int: "a whole number", float: "a number"}


@dataclass(frozen=True)
class Axis:
    """A parameter, and its values as they were typed.

    `name` is `stage.parameter`, an option of `run`, `lora:NAME` for a LoRA's weight, or `prompt`:
    then the first value is searched for in the prompts and replaced by each.
    """

    letter: str
    name: str
    values: tuple[str, ...]

    @property
    def option(self) -> str:
        """As it was given, for messages."""
        return f"--{self.letter} {self.name}"

    @property
    def labels(self) -> tuple[str, ...]:
        """What stands beside the cells of each value."""
        return axis_labels(self.name, self.values)

    @property
    def lora(self) -> str | None:
        """The LoRA whose weight it varies; None for another parameter."""
        return lora_of(self.name)

    def named(self, problem: str) -> str:
        """A problem that its values bring in, as one of the option, which alone was typed."""
        own = "prompt" if self.lora is not None else re.escape(self.name)
        stripped = re.sub(rf"^(?:--set )?(?:--)?{own}(?:=.*?)?: ", "", problem, flags=re.DOTALL)
        return problem if problem.startswith(self.option) else f"{self.option}: {stripped}"

    def applied(self, options: RunOptions, value: str) -> RunOptions:
        """The options with the value; raises `ConfigError` where it can be none."""
        if self.lora is not None:
            return self._weighted(options, self.lora, value)
        if "." in self.name:
            return replace(options, settings=(*options.settings, f"{self.name}={value}"))
        if self.name == WORDS:
            return self._replaced(options, value)
        kind = (_SAMPLING | _OWN)[self.name]
        try:
            typed = kind(value)
        except ValueError:
            raise ConfigError(
                f"{self.option}: expected {_KINDS[kind]}, got {value!r}. Change it."
            ) from None
        if self.name in _SAMPLING:
            return replace(options, sampling=replace(options.sampling, **{self.name: typed}))
        return replace(options, **{self.name: typed})

    def given_elsewhere(self, options: RunOptions) -> bool:
        """Whether the options say the same parameter, which every cell would have twice."""
        said = {setting.partition("=")[0].strip() for setting in options.settings}
        if self.lora is not None:
            loras = (given.rpartition(":")[0] or given for given in options.sampling.loras)
            return self.lora in map(str.strip, loras)
        if "." in self.name or self.name in said:
            return self.name in said
        if self.name == WORDS:
            return False
        place = options.sampling if self.name in _SAMPLING else options
        return getattr(place, self.name) is not None

    def _weighted(self, options: RunOptions, lora: str, value: str) -> RunOptions:
        try:
            weight = lora_weight(float(value) if _NUMERIC.fullmatch(value) else value)
        except ValueError as error:
            raise ConfigError(f"{self.option}: {error}. Change it.") from None
        try:
            prompt = with_lora_weight(options.prompt or "", lora_called(lora), weight)
        except InputError as error:
            raise ConfigError(f"{self.option}: {error}") from None
        return replace(options, prompt=prompt or options.prompt)

    def _replaced(self, options: RunOptions, value: str) -> RunOptions:
        searched = self.values[0]
        prompt, negative = options.prompt or "", options.negative
        if searched not in prompt and searched not in (negative or ""):
            raise ConfigError(
                f"{self.option}: expected a first value that is in the prompt, which each of the "
                f"others replaces, got {searched!r}. Name a word of the prompt first."
            )
        return replace(
            options,
            prompt=prompt.replace(searched, value),
            negative=None if negative is None else negative.replace(searched, value),
        )


def parse_axis(letter: str, text: str) -> Axis:
    """The axis that `NAME=VALUE,VALUE,...` says; raises `ConfigError`.

    A value that holds a comma stands in double quotes. `1-10:3` is 1, 4, 7 and 10, and `1-4` every
    whole number from 1 to 4.
    """
    name, separator, rest = text.partition("=")
    name = name.strip()
    where = f"--{letter} {name}"
    if not separator or not name:
        raise ConfigError(
            f"--{letter}: expected NAME=VALUE,VALUE,..., such as steps=10,20, got {text[:60]!r}."
        )
    _check_name(name, where)
    values: list[str] = []
    for value in _split(rest):
        found = None if name in _TEXTS else _RANGE.fullmatch(value)
        values += [value] if found is None else _range(found, where)
        if len(values) > MAX_VALUES:
            raise ConfigError(f"{where}: expected at most {MAX_VALUES} values. Leave some out.")
    if twice := sorted({value for value in values if values.count(value) > 1}):
        raise ConfigError(f"{where}: {', '.join(twice)} stands there twice. Leave one out.")
    if not values or (name != WORDS and "" in values):
        raise ConfigError(f"{where}: expected values, got an empty one. Write {name}=1,2.")
    return Axis(letter, name, tuple(values))


def _check_name(name: str, where: str) -> None:
    if (lora := lora_of(name)) is not None:
        try:
            lora_called(lora)
        except ValueError as error:
            raise ConfigError(f"{where}: {error}. Write {LORA}NAME=0.4,0.8.") from None
    elif "." not in name and name not in {*_SAMPLING, *_OWN, WORDS}:
        known = ", ".join(sorted({*_SAMPLING, *_OWN, WORDS}))
        raise ConfigError(
            f"{where}: expected stage.parameter, such as detailer.strength, {LORA}NAME for a "
            f"LoRA's weight, or one of {known}; got {name!r}."
        )


def parse_axes(texts: Sequence[str | None], options: RunOptions) -> tuple[Axis, ...]:
    """The axes `x`, `y` and `z` that were given; raises `ConfigError` with every problem."""
    axes: list[Axis] = []
    problems: list[str] = []
    for letter, text in zip("xyz", texts, strict=True):
        if text is None:
            continue
        try:
            axes.append(parse_axis(letter, text))
        except ConfigError as error:
            problems += error.problems
    problems += _clashes(axes, options)
    if not axes and not problems:
        problems.append('grid: expected an axis, got none. Give one: --x "steps=10,20,30".')
    if problems:
        raise ConfigError(problems)
    return tuple(axes)


def _clashes(axes: Sequence[Axis], options: RunOptions) -> Iterator[str]:
    for number, axis in enumerate(axes):
        if axis.name != WORDS and any(axis.name == other.name for other in axes[:number]):
            yield f"{axis.option}: another axis has it, too. Leave one out."
        if axis.given_elsewhere(options):
            yield f"{axis.option}: was given beside the axis, too. Leave one out."


def _split(text: str) -> list[str]:
    rows = list(csv.reader([text], skipinitialspace=True))
    return [value.strip() for value in rows[0]] if rows else []


def _range(found: re.Match[str], where: str) -> list[str]:
    first, last = Decimal(found[1]), Decimal(found[2])
    step = Decimal(found[3] or 1)
    if step <= 0 or last < first or (last - first) / step >= MAX_VALUES:
        raise ConfigError(
            f"{where}: expected a range such as 1-10:3, upwards, with a step above 0 and at most "
            f"{MAX_VALUES} values, got {found[0]!r}."
        )
    count = int((last - first) / step) + 1
    return [f"{first + number * step:f}" for number in range(count)]
