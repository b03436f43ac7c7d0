"""The JSON schema that editors and services use, held against what the configs themselves take."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ninefold import PipelineConfig
from ninefold.stages import OPTIONAL, STAGES


def test_the_schema_has_every_parameter_of_every_stage_described() -> None:
    schema = PipelineConfig.model_json_schema()
    json.dumps(schema)
    for name, alternative in _alternatives(schema).items():
        params = _resolved(schema, alternative["properties"]["params"])
        stage = next(stage for stage in (*STAGES, *OPTIONAL) if stage.name == name)
        assert set(params["properties"]) == set(stage.params_type.model_fields)
        assert params["additionalProperties"] is False
        for field, entry in params["properties"].items():
            assert entry["description"].endswith("."), f"{name}.{field}"
        assert alternative["required"] == ["stage"]
        assert alternative["properties"]["on_error"]["enum"] == ["stop", "skip"]
    for reference in _references(schema):
        assert _resolved(schema, {"$ref": reference})


def test_the_schema_carries_ranges_and_choices() -> None:
    schema = PipelineConfig.model_json_schema()
    alternatives = _alternatives(schema)
    upscaler = _resolved(schema, alternatives["upscaler"]["properties"]["params"])["properties"]
    assert (upscaler["upscale_factor"]["minimum"], upscaler["upscale_factor"]["maximum"]) == (1, 8)
    assert upscaler["upscale_factor"]["default"] == 2
    inspector = _resolved(schema, alternatives["inspector"]["properties"]["params"])["properties"]
    assert inspector["on_fail"]["enum"] == ["warn", "fail", "retry"]


@pytest.mark.parametrize("name", ["draft", "standard", "full"])
def test_the_schema_takes_the_presets(name: str) -> None:
    """As far as a small checker can tell: names of stages and parameters, ranges, choices."""
    schema = PipelineConfig.model_json_schema()
    assert _wrong(schema, PipelineConfig.preset(name).resolved()) == []


@pytest.mark.parametrize(
    ("stage", "params", "wrong"),
    [
        ("upscalr", {}, "upscalr"),
        ("upscaler", {"factor": 2}, "factor"),
        ("upscaler", {"upscale_factor": 9}, "upscale_factor"),
        ("refiner", {"refinement_level": -1}, "refinement_level"),
        ("inspector", {"on_fail": "stop"}, "on_fail"),
    ],
)
def test_the_schema_refuses_wrong_parameters(
    stage: str, params: dict[str, Any], wrong: str
) -> None:
    schema = PipelineConfig.model_json_schema()
    assert _wrong(schema, {"stages": [{"stage": stage, "params": params}]}) == [wrong]


def _alternatives(schema: dict[str, Any]) -> dict[str, Any]:
    items = _resolved(schema, schema["properties"]["stages"]["items"])
    found = {item["properties"]["stage"]["const"]: item for item in items["oneOf"]}
    assert list(found)[: len(STAGES)] == [stage.name for stage in STAGES]
    return found


def _resolved(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        target: Any = schema
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def _wrong(schema: dict[str, Any], document: dict[str, Any]) -> list[str]:
    """Stages and parameters that the schema does not allow."""
    alternatives = _alternatives(schema)
    wrong = []
    for entry in document["stages"]:
        if entry["stage"] not in alternatives:
            wrong.append(entry["stage"])
            continue
        node = alternatives[entry["stage"]]["properties"]["params"]
        known = _resolved(schema, node)["properties"]
        for name, value in entry.get("params", {}).items():
            if name not in known or not _allowed(schema, known[name], value):
                wrong.append(name)
    return wrong


def _allowed(schema: dict[str, Any], node: dict[str, Any], value: Any) -> bool:
    node = _resolved(schema, node)
    if "anyOf" in node:
        return any(_allowed(schema, option, value) for option in node["anyOf"])
    if node.get("type") == "null" or value is None:
        return value is None and node.get("type") == "null"
    if "enum" in node:
        return value in node["enum"]
    if isinstance(value, int | float) and not isinstance(value, bool):
        low, high = node.get("minimum", -1e99), node.get("maximum", 1e99)
        above = value > node.get("exclusiveMinimum", -1e99)
        return bool(node["type"] in ("integer", "number") and low <= value <= high and above)
    return True
