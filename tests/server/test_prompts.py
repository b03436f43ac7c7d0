"""Prompts through the doors of the service: answered soon, an error of theirs names the place."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from ninefold.testing import fake_engines
from tests.server.conftest import Door, Open

#: Longest that any of these may take, in seconds: a hang, on a machine however slow.
PATIENCE = 60.0

DRAFT: dict[str, Any] = {"preset": "draft"}


def _config(**wildcards: list[str]) -> dict[str, Any]:
    return {
        "config": {
            "stages": [
                {"stage": "prompt", "params": {"wildcards": wildcards}},
                {"stage": "text_to_image"},
                {"stage": "publisher"},
            ]
        }
    }


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("a ${x} house", "variable x is not defined"),
        ("a __nope__ house", "wildcard __nope__ is unknown"),
        ("a {red|blue", "every brace closed"),
        ("{0::a|0::b}", "has the weight 0"),
        ("a <lora:x:strong>", "expected a weight"),
        ("a <lora:nope:1>", "no LoRA is called"),
        ("a <hypernet:x:1>", "hypernetworks are not there"),
        ("${a=}${b=" + "${a}" * 300 + "}${c=" + "${b}" * 300 + "}${c}", "Shorten it"),
    ],
)
def test_every_door_refuses_what_cannot_be_resolved(idle: Door, prompt: str, message: str) -> None:
    asked: list[tuple[str, dict[str, Any]]] = [
        ("/v1/jobs", DRAFT | {"input": {"prompt": prompt}}),
        ("/v1/groups", DRAFT | {"inputs": [{"prompt": prompt}]}),
        ("/v1/groups", DRAFT | {"inputs": [{"prompt": prompt}], "variants": True}),
        ("/v1/images/generations", {"prompt": prompt}),
        ("/sdapi/v1/txt2img", {"prompt": prompt}),
    ]
    for path, body in asked:
        answer = idle.client.post(path, json=body)
        assert answer.status_code in (400, 422), (path, answer.text)
        assert message in answer.json().get("detail", answer.text) or message in answer.text
    assert idle.client.get("/v1/jobs").json()["jobs"] == []


def test_a_blank_wildcard_is_a_choice(door: Door) -> None:
    job = door.done(_config(opt=[""]) | {"input": {"prompt": "a red house __opt__", "seed": 1}})
    assert job["metadata"]["prompt"]["prompt"] == "a red house"


@pytest.mark.parametrize(
    ("prompt", "listed"),
    [
        ("a {__place__|red} house", ["a __place__ house", "a red house"]),
        ("a {red|blue} house __place__", ["a red house __place__", "a blue house __place__"]),
        ("{2$$a|a} house", ["a,a house"]),
        ("a __!place__ house", ["a sea house", "a hill house"]),
    ],
)
def test_variants_know_the_wildcards_of_the_config(
    idle: Door, prompt: str, listed: list[str]
) -> None:
    asked = _config(place=["sea", "hill"]) | {"inputs": [{"prompt": prompt}], "variants": True}
    answer = idle.client.post("/v1/groups", json=asked)
    assert answer.status_code == 202, answer.text
    assert [job["input"]["prompt"] for job in answer.json()["jobs"]] == listed


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (["{a|b}" * 7] * 100, "expected at most 100 jobs, got 128 or more"),
        (["{a|b}{a|b}"] * 30, "expected at most 100 jobs, got 104 or more"),
        (["{13$$a|b|c|d|e|f|g|h|i|j|k|l|l}"], "got 3,113,510,400"),
        (["{a|b|c|d|e|f|g|h|i|j}" * 100], "got about 10^100"),
        (["{9999$$" + "a|" * 900 + "b}"], "got about 10^"),
    ],
)
def test_too_many_variants_are_refused_by_their_number(
    idle: Door, inputs: list[str], message: str
) -> None:
    body = DRAFT | {"inputs": [{"prompt": prompt} for prompt in inputs], "variants": True}
    started = time.perf_counter()
    answer = idle.client.post("/v1/groups", json=body)
    assert time.perf_counter() - started < PATIENCE
    assert answer.status_code == 422
    assert message in answer.text


def test_warnings_reach_the_client(door: Door) -> None:
    job = door.done(DRAFT | {"input": {"prompt": "a [red:blue:0.5] house", "seed": 1}})
    warnings = job["metadata"]["prompt"]["warnings"]
    assert warnings == [
        "[red:blue:0.5] in prompt is A1111's syntax: does not change while the image is made: it "
        "is painted as it is written, with less weight."
    ]


def test_the_folder_of_wildcards_is_that_of_the_engines(open_door: Open, tmp_path: Path) -> None:
    (tmp_path / "place.txt").write_bytes(b"\xef\xbb\xbfby the sea\r\n")
    door = open_door(engines=fake_engines(wildcards=tmp_path))
    job = door.done(DRAFT | {"input": {"prompt": "a house __place__", "seed": 1}})
    assert job["metadata"]["prompt"]["prompt"] == "a house by the sea"


def test_the_prompt_of_a_config(open_door: Open) -> None:
    door = open_door(max_prompt=100, worker=False)
    config = {"prompt": "a {red|blue} house", "stages": _config()["config"]["stages"]}
    group = door.client.post(
        "/v1/groups", json={"config": config, "inputs": [{}], "variants": True}
    ).json()
    assert [job["input"]["prompt"] for job in group["jobs"]] == ["a red house", "a blue house"]
    for key, asked in {
        "config.prompt": {"config": {**config, "prompt": "x" * 101}},
        "overrides.negative_prompt": {"overrides": {"negative_prompt": "x" * 101}},
    }.items():
        answer = door.client.post("/v1/jobs", json={**asked, "input": {"prompt": "a"}})
        assert answer.status_code == 422
        assert f"{key}: expected at most 100 characters" in answer.text
