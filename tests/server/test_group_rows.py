"""Inputs of a group with parameters of their own."""

from __future__ import annotations

from typing import Any

import pytest

from ninefold.server import request_validation
from ninefold.testing import fake_engines
from tests.server.conftest import Door, Open

ROW = {"prompt": "a house", "seed": 7}


def group(*overrides: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The body of a group with one input for each of the overrides."""
    return {"preset": "draft", "inputs": [{**ROW, "overrides": one} for one in overrides], **more}


def submitted(door: Door, body: dict[str, Any]) -> list[dict[str, Any]]:
    """The jobs of a group, each whole."""
    answer = door.client.post("/v1/groups", json=body)
    assert answer.status_code == 202, answer.text
    return [door.client.get(f"/v1/jobs/{job['id']}").json() for job in answer.json()["jobs"]]


def params(job: dict[str, Any], stage: str) -> dict[str, Any]:
    found = [item.get("params", {}) for item in job["config"]["stages"] if item["stage"] == stage]
    return dict(found[0])


def test_each_row_has_its_own_parameters(door: Door) -> None:
    body = group({"text_to_image.width": 64}, {}, {"text_to_image.width": 192})
    body["overrides"] = {"text_to_image.width": 128, "text_to_image.height": 64}
    jobs = submitted(door, body)
    assert [params(job, "text_to_image")["width"] for job in jobs] == [64, 128, 192]
    assert {params(job, "text_to_image")["height"] for job in jobs} == {64}
    done = [door.client.get(f"/v1/jobs/{job['id']}", params={"wait": 50}).json() for job in jobs]
    assert [job["outputs"][0]["width"] for job in done] == [64, 128, 192]


def test_count_and_variants_go_with_the_row(idle: Door) -> None:
    body = group({"text_to_image.steps": 3}, {"seed": 40}, count=2, variants=True)
    body["inputs"][0]["prompt"] = "a {red|blue} house"
    del body["inputs"][1]["seed"]
    jobs = submitted(idle, body)
    told = [
        (job["input"]["prompt"], params(job, "text_to_image").get("steps"), job["input"]["seed"])
        for job in jobs
    ]
    assert told == [
        ("a red house", 3, 7),
        ("a red house", 3, 8),
        ("a blue house", 3, 7),
        ("a blue house", 3, 8),
        ("a house", None, 40),
        ("a house", None, 41),
    ]


def test_every_problem_of_every_row_is_told_and_nothing_is_stored(idle: Door) -> None:
    body = group(
        {"text_to_image.steps": 0, "nowhere.steps": 3},
        {"text_to_image.steps": 4},
        {"text_to_image.stepz": 4},
        {"seed": -1},
        {"model": "/etc/passwd"},
    )
    answer = idle.client.post("/v1/groups", json=body)
    assert answer.status_code == 422
    errors = answer.json()["errors"]
    assert {error["place"]: error["pointer"] for error in errors} == {
        "inputs.0.nowhere.steps": "#/inputs/0/overrides/nowhere.steps",
        "inputs.0.text_to_image.steps": "#/inputs/0/overrides/text_to_image.steps",
        "inputs.2.text_to_image.stepz": "#/inputs/2/overrides/text_to_image.stepz",
        "inputs.3.seed": "#/inputs/3/overrides/seed",
        "inputs.4.model": "#/inputs/4/overrides/model",
    }
    assert all(
        error["detail"].startswith(".".join(error["place"].split(".")[:2]) + ": ")
        for error in errors
    )
    assert idle.client.post("/v1/jobs/estimate", json=body).json()["problems"] == [
        {"pointer": None, "parameter": None, **error} for error in errors
    ]
    assert idle.client.get("/v1/jobs").json()["jobs"] == []
    assert not list((idle.service.jobs.data / "jobs").glob("*"))


def test_problems_of_prompts_are_told_of_all_rows(idle: Door) -> None:
    prompts = ["fine", "__nope__", "fine", "__neither__"]
    body = {"preset": "draft", "inputs": [{"prompt": prompt} for prompt in prompts]}
    answer = idle.client.post("/v1/groups", json=body)
    assert answer.status_code == 422
    errors = answer.json()["errors"]
    assert [error["place"] for error in errors] == ["inputs.1.prompt", "inputs.3.prompt"]
    assert [error["pointer"] for error in errors] == ["#/inputs/1", "#/inputs/3"]
    assert idle.client.post("/v1/jobs/estimate", json=body).json()["problems"] == [
        {"pointer": None, "parameter": None, **error} for error in errors
    ]
    assert not list((idle.service.jobs.data / "jobs").glob("*"))


def test_rows_of_variants_keep_the_number_of_their_input(idle: Door) -> None:
    inputs = [{"prompt": "a {red|blue} house"}, {"prompt": "{a|b}", "seed": 1}]
    body: dict[str, Any] = {"preset": "draft", "inputs": inputs, "variants": True}
    body["inputs"][1]["overrides"] = {"text_to_image.width": 13}
    errors = idle.client.post("/v1/groups", json=body).json()["errors"]
    assert {error["place"] for error in errors} == {"inputs.1.text_to_image.width"}


def test_an_estimate_adds_up_the_rows(idle: Door) -> None:
    body = group({"text_to_image.steps": 3}, {"text_to_image.steps": 3}, {})
    found = idle.client.post("/v1/jobs/estimate", json=body).json()
    assert (found["problems"], found["images"]) == ([], 3)
    assert found["steps"][1]["steps"] == 3


def test_a_key_asks_for_the_same_overrides(idle: Door) -> None:
    headers = {"Idempotency-Key": "a"}
    first = idle.client.post("/v1/groups", json=group({"text_to_image.steps": 3}), headers=headers)
    same = idle.client.post("/v1/groups", json=group({"text_to_image.steps": 3}), headers=headers)
    assert (first.status_code, same.json()["id"]) == (202, first.json()["id"])
    other = idle.client.post("/v1/groups", json=group({"text_to_image.steps": 4}), headers=headers)
    assert other.status_code == 409


def test_many_rows_with_few_overrides_check_each_once(
    open_door: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = open_door(fake_engines(), max_group=10_000)
    checked: list[Any] = []
    validator = door.service.validator
    overridden = validator._overridden

    def counted(*given: Any) -> Any:
        checked.append(given)
        return overridden(*given)

    monkeypatch.setattr(validator, "_overridden", counted)
    rows = [{"text_to_image.steps": 3 + number % 4} for number in range(10_000)]
    found = door.client.post("/v1/jobs/estimate", json=group(*rows)).json()
    assert (found["problems"], found["images"], len(checked)) == ([], 10_000, 4)


def test_too_many_different_overrides_are_refused(
    idle: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_validation, "MAX_OVERRIDES", 2)
    rows = [{}, *({"text_to_image.steps": 3 + number} for number in range(3))]
    answer = idle.client.post("/v1/groups", json=group(*rows))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["detail"].startswith(
        "inputs.3: expected at most 2 different overrides"
    )
    assert idle.client.post("/v1/groups", json=group(*rows[:3])).status_code == 202
