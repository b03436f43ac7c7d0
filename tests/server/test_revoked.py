"""A key that is revoked while its requests are under way: each of them ends, on every server."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from ninefold.jobs.database import connect, database_url
from ninefold.server.keys import Keys
from tests.server.conftest import JOB
from tests.server.doors import PATIENCE
from tests.server.process import ServerProcess, server
from tests.server.process_keys import data, keys

__all__ = ["data", "keys"]

#: A job of minutes, in steps of five seconds.
LONG = {"preset": "full", "input": {"prompt": "a red house"}}
#: Seconds: the promise is one; a machine that is busy takes longer, and nothing here would end by
#: itself before.
SOON = 20.0


@pytest.fixture(scope="module")
def place(data: Path, keys: Keys) -> Iterator[ServerProcess]:
    with server(data, engines={"steps_delay": 5.0}) as found:
        yield found


@pytest.fixture
def key(keys: Keys) -> Iterator[Made]:
    """The headers of a new key, and what revokes it."""
    made, token = keys.create("test", ["read", "submit"])
    yield f"Bearer {token}", lambda: keys.revoke(made.id)
    keys.revoke(made.id)


#: The header of a key, and what revokes it.
Made = tuple[str, Callable[[], object]]


def _ended(call: Callable[[], Any], revoke: Callable[[], object], begun: threading.Event) -> Any:
    """What a request gives that ends because of the revocation, and in time."""
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(call)
        assert begun.wait(PATIENCE)
        time.sleep(0.5)
        assert not running.done()
        revoke()
        return running.result(SOON)


def test_the_stream_of_all_jobs_ends(place: ServerProcess, key: Made) -> None:
    authorization, revoke = key
    begun = threading.Event()
    with place.client(headers={"Authorization": authorization}) as client:

        def read() -> str:
            with client.stream("GET", "/v1/events", timeout=PATIENCE) as answer:
                text = ""
                for part in answer.iter_text():
                    text += part
                    begun.set()
                return text

        assert "event: ready" in _ended(read, revoke, begun)
        assert client.get("/v1/events").status_code == 401


@pytest.mark.parametrize("path", ["jobs", "images"])
def test_a_stream_ends(path: str, place: ServerProcess, key: Made) -> None:
    authorization, revoke = key
    begun = threading.Event()
    with place.client(headers={"Authorization": authorization}) as client:

        def read() -> str:
            if path == "jobs":
                job = client.post("/v1/jobs", json=LONG).raise_for_status().json()
                asked: Any = client.stream("GET", job["links"]["events"])
            else:
                document = {"prompt": "a tree", "stream": True}
                asked = client.stream("POST", "/v1/images/generations", json=document)
            with asked as stream:
                assert stream.status_code == 200
                begun.set()
                return "".join(stream.iter_text())

        reported = _ended(read, revoke, begun)
    assert "job_ended" not in reported
    assert "completed" not in reported


@pytest.mark.parametrize(
    ("method", "path", "document"),
    [
        ("GET", "", None),
        ("POST", "/v1/images/generations", {"prompt": "a tree"}),
        ("POST", "/sdapi/v1/txt2img", {"prompt": "a tree"}),
    ],
)
def test_who_waits_is_reported(
    method: str, path: str, document: Any, place: ServerProcess, key: Made, keys: Keys
) -> None:
    authorization, revoke = key
    begun = threading.Event()
    with place.client(headers={"Authorization": authorization}) as client:
        where = path
        if not where:
            job = client.post("/v1/jobs", json=LONG).raise_for_status().json()
            where = f"{job['links']['self']}?wait=50"

        def ask() -> httpx.Response:
            begun.set()
            return client.request(method, where, json=document)

        answer = _ended(ask, revoke, begun)
    assert answer.status_code == 401
    assert "revoked" in answer.text
    if document is not None:  # nobody holds the id of what is made: it is cancelled
        _, admin = keys.create("admin", ["admin"])
        with place.client(headers={"Authorization": f"Bearer {admin}"}) as client:
            end = time.monotonic() + PATIENCE
            while client.get("/v1/jobs?limit=1").json()["jobs"][0]["status"] != "cancelled":
                assert time.monotonic() < end
                time.sleep(0.1)


def test_a_download_ends(data: Path, place: ServerProcess, key: Made) -> None:
    """Of a file that is larger than all buffers on the way, by a client that does not read on."""
    authorization, revoke = key
    with place.client(headers={"Authorization": authorization}) as client:
        short = JOB | {"cache": False, "overrides": {"text_to_image.steps": 1}}
        job = client.post("/v1/jobs", json=short).raise_for_status().json()
        end = time.monotonic() + PATIENCE
        while (found := client.get(job["links"]["self"]).json())["status"] != "succeeded":
            assert time.monotonic() < end
            time.sleep(0.2)
        output = found["outputs"][0]
        (path,) = (data / "jobs" / job["id"]).rglob(Path(output["name"]).name)
        path.unlink()
        path.write_bytes(bytes(50_000_000))
    host, _, port = place.url.removeprefix("http://").rstrip("/").rpartition(":")
    with socket.create_connection((host, int(port)), PATIENCE) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**16)
        head = f"GET {output['url']} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {authorization}"
        sock.sendall(f"{head}\r\n\r\n".encode())
        assert sock.recv(4096).startswith(b"HTTP/1.1 200")
        revoke()
        time.sleep(3)
        received = 0
        try:
            while chunk := sock.recv(2**20):
                received += len(chunk)
        except ConnectionError:
            pass
        assert received < 45_000_000


def test_who_needed_no_key_needs_one_once_there_is_one(tmp_path: Path) -> None:
    begun = threading.Event()
    with server(tmp_path, "--no-worker") as place, place.client() as client:
        job = client.post("/v1/jobs", json=JOB).raise_for_status().json()

        def read() -> str:
            with client.stream("GET", job["links"]["events"]) as stream:
                begun.set()
                return "".join(stream.iter_text())

        engine = connect(database_url(tmp_path, None), create=False)
        _ended(read, lambda: Keys(engine).create("first", ["read"]), begun)
        engine.dispose()
        assert client.get(job["links"]["self"]).status_code == 401
