"""Prompts of ADetailer's units and of the second pass: resolved and refused as the main one is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.server.conftest import Door

UNIT = {"ad_model": "detector", "ad_confidence": 0.0}
SMALL = {"prompt": "a house", "width": 64, "height": 64, "seed": 7}


def asked(prompt: str, **unit: Any) -> dict[str, Any]:
    scripts = {"ADetailer": {"args": [{**UNIT, "ad_prompt": prompt, **unit}]}}
    return {**SMALL, "alwayson_scripts": scripts}


@pytest.mark.parametrize(
    ("document", "reported"),
    [
        (asked("a <lora:nope:1>"), "detailer.prompt: no LoRA is called 'nope'"),
        (asked("a __nope__"), "wildcard __nope__ is unknown"),
        (asked("{a|b"), "detailer.prompt: cannot be read at character 1"),
        (asked("a", ad_negative_prompt="<lora:sketch:1>"), "detailer.negative_prompt: LoRA sketch"),
        ({**SMALL, "enable_hr": True, "hr_prompt": "<lora:nope:1> a"}, "restorer.prompt: no LoRA"),
    ],
)
def test_what_cannot_be_painted_is_refused(
    idle: Door, document: dict[str, Any], reported: str
) -> None:
    answer = idle.client.post("/sdapi/v1/txt2img", json=document)
    assert answer.status_code == 422
    assert reported in answer.text
    assert idle.client.get("/v1/jobs").json()["jobs"] == []


def test_loras_and_choices_act_in_their_stage(door: Door) -> None:
    document = asked("a {red|blue} face <lora:sketch:0.5>, [PROMPT]")
    document |= {"enable_hr": True, "hr_prompt": "{sharp|crisp} <lora:sketch:1>"}
    answer = door.client.post("/sdapi/v1/txt2img", json=document)
    assert answer.status_code == 200, answer.text
    (job,) = json.loads(answer.json()["info"])["job_ids"]
    metadata = door.client.get(f"/v1/jobs/{job}").json()["metadata"]
    assert metadata["text_to_image"]["loras"] == []
    for region in metadata["detailer"]["regions"]:
        assert region["prompt"] in ("a red face, a house", "a blue face, a house")
        assert region["loras"] == [{"name": "sketch", "weight": 0.5}]
    assert metadata["detailer"]["loras"][0]["weight"] == 0.5
    assert metadata["restorer"]["prompt"] in ("sharp", "crisp")
    assert metadata["restorer"]["loras"][0]["weight"] == 1.0


def test_a_job_with_such_a_prompt_is_refused_when_it_is_submitted(idle: Door) -> None:
    stages = [
        {"stage": "prompt", "params": {"wildcards": {"what": ["a tent"]}}},
        {"stage": "text_to_image"},
        {"stage": "detailer", "params": {"prompt": "__what__ <lora:nope:1>"}},
        {"stage": "restorer", "params": {"prompt": "__which__"}},
    ]
    document = {"input": {"prompt": "a house"}, "config": {"stages": stages}}
    answer = idle.client.post("/v1/jobs", json=document)
    assert answer.status_code in (400, 422)
    assert "detailer.prompt: no LoRA is called 'nope'" in answer.text
    assert "restorer.prompt, character 1: wildcard __which__ is unknown" in answer.text
    assert "__what__ is unknown" not in answer.text
