"""`HEAD`, trailing slashes and ranges: what proxies and downloaders ask in forms of their own."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ninefold.server.problems import UnsatisfiableRangeError
from ninefold.server.ranges import satisfiable
from tests.server.conftest import JOB, Door, Open, local_client
from tests.server.isolation_table import PROBES

#: Routes that need neither an id nor a query.
PLAIN = [
    route.partition(" ")[2]
    for route, probe in PROBES.items()
    if route.startswith("GET ") and not probe.path and not route.endswith("/v1/archives")
]
#: They say something else each time, these requests and the disk among it.
CHANGING = {"/metrics", "/v1/system"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Door:
    """One service for all tests that only look."""
    from ninefold.server import create_app
    from ninefold.settings import Settings
    from ninefold.testing import fake_engines

    data = tmp_path_factory.mktemp("forms")
    app = create_app(Settings(data=data, worker=False), engines=fake_engines())
    return Door(app, local_client(app))


def test_head_is_the_head_of_get(shared: Door) -> None:
    assert len(PLAIN) > 10
    with shared.client as client:
        for path in PLAIN:
            head, got = client.head(path), client.get(path)
            assert head.status_code == got.status_code == 200, path
            assert head.content == b""
            if path not in CHANGING:
                assert head.headers["content-length"] == got.headers["content-length"], path
        assert client.head("/v1/jobs/").status_code == 200
        assert client.head("/v1/config/validate").status_code == 405
        assert client.head("/v1/config/validate").headers["Allow"] == "POST"


def test_head_of_a_stream_runs_no_stream(idle: Door) -> None:
    """Its job waits for ever: so would the stream."""
    job = idle.submit()
    answer = idle.client.head(job["links"]["events"])
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Type"].startswith("text/event-stream")


def test_a_path_may_end_with_a_slash(idle: Door) -> None:
    client = idle.client
    answer = client.post("/v1/jobs/", json=JOB, follow_redirects=False)
    assert answer.status_code == 202
    assert client.get(answer.headers["Location"] + "/").json()["id"] == answer.json()["id"]
    assert client.get("/healthz/").status_code == 200
    idle.key()
    assert client.get("/v1/jobs/").status_code == 401
    assert client.get("/healthz/").status_code == 200


def test_parts_of_a_file(door: Door) -> None:
    job = door.done()
    url = job["outputs"][0]["url"]
    whole = door.client.get(url)
    size, etag = len(whole.content), whole.headers["etag"]

    def got(value: str, **headers: str) -> tuple[int, bytes]:
        answer = door.client.get(url, headers={"Range": value, **headers})
        return answer.status_code, answer.content

    assert got("bytes=1-3") == (206, whole.content[1:4])
    assert got("bytes=-5") == (206, whole.content[-5:])
    assert got(f"bytes=5-{size * 9}") == (206, whole.content[5:])
    assert got(f"bytes=0-1,{size}-") == (206, whole.content[:2])
    for ignored in ("lines=1-3", "bytes", "bytes=", "bytes=a-b", "bytes=3-1", "bytes 0-1", ""):
        assert got(ignored) == (200, whole.content), ignored
    assert got("bytes=1-3", **{"If-Range": etag})[0] == 206
    assert got(f"bytes={size}-", **{"If-Range": '"other"'})[0] == 200
    for beyond in (f"bytes={size}-", "bytes=-0", f"bytes={size}-{size + 9}, {size}-"):
        answer = door.client.get(url, headers={"Range": beyond})
        assert answer.status_code == 416
        assert answer.headers["Content-Range"] == f"bytes */{size}"
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["type"] == "urn:ninefold:problem:range"


@given(st.text("bytes=0123456789-, \t", max_size=30), st.integers(0, 200))
def test_a_range_is_ignored_met_or_refused(asked: str, size: int) -> None:
    with suppress(UnsatisfiableRangeError):
        found = satisfiable(asked, size)
        for part in found.removeprefix("bytes=").split(",") if found else ():
            first, last = part.split("-")
            assert 0 <= int(first) <= int(last) < size


def test_times_of_a_job_are_in_order(door: Door) -> None:
    for number in range(3):
        job = door.done({**JOB, "input": {"prompt": f"house {number}"}})
        times = [job[name] for name in ("created_at", "started_at", "finished_at")]
        assert times == sorted(times)
        assert {len(text) for text in times} == {len("2026-01-01T00:00:00.000+00:00")}
    assert any(not text.endswith(".000+00:00") for text in times)


def test_a_cancelled_job_ends_after_it_was_made(open_door: Open) -> None:
    door = open_door(worker=False)
    job = door.submit()
    cancelled = door.client.post(job["links"]["cancel"]).json()
    assert cancelled["started_at"] is None
    assert cancelled["created_at"] <= cancelled["finished_at"]
