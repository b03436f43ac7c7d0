"""Every error of this door's paths is OpenAI's error object; those of other paths are not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx2 as httpx
import pytest
from starlette.exceptions import HTTPException

from ninefold.core.errors import InputError, StorageError
from ninefold.job_schema import FieldError
from ninefold.server.openai.errors import error_document, problem_response
from ninefold.server.problems import problem_of
from ninefold.testing import fake_engines
from tests.server.conftest import Door, Open, png

GENERATE = "/v1/images/generations"
EDIT = "/v1/images/edits"
ASKED = {"prompt": "a house", "quality": "low"}


def error_of(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The error object of an answer, which holds nothing else."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    document = answer.json()
    assert list(document) == ["error"]
    error: dict[str, Any] = document["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    assert error["type"]
    return error


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/v1/images", "unknown_url"),
        ("POST", "/v1/images/nothing", "unknown_url"),
        ("DELETE", "/v1/images/generations/7", "unknown_url"),
        ("GET", "/v1/models/nothing", "model_not_found"),
        ("GET", "/v1/models/owner/nothing", "model_not_found"),
        ("GET", "/v1/models/%00", "model_not_found"),
        ("GET", "/v1/models/..%2f..%2fetc", "model_not_found"),
    ],
)
def test_what_is_not_there(method: str, path: str, code: str, idle: Door) -> None:
    error = error_of(idle.client.request(method, path), 404)
    assert error["code"] == code
    assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", GENERATE, "POST"),
        ("PUT", EDIT, "POST"),
        ("POST", "/v1/models", "GET"),
        ("DELETE", "/v1/models/poster", "GET"),
    ],
)
def test_methods_that_are_not_there(method: str, path: str, allowed: str, idle: Door) -> None:
    answer = idle.client.request(method, path)
    assert error_of(answer, 405)["code"] == "method_not_supported"
    assert allowed in answer.headers["Allow"]
    assert allowed in answer.json()["error"]["message"]


def test_keys(idle: Door) -> None:
    submits, reads = idle.headers("submit"), idle.headers("read")
    for path in ("/v1/models", "/v1/models/poster"):
        assert error_of(idle.client.get(path), 401)["code"] == "invalid_api_key"
    wrong = {"Authorization": f"Bearer nf_{'a' * 10}_{'b' * 43}"}
    for headers in ({}, wrong):
        answer = idle.client.post(GENERATE, json=ASKED, headers=headers)
        error = error_of(answer, 401)
        assert (error["code"], error["param"]) == ("invalid_api_key", None)
        assert answer.headers["www-authenticate"].startswith("Bearer")
    for headers in (submits, reads):
        error = error_of(idle.client.post(GENERATE, json=ASKED, headers=headers), 403)
        assert (error["code"], error["param"]) == ("missing_scope", None)


def test_pages_of_other_sites(idle: Door) -> None:
    error_of(idle.client.get("/v1/models", headers={"Origin": "https://example.com"}), 403)


def test_bodies_that_are_too_large(idle: Door) -> None:
    def parts() -> Iterator[bytes]:  # of no declared length
        for _ in range(1000):
            yield b" " * 2**16

    for content in (b" " * 60_000_000, parts()):
        answer = idle.client.post(
            GENERATE, content=content, headers={"Content-Type": "application/json"}
        )
        error = error_of(answer, 413)
        assert (error["code"], error["param"]) == ("request_too_large", None)


def test_an_image_that_is_too_large(open_door: Open) -> None:
    door = open_door(worker=False, max_image_bytes=1000)
    files = {"image": ("a.png", png(200, 200))}
    error_of(door.client.post(EDIT, data={"prompt": "x"}, files=files), 400)


def test_too_many_requests(open_door: Open) -> None:
    door = open_door(worker=False, rate=0.01, burst=1, max_queued=1)
    full = door.client.post(GENERATE, json={**ASKED, "n": 2}, headers=door.headers())
    error = error_of(full, 429)
    assert (error["type"], error["code"]) == ("requests", "queue_full")
    assert int(full.headers["Retry-After"]) >= 1
    headers = door.headers()
    door.client.get("/v1/models", headers=headers)
    for path in ("/v1/models", "/v1/models/poster"):
        fast = door.client.get(path, headers=headers)
        assert error_of(fast, 429)["code"] == "rate_limit_exceeded"
        assert int(fast.headers["Retry-After"]) >= 1


@pytest.mark.parametrize("fault", [RuntimeError("a secret"), StorageError("the disk is full.")])
def test_faults_of_the_service(
    fault: Exception, idle: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> tuple[str, ...]:
        raise fault

    monkeypatch.setattr(idle.service, "model_names", fail)
    unavailable = isinstance(fault, StorageError)
    for answer in (
        idle.client.get("/v1/models"),
        idle.client.get("/v1/models/poster"),
        idle.client.post(GENERATE, json={**ASKED, "model": "poster"}),
        idle.client.post(EDIT, data={"prompt": "x"}, files={"image": ("a.png", png())}),
    ):
        error = error_of(answer, 503 if unavailable else 500)
        assert (error["type"], error["code"]) == (
            "server_error",
            "unavailable" if unavailable else "bug",
        )
        assert "secret" not in error["message"]
        assert answer.headers.get("x-should-retry") == (None if unavailable else "false")
        assert ("Retry-After" in answer.headers) == unavailable


def test_failed_images_are_not_asked_for_again(open_door: Open) -> None:
    door = open_door(engines=fake_engines(fail_on="text_to_image", error=KeyError))
    answer = door.client.post(GENERATE, json=ASKED)
    assert error_of(answer, 500)["type"] == "image_generation_error"
    assert answer.headers["x-should-retry"] == "false"


def test_other_paths_keep_problem_documents(idle: Door) -> None:
    for path in ("/v1/jobs/nothing", "/v1/imagesque", "/v1/modelsque", "/v1/nothing", "/v1"):
        answer = idle.client.get(path)
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["type"] == "urn:ninefold:problem:not-found"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 429, 503])
def test_every_status_has_a_form(status: int) -> None:
    answer = problem_response(problem_of(HTTPException(status, "size: expected less.")))
    assert answer.status_code == (400 if status == 422 else status)
    error = json.loads(bytes(answer.body))["error"]
    assert (error["message"], error["param"]) == ("size: expected less.", "size")
    assert error["type"]


@pytest.mark.parametrize(
    ("detail", "param"),
    [
        ("size: expected less.", "size"),
        ("prompt, character 3: is not closed.", "prompt"),
        ("body: expected less.", None),
        ("job 7: a bug.", None),
        ("Content-Type: expected another.", None),
        ("Host: expected another.", None),
        ("there is no GET /v1/images. GET /openapi.json lists all.", None),
    ],
)
def test_the_parameter_is_named(detail: str, param: str | None) -> None:
    assert error_document(problem_of(InputError(detail)))["error"]["param"] == param


def test_places_in_the_body_are_written_with_dots() -> None:
    problem = problem_of(InputError("wrong."))
    problem.errors = [FieldError(detail="unknown.", pointer="#/a~1b/0/c~0d")]
    error = error_document(problem)["error"]
    assert (error["message"], error["param"]) == ("a/b.0.c~d: unknown.", "a/b.0.c~d")
