"""How long a session holds, and where; and what of a request's head counts."""

from __future__ import annotations

import time
from pathlib import Path

from starlette.datastructures import Headers

from ninefold.jobs.database import connect, database_url
from ninefold.server.identification import session_token
from ninefold.server.keys import Keys
from ninefold.server.origins import foreign_origin
from ninefold.server.sessions import Sessions
from tests.jobs.conftest import Place, place, postgres_server
from tests.server.browser import Browser
from tests.server.conftest import JOB
from tests.server.doors import PATIENCE
from tests.server.process import server

__all__ = ["place", "postgres_server"]


def test_a_session_expires(tmp_path: Path) -> None:
    engine = connect(database_url(tmp_path, None), create=True)
    _, key = Keys(engine).create("page", ["read", "submit"])
    engine.dispose()
    hours = {"NINEFOLD_SESSION_HOURS": str(4 / 3600)}
    with (
        server(tmp_path, "--no-worker", environment=hours) as place,
        place.client() as client,
        place.client() as kept,
    ):
        browser = Browser(client, key)
        assert browser.cookie["max-age"] == "4"
        kept.headers["Cookie"] = f"ninefold_session={browser.cookie.value}"  # though it is over
        job = browser.submit().raise_for_status().json()
        begun = time.monotonic()
        assert "job_ended" not in kept.get(job["links"]["events"]).text  # ends with the session
        assert time.monotonic() - begun < PATIENCE
        late = kept.get("/v1/jobs")
        assert late.status_code == 401
        assert "Sign in again" in late.json()["detail"]
        assert kept.get("/v1/session").json()["signed_in"] is False
        Browser(client, key)


def test_a_session_outlives_a_restart_and_holds_on_every_server(place: Place) -> None:
    place.data.mkdir()
    engine = connect(database_url(place.data, place.database), create=True)
    keys = Keys(engine)
    made, key = keys.create("page", ["read", "submit"])
    environment = {"NINEFOLD_DATABASE": place.database} if place.database else {}
    options = {"environment": environment}
    with (
        server(place.data, "--no-worker", **options) as first,
        server(place.data, "--no-worker", **options) as second,
    ):
        with first.client() as client:
            browser = Browser(client, key)
        cookies = {"ninefold_session": browser.cookie.value}
        first.terminate()
        with (
            server(place.data, "--no-worker", **options) as again,
            again.client(cookies=cookies) as one,
            second.client(cookies=cookies) as other,
        ):
            for client in (one, other):
                assert client.get("/v1/session").json() == browser.document
                submitted = client.post("/v1/jobs", json=JOB, headers=browser.csrf)
                assert submitted.status_code == 202
            one.delete("/v1/session", headers=browser.csrf).raise_for_status()
            assert other.get("/v1/jobs").status_code == 401
            browser = Browser(one, key)
            other.cookies.set("ninefold_session", browser.cookie.value)
            assert other.get("/v1/jobs").status_code == 200
            keys.revoke(made.id)
            assert one.get("/v1/jobs").status_code == 401
            assert other.get("/v1/jobs").status_code == 401
    engine.dispose()


def test_sessions_are_forgotten_once_they_are_over(place: Place) -> None:
    place.data.mkdir()
    engine = connect(database_url(place.data, place.database), create=True)
    over, lasting = Sessions(engine, 1e-9), Sessions(engine, 1)
    gone, token = over.create("aaaaaaaaaa")
    session, kept = lasting.create("aaaaaaaaaa")
    time.sleep(0.01)
    assert lasting.find(token) is None
    assert lasting.valid([gone.id, session.id]) == {session.id}
    lasting.expire()
    assert lasting.find(kept) == session
    assert session.is_csrf_token(session.csrf_token)
    for wrong in ("", "a", gone.csrf_token, "é"):
        assert not session.is_csrf_token(wrong)
    others = [lasting.create("bbbbbbbbbb")[0].id for _ in range(110)]
    assert len(lasting.valid(others)) == 100
    assert lasting.find(kept) == session
    lasting.end(session.id)
    assert lasting.find(kept) is None
    engine.dispose()


def test_of_several_sessions_none_counts() -> None:
    def token(*lines: str) -> str | None:
        return session_token(Headers(raw=[(b"cookie", line.encode()) for line in lines]))

    assert token() is token("a=b") is None
    assert token("a=b; ninefold_session=t; c=d") == "t"
    assert token("ninefold_session=t; ninefold_session=u") == ""
    assert token("ninefold_session=t", "ninefold_session=t") == ""


def test_what_the_servers_own_origin_is() -> None:
    def foreign(origin: str, host: str, public: str | None = None) -> bool:
        return foreign_origin(Headers({"origin": origin, "host": host}), public) is not None

    assert not foreign("http://images.example:8000", "images.example:8000")
    assert not foreign(
        "https://images.example:8443", "images.example", "https://images.example:8443/a"
    )
    assert foreign("https://images.example:8443", "images.example")
    assert not foreign("https://images.example", "images.example", "https://images.example")
    assert foreign("http://images.example", "images.example", "https://images.example")
    assert not foreign("http://localhost:8000", "localhost:8000", "https://images.example")
    for wrong in ("null", "", "images.example", "http://[", "https://images.example.evil"):
        assert foreign(wrong, "images.example", "https://images.example")
