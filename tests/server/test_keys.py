"""API keys: made, hashed, scoped, revoked, and counted."""

from __future__ import annotations

import base64
import re

import pytest

from ninefold.core.errors import InputError, NotFoundError
from ninefold.jobs.database import connect, database_url
from ninefold.server.keys import Keys
from tests.cli.conftest import Cli, cli
from tests.jobs.conftest import Place, place, postgres_server
from tests.server.conftest import JOB, Door, Open

__all__ = ["cli", "place", "postgres_server"]


def test_a_key_is_found_by_its_text_alone(place: Place) -> None:
    place.data.mkdir()
    engine = connect(database_url(place.data, place.database), create=True)
    keys = Keys(engine)
    assert not keys.any()
    assert not keys.ever()
    key, token = keys.create("printer", ["read", "submit"], rate=2.5)
    assert re.fullmatch(r"nf_[a-z2-7]{10}_[\w-]{43}", token)
    assert token.startswith(key.prefix)
    assert keys.find(token) == key == Keys(engine).list()[0]
    other = token[:-1] + ("a" if token[-1] != "a" else "b")
    for wrong in ("", "nf_", key.prefix, other, token + "a", token.upper(), "nf_é" + token[4:]):
        assert keys.find(wrong) is None
    assert keys.any()
    assert keys.revoke(key.prefix).revoked_at is not None
    assert keys.find(token) is None
    assert not keys.any()
    assert keys.ever()
    assert Keys(engine).ever()
    assert keys.list()[0].name == "printer"
    with pytest.raises(NotFoundError):
        keys.revoke("nf_aaaaaaaaaa")
    for name in ("", "x" * 101, "a\nb"):
        with pytest.raises(InputError):
            keys.create(name, ["read"])
    assert keys.secret("links") == Keys(engine).secret("links")
    engine.dispose()


def test_the_database_holds_no_key(idle: Door) -> None:
    token = idle.key()
    secret = token.split("_", 2)[2]  # may hold an underscore itself
    assert len(secret) > 40
    for file in idle.service.jobs.data.rglob("*"):
        assert not (file.is_file() and secret.encode() in file.read_bytes())


def test_a_key_travels_in_three_ways(idle: Door) -> None:
    token = idle.key()
    basic = base64.b64encode(f"anyone:{token}".encode()).decode()
    for headers in (
        {"Authorization": f"Bearer {token}"},
        {"authorization": f"bearer  {token} "},
        {"X-API-Key": token},
        {"Authorization": f"Basic {basic}"},
    ):
        assert idle.client.get("/v1/jobs", headers=headers).status_code == 200
    for headers in (
        {"Authorization": "Bearer"},
        {"Authorization": f"Token {token}"},
        {"Authorization": "Basic ???"},
        {"Authorization": "Basic " + base64.b64encode(token.encode()).decode()},
        {"X-API-Key": ""},
        {},
    ):
        answer = idle.client.get("/v1/jobs", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert answer.json()["type"] == "urn:ninefold:problem:unauthorized"


def test_a_revoked_key_ends_at_once(idle: Door) -> None:
    headers = idle.headers()
    job = idle.submit(headers=headers)
    idle.service.keys.revoke(idle.service.keys.list()[0].id)
    idle.key()
    assert idle.client.get(job["links"]["self"], headers=headers).status_code == 401
    admin = idle.headers("admin")
    assert idle.client.get(job["links"]["self"], headers=admin).json()["status"] == "queued"


def test_no_key_is_needed_before_there_is_one(idle: Door) -> None:
    assert idle.client.get("/v1/jobs").status_code == 200
    idle.key()
    assert idle.client.get("/v1/jobs").status_code == 401


def test_a_revoked_key_is_needed_still(open_door: Open) -> None:
    """Revoking the last key lets nobody in: not now, and not after a restart."""
    door = open_door(worker=False)
    door.key()
    door.service.keys.revoke(door.service.keys.list()[0].id)
    assert door.client.get("/v1/jobs").status_code == 401
    for settings in ({}, {"insecure": True, "host": "0.0.0.0"}):
        again = open_door(worker=False, **settings)
        assert again.client.get("/v1/jobs").status_code == 401


def test_insecure_needs_no_key_before_there_is_one(open_door: Open) -> None:
    door = open_door(worker=False, insecure=True, host="0.0.0.0")
    elsewhere = {"Host": "images.example", "X-Forwarded-For": "192.0.2.1"}
    assert door.client.get("/v1/jobs", headers=elsewhere).status_code == 200
    door.key()
    assert door.client.get("/v1/jobs", headers=elsewhere).status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "localhost:8000"}, 200),
        ({"Host": "127.0.0.1"}, 200),
        ({"Host": "[::1]:8000"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Origin": "http://localhost"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_no_page_of_another_site_is_served_without_a_key(
    headers: dict[str, str], status: int, idle: Door
) -> None:
    """Neither by a form it sends here, nor by a name of its own that points here."""
    assert idle.client.get("/v1/jobs", headers=headers).status_code == status
    keyed = headers | idle.headers()
    assert idle.client.get("/v1/jobs", headers=keyed).status_code == 200


def test_a_key_has_a_rate(open_door: Open) -> None:
    door = open_door(worker=False, rate=0.01, burst=3)
    one, other = door.headers(), door.headers()
    answers = [door.client.get("/v1/jobs", headers=one) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert 90 <= int(answers[-1].headers["Retry-After"]) <= 100
    assert answers[-1].json()["type"] == "urn:ninefold:problem:rate-limited"
    assert door.client.get("/v1/jobs", headers=other).status_code == 200
    assert door.client.get("/healthz", headers=one).status_code == 200


def test_the_commands(cli: Cli) -> None:
    made = cli("keys", "create", "printer", "--scope", "read", "--max-queued", 5, "--data", "d")
    assert made.code == 0
    token = made.out.strip()
    assert token not in made.err
    assert cli("keys", "create", "press", "--data", "d").code == 0
    listed = cli("keys", "list", "--data", "d")
    assert token[:13] in listed.out
    assert token not in listed.out
    named = {key["name"]: key for key in cli("keys", "list", "--json", "--data", "d").document}
    first, second = named["printer"], named["press"]
    assert first["scopes"] == ["read"]
    assert (first["max_queued"], second["scopes"]) == (5, ["read", "submit"])
    assert cli("keys", "revoke", token[:13], "--data", "d").code == 0
    assert "revoked" in cli("keys", "list", "--data", "d").out
    unknown = cli("keys", "revoke", "nf_aaaaaaaaaa", "--data", "d")
    assert unknown.code == 2
    assert cli("keys", "create", "x", "--scope", "all", "--data", "d").code == 2


def test_a_submit_needs_no_read_scope(idle: Door) -> None:
    headers = idle.headers("submit")
    job = idle.submit(JOB, headers=headers)
    assert idle.client.get(job["links"]["self"], headers=headers).status_code == 403
    assert idle.client.post(job["links"]["cancel"], headers=headers).status_code == 200
