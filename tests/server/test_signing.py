"""A signing key that the service cannot use: its operator's fault, and no client's."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ninefold.core.settings import read_settings
from ninefold.core.signing import SigningSettings
from ninefold.server.blocking_requests import UnfinishedError, completed
from ninefold.testing import fake_engines
from tests.certificates import issue
from tests.server.conftest import JOB, Door, Open

SIGNED: dict[str, Any] = {**JOB, "overrides": {"publisher.sign": True}}
GROUP: dict[str, Any] = {
    "preset": "draft",
    "inputs": [{"prompt": "a tent"}, {"prompt": "a boat"}],
    "overrides": {"publisher.sign": True},
}
_REASON = "key.pem: cannot be read: No such file or directory. Mend NINEFOLD_SIGN_KEY."


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """The folder of a key and its certificate."""
    return tmp_path / "keys"


@pytest.fixture
def signing(open_door: Open, keys: Path) -> Door:
    """A service that signs by them."""
    settings = read_settings(SigningSettings, issue().write(keys))
    return open_door(replace(fake_engines(), signing=settings))


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/jobs", SIGNED),
        ("/v1/groups", GROUP),
        ("/v1/groups", {**GROUP, "variants": True}),
        ("/v1/grids", {**SIGNED, "x": {"parameter": "seed", "values": [1, 2]}}),
    ],
)
def test_a_missing_key_is_the_services_fault(
    signing: Door, keys: Path, path: str, body: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    (keys / "key.pem").unlink()
    with caplog.at_level(logging.ERROR):
        answer = signing.client.post(path, json=body)
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (500, "urn:ninefold:problem:setup")
    assert problem["detail"].startswith("publisher.sign: this service cannot do that")
    assert [error["place"] for error in problem["errors"]] == ["publisher.sign"]
    for text in ("key.pem", "NINEFOLD_SIGN", str(keys)):
        assert text not in answer.text
    assert [record.getMessage() for record in caplog.records] == [
        f"POST {path}: publisher.sign: {_REASON}"
    ]
    assert signing.client.get("/v1/jobs").json()["jobs"] == []


def test_what_the_client_can_mend_is_said_beside_it(signing: Door, keys: Path) -> None:
    (keys / "chain.pem").write_text("nothing")
    stages = [{"stage": "prompt"}, {"stage": "text_to_image"}, {"stage": "publisher"}]
    body = {
        "config": {"stages": stages},
        "overrides": {"publisher.sign": True},
        "input": {"prompt": "a {red|house"},
    }
    problem = signing.client.post("/v1/jobs", json=body).json()
    assert problem["status"] == 500
    details = {error["place"]: error["detail"] for error in problem["errors"]}
    assert set(details) == {"prompt", "publisher.sign"}, problem
    assert "chain.pem" not in str(problem)


def test_an_estimate_and_a_rerun_say_the_same(signing: Door, keys: Path) -> None:
    job = signing.done()
    (keys / "key.pem").unlink()
    estimate = signing.client.post("/v1/jobs/estimate", json=SIGNED).json()
    (problem,) = estimate["problems"]
    assert problem["place"] == "publisher.sign"
    assert "key.pem" not in problem["detail"]
    rerun = {"changes": {"publisher.sign": True}}
    for path in (job["links"]["rerun"], f"{job['links']['rerun']}/plan"):
        answer = signing.client.post(path, json=rerun)
        assert answer.status_code == 500, answer.text
        assert "key.pem" not in answer.text


def test_clients_of_other_apis_are_told_so_too(signing: Door, keys: Path) -> None:
    (keys / "key.pem").unlink()
    asked = {"prompt": "a house", "quality": "medium"}
    answer = signing.client.post("/v1/images/generations", json=asked)
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "setup")
    assert answer.headers["x-should-retry"] == "false"
    a1111 = signing.client.post("/sdapi/v1/txt2img", json={"prompt": "a house"})
    assert a1111.status_code == 500
    for text in (answer.text, a1111.text):
        assert "publisher.sign: this service cannot do that" in text
        assert "key.pem" not in text


def test_a_job_whose_key_goes_meanwhile_fails_and_blames_no_caller(
    open_door: Open, keys: Path
) -> None:
    command = issue().write(keys)
    del command["NINEFOLD_SIGN_KEY"]
    command["NINEFOLD_SIGN_COMMAND"] = "/usr/bin/false"
    settings = read_settings(SigningSettings, command)
    door = open_door(replace(fake_engines(), signing=settings))
    job = door.submit(SIGNED)
    door.client.get(job["links"]["events"])
    ended = door.client.get(job["links"]["self"]).json()
    assert ended["status"] == "failed"
    assert ended["error"]["stage"] == "publisher"
    assert "expected a signature on the output of false" in ended["error"]["message"]
    assert ended["error"]["user_error"] is False
    assert "/usr/bin" not in str(ended["error"])
    assert door.client.portal is not None
    stored = door.client.portal.call(door.service.jobs.get, job["id"])
    with pytest.raises(UnfinishedError) as found:
        completed(stored)
    assert found.value.problem.status == 500
