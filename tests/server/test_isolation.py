"""One key sees nothing of another's: a test for every route, made from the route table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from fastapi.routing import iter_route_contexts

from ninefold.server import create_app
from ninefold.settings import Settings
from ninefold.testing import fake_engines
from tests.server.conftest import JOB, Door, local_client, png
from tests.server.isolation_table import PROBES, Own

#: Made by the framework: it holds what is documented, and nothing of anybody. And what takes a key
#: in its body; tests/server/test_sessions.py tells keys apart.
_OPEN = {"GET /openapi.json", "POST /v1/session"}


def _routes() -> Iterator[str]:
    """Every method and path of the application, whoever added it."""
    for route in iter_route_contexts(create_app(Settings()).routes):
        for method in set(route.methods or {"ANY"}) - {"HEAD"}:
            path = str(route.path_format or route.path)
            yield f"{method} {path.replace(':path}', '}')}"


#: Has no end; test_activity.py asks the same of it.
_ENDLESS = "GET /v1/events"

ROUTES = sorted(set(_routes()) - _OPEN - {_ENDLESS})
KNOWN = [route for route in ROUTES if route in PROBES]
AT_ONCE = [route for route in KNOWN if not PROBES[route].waits]


def test_every_route_has_a_probe() -> None:
    assert len(ROUTES) > 20
    missing = sorted(set(ROUTES) - PROBES.keys())
    assert not missing, f"say in isolation_table.py how a stranger would call {missing}"
    gone = sorted(PROBES.keys() - set(ROUTES))
    assert not gone, f"isolation_table.py has entries of routes that are gone: {gone}"


@dataclass(frozen=True)
class Owned:
    """A service, and what one of its keys owns."""

    door: Door
    headers: dict[str, str]
    ids: dict[str, str]

    def call(self, route: str, ids: dict[str, str], headers: dict[str, str]) -> httpx.Response:
        """Call a route as its probe says, with these ids."""
        probe, (method, path) = PROBES[route], route.split(" ")
        return self.door.client.request(
            method,
            path.format(**{name: ids[own] for name, own in probe.path.items()}),
            json=_filled(probe.json, ids),
            params=_filled(probe.query, ids),
            data=_filled(probe.data, ids),
            files=probe.files,
            headers=headers,
        )


@pytest.fixture(scope="module")
def owned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Owned]:
    """The owner's jobs, group and upload; one of the jobs waits in a paused queue."""
    with _service(tmp_path_factory.mktemp("isolation")) as door:
        headers = door.headers("submit", "read")
        upload = door.upload(png(seed=5), headers=headers)
        secret = {"prompt": "the owner's secret lighthouse", "image": upload, "seed": 3}
        hook = {"url": "http://127.0.0.1:9/secret"}  # where nobody listens
        job = door.done({**JOB, "input": secret, "webhook": hook}, headers=headers)
        asked = {"preset": "draft", "inputs": [{"prompt": "a secret tent"}], "count": 2}
        asked["webhook"] = hook
        group = door.client.post("/v1/groups", json=asked, headers=headers).json()
        for member in group["jobs"]:
            door.client.get(member["links"]["events"], headers=headers)
        assert door.client.portal is not None
        door.client.portal.call(door.service.jobs.pause)
        queued = door.submit({**JOB, "input": {"prompt": "a secret queue"}}, headers=headers)
        axis = {"parameter": "text_to_image.steps", "values": [3, 4]}
        asked = {"preset": "draft", "input": {"prompt": "a secret grid"}, "x": axis}
        grid = door.client.post("/v1/grids", json=asked, headers=headers).json()
        ids = {
            "grid": grid["id"],
            "job": job["id"],
            "queued": queued["id"],
            "group": group["id"],
            "member": group["jobs"][0]["id"],
            "upload": upload,
            "artifact": job["outputs"][0]["name"],
            "model": "poster",
            "message": door.client.get(f"/v1/jobs/{job['id']}/webhook", headers=headers).json()[
                "id"
            ],
            "key": headers["Authorization"][len("Bearer nf_") :][:10],
        }
        yield Owned(door, headers, ids)


@contextmanager
def _service(folder: Path) -> Iterator[Door]:
    # All routes are called by one key in a moment: its rate is not what these tests are about.
    settings = Settings(data=folder, webhook_allow=["127.0.0.0/8"], burst=10**6)
    app = create_app(settings, engines=fake_engines())
    with local_client(app) as client:
        yield Door(app, client)


#: Ids of the right form that name nothing.
ABSENT = {
    "grid": "g20990101-000000-0123456789ab0001",
    "job": "20990101-000000-0123456789abcdef",
    "queued": "20990101-000000-0123456789abcd00",
    "group": "g20990101-000000-0123456789ab0000",
    "member": "g20990101-000000-0123456789ab0000.00001",
    "upload": "0" * 64,
    "artifact": "outputs/nothing.png",
    "model": "poster",
    "message": f"msg_{'0' * 32}",
    "key": "a" * 10,
}


#: Of what the owner wrote.
OWNERS = ("secret lighthouse", "secret tent", "secret queue", "127.0.0.1:9")


@pytest.mark.parametrize("route", AT_ONCE)
def test_a_stranger_gets_what_it_would_get_if_nothing_were_there(route: str, owned: Owned) -> None:
    probe = PROBES[route]
    stranger = owned.door.headers("submit", "read")
    before = _seen_by_the_owner(owned)
    answer = owned.call(route, owned.ids, stranger)
    absent = owned.call(route, ABSENT, stranger)
    assert answer.status_code == absent.status_code
    assert _without_ids(answer, owned.ids) == _without_ids(absent, ABSENT)
    if probe.scope == "admin":
        assert answer.status_code == 403, answer.text
    elif probe.path and not probe.public:
        assert answer.status_code == 404, answer.text
    elif probe.shows_nothing or probe.public:
        assert answer.status_code < 300, answer.text
    else:
        assert answer.status_code >= 400, answer.text
    assert not any(text in answer.text for text in OWNERS)
    assert _seen_by_the_owner(owned) == before


@pytest.mark.parametrize("route", AT_ONCE)
def test_the_owner_is_served(route: str, owned: Owned) -> None:
    """The probe is a call that succeeds for the owner: else the test above proves nothing."""
    if route.startswith("DELETE") or route.endswith(("/cancel", "/delete")):
        pytest.skip("would take away what the other tests look at")
    if PROBES[route].scope == "admin":
        pytest.skip("serves those who run the service alone")
    assert owned.call(route, owned.ids, owned.headers).status_code < 300


@pytest.mark.parametrize("route", KNOWN)
def test_an_admin_is_not_a_stranger(route: str, owned: Owned) -> None:
    if not route.startswith("GET"):
        pytest.skip("looking is enough")
    assert owned.call(route, owned.ids, owned.door.headers("admin")).status_code < 300


@pytest.mark.parametrize("route", KNOWN)
def test_a_key_is_needed(route: str, owned: Owned) -> None:
    expected = PROBES[route].scope
    for headers in ({}, {"Authorization": f"Bearer nf_{'a' * 10}_{'b' * 43}"}):
        status = owned.call(route, owned.ids, headers).status_code
        assert status == 401 if expected != "none" else status < 300


@pytest.mark.parametrize("route", KNOWN)
def test_a_key_needs_the_scope(route: str, owned: Owned) -> None:
    usual = "read" if route.startswith("GET") else "submit"
    scope = PROBES[route].scope or usual
    if scope in ("none", "any"):
        pytest.skip("needs no scope")
    others: list[Any] = [name for name in ("submit", "read") if name != scope]
    answer = owned.call(route, owned.ids, owned.door.headers(*others))
    assert answer.status_code == 403, answer.text


def test_signed_links_open_one_file_for_a_while(owned: Owned) -> None:
    job, name = owned.ids["job"], owned.ids["artifact"]
    client = owned.door.client
    link = owned.door.service.link(job, name)
    assert client.get(link).status_code == 200
    forged = [
        link.replace("expires=", "expires=9"),
        link[:-1] + ("0" if link[-1] != "0" else "1"),
        link.replace(name, "manifest.json"),
        link.replace("signature=", "signature=x&other="),
        link.replace("expires=", "expires=x"),
    ]
    for other in forged:
        assert client.get(other).status_code in (403, 422)
    late = owned.door.service.links
    expired = type(late)(late._secret, -5).make(job, name)
    assert client.get(expired).status_code == 403


def test_an_idempotency_key_is_its_owners_alone(owned: Owned) -> None:
    mine = owned.headers | {"Idempotency-Key": "monday"}
    theirs = owned.door.headers("submit", "read") | {"Idempotency-Key": "monday"}
    first = owned.door.submit(headers=mine)
    assert owned.door.submit(headers=mine)["id"] == first["id"]
    other = {**JOB, "input": {"prompt": "a green tent"}}
    assert owned.door.submit(other, headers=theirs)["id"] != first["id"]


def _seen_by_the_owner(owned: Owned) -> list[tuple[int, Any]]:
    """What the owner has, as it is reported about it."""
    paths = [f"/v1/jobs/{owned.ids[name]}" for name in ("job", "queued", "member")]
    paths += [f"/v1/groups/{owned.ids['group']}", f"/v1/uploads/{owned.ids['upload']}"]
    answers = [owned.door.client.get(path, headers=owned.headers) for path in paths]
    assert all(answer.status_code == 200 for answer in answers)
    return [(answer.status_code, answer.json()) for answer in answers]


def _without_ids(answer: httpx.Response, ids: dict[str, str]) -> str:
    """The answer with every id that was asked for written the same way, and no times."""
    text = answer.text
    for name, value in sorted(ids.items(), key=lambda item: -len(item[1])):
        text = text.replace(json.dumps(value)[1:-1], f"<{name}>")
    try:
        document = json.loads(text)
    except ValueError:
        return text
    if isinstance(document, dict):
        document.pop("created_at", None)
    return json.dumps(document, sort_keys=True)


def _filled(value: Any, ids: dict[str, str]) -> Any:
    if isinstance(value, Own):
        return ids[value.name]
    if isinstance(value, dict):
        return {name: _filled(item, ids) for name, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, ids) for item in value]
    return value
