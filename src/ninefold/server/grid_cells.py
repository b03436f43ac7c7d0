"""The cells of a grid as the rows of a group, and problems of those rows as the grid's."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import product
from math import prod
from typing import Any

from pydantic import ValidationError

from ninefold.config import WITHOUT_LORAS, PipelineConfig
from ninefold.core.errors import ConfigError, InputError, SetupError
from ninefold.core.problems import described
from ninefold.core.values import Json
from ninefold.engines.engine_set import EngineSet
from ninefold.engines.loras import known_lora
from ninefold.jobs.submission import MAX_PROBLEMS, seed_of_key
from ninefold.prompts.lora_weights import lora_called, lora_weight, with_lora_weight
from ninefold.server.schemas.requests import (
    GridAxis,
    GridRequest,
    GroupRequest,
    JobRequest,
    TextInput,
)
from ninefold.sheets.axes import LORA, MAX_CELLS, axis_labels, deciding_axis, lora_of
from ninefold.slots import resolve_seed

_INPUTS = tuple(TextInput.model_fields)
_ROW = re.compile(r"inputs\.(?P<number>\d+)(?P<rest>[.:].*)", re.DOTALL)

Axes = dict[str, GridAxis]


def axes_of_request(request: GridRequest) -> Axes:
    """The axes by their letters."""
    return {"x": request.x} | ({} if request.y is None else {"y": request.y})


def group_of(request: GridRequest, engines: EngineSet, key: str | None = None) -> GroupRequest:
    """The grid as a group, row by row: x changes first. All cells have one seed, unless it is an
    axis; a `key` fixes it. Raises `ConfigError` with all that is wrong with the axes."""
    axes = axes_of_request(request)
    _check(request, axes, engines)
    shared = request.model_dump(include=set(JobRequest.model_fields) - {"input"})
    given = request.input.model_dump(exclude_none=True)
    if not _has_seed(request, axes):
        given["seed"] = resolve_seed(given.get("seed"), None if key is None else seed_of_key(key))
    names = [axis.parameter for axis in axes.values()]
    inputs: list[Json] = []
    problems: list[str] = []
    for values in product(*(axis.values for axis in reversed(axes.values()))):
        cell = dict(zip(names, reversed(values), strict=True))
        own = {name: value for name, value in cell.items() if name in _INPUTS}
        overrides = {
            name: value
            for name, value in cell.items()
            if name not in _INPUTS and lora_of(name) is None
        }
        loras = {lora: cell[name] for name in cell if (lora := lora_of(name)) is not None}
        row = {**given, **own, "overrides": overrides}
        try:
            inputs.append(_weighted(row, request, loras))
        except InputError as error:
            problems.append(f"inputs.{len(inputs)}: {error}")
            inputs.append(row)
    if problems:
        raise ConfigError(_of_grid(problems, axes))
    return GroupRequest(**shared, inputs=inputs)


@contextmanager
def problems_of_grid(request: GridRequest) -> Iterator[None]:
    """Problems of the group's rows become those of the axis values, or of what cells share."""
    try:
        yield
    except SetupError:
        raise
    except ConfigError as error:
        raise ConfigError(_of_grid(error.problems, axes_of_request(request))) from None


def grid_document(request: GridRequest) -> Json:
    """What of a grid is stored beside its jobs: its axes, and the prompt where that is none."""
    axes = axes_of_request(request)
    varied = "prompt" in (axis.parameter for axis in axes.values())
    prompt = None if varied else _prompt(request.input.model_dump(), request)
    return {"prompt": prompt} | {name: _axis_document(axis) for name, axis in axes.items()}


def _axis_document(axis: GridAxis) -> Json:
    """An axis with the labels of its values."""
    texts = [value if isinstance(value, str) else json.dumps(value) for value in axis.values]
    return {
        "parameter": axis.parameter,
        "values": list(axis.values),
        "labels": list(axis_labels(axis.parameter, texts)),
    }


def _check(request: GridRequest, axes: Axes, engines: EngineSet) -> None:
    problems: list[str] = []
    for name, axis in axes.items():
        found = list(_parameter_problems(f"{name}.parameter", axis.parameter, request, engines))
        problems += found or _value_problems(name, axis)
    if len({axis.parameter for axis in axes.values()}) < len(axes):
        problems.append("y.parameter: is that of x. Choose another, or leave y out.")
    count = len(axes["x"].values) * (len(axes["y"].values) if "y" in axes else 1)
    if count > MAX_CELLS:
        problems.append(f"grid: expected at most {MAX_CELLS:,} cells, got {count:,}.")
    if problems:
        raise ConfigError(problems)


def _parameter_problems(
    where: str, parameter: str, request: GridRequest, engines: EngineSet
) -> Iterator[str]:
    if (lora := lora_of(parameter)) is not None:
        if not _applies_loras(request):
            yield f"{where}: {WITHOUT_LORAS}"
        try:
            known_lora(lora_called(lora), engines.diffusion.loras())
        except InputError as error:
            yield f"{where}: {error}"
        except ValueError as error:
            yield f"{where}: {error}."
    elif "." not in parameter and parameter not in _INPUTS:
        yield (
            f"{where}: expected stage.parameter, such as detailer.strength, {LORA}NAME for a "
            f"LoRA's weight, or one of {', '.join(_INPUTS)}; got {parameter!r}."
        )


def _applies_loras(request: GridRequest) -> bool:
    """Whether LoRAs have weights there; what cannot be read is reported with the cells."""
    try:
        return request.config is None or PipelineConfig.parse(request.config).applies_loras
    except ConfigError:
        return True


def _value_problems(name: str, axis: GridAxis) -> list[str]:
    problems: list[str] = []
    seen: dict[str, int] = {}
    for number, value in enumerate(axis.values):
        where = f"{name}.values.{number}"
        first = seen.setdefault(json.dumps(value, sort_keys=True), number)
        if first != number:
            problems.append(f"{where}: is that of {name}.values.{first}. Leave one out.")
        if axis.parameter in _INPUTS:
            problems += _input_problems(where, axis.parameter, value)
        elif lora_of(axis.parameter) is not None:
            try:
                lora_weight(value)
            except ValueError as error:
                problems.append(f"{where}: {error}.")
    return problems


def _input_problems(where: str, parameter: str, value: Any) -> list[str]:
    if value is None:
        return [f"{where}: expected a {parameter}, got null. Leave it out."]
    try:
        TextInput.model_validate({parameter: value})
    except ValidationError as error:
        return [f"{where}: {parameter}: {described(dict(item))}" for item in error.errors()]
    return []


def _has_seed(request: GridRequest, axes: Axes) -> bool:
    """Whether the seeds of the cells are settled: by an axis, overrides or a config of its own."""
    names = [axis.parameter for axis in axes.values() if lora_of(axis.parameter) is None]
    return (
        "seed" in (name.rpartition(".")[2] for name in names)
        or "seed" in request.overrides
        or (request.config or {}).get("seed") is not None
    )


def _weighted(row: Json, request: GridRequest, loras: Mapping[str, Any]) -> Json:
    """The row, in whose prompt the LoRAs have their weights; raises `InputError`."""
    prompt = _prompt(row, request)
    if not loras or prompt is None:
        return row
    for lora, weight in loras.items():
        prompt = with_lora_weight(prompt, lora_called(lora), weight)
    return {**row, "prompt": prompt}


def _prompt(given: Mapping[str, Any], request: GridRequest) -> str | None:
    """The prompt of an input, else of the config beside it; None where there is none."""
    places = (given, request.overrides, request.config or {})
    prompt = next((place["prompt"] for place in places if place.get("prompt") is not None), None)
    return prompt if isinstance(prompt, str) else None


def _of_grid(problems: Sequence[str], axes: Axes) -> list[str]:
    """Problems of rows, each once: as of an axis value, or of a cell; where every cell that was
    looked through has it, as of a job alone."""
    width = len(axes["x"].values)
    told: dict[str, None] = {}
    cells: dict[str, dict[int, None]] = {}
    for problem in problems:
        row = _ROW.match(problem)
        if row is None:
            told[problem] = None
            continue
        number, rest = int(row["number"]), row["rest"].lstrip(".: ").removeprefix("overrides ")
        y, x = divmod(number, width)
        line = _of_axis(rest, {"x": x, "y": y}, axes)
        if line is not None:
            told[line] = None
        else:
            of_input = "input." if row["rest"].startswith(".") else ""
            cells.setdefault(of_input + rest, {})[number] = None
    looked = width * (len(axes["y"].values) if "y" in axes else 1)
    if len(problems) >= MAX_PROBLEMS:  # the rest was not looked through
        looked = 1 + max((number for numbers in cells.values() for number in numbers), default=0)
    for rest, numbers in cells.items():
        told |= dict.fromkeys(_of_cells(rest, list(numbers), axes, looked))
    return list(told)


def _of_cells(problem: str, cells: Sequence[int], axes: Axes, looked: int) -> Iterator[str]:
    """A problem of some cells of those that were looked through, as of what they share."""
    lengths = [len(axis.values) for axis in axes.values()]
    if len(cells) == looked:
        yield problem
    elif looked == prod(lengths) and (decided := deciding_axis(cells, lengths)) is not None:
        number, places = decided
        for place in places:
            yield f"{list(axes)[number]}.values.{place}: {problem}"
    else:
        yield f"{_cells_named(cells, axes)}: {problem}"


def _of_axis(problem: str, places: Mapping[str, int], axes: Axes) -> str | None:
    """The problem of a row as one of the axis value that it is about; None where it is of none."""
    for name, axis in axes.items():
        if re.match(rf"{re.escape(axis.parameter)}\b", problem):
            return f"{name}.values.{places[name]}: {problem}"
    return None


def _cells_named(numbers: Sequence[int], axes: Axes) -> str:
    y, x = divmod(numbers[0], len(axes["x"].values))
    first = f"cell x={x}" + (f", y={y}" if "y" in axes else "")
    return first if len(numbers) == 1 else f"{first} and {len(numbers) - 1} more"
