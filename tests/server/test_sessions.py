"""A browser signs in with a key: what its cookie does, and what it does not."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2 as httpx
import pytest

from ninefold.server.keys import Keys
from tests.server.browser import Browser, cookie_of
from tests.server.conftest import JOB, Open
from tests.server.doors import PATIENCE
from tests.server.process import ServerProcess, server
from tests.server.process_keys import data, keys
from tests.server.test_revoked import SOON

__all__ = ["data", "keys"]

WRONG = f"nf_{'a' * 10}_{'b' * 43}"


@pytest.fixture(scope="module")
def running(data: Path, keys: Keys) -> Iterator[ServerProcess]:
    """A server whose jobs stay queued: their events go on for ever."""
    keys.create("first", ["admin"])
    with server(data, "--no-worker") as found:
        yield found


@pytest.fixture
def sign_in(running: ServerProcess, keys: Keys) -> Iterator[Callable[..., Browser]]:
    """`sign_in()`: a browser that is signed in with a key of its own, or with one that is given."""
    clients: list[httpx.Client] = []

    def signed_in(key: str | None = None) -> Browser:
        clients.append(running.client())
        return Browser(clients[-1], key or keys.create("page", ["read", "submit"])[1])

    yield signed_in
    for client in clients:
        client.close()


def test_a_page_signs_in_and_out(sign_in: Callable[..., Browser], running: ServerProcess) -> None:
    browser = sign_in()
    assert browser.answer.headers["Cache-Control"] == "no-store"
    shown = browser.client.get("/v1/session").json()
    assert shown == browser.document
    assert (shown["signed_in"], shown["keyless"]) == (True, False)
    assert shown["key"] == {"id": browser.key[3:13], "name": "page"}
    assert shown["scopes"] == ["read", "submit"]
    left = datetime.fromisoformat(shown["expires_at"]) - datetime.now(UTC)
    assert timedelta(hours=11) < left <= timedelta(hours=12)
    assert shown["limits"]["max_image_bytes"] == 16 * 2**20
    assert shown["limits"]["max_queued"] == 1000
    job = browser.submit()
    assert job.status_code == 202
    assert browser.client.get(job.json()["links"]["self"]).json()["status"] == "queued"
    out = browser.client.delete("/v1/session", headers=browser.csrf)
    assert out.status_code == 204
    assert not browser.client.cookies
    with running.client(cookies={"ninefold_session": browser.cookie.value}) as kept:
        assert kept.get("/v1/jobs").status_code == 401
        gone = kept.get("/v1/session")
        assert gone.json()["signed_in"] is False
        assert cookie_of(gone)["max-age"] == "0"
    assert browser.client.delete("/v1/session").status_code == 204  # there is none to end


def test_who_asks_is_known_without_a_session_too(running: ServerProcess, keys: Keys) -> None:
    with running.client() as client:
        nobody = client.get("/v1/session")
        assert nobody.status_code == 200
        assert nobody.json()["signed_in"] is nobody.json()["keyless"] is False
        assert nobody.json()["scopes"] == []
        assert nobody.json()["limits"] is None
        assert "Set-Cookie" not in nobody.headers
        wrong = client.get("/v1/session", headers={"X-API-Key": WRONG}).json()
        assert wrong == nobody.json()
        _, token = keys.create("program", ["read"], max_queued=3, rate=5)
        program = client.get("/v1/session", headers={"X-API-Key": token}).json()
    assert program["signed_in"] is True
    assert program["csrf_token"] is program["expires_at"] is None
    assert (program["limits"]["max_queued"], program["limits"]["rate"]) == (3, 5)


def test_where_no_key_is_needed_nobody_has_to_sign_in(open_door: Open) -> None:
    door = open_door(worker=False)
    shown = door.client.get("/v1/session").json()
    assert (shown["signed_in"], shown["keyless"], shown["key"]) == (False, True, None)
    assert shown["scopes"] == ["admin", "read", "submit"]
    assert shown["limits"]["rate"] is None
    stale = {"Cookie": f"ninefold_session={'a' * 43}"}
    assert door.client.post("/v1/jobs", json=JOB, headers=stale).status_code == 202
    assert door.client.get("/v1/session", headers={"Origin": "null"}).status_code == 403
    proxied = door.client.get("/v1/session", headers={"Via": "1.1 proxy"}).json()
    assert (proxied["keyless"], proxied["limits"]) == (False, None)
    key = door.key()
    assert door.client.get("/v1/session").json()["keyless"] is False
    assert door.client.post("/v1/session", json={"key": key}).status_code == 201


def test_the_cookie_is_for_this_server_and_no_script(sign_in: Callable[..., Browser]) -> None:
    cookie = sign_in().cookie
    assert len(cookie.value) == 43
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "strict", "/")
    assert cookie["max-age"] == str(12 * 3600)
    assert not cookie["secure"]  # a browser would not keep it for http://127.0.0.1
    assert not cookie["domain"]


@pytest.mark.parametrize("way", ["scheme", "proxy", "public_url"])
def test_the_cookie_stays_on_https_where_the_page_came_by_it(way: str, open_door: Open) -> None:
    url = "https://images.example" if way == "public_url" else None
    door = open_door(worker=False, public_url=url)
    if way == "scheme":
        door.client.base_url = httpx.URL("https://localhost")
    headers = {"X-Forwarded-Proto": "https"} if way == "proxy" else {}
    answer = door.client.post("/v1/session", json={"key": door.key()}, headers=headers)
    assert cookie_of(answer)["secure"]


def test_what_changes_something_needs_the_sessions_csrf_token(
    sign_in: Callable[..., Browser],
) -> None:
    mine, other = sign_in(), sign_in()
    again = sign_in(mine.key)
    job = mine.submit().json()["links"]
    for headers in (
        {},
        {"X-CSRF-Token": ""},
        {"X-CSRF-Token": "wrong"},
        {"X-CSRF-Token": mine.document["csrf_token"].upper()},
        other.csrf,
        again.csrf,  # of the same key, in another browser
    ):
        for method, path in (
            ("POST", "/v1/jobs"),
            ("POST", job["cancel"]),
            ("DELETE", job["self"]),
            ("DELETE", "/v1/session"),
        ):
            answer = mine.client.request(method, path, json=JOB, headers=headers)
            assert answer.status_code == 403, (method, path, headers)
            assert answer.json()["type"] == "urn:ninefold:problem:csrf"
    assert mine.client.get(job["self"]).json()["status"] == "queued"
    twice = [("X-CSRF-Token", "wrong"), *mine.csrf.items()]
    assert mine.client.post(job["cancel"], headers=twice).status_code == 403
    assert mine.client.post(job["cancel"], headers=mine.csrf).status_code == 200
    # A key is sent on purpose, and needs none of it.
    keyed = {"X-API-Key": mine.key, "Origin": "https://evil.example"}
    assert mine.client.post("/v1/jobs", json=JOB, headers=keyed).status_code == 202


@pytest.mark.parametrize(
    ("headers", "served"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Origin": "own"}, True),
        ({"Origin": "null"}, False),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "http://127.0.0.1:1"}, False),
        ({"Origin": "own", "Sec-Fetch-Site": "cross-site"}, False),
    ],
)
def test_only_pages_of_this_server_use_a_session(
    headers: dict[str, str], served: bool, sign_in: Callable[..., Browser], running: ServerProcess
) -> None:
    browser = sign_in()
    own = running.url.rstrip("/")
    sent = {name: own if value == "own" else value for name, value in headers.items()}
    assert (browser.client.get("/v1/jobs", headers=sent).status_code == 200) is served
    submitted = browser.client.post("/v1/jobs", json=JOB, headers=browser.csrf | sent)
    assert submitted.status_code == (202 if served else 403)
    with running.client() as client:  # nor signs a browser in, with somebody else's key
        answer = client.post("/v1/session", json={"key": browser.key}, headers=sent)
        assert answer.status_code == (201 if served else 403)


def test_another_key_sees_nothing_of_it(sign_in: Callable[..., Browser]) -> None:
    one, other = sign_in(), sign_in()
    job = one.submit().json()
    assert job["id"] in one.client.get("/v1/jobs").text
    assert other.client.get("/v1/jobs").json()["jobs"] == []
    assert other.client.get(job["links"]["self"]).status_code == 404
    assert sign_in(one.key).client.get(job["links"]["self"]).status_code == 200
    # Whoever sends a key of its own beside the cookie is the key's holder.
    keyed = {"Authorization": f"Bearer {other.key}"}
    assert one.client.get(job["links"]["self"], headers=keyed).status_code == 404


def test_a_session_may_what_its_key_may(sign_in: Callable[..., Browser], keys: Keys) -> None:
    reader = sign_in(keys.create("reader", ["read"])[1])
    assert reader.status() == 200
    assert reader.submit().status_code == 403


@pytest.mark.parametrize("end", ["sign out", "revoke", "sign in again"])
def test_a_stream_ends_with_its_session(
    end: str, sign_in: Callable[..., Browser], running: ServerProcess, keys: Keys
) -> None:
    browser = sign_in()
    other = sign_in(browser.key)
    events = browser.submit().json()["links"]["events"]
    cookie = {"ninefold_session": browser.cookie.value}
    begun = threading.Event()

    def read() -> str:
        with (
            running.client(cookies=cookie) as client,
            client.stream("GET", events, headers={"Sec-Fetch-Site": "same-origin"}) as stream,
        ):
            assert stream.status_code == 200
            begun.set()
            return "".join(stream.iter_text())

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        assert begun.wait(PATIENCE)
        time.sleep(0.5)
        assert not reading.done()
        if end == "revoke":
            keys.revoke(browser.key)
        elif end == "sign out":
            browser.client.delete("/v1/session", headers=browser.csrf).raise_for_status()
        else:
            Browser(browser.client, browser.key)
        assert "job_ended" not in reading.result(SOON)
    with running.client(cookies=cookie) as client:
        assert client.get("/v1/jobs").status_code == 401
    assert other.status() == (401 if end == "revoke" else 200)


def test_wrong_keys_are_answered_alike_and_held_back(open_door: Open) -> None:
    door = open_door(worker=False)
    key = door.key()
    revoked = door.key()
    door.service.keys.revoke(revoked)
    wrong = [WRONG, revoked, key[:-1], key.upper(), "", "hunter2", "nf_é", f"{key[:14]}{'b' * 43}"]
    answers = [door.client.post("/v1/session", json={"key": text}) for text in wrong * 4]
    first, *_, last = answers
    assert first.status_code == 401
    assert last.status_code == 429
    assert int(last.headers["Retry-After"]) >= 1
    assert {answer.text for answer in answers} == {first.text, last.text} | {
        answer.text for answer in answers if answer.status_code == 429
    }
    assert not any("Set-Cookie" in answer.headers for answer in answers)
    assert door.client.post("/v1/session", json={"key": key}).status_code == 201


def test_a_session_counts_toward_the_rate_of_its_key(open_door: Open) -> None:
    door = open_door(worker=False, rate=0.01, burst=3)
    browser = Browser(door.client, door.key())
    assert [browser.status() for _ in range(3)] == [200, 200, 429]


def test_no_answer_and_no_file_holds_the_key(
    open_door: Open, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    door = open_door(worker=False)
    key = door.key()
    secret = key.split("_", 2)[2]
    bodies: list[object] = [
        {"key": key},
        {"key": [key]},
        {"key": {key: 1}},
        {"key": key + "x" * 300},
        {key: 1},
        {"kye": key},
        [key],
        key,
    ]
    answers = [door.client.post("/v1/session", json=body) for body in bodies]
    assert [answer.status_code for answer in answers] == [201] + [422] * 7
    answers += [
        door.client.post("/v1/session", content=f'{{"key": "{key}'),
        door.client.post("/v1/session", data={"key": key}),
        door.client.get(f"/v1/nothing/{key}"),
        door.client.get("/v1/jobs", params={"limit": key}),
        door.client.get("/v1/session"),
    ]
    assert not any(secret[:20] in answer.text for answer in answers)
    token = cookie_of(answers[0]).value
    for file in door.service.jobs.data.rglob("*"):
        content = file.read_bytes() if file.is_file() else b""
        assert secret.encode() not in content
        assert token.encode() not in content
    own = [entry.getMessage() for entry in caplog.records if not entry.name.startswith("http")]
    assert not any(text in line for text in (secret, token) for line in own)


def test_a_sign_in_is_small(running: ServerProcess) -> None:
    with running.client() as client:
        answer = client.post("/v1/session", json={"key": "x" * 5000})
    assert answer.status_code == 413
