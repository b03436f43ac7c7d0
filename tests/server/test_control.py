"""Pictures that steer the jobs of requests: named by uploads, of whoever sent them alone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.server.conftest import Door, png


def _asked(entry: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "preset": "draft",
        "input": {"prompt": "a house", "seed": 7},
        "overrides": {"text_to_image.control": [entry]},
        **more,
    }


def test_a_job_is_steered_by_an_upload_and_keeps_a_copy(door: Door) -> None:
    name = door.upload()
    entry = {"model": "edges", "image": name, "preprocess": "canny", "strength": 0.5}
    job = door.done(_asked(entry))
    (used,) = job["metadata"]["text_to_image"]["control"]
    assert (used["model"], used["strength"], used["kind"]) == ("edges", 0.5, "controlnet")
    shown = job["input"]["control_images"][name]
    assert shown.pop("name") == f"control/{used['image']}.png"
    assert shown == {"width": 64, "height": 48, "sha256": used["image"]}
    assert door.service.uploads.expire(-1) == 1
    changes = {"from_stage": "text_to_image", "changes": {"steps": 3}}
    rerun = door.client.post(job["links"]["rerun"], json=changes).json()
    door.client.get(rerun["links"]["events"])
    assert door.client.get(rerun["links"]["self"]).json()["status"] == "succeeded"


def test_a_transparent_upload_is_laid_on_white(door: Door) -> None:
    import io

    from PIL import Image

    held = io.BytesIO()
    Image.new("RGBA", (64, 64), (0, 0, 0, 0)).save(held, "PNG")
    clear, white = door.upload(held.getvalue()), io.BytesIO()
    Image.new("RGB", (64, 64), "white").save(white, "PNG")
    found = [
        door.done(_asked({"model": "edges", "image": name}))["artifacts"][0]["sha256"]
        for name in (clear, door.upload(white.getvalue()))
    ]
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"model": "edges", "image": "/etc/passwd"}, "no upload is called '/etc/passwd'"),
        ({"model": "edges", "image": "0" * 64}, "no upload is called"),
        ({"model": "edges"}, "expected a picture"),
        ({"model": "/models/net.safetensors", "image": "0" * 64}, "is not served here"),
        ({"model": "edges", "image": "0" * 64, "strength": 3}, "strength"),
    ],
)
def test_what_a_request_may_not_name_is_refused(
    idle: Door, entry: dict[str, Any], says: str
) -> None:
    answer = idle.client.post("/v1/jobs", json=_asked(entry))
    assert answer.status_code == 422
    assert says in answer.text


def test_the_upload_of_another_key_is_not_there(idle: Door) -> None:
    one, other = idle.headers(), idle.headers()
    name = idle.upload(png(), headers=one)
    asked = _asked({"model": "edges", "image": name})
    assert idle.client.post("/v1/jobs", json=asked, headers=other).status_code == 422
    assert idle.client.post("/v1/jobs", json=asked, headers=one).status_code == 202


def test_control_models_are_listed_as_all_models_are(idle: Door) -> None:
    schema = idle.client.get("/v1/stages").text
    assert '"edges"' in schema
    assert '"style"' in schema


def test_a_rerun_may_take_control_off(door: Door) -> None:
    job = door.done(_asked({"model": "edges", "image": door.upload(png())}))
    changes: dict[str, Any] = {"text_to_image.control": []}
    answer = door.client.post(f"/v1/jobs/{job['id']}/rerun", json={"changes": changes})
    assert answer.status_code == 202, answer.text
    again = door.client.get(answer.json()["links"]["self"]).json()
    assert "control_images" not in again["input"]


def test_an_input_says_which_pictures_control_names(door: Door) -> None:
    pose = door.upload(png(64, 48, seed=4))
    entry = {"model": "edges", "image": "pose"}
    given = {"prompt": "a house", "seed": 7, "control_images": {"pose": pose}}
    job = door.done(_asked(entry, input=given))
    name = job["input"]["control_images"]["pose"]["name"]
    door.service.uploads.expire(-1)
    given["control_images"] = {"pose": {"job": job["id"], "name": name}}
    again = door.done(_asked(entry, input=given))
    assert again["input"] == job["input"]
    asked = {"input": {"control_images": given["control_images"]}}
    refused = door.client.post(job["links"]["rerun"], json=asked)
    assert "for another control_images, submit anew" in refused.text


@pytest.mark.parametrize(
    ("pictures", "says"),
    [
        ({"pose": "0" * 64}, "input.control_images.pose: no upload is called"),
        ({"pose": {"job": "none", "name": "source.png"}}, "input.control_images.pose: no job"),
        ({"edges": "UPLOAD"}, "input.control_images.edges: no stage's control names it"),
        ({}, "at least 1"),
    ],
)
def test_pictures_that_cannot_be_are_refused(
    idle: Door, pictures: dict[str, Any], says: str
) -> None:
    sent = idle.upload()
    pictures = {name: sent if given == "UPLOAD" else given for name, given in pictures.items()}
    given = {"prompt": "a house", "control_images": pictures}
    answer = idle.client.post(
        "/v1/jobs", json=_asked({"model": "edges", "image": "pose"}, input=given)
    )
    assert answer.status_code == 422
    assert says in answer.text
