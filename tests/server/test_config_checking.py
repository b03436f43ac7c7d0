"""`POST /v1/config/validate`: values and text both ways, warnings, problems with their place."""

from __future__ import annotations

import time
from typing import Any

import pytest
import yaml

from ninefold.config import PipelineConfig
from ninefold.server.schemas.configs import MAX_CONFIG_TEXT
from tests.server.conftest import Door


def validate(door: Door, body: dict[str, Any]) -> dict[str, Any]:
    answer = door.client.post("/v1/config/validate", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def refused(door: Door, body: dict[str, Any]) -> list[dict[str, Any]]:
    answer = door.client.post("/v1/config/validate", json=body)
    assert answer.status_code == 422, answer.text
    errors: list[dict[str, Any]] = answer.json()["errors"]
    return errors


@pytest.mark.parametrize("preset", ["draft", "standard", "full"])
def test_text_and_values_are_the_same_config(idle: Door, preset: str) -> None:
    found = validate(idle, {"preset": preset})
    assert yaml.safe_load(found["text"]) == found["config"]
    again = validate(idle, {"text": found["text"]})
    assert again == found
    assert validate(idle, {"text": PipelineConfig.preset(preset).model_dump_json()}) == found


def test_overrides_and_comments_are_read_with_text(idle: Door) -> None:
    text = "# mine\nstages:\n- stage: prompt\n- {stage: text_to_image}\n- stage: publisher\n"
    found = validate(idle, {"text": text, "overrides": {"text_to_image.steps": 3}})
    assert found["config"]["stages"][1] == {"stage": "text_to_image", "params": {"steps": 3}}


def test_what_would_not_act_is_a_warning(idle: Door) -> None:
    late = {"stages": [{"stage": n} for n in ("prompt", "text_to_image", "publisher", "finisher")]}
    [warning] = validate(idle, {"config": late})["warnings"]
    assert warning["stage"] == "finisher"
    assert "after publisher has made its" in warning["detail"]
    off = {"text_to_image.guidance_scale": 1.0}
    told = validate(
        idle, {"preset": "draft", "overrides": off, "input": {"negative_prompt": "blurry"}}
    )["warnings"]
    assert [(item["stage"], "negative" in item["detail"]) for item in told] == [
        ("text_to_image", True)
    ]
    assert validate(idle, {"preset": "draft"})["warnings"] == []


def test_problems_say_which_parameter_of_which_stage(idle: Door) -> None:
    stages = [
        {"stage": "prompt"},
        {"stage": "text_to_image", "params": {"steps": 0, "model": "nope"}},
        {"stage": "detailer", "params": {"confidence": 0.5}},
        {"stage": "detailer", "params": {"confidence": 7, "detector": "nowhere"}},
        {"stage": "publisher"},
    ]
    for body in ({"config": {"stages": stages}}, {"text": yaml.safe_dump({"stages": stages})}):
        assert {error["place"] for error in refused(idle, body)} == {
            "text_to_image.steps",
            "text_to_image.model",
            "detailer_2.confidence",
            "detailer_2.detector",
        }


def test_problems_of_the_body_have_a_pointer(idle: Door) -> None:
    errors = refused(idle, {"config": {"stages": [{"stage": "prompt", "parms": {}}]}})
    assert errors[0]["pointer"] == "#/config/stages/0/parms"
    errors = refused(idle, {"preset": "draft", "overrides": {"text_to_image.stepz": 5}})
    assert [error["place"] for error in errors] == ["text_to_image.stepz"]
    errors = refused(idle, {"preset": "draft", "overrides": {"nowhere.steps": 5}})
    assert (errors[0]["place"], errors[0]["pointer"]) == (
        "nowhere.steps",
        "#/overrides/nowhere.steps",
    )
    answer = idle.client.post("/v1/jobs", json={"preset": "draft", "input": {"model": "nope"}})
    assert [(e["place"], e["pointer"]) for e in answer.json()["errors"]] == [
        ("input.model", "#/input/model")
    ]
    unsure = [
        {"stage": "prompt"},
        {"stage": "text_to_image", "on_error": "skip"},
        {"stage": "finisher"},
    ]
    [wiring] = refused(idle, {"config": {"stages": unsure}})
    assert (wiring["place"], "may be skipped" in wiring["detail"]) == ("finisher", True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a",
        "stages: [",
        "a: &a [*a]",
        "stages: 2020-01-01",
        "? [a, b]\n: c",
        "!!python/object/apply:os.system ['true']",
        "stages: []\nstages: []",
        "[" * 5000,
        "stages: .nan",
        "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{f'*a{n - 1}, ' * 9}]\n" for n in range(1, 20)),
    ],
)
def test_text_that_is_no_config_is_refused(idle: Door, text: str) -> None:
    began = time.monotonic()
    assert refused(idle, {"text": text})
    assert time.monotonic() - began < 30


def test_text_stands_alone_and_is_of_bounded_size(idle: Door) -> None:
    assert "Leave one out" in refused(idle, {"text": "stages: []", "preset": "draft"})[0]["detail"]
    assert refused(idle, {"text": "#" * (MAX_CONFIG_TEXT + 1)})
