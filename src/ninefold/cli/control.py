"""`--control model=canny,image=house.png,strength=0.8`: entries of `text_to_image.control`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ninefold.core.errors import ConfigError
from ninefold.stages.control import ControlParams

_PARAMETER = "text_to_image.control"
_NAMES = "|".join(ControlParams.model_fields)
#: A comma that a name and `=` follow: others belong to a value, such as the path of a file.
_BETWEEN = re.compile(rf",\s*(?=(?:{_NAMES})\s*=)")


def control_values(entries: Sequence[str], settings: Sequence[str]) -> dict[str, Any]:
    """The entries as a parameter by `stage.parameter`, nothing without any; `settings` were given
    with --set. Raises `ConfigError` with every problem; values are checked with the config."""
    if not entries:
        return {}
    problems: list[str] = []
    if any(setting.partition("=")[0].strip() == _PARAMETER for setting in settings):
        problems.append(f"--control: --set {_PARAMETER} was given, too. Leave one out.")
    found = [_entry(text, problems) for text in entries]
    if problems:
        raise ConfigError(problems)
    return {_PARAMETER: found}


def _entry(text: str, problems: list[str]) -> dict[str, str]:
    entry: dict[str, str] = {}
    for part in _BETWEEN.split(text):
        name, equals, value = part.partition("=")
        name = name.strip()
        if not equals or name not in ControlParams.model_fields:
            problems.append(
                f"--control {text}: expected NAME=VALUE with commas between, such as "
                f"model=canny,image=house.png, got {part.strip()!r}. Names are "
                f"{', '.join(ControlParams.model_fields)}."
            )
        elif name in entry:
            problems.append(f"--control {text}: {name} stands twice. Leave one out.")
        else:
            entry[name] = value.strip()
    return entry
