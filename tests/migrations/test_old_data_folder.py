"""A data folder of a version without migrations opens, with all that it holds, and goes on."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from ninefold.cli import main
from ninefold.server import create_app
from ninefold.settings import Settings
from ninefold.testing import fake_engines
from tests.migrations.folders import OldFolder
from tests.server.conftest import local_client
from tests.server.webhooks.receiver import Receiver, receiver


def test_an_old_folder_opens_and_goes_on(old: OldFolder) -> None:
    with receiver() as hooks:
        _send_webhooks_to(old, hooks)
        settings = Settings(
            data=old.place.data,
            database=old.place.database,
            webhook_allow=("127.0.0.0/8",),
            uploads_hours=1e6,
        )
        with local_client(create_app(settings, engines=fake_engines())) as client:
            _keys_are_there(client, old)
            _ended_jobs_are_there(client, old)
            _what_is_beside_jobs_is_there(client, old)
            _unfinished_jobs_go_on(client, old)
            again = _rerun(client, old)
            sent = [json.loads(body) for _, body in hooks.wait(3)]
            messages = {message["data"]["id"]: message["type"] for message in sent}
    assert messages == {
        old.jobs["failed"]: "job.failed",  # its receiver was busy
        old.jobs["running"]: "job.succeeded",
        old.jobs["queued"]: "job.succeeded",
    }
    assert again["parent"] == old.jobs["succeeded"]
    assert again["reused"] == ["prompt"]


def test_a_command_that_only_reads_opens_it_too(
    old: OldFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["jobs", "list", "--json", "--data", str(old.place.data)]
    if old.place.database is not None:
        arguments += ["--database", old.place.database]
    assert main(arguments) == 0
    found = {job["id"] for job in json.loads(capsys.readouterr().out)}
    assert set(old.jobs.values()) <= found


def test_doctor_looks_and_changes_nothing(
    old: OldFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["doctor", "--data", str(old.place.data)]
    if old.place.database is not None:
        arguments += ["--database", old.place.database]
    assert main(arguments) == 0
    assert "of an earlier version" in capsys.readouterr().out
    assert not old.has("ninefold_migrations")


def _send_webhooks_to(old: OldFolder, hooks: Receiver) -> None:
    """Have the receiver that the folder knows stand where one listens now."""
    before = old.expected["receiver"].removeprefix("http://")
    old.execute(
        f"UPDATE ninefold_webhooks SET url = replace(url, '{before}', 'localhost:{hooks.port}'), "
        f"host = 'localhost:{hooks.port}'"
    )


def _keys_are_there(client: TestClient, old: OldFolder) -> None:
    keys = old.expected["keys"]
    found = {name: client.get("/v1/jobs", headers=_with(key)) for name, key in keys.items()}
    # The second may submit only: it is known, and reported what it lacks.
    statuses = {name: answer.status_code for name, answer in found.items()}
    assert statuses == {"a shop": 200, "another shop": 403, "the owner": 200}
    revoked = client.get("/v1/jobs", headers=_with(old.expected["revoked"]))
    assert revoked.status_code == 401


def _ended_jobs_are_there(client: TestClient, old: OldFolder) -> None:
    wanted = {
        "succeeded": "succeeded",
        "from_upload": "succeeded",
        "failed": "failed",
        "of_revoked_key": "succeeded",
        "rerun": "succeeded",
        "cancelled": "cancelled",
    }
    jobs = {name: _job(client, old, old.jobs[name]) for name in wanted}
    assert {name: job["status"] for name, job in jobs.items()} == wanted
    assert jobs["rerun"]["parent"] == old.jobs["succeeded"]
    assert "sharpness" in jobs["failed"]["error"]["message"]
    [output, *_] = jobs["succeeded"]["outputs"]
    picture = client.get(output["url"], headers=_with(old.expected["keys"]["a shop"]))
    assert hashlib.sha256(picture.content).hexdigest() == output["sha256"]
    group = client.get(f"/v1/groups/{old.expected['groups']['ended']}", headers=_owner(old)).json()
    assert group["counts"] == {"succeeded": 2}
    whose = client.get(
        f"/v1/jobs/{old.jobs['of_revoked_key']}", headers=_with(old.expected["keys"]["a shop"])
    )
    assert whose.status_code == 404


def _what_is_beside_jobs_is_there(client: TestClient, old: OldFolder) -> None:
    mine = _with(old.expected["keys"]["a shop"])
    asked = old.expected["idempotency"]
    same = client.post("/v1/jobs", json=asked["body"], headers={**mine, "Idempotency-Key": "x"})
    assert same.json()["id"] != asked["job"]
    again = {**mine, "Idempotency-Key": asked["key"]}
    assert client.post("/v1/jobs", json=asked["body"], headers=again).json()["id"] == asked["job"]
    changed = {**asked["body"], "input": {"prompt": "a barn"}}
    assert client.post("/v1/jobs", json=changed, headers=again).status_code == 409
    upload = client.get(f"/v1/uploads/{old.expected['upload']}", headers=mine)
    assert upload.json()["size"] == old.expected["picture_bytes"]
    states = {
        name: client.get(f"/v1/jobs/{old.jobs[name]}/webhook", headers=_owner(old)).json()["state"]
        for name in ("succeeded", "of_revoked_key", "cancelled")
    }
    assert list(states.values()) == ["delivered", "failed", "delivered"]
    options = client.get("/sdapi/v1/options", headers=mine).json()
    assert options["save_txt"] is True


def _unfinished_jobs_go_on(client: TestClient, old: OldFolder) -> None:
    for name in ("running", "queued"):
        client.get(f"/v1/jobs/{old.jobs[name]}/events", headers=_owner(old))  # ends with the job
    orphan, queued = (_job(client, old, old.jobs[name]) for name in ("running", "queued"))
    assert (orphan["status"], queued["status"]) == ("succeeded", "succeeded")
    assert orphan["attempts"]["prompt"] == 1
    assert orphan["attempts"]["text_to_image"] == 2  # the old process was killed in it


def _rerun(client: TestClient, old: OldFolder) -> Any:
    mine = _with(old.expected["keys"]["a shop"])
    job = client.post(
        f"/v1/jobs/{old.jobs['succeeded']}/rerun",
        json={"from_stage": "text_to_image"},
        headers=mine,
    ).json()
    client.get(f"/v1/jobs/{job['id']}/events", headers=mine)
    found = _job(client, old, job["id"])
    assert found["status"] == "succeeded", found
    return found


def _job(client: TestClient, old: OldFolder, job_id: str) -> Any:
    answer = client.get(f"/v1/jobs/{job_id}", headers=_owner(old))
    assert answer.status_code == 200, answer.text
    return answer.json()


def _owner(old: OldFolder) -> dict[str, str]:
    return _with(old.expected["keys"]["the owner"])


def _with(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}
