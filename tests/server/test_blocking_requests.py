"""Requests that wait: what they answer where their images are not made."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from ninefold.testing import fake_engines
from tests.server.conftest import Open
from tests.server.process import server

ASKED = {
    "/v1/images/generations": {"prompt": "a tree", "quality": "low"},
    "/sdapi/v1/txt2img": {"prompt": "a tree"},
}


def reported(answer: httpx.Response) -> str:
    """The message, in either door's form."""
    error: Any = answer.json()
    return str(error["detail"] if "detail" in error else error["error"]["message"])


@pytest.mark.parametrize(("path", "status"), list(zip(ASKED, (400, 422), strict=True)))
def test_a_failure_that_the_client_can_mend(open_door: Open, path: str, status: int) -> None:
    door = open_door(engines=fake_engines(fail_on="text_to_image"))
    answer = door.client.post(path, json=ASKED[path])
    assert answer.status_code == status
    assert "asked to fail on text_to_image" in reported(answer)


@pytest.mark.parametrize("path", ASKED)
def test_a_bug_says_no_more_than_that(open_door: Open, path: str) -> None:
    door = open_door(engines=fake_engines(fail_on="text_to_image", error=KeyError))
    answer = door.client.post(path, json=ASKED[path])
    assert answer.status_code == 500
    assert "a bug" in reported(answer)
    assert "Traceback" not in answer.text
    assert "asked to fail" not in answer.text


def test_a_failure_in_a_stream_is_an_event(open_door: Open) -> None:
    door = open_door(engines=fake_engines(fail_on="text_to_image"))
    asked = {**ASKED["/v1/images/generations"], "stream": True}
    answer = door.client.post("/v1/images/generations", json=asked)
    assert answer.status_code == 200
    head, data, *_ = answer.text.splitlines()
    assert head == "event: error"
    assert "asked to fail" in json.loads(data.removeprefix("data: "))["error"]["message"]


@pytest.mark.parametrize("path", ASKED)
def test_a_full_queue_says_when_to_come_back(open_door: Open, path: str) -> None:
    door = open_door(worker=False, max_queued=1)
    door.submit()
    answer = door.client.post(path, json=ASKED[path])
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize("path", ASKED)
def test_a_server_that_stops_says_so(path: str, tmp_path: Path) -> None:
    with server(tmp_path / "data", engines={"steps_delay": 1.0}) as place:
        with ThreadPoolExecutor(1) as pool, place.client() as client:
            waiting = pool.submit(client.post, path, json=ASKED[path])
            while not (jobs := client.get("/v1/jobs").json()["jobs"]):
                time.sleep(0.1)
            assert jobs[0]["status"] in ("queued", "running")
            place.process.terminate()
            answer = waiting.result()
        assert answer.status_code == 503, answer.text
        assert answer.headers["Retry-After"]
        assert "stops" in reported(answer)
        assert place.process.wait(60) == 0
    with server(tmp_path / "data") as place, place.client() as client:
        (job,) = client.get("/v1/jobs").json()["jobs"]
        assert job["status"] == "cancelled"
