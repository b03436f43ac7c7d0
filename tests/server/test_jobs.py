"""`/v1/jobs` and `/v1/groups`: what each route does."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.server.conftest import JOB, Door, Open
from tests.server.process import server
from tests.support import recording_engines


def test_a_job_is_accepted_run_and_shown(door: Door) -> None:
    answer = door.client.post("/v1/jobs", json=JOB)
    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["Location"] == job["links"]["self"] == f"/v1/jobs/{job['id']}"
    assert job["status"] == "queued"
    door.client.get(job["links"]["events"])
    shown = door.client.get(job["links"]["self"]).json()
    assert shown["status"] == "succeeded"
    assert (shown["seed"], shown["input"]) == (7, {"prompt": "a red house", "seed": 7})
    assert shown["attempts"] == {"prompt": 1, "text_to_image": 1, "publisher": 1}
    assert shown["metadata"]["text_to_image"]["size"] == [128, 128]
    [output] = shown["outputs"]
    picture = door.client.get(output["url"])
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/png")
    assert picture.content.startswith(b"\x89PNG")


def test_a_look_may_wait_for_the_end(door: Door) -> None:
    job = door.submit()
    shown = door.client.get(job["links"]["self"], params={"wait": 50}).json()
    assert shown["status"] == "succeeded"
    assert shown["outputs"]
    again = door.client.get(job["links"]["self"], params={"wait": 50})
    assert again.json() == shown


def test_a_look_waits_no_longer_than_asked(idle: Door) -> None:
    job = idle.submit()
    began = time.monotonic()
    answer = idle.client.get(job["links"]["self"], params={"wait": 0.3})
    assert answer.json()["status"] == "queued"
    assert time.monotonic() - began >= 0.3
    for wrong in (-1, 51, "long"):
        assert idle.client.get(job["links"]["self"], params={"wait": wrong}).status_code == 422
    assert idle.client.get("/v1/jobs/none", params={"wait": 50}).status_code == 404


def test_a_look_ends_with_a_cancel(idle: Door) -> None:
    job = idle.submit()
    own = job["links"]["self"]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(idle.client.get, own, params={"wait": 50})
        idle.client.post(f"{own}/cancel")
        assert waiting.result().json()["status"] == "cancelled"


def test_a_look_ends_when_its_client_leaves_or_the_server_stops(tmp_path: Path) -> None:
    with server(tmp_path / "data", "--no-worker") as place, place.client() as client:
        own = client.post("/v1/jobs", json=JOB).json()["links"]["self"]
        with pytest.raises(httpx2.ReadTimeout):
            client.get(own, params={"wait": 50}, timeout=0.5)
        while _open_requests(client) > 1:  # the one that asks
            time.sleep(0.05)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(client.get, own, params={"wait": 50})
            while _open_requests(client) < 2:
                time.sleep(0.05)
            assert place.terminate() == 0
            assert waiting.result().json()["status"] == "queued"


def _open_requests(client: httpx2.Client) -> float:
    (line,) = (
        line
        for line in client.get("/metrics").text.splitlines()
        if line.startswith("ninefold_http_requests_open ")
    )
    return float(line.split()[1])


def test_nothing_of_the_server_is_in_a_job(door: Door, tmp_path: Any) -> None:
    upload = door.upload()
    job = door.done({"preset": "full", "input": {"prompt": "a house", "image": upload}})
    assert str(tmp_path) not in json.dumps(job)
    assert "path" not in json.dumps(job["input"])
    assert job["input"]["image"]["width"] == 64
    for item in [*job["artifacts"], *job["outputs"]]:
        answer = door.client.get(item["url"])
        assert answer.status_code == 200
        assert answer.headers["ETag"] == f'"{item["sha256"]}"'


def test_the_document_is_that_of_the_command_line(door: Door) -> None:
    """Whoever knows `ninefold jobs show --json` knows the API's jobs."""
    job = door.done()
    assert door.client.portal is not None
    stored = door.client.portal.call(door.service.jobs.get, job["id"]).to_json()
    assert set(stored) - set(job) == {"folder", "owner"}
    for name in set(stored) & set(job) - {"artifacts", "outputs", "error"}:
        assert stored[name] == job[name]


def test_a_whole_config_and_overrides(door: Door) -> None:
    config = {"stages": [{"stage": "prompt"}, {"stage": "text_to_image"}, {"stage": "publisher"}]}
    overrides = {"text_to_image.width": 64, "publisher.formats": ["webp"], "seed": 5}
    job = door.done({"config": config, "overrides": overrides, "input": {"prompt": "a house"}})
    assert job["outputs"][0]["media_type"] == "image/webp"
    assert (job["outputs"][0]["width"], job["seed"]) == (64, 5)


def test_an_upload_and_a_mask_reach_the_stages(open_door: Open) -> None:
    engines, requests = recording_engines()
    door = open_door(engines)
    image, mask = door.upload(), door.upload(kind="mask")
    door.done({"preset": "full", "input": {"prompt": "a house", "image": image, "mask": mask}})
    assert requests[0].image is not None  # type: ignore[attr-defined]
    assert any(getattr(request, "mask", None) is not None for request in requests)


def test_an_idempotency_key_makes_one_job(idle: Door) -> None:
    headers = {"Idempotency-Key": "monday"}
    first = idle.submit(headers=headers)
    assert idle.submit(headers=headers)["id"] == first["id"]
    other = {**JOB, "input": {"prompt": "a green tent"}}
    refused = idle.client.post("/v1/jobs", json=other, headers=headers)
    assert refused.status_code == 409
    assert refused.json()["type"] == "urn:ninefold:problem:conflict"
    assert len(idle.client.get("/v1/jobs").json()["jobs"]) == 1
    assert len(list((idle.service.jobs.data / "jobs").glob("*"))) <= 1


def test_the_key_of_a_group_and_of_a_rerun(door: Door) -> None:
    asked = {"preset": "draft", "inputs": [{"prompt": "a tent"}], "count": 3}
    headers = {"Idempotency-Key": "a"}
    first = door.client.post("/v1/groups", json=asked, headers=headers)
    again = door.client.post("/v1/groups", json=asked, headers=headers)
    assert (first.status_code, again.status_code) == (202, 202)
    assert [job["id"] for job in again.json()["jobs"]] == [
        job["id"] for job in first.json()["jobs"]
    ]
    more = door.client.post("/v1/groups", json={**asked, "count": 4}, headers=headers)
    assert more.status_code == 409
    assert len(door.client.get("/v1/jobs").json()["jobs"]) == 3
    job = door.done()
    rerun = job["links"]["rerun"]
    headers = {"Idempotency-Key": "b"}
    one = door.client.post(rerun, json={"from_stage": "publisher"}, headers=headers).json()
    two = door.client.post(rerun, json={"from_stage": "publisher"}, headers=headers).json()
    assert one["id"] == two["id"]
    other = door.client.post(rerun, json={"from_stage": "text_to_image"}, headers=headers)
    assert other.status_code == 409


def test_the_answer_to_a_submission_says_what_lists_say(idle: Door) -> None:
    key = {"Idempotency-Key": "again"}
    group = {"preset": "draft", "inputs": [JOB["input"], {"prompt": "a boat"}]}
    rerun = {"input": {"seed": 9}}
    first = idle.submit(headers=key)
    submitted = [
        [first],
        [idle.submit(headers=key)],
        [idle.client.post(first["links"]["rerun"], json=rerun).raise_for_status().json()],
        idle.client.post("/v1/groups", json=group).raise_for_status().json()["jobs"],
        idle.client.post("/v1/groups", json=group, headers=key).raise_for_status().json()["jobs"],
        idle.client.post("/v1/groups", json=group, headers=key).raise_for_status().json()["jobs"],
    ]
    assert [[job["seed"] for job in jobs] for jobs in submitted[:4]] == [[7], [7], [9], [7, None]]
    listed = {job["id"]: job for job in idle.client.get("/v1/jobs").json()["jobs"]}
    for job in (job for jobs in submitted for job in jobs):
        assert job["model"] == "poster"
        assert {name: job[name] for name in listed[job["id"]]} == listed[job["id"]]


def test_lists_have_pages_that_hold_their_place(idle: Door) -> None:
    asked = {"preset": "draft", "inputs": [{"prompt": "a tent"}], "count": 7}
    members = idle.client.post("/v1/groups", json=asked).json()["jobs"]
    seen: list[str] = []
    cursor: str | None = None
    while True:
        query = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = idle.client.get("/v1/jobs", params=query).json()
        seen += [job["id"] for job in page["jobs"]]
        if len(seen) == 3:
            idle.submit()  # must not move the pages
        if (cursor := page["next_cursor"]) is None:
            break
    assert [seen.count(job["id"]) for job in members] == [1] * 7
    assert len(seen) == len(set(seen))
    assert idle.client.get("/v1/jobs", params={"cursor": "nonsense"}).status_code == 422


def test_lists_are_filtered(idle: Door) -> None:
    asked = {"preset": "draft", "inputs": [{"prompt": "a tent"}], "count": 2}
    group = idle.client.post("/v1/groups", json=asked).json()
    alone = idle.submit()
    idle.client.post(alone["links"]["cancel"])

    def ids(**query: Any) -> set[str]:
        jobs = idle.client.get("/v1/jobs", params=query).json()["jobs"]
        return {job["id"] for job in jobs}

    members = {job["id"] for job in group["jobs"]}
    assert ids(group=group["id"]) == ids(status="queued") == members
    assert ids(status=["cancelled", "failed"]) == {alone["id"]}
    assert ids(status="running") == set()


def test_cancelling_and_deleting(idle: Door) -> None:
    job = idle.submit()
    here = job["links"]["self"]
    assert idle.client.delete(here).status_code == 409
    assert idle.client.post(job["links"]["cancel"]).json()["status"] == "cancelled"
    assert idle.client.post(job["links"]["cancel"]).json()["status"] == "cancelled"
    assert idle.client.delete(here).status_code == 204
    assert idle.client.delete(here).status_code == 404
    assert idle.client.get(here).status_code == 404


def test_a_deleted_job_takes_its_files_along(door: Door) -> None:
    job = door.done()
    url = job["outputs"][0]["url"]
    assert door.client.get(url).status_code == 200
    assert door.client.delete(job["links"]["self"]).status_code == 204
    assert door.client.get(url).status_code == 404
    assert not (door.service.jobs.data / "jobs" / job["id"]).exists()


def test_a_rerun_takes_over_what_was_made(door: Door) -> None:
    job = door.done()
    answer = door.client.post(
        job["links"]["rerun"], json={"from_stage": "publisher", "changes": {"formats": ["jpeg"]}}
    )
    assert answer.status_code == 202
    child = answer.json()
    door.client.get(child["links"]["events"])
    child = door.client.get(child["links"]["self"]).json()
    assert (child["status"], child["parent"]) == ("succeeded", job["id"])
    assert child["reused"] == ["prompt", "text_to_image"]
    assert child["outputs"][0]["media_type"] == "image/jpeg"
    unknown = door.client.post(job["links"]["rerun"], json={"from_stage": "finisher"})
    assert unknown.status_code == 422


def test_a_rerun_with_another_seed_or_prompt(door: Door) -> None:
    job = door.done()
    asked = {"input": {"seed": 9, "prompt": "a blue house"}}
    child = door.client.post(job["links"]["rerun"], json=asked).json()
    door.client.get(child["links"]["events"])
    shown = door.client.get(child["links"]["self"]).json()
    assert (shown["status"], shown["seed"], shown["parent"]) == ("succeeded", 9, job["id"])
    assert shown["input"] == {"prompt": "a blue house", "seed": 9}
    assert shown["outputs"][0]["sha256"] != job["outputs"][0]["sha256"]


@pytest.mark.parametrize(
    ("given", "reported"),
    [
        ({"model": "nowhere"}, ["model"]),
        ({"model": "/etc"}, ["model"]),
        ({"prompt": "a" * 200, "model": "nowhere"}, ["prompt", "model"]),
        ({"seed": -1}, ["seed"]),
        ({"image": "u1"}, ["image"]),
    ],
)
def test_what_a_rerun_may_not_be_given(
    given: dict[str, Any], reported: list[str], open_door: Open
) -> None:
    door = open_door(max_prompt=100)
    job = door.done()
    answer = door.client.post(job["links"]["rerun"], json={"input": given})
    assert answer.status_code == 422
    errors = answer.json()["errors"]
    assert len(errors) == len(reported)
    for where, error in zip(reported, errors, strict=True):
        assert where in str(error)
    assert len(door.client.get("/v1/jobs").json()["jobs"]) == 1


def test_a_group_is_submitted_shown_and_cancelled(idle: Door) -> None:
    asked = {
        "preset": "draft",
        "inputs": [{"prompt": "a {red|blue} house"}, {"prompt": "a tent"}],
        "variants": True,
        "count": 2,
    }
    answer = idle.client.post("/v1/groups", json=asked)
    assert answer.status_code == 202
    group = answer.json()
    assert answer.headers["Location"] == f"/v1/groups/{group['id']}"
    prompts = [job["input"]["prompt"] for job in group["jobs"]]
    assert prompts == ["a red house"] * 2 + ["a blue house"] * 2 + ["a tent"] * 2
    assert (group["status"], group["counts"]) == ("queued", {"queued": 6})
    here = f"/v1/groups/{group['id']}"
    assert idle.client.get(here).json() == group
    assert idle.client.post(f"{here}/cancel").json()["counts"] == {"cancelled": 6}


def test_files_by_range_and_tag(door: Door) -> None:
    job = door.done()
    url = job["outputs"][0]["url"]
    whole = door.client.get(url)
    tag = whole.headers["ETag"]
    assert door.client.get(url, headers={"If-None-Match": tag}).status_code == 304
    assert door.client.get(url, headers={"If-None-Match": f'"x", W/{tag}'}).status_code == 304
    assert door.client.get(url, headers={"If-None-Match": '"x"'}).status_code == 200
    part = door.client.get(url, headers={"Range": "bytes=8-15"})
    assert (part.status_code, part.content) == (206, whole.content[8:16])
    size = len(whole.content)
    assert part.headers["Content-Range"] == f"bytes 8-15/{size}"
    beyond = door.client.get(url, headers={"Range": f"bytes={size}-"})
    assert beyond.status_code == 416


def test_regions_are_served_before_and_after(door: Door) -> None:
    config = {
        "stages": [
            {"stage": "text_to_image"},
            {"stage": "detailer", "params": {"classes": ["face"]}},
            {"stage": "detailer", "params": {"classes": ["house"]}},
        ]
    }
    job = door.done({"config": config, "input": {"prompt": "a red house", "seed": 7}})
    for step in ("detailer", "detailer_2"):
        regions = job["metadata"][step]["regions"]
        assert regions
        for name in (regions[0]["before"], regions[0]["after"]):
            answer = door.client.get(f"/v1/jobs/{job['id']}/artifacts/{name}")
            assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")


@pytest.mark.parametrize(
    "name",
    [
        "../ninefold.db",
        "..%2f..%2fninefold.db",
        "%2e%2e/config.yaml",
        "/etc/passwd",
        "outputs/",
        ".",
    ],
)
def test_no_name_leads_out_of_a_job(name: str, door: Door) -> None:
    job = door.done()
    answer = door.client.get(f"/v1/jobs/{job['id']}/artifacts/{name}")
    assert answer.status_code in (404, 405, 422)
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_job_that_fails_says_why(open_door: Open) -> None:
    from ninefold.testing import fake_engines

    door = open_door(fake_engines(fail_on="text_to_image"))
    job = door.submit()
    door.client.get(job["links"]["events"])
    job = door.client.get(job["links"]["self"]).json()
    assert (job["status"], job["stage"]) == ("failed", "text_to_image")
    assert job["error"]["kind"] == "ModelError"
    assert "asked to fail" in job["error"]["message"]
    assert job["error"]["user_error"] is True
    [listed] = door.client.get("/v1/jobs").json()["jobs"]
    assert listed["error"] == job["error"]


def test_a_bug_shows_no_traceback(open_door: Open) -> None:
    from ninefold.testing import fake_engines

    door = open_door(fake_engines(fail_on="text_to_image", error=ZeroDivisionError))
    job = door.submit()
    events = door.client.get(job["links"]["events"]).text
    shown = door.client.get(job["links"]["self"]).text
    assert json.loads(shown)["error"]["kind"] == "ZeroDivisionError"
    assert "Traceback" not in events + shown
