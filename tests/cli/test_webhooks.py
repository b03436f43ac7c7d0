"""`ninefold webhooks`: what became of messages, and once more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ninefold.server import create_app
from ninefold.settings import Settings
from ninefold.testing import fake_engines
from tests.cli.conftest import Cli
from tests.cli.test_bad_input import refused
from tests.server.conftest import local_client
from tests.server.webhooks.receiver import receiver

NAMED = ("--data", "data")


def done(data: Path, url: str, **more: Any) -> str:
    """A job of a served folder, whose message went to `url`."""
    app = create_app(Settings(data=data, webhook_allow=["127.0.0.0/8"]), engines=fake_engines())
    asked = {"preset": "draft", "input": {"prompt": "a house"}, "webhook": {"url": url}}
    with local_client(app) as client:
        job = client.post("/v1/jobs", json=asked).json()
        client.get(job["links"]["events"])
        path = f"/v1/jobs/{job['id']}/webhook"
        while client.get(path).json()["state"] in ("waiting", "due"):
            pass
    return str(job["id"])


def test_messages_are_listed_and_made_due_again(cli: Cli, tmp_path: Path) -> None:
    with receiver(answers=[(410, {}), (204, {})]) as there:
        failed = done(tmp_path / "data", there.url)
        delivered = done(tmp_path / "data", there.url)
    shown = cli("webhooks", "list", "--json", *NAMED).document
    assert {item["job"]: item["state"] for item in shown} == {
        failed: "failed",
        delivered: "delivered",
    }
    listed = cli("webhooks", "list", "--state", "failed", *NAMED).out
    assert failed in listed
    assert "status 410" in listed
    assert "token" not in listed
    assert cli("webhooks", "replay", "--failed", *NAMED).out.split() == [failed]
    assert cli("webhooks", "replay", delivered, *NAMED).out.split() == [delivered]
    states = [item["state"] for item in cli("webhooks", "list", "--json", *NAMED).document]
    assert states == ["due", "due"]


def test_what_cannot_be_replayed_is_reported(cli: Cli) -> None:
    assert cli("submit", "a house", *NAMED).code == 0
    refused(cli("webhooks", "replay", *NAMED), "expected ids", "--failed")
    refused(cli("webhooks", "replay", "nothing", *NAMED), "'nothing' has a webhook")
    refused(cli("webhooks", "list", "--data", "elsewhere"), "no jobs in")
    assert cli("webhooks", "list", *NAMED).out == ""


def test_every_key_has_its_secret(cli: Cli) -> None:
    keys = [cli("keys", "create", name, *NAMED).out.strip() for name in ("one", "two")]
    prefixes = [item["prefix"] for item in cli("keys", "list", "--json", *NAMED).document]
    assert len(keys) == len(prefixes) == 2
    secrets = [cli("webhooks", "secret", "--key", prefix, *NAMED).out for prefix in prefixes]
    secrets.append(cli("webhooks", "secret", *NAMED).out)
    assert len(set(secrets)) == 3
    assert all(secret.startswith("whsec_") for secret in secrets)
    refused(cli("webhooks", "secret", "--key", "nf", *NAMED), "2 keys begin")
    refused(cli("webhooks", "secret", "--key", "none", *NAMED), "0 keys begin")
