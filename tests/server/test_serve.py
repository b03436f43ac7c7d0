"""`ninefold serve` as a process: its address, its end, and what outlives it."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from tests.forked import output
from tests.jobs.conftest import postgres_server
from tests.jobs.postgres import Server
from tests.server.conftest import JOB
from tests.server.process import ServerProcess, server

__all__ = ["postgres_server"]

#: A job of some seconds: eight steps in each of its diffusion stages.
SLOW: dict[str, Any] = {"engines": {"steps_delay": 0.15}}
FULL = {"preset": "full", "input": {"prompt": "a red house", "seed": 7}}


def _submit(client: httpx.Client, document: dict[str, Any], **options: Any) -> dict[str, Any]:
    answer = client.post("/v1/jobs", json=document, **options)
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.json()
    return found


def _ended(client: httpx.Client, job: dict[str, Any]) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found: dict[str, Any] = client.get(job["links"]["self"]).json()
        if found["status"] not in ("queued", "running"):
            return found
        time.sleep(0.1)
    raise AssertionError(f"{job['id']} did not end")


def _events(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    """The events of a stream, until it ends or breaks."""
    try:
        for line in lines:
            if line.startswith("data: "):
                yield json.loads(line.removeprefix("data: "))
    except httpx.HTTPError:
        return


def test_it_serves_until_reported_to_stop(tmp_path: Path) -> None:
    with server(tmp_path, fresh=True) as found:
        with found.client() as client:
            assert client.get("/readyz").json()["status"] == "ok"
            job = _ended(client, _submit(client, JOB))
            assert job["status"] == "succeeded"
            assert client.get(job["outputs"][0]["url"]).content.startswith(b"\x89PNG")
        assert found.terminate() == 0
        assert "Stopping" in found.errors()


def test_sigterm_ends_streams_and_hands_jobs_back(tmp_path: Path) -> None:
    with server(tmp_path, **SLOW) as found, found.client() as client:
        job = _submit(client, FULL)
        with client.stream("GET", job["links"]["events"]) as stream:
            events = _events(stream.iter_lines())
            assert next(events)["event"] == "job_started"
            found.process.terminate()
            assert not any(event["event"] == "job_ended" for event in events)
        assert found.process.wait(30) == 0
    with server(tmp_path) as found, found.client() as client:
        job = _ended(client, job)
        assert job["status"] == "succeeded"
        assert job["attempts"]["prompt"] == 1


def test_sigterm_ends_the_process_though_a_thread_never_does(tmp_path: Path) -> None:
    stuck = """
import time
from ninefold.server import serve
from ninefold.server.request_validation import RequestValidator
serve._GRACE, serve._MARGIN = 0.5, 0.5
RequestValidator.jobs = lambda *_: time.sleep(10**6)
"""
    environment = {"NINEFOLD_GRACE": "0.1"}
    with server(tmp_path, before=stuck, environment=environment) as found:
        port = httpx.URL(found.url).port or 0
        body = json.dumps(JOB)
        head = f"Host: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        with socket.create_connection(("127.0.0.1", port)) as sock, found.client() as client:
            sock.sendall(f"POST /v1/jobs HTTP/1.1\r\n{head}\r\n\r\n{body}".encode())
            client.get("/v1/jobs").raise_for_status()  # what came before it is under way
            assert found.terminate() == 1


@pytest.mark.parametrize("kill", [True, False])
def test_a_restart_in_the_middle_loses_no_event_and_tells_none_twice(
    kill: bool, tmp_path: Path
) -> None:
    reported: list[dict[str, Any]] = []
    job: dict[str, Any] = {}
    for number in range(4):
        with server(tmp_path, **SLOW) as found, found.client() as client:
            job = job or _submit(client, FULL)
            last = {"Last-Event-ID": str(reported[-1]["sequence"])} if reported else {}
            with client.stream("GET", job["links"]["events"], headers=last) as stream:
                for event in _events(stream.iter_lines()):
                    reported.append(event)
                    if number < 3 and len(reported) > 6 * (number + 1):
                        break
            if reported[-1]["event"] == "job_ended":
                break
            if kill:
                found.kill()
            else:
                assert found.terminate() == 0
    numbers = [event["sequence"] for event in reported]
    assert numbers == sorted(set(numbers))
    assert reported[-1]["event"] == "job_ended"
    assert reported[-1]["status"] == "succeeded"
    with server(tmp_path) as found, found.client() as client:
        with client.stream("GET", job["links"]["events"]) as stream:
            whole = list(_events(stream.iter_lines()))
        after = {"Last-Event-ID": str(numbers[-1])}
        assert client.get(job["links"]["events"], headers=after).status_code == 204
    finished = [event for event in whole if event["event"] == "stage_finished"]
    assert [event for event in reported if event["event"] == "stage_finished"] == finished
    assert len(finished) == 9


def test_a_kill_between_accept_and_reply_makes_one_job(tmp_path: Path) -> None:
    """202 means durable; who got no answer asks again with the same key and gets the same job."""
    accepted: dict[str, str] = {}
    for number in range(3):
        with server(tmp_path, "--no-worker") as found:
            sent: list[str] = []

            def submit(
                found: ServerProcess = found, number: int = number, sent: list[str] = sent
            ) -> None:
                with found.client() as client:
                    for index in range(200):
                        key = f"{number}-{index}"
                        document = {**JOB, "input": {"prompt": f"house {key}"}}
                        headers = {"Idempotency-Key": key}
                        sent.append(key)
                        try:
                            accepted[key] = _submit(client, document, headers=headers)["id"]
                        except httpx.HTTPError:
                            return

            thread = threading.Thread(target=submit)
            thread.start()
            while len(sent) < 5 + 3 * number:
                time.sleep(0.001)
            found.kill()
            thread.join()
        with server(tmp_path, "--no-worker") as found, found.client() as client:
            for key in sent:
                document = {**JOB, "input": {"prompt": f"house {key}"}}
                job = _submit(client, document, headers={"Idempotency-Key": key})
                assert accepted.setdefault(key, job["id"]) == job["id"]
            jobs = client.get("/v1/jobs", params={"limit": 500}).json()["jobs"]
            prompts = [job["input"]["prompt"] for job in jobs]
            assert sorted(prompts) == sorted(f"house {key}" for key in accepted)


def test_without_a_worker_jobs_wait_for_one(tmp_path: Path) -> None:
    with server(tmp_path, "--no-worker") as front, front.client() as client:
        assert "no worker" in front.lines[-1]
        job = _submit(client, JOB)
        time.sleep(0.5)
        assert client.get(job["links"]["self"]).json()["status"] == "queued"
        with server(tmp_path), client.stream("GET", job["links"]["events"]) as stream:
            *_, last = _events(stream.iter_lines())
            assert (last["event"], last["status"]) == ("job_ended", "succeeded")


def test_several_servers_share_one_database(tmp_path: Path, postgres_server: Server) -> None:
    database = ("--database", postgres_server.database())
    with (
        server(tmp_path, *database) as one,
        server(tmp_path, "--no-worker", *database) as other,
        one.client() as first,
        other.client() as second,
    ):
        key = {"Idempotency-Key": "monday"}
        job = _submit(first, JOB, headers=key)
        assert _submit(second, JOB, headers=key)["id"] == job["id"]
        with second.stream("GET", job["links"]["events"]) as stream:
            *_, last = _events(stream.iter_lines())
        assert last["event"] == "job_ended"
        shown = second.get(job["links"]["self"]).json()
        assert shown == first.get(job["links"]["self"]).json()
        assert second.get(shown["outputs"][0]["url"]).status_code == 200
        assert first.delete(job["links"]["self"]).status_code == 204
        assert second.get(job["links"]["self"]).status_code == 404


@pytest.mark.parametrize(
    ("arguments", "environment", "reported"),
    [
        (("--host", "0.0.0.0"), {}, ["there is no key", "--insecure"]),
        (("--port", "99999"), {}, ["--port"]),
        (("--host", "192.0.2.1", "--insecure"), {}, ["cannot be listened on"]),
        (
            (),
            {"NINEFOLD_RATE": "fast", "NINEFOLD_DEVISE": "cpu", "NINEFOLD_MAX_GROUP": "0"},
            ["3 problems", "NINEFOLD_RATE", "NINEFOLD_DEVISE", "NINEFOLD_MAX_GROUP"],
        ),
        (("--settings", "nowhere.toml"), {}, ["cannot be read"]),
        (("--database", "mysql://host/name"), {}, ["postgresql://"]),
    ],
)
def test_a_start_that_cannot_be(
    arguments: tuple[str, ...], environment: dict[str, str], reported: list[str], tmp_path: Path
) -> None:
    found = ServerProcess(tmp_path, *arguments, environment=environment)
    try:
        assert not found.ready()
        assert found.process.wait(30) == 2
        assert all(part in found.errors() for part in reported)
    finally:
        found.close()


def test_another_address_with_keys_and_without(tmp_path: Path) -> None:
    command = ["-m", "ninefold", "keys", "create", "printer", "--data", str(tmp_path)]

    def client(found: ServerProcess) -> httpx.Client:
        return httpx.Client(base_url=f"http://127.0.0.1:{found.url.rpartition(':')[2]}")

    everywhere = ("--host", "0.0.0.0", "--no-worker")
    with server(tmp_path, *everywhere, "--insecure") as found, client(found) as anyone:
        assert anyone.get("/v1/jobs").status_code == 200
    key = {"Authorization": f"Bearer {output(command).strip()}"}
    with server(tmp_path, *everywhere) as found, client(found) as anyone:
        assert anyone.get("/v1/jobs").status_code == 401
        assert anyone.get("/v1/jobs", headers=key).status_code == 200


def test_a_slow_head_or_body_is_not_waited_for(tmp_path: Path) -> None:
    environment = {"NINEFOLD_BODY_SECONDS": "1"}
    with server(tmp_path, "--no-worker", environment=environment) as found:
        host, _, port = found.url.removeprefix("http://").rpartition(":")
        head = b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        with socket.create_connection((host, int(port)), 30) as slow:
            slow.sendall(head)
            assert slow.recv(1000) == b""
        with socket.create_connection((host, int(port)), 30) as slow:
            slow.sendall(head + b'Content-Length: 100\r\n\r\n{"input"')
            answer = slow.recv(5000)
            assert answer.startswith(b"HTTP/1.1 408")
            assert b"application/problem+json" in answer


def test_a_body_of_100_mb_is_reported_so(tmp_path: Path) -> None:
    with server(tmp_path, "--no-worker") as found, found.client() as client:
        for path in ("/v1/jobs", "/v1/uploads"):
            headers = {"Content-Type": "application/json"}
            answer = client.post(path, content=b" " * 100_000_000, headers=headers)
            assert answer.status_code == 413
            assert "Send less" in answer.json()["detail"]


def test_a_client_that_goes_away_frees_everything(tmp_path: Path) -> None:
    with server(tmp_path, **SLOW) as found, found.client() as client:
        job = _submit(client, FULL)
        before = _open_files(found)
        for _ in range(20):
            with client.stream("GET", job["links"]["events"]) as stream:
                next(_events(stream.iter_lines()))
        assert client.get("/healthz").status_code == 200
        deadline = time.monotonic() + 10
        while (now := _open_files(found)) > before + 2 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert now <= before + 2


def _open_files(found: ServerProcess) -> int:
    return len(list(Path(f"/proc/{found.process.pid}/fd").iterdir()))
