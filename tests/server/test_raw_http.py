"""What is read of a request, and what happens to its connection: over bare sockets."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.server.conftest import JOB
from tests.server.doors import PATIENCE, Served, served
from tests.server.process import server

#: A body that no server should take from a stranger.
LARGE = 46_000_000


@dataclass(frozen=True)
class Raw:
    """An answer as it came, up to the connection's end or its own."""

    status: int
    head: dict[str, str]
    body: bytes
    #: Whether the server closed the connection after it.
    closed: bool

    @property
    def problem(self) -> dict[str, Any]:
        """The problem that it tells."""
        assert self.head["content-type"] == "application/problem+json"
        found: dict[str, Any] = json.loads(self.body)
        assert found["status"] == self.status
        return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("raw"), "--no-worker") as found:
        yield found


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), PATIENCE)


def head(start: str, *lines: str, host: str = "localhost") -> bytes:
    return "\r\n".join([start, *([f"Host: {host}"] if host else []), *lines, "", ""]).encode()


def read(sock: socket.socket) -> Raw:
    """One answer; whether the connection ends with it is looked at for as long as it says so."""
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = sock.recv(65536)
        assert chunk, f"no whole answer: {data!r}"
        data += chunk
    top, _, body = data.partition(b"\r\n\r\n")
    first, *lines = top.decode("latin-1").split("\r\n")
    names = dict(line.split(": ", 1) for line in lines)
    found = {name.lower(): value for name, value in names.items()}
    while len(body) < int(found.get("content-length", 0)):
        body += sock.recv(65536)
    closed = found.get("connection") == "close"
    if closed:
        assert sock.recv(1) == b""
    return Raw(int(first.split()[1]), found, body, closed)


def ask(place: Served, request: bytes) -> Raw:
    with connect(place.port) as sock:
        sock.sendall(request)
        return read(sock)


def keyed(place: Served) -> str:
    return f"Authorization: Bearer {place.key}"


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/uploads", "/sdapi/v1/txt2img", "/nowhere"])
def test_a_stranger_is_answered_before_its_body_is_sent(path: str, place: Served) -> None:
    for length in (f"Content-Length: {LARGE}", "Transfer-Encoding: chunked"):
        answer = ask(place, head(f"POST {path} HTTP/1.1", "Content-Type: application/json", length))
        assert (answer.status, answer.closed) == (401, True)


def test_what_strangers_send_takes_no_memory(tmp_path: Path) -> None:
    """Many bodies of 46 MB, all of which their clients insist on sending."""
    with served(tmp_path, "--no-worker") as place:
        pid = _pid_of(place)
        before = _resident(pid)
        socks = [connect(place.port) for _ in range(10)]
        sent = 0
        for sock in socks:
            sock.settimeout(PATIENCE)
            sock.sendall(head("POST /v1/jobs HTTP/1.1", f"Content-Length: {LARGE}"))
            try:
                for _ in range(LARGE // 2**20):
                    sent += sock.send(bytes(2**20))
            except OSError:  # refused, as it should be
                pass
        assert sent < 10 * LARGE / 2
        assert _resident(pid) - before < 40
        for sock in socks:
            sock.close()


def test_the_client_that_insists_still_reads_why(place: Served) -> None:
    with connect(place.port) as sock:
        sock.sendall(head("POST /v1/jobs HTTP/1.1", f"Content-Length: {LARGE}"))
        sock.sendall(bytes(2**17))
        answer = read(sock)
        assert answer.status == 401
        assert "Send a key" in answer.problem["detail"]


@pytest.mark.parametrize(
    ("start", "lines", "status"),
    [
        ("GET /v1/jobs/20990101-000000-0000000000000000 HTTP/1.1", (), 404),
        ("GET /nowhere HTTP/1.1", (), 404),
        ("PUT /v1/jobs HTTP/1.1", ("Content-Length: 9",), 405),
        ("OPTIONS /v1/jobs HTTP/1.1", (), 405),
        ("GET /metrics HTTP/1.1", (), 403),
        ("POST /v1/jobs HTTP/1.1", (f"Content-Length: {10**9}",), 413),
        ("POST /v1/jobs HTTP/1.1", ("Content-Length: 20", "Content-Encoding: gzip"), 415),
        ("POST /v1/jobs HTTP/1.1", ("Content-Length: 20", "Content-Encoding: identity, br"), 415),
        ("POST /v1/images/edits HTTP/1.1", ("Content-Length: 9", "Content-Encoding: zstd"), 415),
    ],
)
def test_a_refusal_closes(start: str, lines: tuple[str, ...], status: int, place: Served) -> None:
    answer = ask(place, head(start, keyed(place), *lines))
    assert (answer.status, answer.closed) == (status, True)
    if status == 405:
        assert answer.head["allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize(
    ("lines", "reported"),
    [
        (("Content-Length: 2", "Transfer-Encoding: chunked"), "expected one of them"),
        (("Transfer-Encoding: chunked", "Content-Length: 2"), "expected one of them"),
        (("Content-Length: 2", "Content-Length: 2"), "expected one, got several"),
        (("Content-Length: 2", "content-length : 2"), ""),
        (("Content-Length: 2, 2",), "expected one, got several"),
        (("Content-Length: 2", "Content-Length: 3"), ""),
        (("Content-Length: -2",), ""),
        (("Content-Length: +2",), ""),
        (("Content-Length: 0x2",), ""),
        (("Content-Length: two",), ""),
        (("X-Long: a", "\tb"), "on one line"),
        (("Host: other",), ""),
        (("No colon",), ""),
    ],
)
def test_a_request_that_two_could_read_differently_is_refused(
    lines: tuple[str, ...], reported: str, place: Served
) -> None:
    answer = ask(place, head("POST /v1/jobs HTTP/1.1", keyed(place), *lines) + b"{}")
    assert answer.status == 400
    assert answer.closed
    assert reported in answer.problem["detail"]


def test_other_codings_and_old_versions(place: Served) -> None:
    coded = head("POST /v1/jobs HTTP/1.1", keyed(place), "Transfer-Encoding: gzip, chunked")
    assert ask(place, coded).status == 501
    old = head("POST /v1/jobs HTTP/1.0", keyed(place), "Transfer-Encoding: chunked")
    assert ask(place, old).status == 400
    assert ask(place, head("GET /v1/jobs HTTP/1.0", keyed(place), host="")).status == 200


def test_100_continue_comes_after_the_key(place: Served) -> None:
    body = json.dumps(JOB).encode()
    lines = ("Content-Type: application/json", f"Content-Length: {len(body)}")
    start = ("POST /v1/jobs HTTP/1.1", *lines, "Expect: 100-continue")
    assert ask(place, head(*start)).status == 401
    with connect(place.port) as sock:
        sock.sendall(head(*start, keyed(place)))
        assert sock.recv(100).startswith(b"HTTP/1.1 100 ")
        sock.sendall(body)
        assert read(sock).status == 202
    with connect(place.port) as sock:
        sock.sendall(head(*start, keyed(place), "Content-Encoding: gzip"))
        assert read(sock).status == 415


def test_a_connection_goes_on_after_what_was_read(place: Served) -> None:
    """Pipelined requests are answered in order; a refusal is the last."""
    body = b'{"preset":'
    lines = ("Content-Type: application/json", f"Content-Length: {len(body)}")
    with connect(place.port) as sock:
        sock.sendall(head("GET /v1/jobs?limit=1 HTTP/1.1", keyed(place)))
        sock.sendall(head("POST /v1/jobs HTTP/1.1", keyed(place), *lines) + body)
        sock.sendall(head("GET /nowhere HTTP/1.1", keyed(place)))
        sock.sendall(head("GET /v1/jobs HTTP/1.1", keyed(place)))
        data = b""
        while chunk := sock.recv(65536):
            data += chunk
    assert re.findall(rb"HTTP/1.1 (\d+) ", data) == [b"200", b"400", b"404"]


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/v1/jobs/", 200),
        ("http://localhost/v1/jobs?limit=1", 200),
        ("HTTP://localhost/v1/jobs/", 200),
        ("http://[/v1/jobs", 404),
        ("//v1/jobs", 404),
        ("/v1/jobs//", 404),
        ("/v1/../v1/jobs", 404),
        ("/v1/%2e%2e/v1/jobs", 404),
        ("/healthz/../v1/jobs", 404),
        ("/v1%2Fjobs", 200),
        ("*", 404),
    ],
)
def test_forms_of_a_target(target: str, status: int, place: Served) -> None:
    """None of them is a way around the key."""
    assert ask(place, head(f"GET {target} HTTP/1.1", keyed(place))).status == status
    assert ask(place, head(f"GET {target} HTTP/1.1")).status == 401
    assert ask(place, head(f"POST {target} HTTP/1.1", f"Content-Length: {LARGE}")).status == 401


def test_who_says_nothing_is_not_waited_for(tmp_path: Path) -> None:
    environment = {"NINEFOLD_BODY_SECONDS": "1"}
    with (
        served(tmp_path, "--no-worker", environment=environment) as place,
        connect(place.port) as silent,
        connect(place.port) as slow,
    ):
        slow.sendall(head("POST /v1/jobs HTTP/1.1", keyed(place), "Content-Length: 9"))
        answer = read(slow)
        assert (answer.status, answer.closed) == (408, True)
        assert silent.recv(1) == b""


def test_without_keys_only_this_machine_is_served(tmp_path: Path) -> None:
    with server(tmp_path, "--no-worker") as found:
        place = Served(found.url, "", "")

        def status(*lines: str, host: str = "localhost") -> int:
            return ask(place, head("GET /v1/jobs HTTP/1.1", *lines, host=host)).status

        assert status() == status(host="127.0.0.1:8000") == status(host="[::1]") == 200
        for host in (
            "localhost@evil.example",
            "evil.example",
            "localhost:8:8",
            "0.0.0.0",
            "[::1",
        ):
            assert status(host=host) == 403, host
        assert ask(place, head("GET http://evil.example/v1/jobs HTTP/1.1")).status == 403
        assert ask(place, head("GET /v1/jobs HTTP/1.0", host="")).status == 403
        for line in (
            "X-Forwarded-For: 192.0.2.1",
            "Forwarded: for=192.0.2.1",
            "X-Real-IP: 127.0.0.1",
            "Via: 1.1 proxy",
            "X-Forwarded-Host: localhost",
        ):
            assert status(line) == 401, line
        assert status("Origin: https://evil.example") == 403


def _pid_of(place: Served) -> int:
    """The process that listens on the place's port."""
    wanted = f":{place.port:04X}"
    inodes = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1].endswith(wanted) and fields[3] == "0A":
            inodes.add(f"socket:[{fields[9]}]")
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and (process / "fd").exists():
            try:
                links = {str(item.readlink()) for item in (process / "fd").iterdir()}
            except OSError:
                continue
            if links & inodes:
                return int(process.name)
    raise AssertionError(f"nobody listens on {place.port}")


def _resident(pid: int) -> float:
    """MiB, once what is on its way has come."""
    time.sleep(0.5)
    line = next(
        line
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("VmHWM")
    )
    return int(line.split()[1]) / 1024
