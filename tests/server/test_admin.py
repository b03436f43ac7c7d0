"""What admins do over the API: keys, how the server is, and deliveries of webhooks."""

from __future__ import annotations

import os
import socket
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from ninefold._version import __version__
from ninefold.jobs.disk_use import DiskMeter, folder_bytes
from ninefold.server.keys import Keys
from ninefold.server.open_requests import PAUSE
from tests.cli.conftest import Cli, cli
from tests.server.conftest import JOB, Door, Open
from tests.server.doors import PATIENCE

__all__ = ["cli"]


def test_keys_are_made_listed_and_revoked(idle: Door) -> None:
    admin = idle.headers("admin")
    asked = {"name": "printer", "scopes": ["read"], "rate": 2.5, "max_queued": 5}
    made = idle.client.post("/v1/keys", json=asked, headers=admin)
    assert made.status_code == 201
    assert made.headers["Cache-Control"] == "no-store"
    key = made.json()
    assert {name: key[name] for name in asked} == asked
    assert key["key"].startswith(f"{key['prefix']}_")
    own = {"X-API-Key": key["key"]}
    assert idle.client.get("/v1/jobs", headers=own).status_code == 200
    assert idle.client.post("/v1/jobs", json=JOB, headers=own).status_code == 403
    listed = idle.client.get("/v1/keys", headers=admin)
    assert key["key"] not in listed.text
    assert {name: key[name] for name in key if name != "key"} in listed.json()["keys"]
    where = f"/v1/keys/{key['id']}"
    assert idle.client.delete(where, headers=own).status_code == 403
    for _ in range(2):
        assert idle.client.delete(where, headers=admin).status_code == 204
    assert idle.client.get("/v1/jobs", headers=own).status_code == 401
    keys = {item["id"]: item for item in idle.client.get("/v1/keys", headers=admin).json()["keys"]}
    assert keys[key["id"]]["revoked_at"] is not None
    for absent in ("aaaaaaaaaa", "nf_aaaaaaa"):
        assert idle.client.delete(f"/v1/keys/{absent}", headers=admin).status_code in (404, 422)
    usual = idle.client.post("/v1/keys", json={"name": "page"}, headers=admin).json()
    assert (usual["scopes"], usual["rate"]) == (["read", "submit"], None)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"name": ""},
        {"name": "a\nb"},
        {"name": "x" * 101},
        {"name": "a", "scopes": []},
        {"name": "a", "scopes": ["all"]},
        {"name": "a", "rate": 0},
        {"name": "a", "rate": 1e9},
        {"name": "a", "max_queued": 0},
        {"name": "a", "key": "nf_mine"},
    ],
)
def test_no_key_is_made_of_bad_input(asked: dict[str, Any], idle: Door) -> None:
    admin = idle.headers("admin")
    assert idle.client.post("/v1/keys", json=asked, headers=admin).status_code == 422
    assert len(idle.service.keys.list()) == 1


def test_the_command_line_shows_the_same_keys(open_door: Open, tmp_path: Path, cli: Cli) -> None:
    door = open_door(worker=False)
    door.client.post("/v1/keys", json={"name": "first", "scopes": ["admin"]}).raise_for_status()
    listed = cli("keys", "list", "--json", "--data", tmp_path / "data").document
    assert listed == [key.to_json() for key in door.service.keys.list()]


def test_the_first_key_is_answered_and_needed_from_then_on(
    idle: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is the one place where the key stands, and comes though its sender is locked out
    by then."""
    create = Keys.create

    def create_slowly(*args: Any, **kwargs: Any) -> Any:
        made = create(*args, **kwargs)
        time.sleep(5 * PAUSE)  # the keys are looked at meanwhile
        return made

    monkeypatch.setattr(Keys, "create", create_slowly)
    made = idle.client.post("/v1/keys", json={"name": "first", "scopes": ["admin"]})
    assert made.status_code == 201
    assert idle.client.get("/v1/keys").status_code == 401
    signed_in = idle.client.post("/v1/session", json={"key": made.json()["key"]}).json()
    assert idle.client.get("/v1/keys").status_code == 200
    csrf = {"X-CSRF-Token": signed_in["csrf_token"]}
    own = f"/v1/keys/{made.json()['id']}"
    assert idle.client.delete(own).status_code == 403
    assert idle.client.delete(own, headers=csrf).status_code == 204
    assert idle.client.get("/v1/keys").status_code == 401


def test_how_the_server_is(door: Door) -> None:
    admin = door.headers("admin")
    door.done(headers=admin)
    found = door.client.get("/v1/system", headers=admin)
    assert str(door.service.jobs.data.parent) not in found.text
    system = found.json()
    assert system["uptime_seconds"] > 0
    assert 0 < system["disk"]["free"] < system["disk"]["total"]
    assert system["memory"]["total"] > 0
    (worker,) = system["workers"]
    assert datetime.fromisoformat(worker.pop("started_at")).tzinfo is not None
    assert worker == {
        "name": system["worker"],
        "alive": True,
        "running": 0,
        "kind": "server",
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "version": __version__,
    }
    assert system["queue"] == {"paused": False, "queued": 0, "running": 0, "oldest_seconds": 0.0}
    end = time.monotonic() + PATIENCE
    while (disk := door.client.get("/v1/system", headers=admin).json()["disk"])["folders"] is None:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert disk["folders"]["jobs"] > 1000
    assert disk["folders"].keys() == {"jobs", "cache", "uploads"}
    assert disk["measured_at"] is not None


def test_folders_are_measured_beside_requests(tmp_path: Path) -> None:
    (tmp_path / "jobs" / "a").mkdir(parents=True)
    (tmp_path / "jobs" / "a" / "b").write_bytes(bytes(10))
    (tmp_path / "jobs" / "c").write_bytes(bytes(5))
    (tmp_path / "jobs" / "loop").symlink_to(tmp_path)
    assert folder_bytes(tmp_path / "jobs") == 15 + (tmp_path / "jobs" / "loop").lstat().st_size
    assert folder_bytes(tmp_path / "nothing") == 0
    meter = DiskMeter(tmp_path)
    end = time.monotonic() + PATIENCE
    while (first := meter.last()) is None:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert first.folders["cache"] == 0
    assert meter.last() is first


def test_deliveries_are_listed_and_sent_again(open_door: Open) -> None:
    door = open_door(webhook_allow=["127.0.0.0/8"])
    mine, other = door.headers(), door.headers()
    hook = {"url": "http://127.0.0.1:9/secret?token=hush"}  # where nobody listens
    job = door.done({**JOB, "webhook": hook}, headers=mine)
    end = time.monotonic() + PATIENCE
    while True:
        (message,) = door.client.get("/v1/webhooks", headers=mine).json()["webhooks"]
        if message["error"]:
            break
        assert time.monotonic() < end
        time.sleep(0.1)
    assert (message["job"], message["host"], message["state"]) == (job["id"], "127.0.0.1:9", "due")
    assert message["tries"] >= 1
    assert message["next_at"] is not None
    everything = door.client.get("/v1/webhooks", headers=door.headers("admin"))
    assert [item["id"] for item in everything.json()["webhooks"]] == [message["id"]]
    assert "secret" not in everything.text
    assert "hush" not in everything.text
    assert door.client.get("/v1/webhooks", headers=other).json()["webhooks"] == []
    delivered = door.client.get("/v1/webhooks", params={"state": "delivered"}, headers=mine)
    assert delivered.json()["webhooks"] == []
    retry = f"/v1/webhooks/{message['id']}/retry"
    assert door.client.post(retry, headers=other).status_code == 404
    again = door.client.post(retry, headers=mine)
    assert again.status_code == 202
    assert (again.json()["id"], again.json()["state"]) == (message["id"], "due")
