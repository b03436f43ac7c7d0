"""For schemathesis: real ids in most calls that are meant to be good. `FUZZ_IDS` holds them."""

from __future__ import annotations

import base64
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
    """Make most calls that are meant to be good ones that are carried out, three times of four."""
    if _good(case, ParameterLocation.QUERY) and case.query and "wait" in case.query:
        case.query["wait"] = 0.1  # hundreds of calls
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
        _fill(case.body, "sdapi" if case.path.startswith("/sdapi") else "body")
        if case.path.startswith("/v1/jobs") or case.path.startswith("/v1/groups"):
            _simplify(case.body)
        body: dict[str, Any] = case.body
        if isinstance(body.get("file"), bytes):
            body["file"] = base64.b64decode(_random.choice(IDS["sdapi_image"]))


def _fill(value: Any, door: str) -> None:
    """Replace what names presets, models and uploads, or is an image, wherever it stands."""
    if isinstance(value, list):
        for item in value:
            _fill(item, door)
    elif isinstance(value, dict):
        for name, item in value.items():
            known = IDS.get(f"{door}_{name}")
            if known and isinstance(item, str):
                value[name] = _random.choice(known)
            elif known and isinstance(item, list) and item and isinstance(item[0], str):
                value[name] = [_random.choice(known)]
            else:
                _fill(item, door)


def _simplify(body: dict[str, Any]) -> None:
    """Take out, mostly, what is refused in nearly every random form."""
    for name in ("config", "overrides", "webhook", "changes", "from_stage"):
        if name in body and _random.random() < 0.8:
            del body[name]
    if "config" in body:
        body.pop("preset", None)


def _good(case: Case[Any], where: ParameterLocation) -> bool:
    if case.meta is None:
        return False
    component = case.meta.components.get(where)
    return component is not None and component.mode.is_positive
