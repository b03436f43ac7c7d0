"""Settings from the environment, a TOML file and flags: read together, all problems in one error.

A settings class is a frozen pydantic model; its field `memory_gb` is `NINEFOLD_MEMORY_GB` in the
environment and `memory_gb` in a file. Flags go before the environment, and that before the file.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from ninefold.core.errors import ConfigError
from ninefold.core.problems import problems_of, suggest

PREFIX = "NINEFOLD_"
#: Variables that are not settings: where the settings' file lies.
FILE_VARIABLE = "NINEFOLD_SETTINGS"
#: Largest settings file that is read, in bytes.
_MAX_BYTES = 2**20
#: A variable this near to a setting's is a misspelt one; others may be somebody else's.
_NEAR = 0.8

S = TypeVar("S", bound="SettingsBase")


class SettingsBase(BaseModel):
    """Base of settings: frozen, nothing extra, finite numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def variable_of(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper()


def read_settings(
    kind: type[S],
    environ: Mapping[str, str] | None = None,
    *,
    file: Path | None = None,
    flags: Mapping[str, Any] | None = None,
    strict: bool = False,
    part: bool = False,
) -> S:
    """The settings of `kind`; raises `ConfigError` with every problem.

    `file` is by default the one that `NINEFOLD_SETTINGS` names. Flags that are None were not
    given. With `strict`, a variable that looks like a misspelt one is a problem too. With `part`,
    `kind` is a part of the settings, and the rest of the file is for others.
    """
    env = os.environ if environ is None else environ
    fields = kind.model_fields
    problems: list[str] = []
    values: dict[str, Any] = {}
    places: dict[str, str] = {}
    if file is None and env.get(FILE_VARIABLE):
        file = Path(env[FILE_VARIABLE])
    if file is not None:
        values = _from_file(file, problems)
        values = {name: value for name, value in values.items() if not part or name in fields}
        places = {name: f"{file.name}: {name}" for name in values}
    for name, field in fields.items():
        if text := env.get(variable_of(name), "").strip():
            values[name], places[name] = _parsed(text, field), variable_of(name)
    for name, value in (flags or {}).items():
        if value is not None:
            values[name], places[name] = value, f"--{name.replace('_', '-')}"
    if strict:
        problems += _misspelt(env, {variable_of(name) for name in fields})
    try:
        settings = kind.model_validate(values)
    except ValidationError as error:
        for line in problems_of(error, "", fields):
            name, rest = re.match(r"(\w*)(.*)", line, re.DOTALL).groups()  # type: ignore[union-attr]
            problems.append(f"{places.get(name, name)}{rest}".removeprefix(": "))
    if problems:
        raise ConfigError(problems)
    return settings


def _from_file(file: Path, problems: list[str]) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            data = stream.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            problems.append(f"{file.name}: expected at most {_MAX_BYTES} bytes.")
            return {}
        return tomllib.loads(data.decode())
    except OSError as error:
        problems.append(f"{file}: cannot be read: {error.strerror or error}.")
    except ValueError as error:
        problems.append(f"{file.name}: does not parse as TOML: {error}.")
    return {}


def _parsed(text: str, field: FieldInfo) -> Any:
    """A variable's text as what the field takes: lists are given with commas between."""
    if str(field.annotation).startswith("tuple"):
        return [part.strip() for part in text.split(",") if part.strip()]
    return text.lower() if field.annotation is bool else text


def _misspelt(env: Mapping[str, str], variables: Collection[str]) -> Iterator[str]:
    known = [name.removeprefix(PREFIX) for name in variables]
    for name in sorted(set(env) - set(variables) - {FILE_VARIABLE}):
        own = name.startswith(PREFIX)
        if own and get_close_matches(name.removeprefix(PREFIX), known, 1, _NEAR):
            yield f"{name}: unknown.{suggest(name, variables)}"
