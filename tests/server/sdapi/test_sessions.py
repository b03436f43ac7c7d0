"""Progress, interrupt and skip: a key's own requests alone, and clients that go away."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from ninefold.files.infotext import parse_infotext
from tests.server.doors import PATIENCE, Served, opened, served
from tests.server.process import server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sessions")


@pytest.fixture(scope="module")
def slow(folder: Path) -> Iterator[Served]:
    """One job at a time, each of four steps of half a second."""
    environment = {"NINEFOLD_CONCURRENCY": "1"}
    with served(folder, engines={"steps_delay": 0.5}, environment=environment) as found:
        yield found


@pytest.fixture
def waiting(slow: Served) -> Iterator[Callable[..., Future[dict[str, Any]]]]:
    """Sends a request for images and does not wait for its answer."""
    with ThreadPoolExecutor(4) as pool:

        def send(key: str | None = None, **asked: Any) -> Future[dict[str, Any]]:
            return pool.submit(post, slow, "txt2img", key, {"prompt": "a", **asked})

        yield send


def post(
    place: Served, name: str, key: str | None = None, body: Any = None, **options: Any
) -> dict[str, Any]:
    answer = httpx.post(
        f"{place.url}/sdapi/v1/{name}",
        json=body,
        headers=place.headers(key),
        timeout=options.pop("timeout", PATIENCE),
        **options,
    )
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def progress(place: Served, key: str | None = None, **query: Any) -> dict[str, Any]:
    answer = httpx.get(f"{place.url}/sdapi/v1/progress", params=query, headers=place.headers(key))
    return dict(answer.json())


def until_seen(
    place: Served,
    seen: Callable[[dict[str, Any]], object],
    key: str | None = None,
    **query: Any,
) -> dict[str, Any]:
    """The first progress that has what is looked for."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if seen(found := progress(place, key, **query)):
            return found
        time.sleep(0.1)
    raise AssertionError(f"never seen; the last was {found}")


def info_of(answer: dict[str, Any]) -> dict[str, Any]:
    return dict(json.loads(answer["info"]))


def test_progress_shows_a_preview_and_an_end_to_wait_for(
    slow: Served, waiting: Callable[..., Future[dict[str, Any]]]
) -> None:
    assert progress(slow)["state"]["job_count"] == 0
    answer = waiting(batch_size=2)
    found = until_seen(slow, lambda item: item["current_image"])
    assert 0 < found["progress"] < 1
    assert found["eta_relative"] > 0
    assert found["state"]["job_count"] == 2
    assert found["state"]["sampling_steps"] == 4
    assert max(opened(base64.b64decode(found["current_image"])).size) <= 128
    assert progress(slow, skip_current_image="true")["current_image"] is None
    later = until_seen(slow, lambda item: item["state"]["job_no"] == 1)
    assert later["progress"] >= 0.5
    assert len(answer.result()["images"]) == 2
    assert progress(slow)["progress"] == 0


def test_interrupt_ends_the_keys_own_request_alone(
    slow: Served, waiting: Callable[..., Future[dict[str, Any]]]
) -> None:
    mine = waiting(batch_size=3, steps=12)
    until_seen(slow, lambda item: item["progress"] > 0)
    theirs = waiting(slow.other)
    until_seen(slow, lambda item: item["state"]["job_count"] == 1, slow.other)
    post(slow, "interrupt", slow.other)  # ends theirs, which waits behind mine
    assert theirs.result()["images"] == []
    until_seen(slow, lambda item: item["state"]["job_no"] == 1)
    assert post(slow, "interrupt") == {}
    made = mine.result()
    assert 1 <= len(made["images"]) < 3
    assert len(info_of(made)["all_seeds"]) == len(made["images"])
    assert [job["status"] for job in slow.jobs()[:2]] == ["cancelled"] * 2


def test_what_is_interrupted_comes_back_as_it_was(
    slow: Served, waiting: Callable[..., Future[dict[str, Any]]]
) -> None:
    answer = waiting(seed=7, negative_prompt="rain", width=96, height=64)
    until_seen(slow, lambda item: item["current_image"])
    post(slow, "interrupt")
    (text,) = answer.result()["images"]
    image = opened(base64.b64decode(text))
    assert image.size == (96, 64)
    info = info_of(answer.result())
    assert (info["all_seeds"], info["all_prompts"]) == ([7], ["a"])
    assert info["all_negative_prompts"] == ["rain"]
    assert info["infotexts"] == [image.info["parameters"]]
    reported = parse_infotext(image.info["parameters"])
    assert (reported.prompt, reported.fields["Seed"], reported.fields["Size"]) == (
        "a",
        "7",
        "96x64",
    )
    assert None not in [
        info[name]
        for name in ("sampler_name", "cfg_scale", "steps", "sd_model_name", "sd_model_hash")
    ]


def test_one_that_has_not_begun_answers_with_what_it_would_have_been_made_with(
    slow: Served, waiting: Callable[..., Future[dict[str, Any]]]
) -> None:
    first = waiting()
    until_seen(slow, lambda item: item["progress"] > 0)
    second = waiting(slow.other)
    until_seen(slow, lambda item: item["state"]["job_count"] == 1, slow.other)
    post(slow, "interrupt", slow.other)
    assert second.result()["images"] == []
    info = info_of(second.result())
    assert (info["seed"], info["all_seeds"], info["sd_model_name"]) == (-1, [], "poster")
    assert (info["width"], info["height"], info["steps"]) == (128, 128, 4)
    assert len(first.result()["images"]) == 1


def test_what_is_skipped_comes_back_as_it_was_and_the_next_is_made(
    slow: Served, waiting: Callable[..., Future[dict[str, Any]]]
) -> None:
    answer = waiting(batch_size=2, seed=7, steps=12)  # six seconds each
    until_seen(slow, lambda item: item["current_image"])
    post(slow, "skip")
    info = info_of(answer.result())
    assert info["all_seeds"] == [7, 8]
    assert ["Unfinished" in parse_infotext(text).fields for text in info["infotexts"]] == [
        True,
        False,
    ]


def test_a_request_can_be_named(
    slow: Served, waiting: Callable[..., Future[dict[str, Any]]]
) -> None:
    first = waiting(force_task_id="first")
    until_seen(slow, lambda item: item["state"]["job"] == "first")
    second = waiting(force_task_id="second")
    until_seen(slow, lambda item: item["state"]["job"] == "second", task_id="second")
    assert progress(slow)["state"]["job"] == "first"
    post(slow, "interrupt", params={"task_id": "second"})
    assert second.result()["images"] == []
    assert len(first.result()["images"]) == 1


def test_nothing_to_interrupt_is_no_error(slow: Served) -> None:
    assert post(slow, "interrupt") == {}
    assert post(slow, "skip", params={"task_id": "nothing"}) == {}


def test_who_hangs_up_cancels_its_images(slow: Served) -> None:
    with pytest.raises(httpx.ReadTimeout):
        post(slow, "txt2img", body={"prompt": "a", "batch_size": 2}, timeout=1.0)
    slow.until("cancelled", 2)
    assert progress(slow)["state"]["job_count"] == 0


def test_a_keys_sessions_are_the_same_on_every_server(
    folder: Path, slow: Served, waiting: Callable[..., Future[dict[str, Any]]]
) -> None:
    with server(folder, "--no-worker") as found:
        other = replace(slow, url=found.url)
        mine = waiting(batch_size=2, steps=12, force_task_id="mine")
        seen = until_seen(other, lambda item: item["progress"] > 0)
        assert (seen["state"]["job"], seen["state"]["job_count"]) == ("mine", 2)
        assert progress(other, slow.other)["state"]["job_count"] == 0
        post(other, "skip")
        until_seen(slow, lambda item: item["state"]["job_no"] == 1)
        post(other, "interrupt", params={"task_id": "mine"})
        reported = [parse_infotext(text).fields for text in info_of(mine.result())["infotexts"]]
        assert all("Unfinished" in fields for fields in reported)
        assert progress(other)["state"]["job_count"] == 0
