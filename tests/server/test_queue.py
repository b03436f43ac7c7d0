"""`/v1/queue`, changes of order, many deletions, and the stream of all events, over HTTP."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2

from tests.server.conftest import JOB, Door
from tests.server.process import server


def waiting(door: Door, **options: Any) -> list[str]:
    return [job["id"] for job in door.client.get("/v1/queue", **options).json()["waiting"]]


def test_the_queue_is_shown_paused_and_reordered(idle: Door) -> None:
    one, two, three = (idle.submit()["id"] for _ in range(3))
    shown = idle.client.get("/v1/queue").json()
    first = {"id": one, "priority": 100, "prompt": "a red house", "group": None}
    assert shown["waiting"][0] == first
    assert (shown["paused"], shown["queued"], shown["running"]) == (False, 3, 0)
    moved = idle.client.post(f"/v1/jobs/{three}/move", json={"to": "first"})
    assert (moved.status_code, moved.json()["id"]) == (200, three)
    assert waiting(idle) == [three, one, two]
    idle.client.post(f"/v1/jobs/{three}/move", json={"before": two})
    assert waiting(idle) == [one, three, two]
    changed = idle.client.patch(f"/v1/jobs/{two}", json={"priority": 5, "favourite": True}).json()
    assert (changed["priority"], changed["favourite"]) == (5, True)
    assert waiting(idle) == [two, one, three]
    assert idle.client.get(f"/v1/jobs/{two}").json()["favourite"] is True
    assert idle.client.get("/v1/jobs", params={"favourite": True}).json()["jobs"][0]["id"] == two
    assert idle.client.post("/v1/queue/pause").json()["paused"] is True
    assert idle.client.post("/v1/queue/resume").json()["paused"] is False


def test_what_cannot_be_changed_is_refused(door: Door) -> None:
    job = door.done()
    own = job["links"]["self"]
    for body in ({}, {"priority": 0}, {"priority": "5"}, {"favourite": 1}, {"other": True}):
        assert door.client.patch(own, json=body).status_code == 422
    assert door.client.patch(own, json={"priority": 5}).status_code == 409
    for body in ({}, {"to": "up"}, {"to": "first", "before": job["id"]}):
        assert door.client.post(f"{own}/move", json=body).status_code == 422
    assert door.client.post(f"{own}/move", json={"to": "first"}).status_code == 409
    assert door.client.post(f"{own}/move", json={"before": "none"}).status_code == 404
    # What is known of it is not shown as it was before.
    door.client.patch(own, json={"favourite": True})
    assert door.client.get(own).json()["favourite"] is True
    door.client.patch(own, json={"favourite": False})
    assert door.client.get(own).json()["favourite"] is False


def test_a_key_pauses_and_sees_no_more_than_is_its_own(idle: Door) -> None:
    mine, other = idle.headers(), idle.headers()
    job = idle.submit(headers=mine)["id"]
    assert waiting(idle, headers=other) == []
    assert waiting(idle, headers=mine) == [job]
    assert idle.client.post("/v1/queue/pause", headers=mine).status_code == 403
    theirs = idle.submit(headers=other)["id"]
    found = idle.client.post(f"/v1/jobs/{theirs}/move", json={"before": job}, headers=other)
    assert found.status_code == 404


def test_many_jobs_are_deleted_and_the_others_kept_with_reasons(door: Door) -> None:
    one, two = (door.done()["id"] for _ in range(2))
    door.client.post("/v1/queue/pause")
    waits = door.submit()["id"]
    answer = door.client.post("/v1/jobs/delete", json={"jobs": [one, waits, two, one, "none"]})
    assert answer.json()["deleted"] == [one, two]
    assert set(answer.json()["kept"]) == {waits, "none"}
    assert "Cancel it first" in answer.json()["kept"][waits]
    assert [job["id"] for job in door.client.get("/v1/jobs").json()["jobs"]] == [waits]
    assert not (door.service.jobs.data / "jobs" / one).exists()
    for wrong in ([], ["a"] * 1001, ["../x"]):
        assert door.client.post("/v1/jobs/delete", json={"jobs": wrong}).status_code == 422


def events_of(answer: httpx2.Response) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """The events of a stream: number, name, data."""
    event: dict[str, str] = {}
    for line in answer.iter_lines():
        if not line and "data" in event:
            yield int(event["id"]), event["event"], json.loads(event["data"])
            event = {}
        elif line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            event[name] = value


def test_one_stream_for_a_whole_page(tmp_path: Path) -> None:
    data, slow = tmp_path / "data", {"steps_delay": 0.01}
    with server(data, engines=slow) as place, place.client() as client:
        with client.stream("GET", "/v1/events") as answer:
            events = events_of(answer)
            number, name, _ = next(events)
            assert name == "ready"
            job = client.post("/v1/jobs", json=JOB).json()["id"]
            seen = []
            for event in events:
                seen.append(event)
                if event[1] == "job_ended":
                    break
        assert seen[0][1:] == ("job_queued", {"job": job, "group": None})
        assert seen[-1][2] == {"job": job, "status": "succeeded"}
        again = {"Last-Event-ID": str(number)}
        with client.stream("GET", "/v1/events", headers=again) as answer:
            events = events_of(answer)
            assert [next(events) for _ in seen] == seen
        wrong = {"Last-Event-ID": "x"}
        assert client.get("/v1/events", headers=wrong).status_code == 422
    with (
        server(data, engines=slow) as place,
        place.client() as client,
        client.stream("GET", "/v1/events", headers=again) as answer,
    ):
        assert next(events_of(answer))[1] == "reset"
        began = time.monotonic()
        assert place.terminate() == 0  # the stream does not hold it up
        assert time.monotonic() - began < 30
