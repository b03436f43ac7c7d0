"""For schemathesis: real ids in most calls that are meant to be good. `FUZZ_IDS` holds them."""

from __future__ import annotations

import json
import os
import random
from typing import Any

import schemathesis
from schemathesis import Case, HookContext
from schemathesis.core.parameters import ParameterLocation

#: Lists of ids by the name that the API gives them; `delete` are those that may go.
IDS: dict[str, list[str]] = json.loads(os.environ.get("FUZZ_IDS", "{}"))
_random = random.Random(7)


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """Put real ids into good paths and bodies, three times of four."""
    if _random.random() < 0.25:
        return
    if _good(case, ParameterLocation.PATH) and case.path_parameters:
        parameters = dict(case.path_parameters)
        disposable = case.method.upper() == "DELETE"
        for name in parameters:
            known = IDS.get(f"delete_{name}" if disposable else name)
            if known:
                parameters[name] = _random.choice(known)
        case.path_parameters = parameters
    if _good(case, ParameterLocation.BODY) and isinstance(case.body, dict):
        _fill(case.body)


def _fill(value: Any) -> None:
    """Replace what names presets, models and uploads, wherever it stands."""
    if isinstance(value, list):
        for item in value:
            _fill(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            if isinstance(item, str) and (known := IDS.get(f"body_{name}")):
                value[name] = _random.choice(known)
            else:
                _fill(item)


def _good(case: Case[Any], where: ParameterLocation) -> bool:
    if case.meta is None:
        return False
    component = case.meta.components.get(where)
    return component is not None and component.mode.is_positive
