"""From the end of a job to a verified message: durable, retried, replayable, and only where it may.

The receiver is a real server, and the public `standardwebhooks` library verifies what it gets.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from ninefold.server.webhooks import outbox
from tests.server.conftest import JOB, Door, Open
from tests.server.process import server
from tests.server.webhooks.receiver import Receiver, receiver

LOOPBACK = ("127.0.0.0/8", "::1/128")
GROUP = {"preset": "draft", "inputs": [{"prompt": "a red house", "seed": 7}], "count": 2}


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries follow one another at once."""
    monkeypatch.setattr(outbox, "FIRST_WAIT", 0.05)
    monkeypatch.setattr(outbox, "_GROWTH", 1.1)


def with_hook(there: Receiver, document: dict[str, Any] = JOB) -> dict[str, Any]:
    return {**document, "webhook": {"url": there.url}}


def secret(door: Door, **options: Any) -> str:
    return str(door.client.get("/v1/webhooks/secret", **options).json()["secret"])


def state(door: Door, job: dict[str, Any], **options: Any) -> dict[str, Any]:
    found: dict[str, Any] = door.client.get(f"/v1/jobs/{job['id']}/webhook", **options).json()
    return found


def until(door: Door, job: dict[str, Any], wanted: str) -> dict[str, Any]:
    found: dict[str, Any] = until_reported(door, job, wanted, "state")
    return found


def until_reported(door: Door, job: dict[str, Any], wanted: Any, what: str = "status") -> Any:
    """The message of a job once this of it is as it should be."""
    deadline = time.monotonic() + 30
    while (found := state(door, job))[what] != wanted:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return found


def test_the_end_of_a_job_is_reported_and_verifies(open_door: Open, there: Receiver) -> None:
    door = open_door(webhook_allow=LOOPBACK, public_url="https://images.example/api")
    job = door.done(with_hook(there))
    (headers, body), *more = there.wait(1)
    message = Webhook(secret(door)).verify(body, headers)
    assert message["type"] == "job.succeeded"
    assert message["timestamp"] == job["finished_at"]
    data = message["data"]
    assert data["id"] == job["id"]
    assert data["url"] == f"https://images.example/api/v1/jobs/{job['id']}"
    assert [item["sha256"] for item in data["outputs"]] == [o["sha256"] for o in job["outputs"]]
    assert all(item["url"].startswith(data["url"] + "/artifacts/") for item in data["outputs"])
    assert len(body) < 4096
    assert "red house" not in body.decode()
    reported = until(door, job, "delivered")
    assert (reported["tries"], reported["status"], reported["id"]) == (
        1,
        204,
        headers["webhook-id"],
    )
    time.sleep(1.2)  # two more looks
    assert len(there.requests) == 1
    assert not more


def test_failed_and_cancelled_jobs_are_reported_too(open_door: Open, there: Receiver) -> None:
    from ninefold.testing import fake_engines

    door = open_door(fake_engines(fail_on="text_to_image"), webhook_allow=LOOPBACK)
    job = door.submit(with_hook(there))
    message = json.loads(there.wait(1)[0][1])
    assert message["type"] == "job.failed"
    assert message["data"]["error"]["stage"] == "text_to_image"
    run_portal(door, door.service.jobs.pause)
    job = door.submit(with_hook(there, {**JOB, "input": {"prompt": "a tent"}}))
    door.client.post(f"/v1/jobs/{job['id']}/cancel")
    assert json.loads(there.wait(2)[1][1])["type"] == "job.cancelled"


def test_a_group_tells_of_each_job_and_then_of_itself(open_door: Open, there: Receiver) -> None:
    door = open_door(webhook_allow=LOOPBACK)
    answer = door.client.post("/v1/groups", json=with_hook(there, GROUP))
    assert answer.status_code == 202, answer.text
    group = answer.json()
    messages = [json.loads(body) for _, body in there.wait(3)]
    assert [item["type"] for item in messages] == [*["job.succeeded"] * 2, "group.succeeded"]
    whole = messages[-1]
    assert whole["data"]["id"] == group["id"]
    assert whole["data"]["counts"] == {"succeeded": 2}
    reported = door.client.get(f"/v1/groups/{group['id']}/webhook").json()
    assert (reported["group"], reported["job"]) == (group["id"], None)


def test_a_groups_message_waits_for_those_of_its_jobs(
    open_door: Open, there: Receiver, quick: None
) -> None:
    """Also where one of them is only taken at a later try."""
    there.answers = [(500, {}), (204, {}), (503, {})]
    door = open_door(webhook_allow=LOOPBACK)
    door.client.post("/v1/groups", json=with_hook(there, GROUP)).raise_for_status()
    types = [json.loads(body)["type"] for _, body in there.wait(5)]
    assert types == [*["job.succeeded"] * 4, "group.succeeded"]


def test_a_receiver_that_fails_is_tried_again_with_the_same_id(
    open_door: Open, there: Receiver, quick: None
) -> None:
    there.answers = [(500, {}), (302, {"Location": "/elsewhere"}), (503, {})]
    door = open_door(webhook_allow=LOOPBACK)
    job = door.done(with_hook(there))
    requests = there.wait(4)
    assert len({headers["webhook-id"] for headers, _ in requests}) == 1
    assert len({body for _, body in requests}) == 1
    assert until(door, job, "delivered")["tries"] == 4


def test_waits_grow_and_tries_end() -> None:
    waits = [outbox.wait_after(number) for number in range(1, outbox.MAX_TRIES)]
    assert all(2 < later / wait < 4.6 for wait, later in pairwise(waits))
    assert 8 * 3600 < sum(waits) < 20 * 3600


def test_the_last_try_is_reported_and_a_replay_begins_anew(
    open_door: Open, there: Receiver, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MAX_TRIES", 3)
    there.answers = [(500, {})] * 3
    door = open_door(webhook_allow=LOOPBACK)
    job = door.done(with_hook(there))
    failed = until(door, job, "failed")
    assert (failed["tries"], failed["status"]) == (3, 500)
    answer = door.client.post(f"/v1/jobs/{job['id']}/webhook/replay")
    assert answer.status_code == 202
    until(door, job, "delivered")
    assert len({headers["webhook-id"] for headers, _ in there.wait(4)}) == 1


def test_a_groups_replay_sends_what_it_waits_for_first(open_door: Open, there: Receiver) -> None:
    there.answers = [(503, {"Retry-After": "3600"})] * 2
    door = open_door(webhook_allow=LOOPBACK)
    group = door.client.post("/v1/groups", json=with_hook(there, GROUP)).json()
    there.wait(2)
    for job in group["jobs"]:
        until_reported(door, job, 503)
    path = f"/v1/groups/{group['id']}/webhook"
    assert door.client.get(path).json()["state"] == "waiting"
    answer = door.client.post(f"{path}/replay")
    assert (answer.status_code, answer.json()["state"]) == (202, "waiting")
    types = [json.loads(body)["type"] for _, body in there.wait(5)[2:]]
    assert types == [*["job.succeeded"] * 2, "group.succeeded"]


def test_gone_ends_the_tries(open_door: Open, there: Receiver) -> None:
    there.answers = [(410, {})]
    door = open_door(webhook_allow=LOOPBACK)
    assert until(door, door.done(with_hook(there)), "failed")["tries"] == 1


def test_what_has_not_ended_or_has_no_webhook_cannot_be_replayed(
    open_door: Open, there: Receiver
) -> None:
    door = open_door(webhook_allow=LOOPBACK, worker=False)
    job, plain = door.submit(with_hook(there)), door.submit()
    path = "/v1/jobs/{}/webhook{}"
    assert door.client.post(path.format(job["id"], "/replay")).status_code == 409
    assert door.client.post(path.format(plain["id"], "/replay")).status_code == 404
    assert door.client.get(path.format(plain["id"], "")).status_code == 404
    assert state(door, job)["state"] == "waiting"
    group = door.client.post("/v1/groups", json=with_hook(there, GROUP)).json()
    assert door.client.post(f"/v1/groups/{group['id']}/webhook/replay").status_code == 409


def test_every_key_signs_with_a_secret_of_its_own(open_door: Open, there: Receiver) -> None:
    door = open_door(webhook_allow=LOOPBACK)
    keys = [door.headers("submit", "read") for _ in range(2)]
    secrets = [secret(door, headers=headers) for headers in keys]
    assert len(set(secrets)) == 2
    door.done(with_hook(there), headers=keys[1])
    headers, body = there.wait(1)[0]
    Webhook(secrets[1]).verify(body, headers)
    with pytest.raises(Exception, match="No matching signature"):
        Webhook(secrets[0]).verify(body, headers)


def test_a_secret_of_the_settings_is_used_and_changes_over(
    open_door: Open, there: Receiver, tmp_path: Path
) -> None:
    old, new = "o" * 32, "n" * 32
    with_old = secret(open_door(data=tmp_path / "old", webhook_secret=old, worker=False))
    door = open_door(webhook_allow=LOOPBACK, webhook_secret=new, webhook_secret_old=old)
    door.done(with_hook(there))
    headers, body = there.wait(1)[0]
    Webhook(with_old).verify(body, headers)
    Webhook(secret(door)).verify(body, headers)


@pytest.mark.parametrize(
    "url",
    [
        *("http://169.254.169.254/latest/meta-data/", "https://169.254.169.254/"),
        *("https://[::ffff:169.254.169.254]/", "https://[fd00:ec2::254]/", "https://2852039166/"),
        *("https://localhost/", "https://127.1/", "https://[::1]/", "https://10.0.0.1/"),
        *(
            "http://example.com/",
            "https://user:pw@1.1.1.1/",
            "ftp://1.1.1.1/",
            "file:///etc/passwd",
        ),
        "https://no-such-host.invalid/",
    ],
)
def test_where_none_may_go_nothing_is_stored(idle: Door, url: str) -> None:
    answer = idle.client.post("/v1/jobs", json={**JOB, "webhook": {"url": url}})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert "webhook" in answer.text
    assert "pw" not in answer.json()["detail"]
    assert idle.client.get("/v1/jobs").json()["jobs"] == []


def test_a_deleted_job_takes_its_message_along(open_door: Open, there: Receiver) -> None:
    door = open_door(webhook_allow=LOOPBACK)
    job = door.done(with_hook(there))
    until(door, job, "delivered")
    assert door.client.delete(f"/v1/jobs/{job['id']}").status_code == 204
    messages = outbox.Outbox(door.service.jobs.store)
    assert len(messages.list()) == 1
    messages.forget()
    assert messages.list() == []


def test_no_secret_and_no_path_of_a_hook_is_in_logs_or_documents(
    open_door: Open, there: Receiver, caplog: pytest.LogCaptureFixture, quick: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(outbox, "MAX_TRIES", 2)
    there.answers = [(500, {})] * 2
    caplog.set_level(logging.DEBUG)
    door = open_door(webhook_allow=LOOPBACK, webhook_secret="m" * 40)
    job = door.done(with_hook(there))
    until(door, job, "failed")
    shown = json.dumps([job, state(door, job), door.client.get("/v1/jobs").json()])
    for text in (caplog.text, shown):
        assert "token=abc" not in text
        assert "whsec_" not in text
        assert "m" * 40 not in text
    assert "was given up after 2 tries: status 500" in caplog.text


def test_a_message_outlives_the_server_that_was_to_send_it(tmp_path: Path) -> None:
    """`kill -9` between the job's end and the receiver's acceptance: the next server sends it."""
    data = tmp_path / "data"
    options = {"environment": {"NINEFOLD_WEBHOOK_ALLOW": "127.0.0.0/8"}}
    with receiver(pause=30) as deaf, server(data, **options) as first, first.client() as client:
        job = client.post("/v1/jobs", json=with_hook(deaf)).json()
        deaf.wait(1)
        first.kill()
    with receiver() as there, server(data, **options) as second:
        # The claimed try counts as made; have it due at once, and to where someone listens.
        moved(data, there.url)
        (headers, _), *_ = there.wait(1)
        assert headers["webhook-id"] == deaf.requests[0][0]["webhook-id"]
        with second.client() as client:
            path = f"/v1/jobs/{job['id']}/webhook"
            deadline = time.monotonic() + 30
            while (reported := client.get(path).json())["state"] != "delivered":
                assert time.monotonic() < deadline
                time.sleep(0.05)
        assert reported["tries"] == 2


def moved(data: Path, url: str) -> None:
    import sqlite3

    with sqlite3.connect(data / "ninefold.db", timeout=30) as connection:
        connection.execute("UPDATE ninefold_webhooks SET next_at = 0, url = ?", (url,))
    connection.close()


def run_portal(door: Door, function: Any) -> None:
    assert door.client.portal is not None
    door.client.portal.call(function)
