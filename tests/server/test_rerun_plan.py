"""Reruns told beforehand, with a mask painted later, and files of jobs as sources of others."""

from __future__ import annotations

import hashlib
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ninefold.testing import fake_engines
from tests.server.conftest import JOB, Door, png

DETAILED: dict[str, Any] = {
    "config": {
        "stages": [{"stage": name} for name in ("prompt", "text_to_image", "detailer", "publisher")]
    },
    "input": {"prompt": "a red house", "seed": 7},
}


def mask(width: int, height: int) -> bytes:
    """White in the middle."""
    pixels = np.zeros((height, width), np.uint8)
    pixels[height // 4 : height // 2, width // 4 : width // 2] = 255
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def plan(door: Door, job: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    answer = door.client.post(f"{job['links']['self']}/rerun/plan", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def rerun(door: Door, job: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    answer = door.client.post(job["links"]["rerun"], json=body)
    assert answer.status_code == 202, answer.text
    door.client.get(answer.json()["links"]["events"])
    found: dict[str, Any] = door.client.get(answer.json()["links"]["self"]).json()
    assert found["status"] == "succeeded", found
    return found


@pytest.mark.parametrize(
    "body",
    [
        {"from_stage": "detailer", "changes": {"strength": 0.5}},
        {"changes": {"publisher.formats": ["webp"]}},
        {"input": {"seed": 9}},
        {},
    ],
)
def test_the_plan_is_what_the_rerun_does(door: Door, body: dict[str, Any]) -> None:
    job = door.done(DETAILED)
    told = plan(door, job, body)
    before = len(door.client.get("/v1/jobs").json()["jobs"])
    assert before == 1  # nothing was queued
    again = rerun(door, job, body)
    assert again["reused"] == told["reused"]
    assert list(again["attempts"]) == told["runs"]
    assert told["from_stage"] == told["runs"][0]
    assert again["config"] == told["config"]
    assert [step["stage"] for step in told["steps"]] == told["runs"]
    assert told["seconds"] is not None


def test_what_cannot_be_rerun_is_a_problem(door: Door) -> None:
    job = door.done(DETAILED)
    for body, place in (
        ({"from_stage": "nowhere"}, "from_stage"),
        ({"changes": {"detailer.strength": 7}}, "detailer.strength"),
        ({"input": {"model": "nope"}}, "input.model"),
        ({"input": {"mask": "0" * 64}}, "input.mask"),
    ):
        answer = door.client.post(f"{job['links']['self']}/rerun/plan", json=body)
        assert answer.status_code == 422, answer.text
        assert place in {error.get("place") for error in answer.json()["errors"]}


def test_a_mask_painted_later_starts_from_the_detailer(door: Door) -> None:
    job = door.done(DETAILED)
    painted = door.upload(mask(128, 128), kind="mask")
    body = {"input": {"mask": painted}}
    assert plan(door, job, body)["from_stage"] == "detailer"
    again = rerun(door, job, body)
    assert again["reused"] == ["prompt", "text_to_image"]
    [region] = again["metadata"]["detailer"]["regions"]
    assert region["label"] == "mask"
    assert again["input"]["mask"]["sha256"]


def test_a_file_of_a_job_is_the_source_of_another(door: Door) -> None:
    job = door.done(DETAILED)
    source = {"job": job["id"], "name": "generated.png"}
    painted = door.upload(mask(128, 128), kind="mask")
    after = door.done(
        {**DETAILED, "input": {"prompt": "a blue house", "image": source, "mask": painted}}
    )
    made = {item["name"]: item for item in job["artifacts"]}["generated.png"]
    assert (after["input"]["image"]["width"], after["input"]["image"]["height"]) == (128, 128)
    uploaded = door.client.get(f"/v1/uploads/{made['sha256']}").json()
    assert uploaded["width"] == 128
    by_upload = {"prompt": "a blue house", "image": made["sha256"], "mask": painted, "seed": 1}
    first = door.submit({**DETAILED, "input": by_upload}, headers={"Idempotency-Key": "same"})
    named = {**by_upload, "image": source}
    again = door.submit({**DETAILED, "input": named}, headers={"Idempotency-Key": "same"})
    assert again["id"] == first["id"]


def test_what_a_job_started_from_is_the_source_of_another(door: Door) -> None:
    image, painted = door.upload(png(96, 64)), door.upload(mask(96, 64), kind="mask")
    first = door.done({**DETAILED, "input": {"prompt": "a", "image": image, "mask": painted}})
    assert door.service.uploads.expire(-1) == 2
    names = {"image": "source.png", "mask": "mask.png"}
    for slot, name in names.items():
        answer = door.client.get(f"/v1/jobs/{first['id']}/artifacts/{name}")
        assert answer.headers["ETag"] == f'"{first["input"][slot]["sha256"]}"'
        assert hashlib.sha256(answer.content).hexdigest() == first["input"][slot]["sha256"]
    sources = {slot: {"job": first["id"], "name": name} for slot, name in names.items()}
    again = door.done({**DETAILED, "input": {"prompt": "a", **sources}})
    for slot in names:
        assert again["input"][slot] == first["input"][slot]


def test_files_that_are_not_there_are_reported_with_their_place(door: Door) -> None:
    job = door.done(JOB)
    inputs = [
        {"prompt": "a", "image": {"job": job["id"], "name": "nothing.png"}},
        {"prompt": "b"},
        {"prompt": "c", "mask": {"job": "nobody", "name": "a.png"}},
    ]
    answer = door.client.post("/v1/groups", json={"preset": "draft", "inputs": inputs})
    assert answer.status_code == 422
    pointers = {error["pointer"] for error in answer.json()["errors"]}
    assert pointers == {"#/inputs/0/image", "#/inputs/2/mask"}


def test_files_of_others_are_not_taken(open_door: Any) -> None:
    door = open_door(fake_engines())
    mine, theirs = door.headers(), door.headers()
    job = door.done(JOB, headers=mine)
    body = {**JOB, "input": {"prompt": "a", "image": {"job": job["id"], "name": "generated.png"}}}
    refused = door.client.post("/v1/jobs", json=body, headers=theirs)
    assert refused.status_code == 422
    assert "no job is called" in refused.text
    assert door.client.post("/v1/jobs", json=body, headers=mine).status_code == 202
