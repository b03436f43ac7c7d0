"""A hub of models on this machine: the part of the Hugging Face hub's protocol that downloads use.

It lists repositories and serves their files: small ones itself, large ones by a redirect to another
origin, as the hub does with its CDN. It can be told to fail in the ways that networks and hubs do.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

#: Bytes of a slow file that arrive at once.
_PIECE = 5000
#: Bytes from which a file is kept apart from the repository, and served by the other origin.
LARGE = 1000


@dataclass
class Repository:
    """What the hub has of one repository."""

    files: dict[str, bytes]
    commit: str = "a" * 40
    #: Branches and tags; `main` is there always.
    revisions: dict[str, str] = field(default_factory=dict)
    #: The token that opens it; None where everybody may.
    gated: str | None = None
    private: str | None = None

    def is_revision(self, name: str) -> bool:
        return name in ("main", self.commit, *self.revisions)


@dataclass
class Hub:
    """The server's content, what goes wrong, and what it was asked."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    url: str = ""
    cdn: str = ""
    #: After so many bytes of a file each of the next answers breaks off; one is used up each time.
    cuts: dict[str, list[int]] = field(default_factory=dict)
    #: Contents that arrive instead of the true ones.
    damaged: dict[str, bytes] = field(default_factory=dict)
    #: Files that arrive in pieces, and the seconds between two of them.
    slow: dict[str, float] = field(default_factory=dict)
    ignores_ranges: bool = False
    #: Status codes of the next answers to requests for files.
    statuses: list[int] = field(default_factory=list)
    #: Method, origin, path, range and authorization of each request.
    requests: list[tuple[str, str, str, str | None, str | None]] = field(default_factory=list)

    def asked(self, path: str, origin: str = "cdn") -> list[str | None]:
        """The ranges with which a file's bytes were asked for."""
        return [
            part
            for method, at, asked, part, _ in self.requests
            if method == "GET" and at == origin and asked.endswith(f"/{path}")
        ]


@contextmanager
def hub_server(*, with_cdn: bool = True) -> Iterator[Hub]:
    """A running hub; `hub.url` is what `HF_ENDPOINT` has to be."""
    hub = Hub()
    servers = [_server(hub, origin) for origin in ("hub", "cdn")]
    hub.url, hub.cdn = (f"http://127.0.0.1:{server.server_port}" for server in servers)
    if not with_cdn:
        hub.cdn = ""
    threads = [Thread(target=server.serve_forever, args=(0.02,), daemon=True) for server in servers]
    for thread in threads:
        thread.start()
    try:
        yield hub
    finally:
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            server.server_close()
            thread.join()


def _server(hub: Hub, origin: str) -> ThreadingHTTPServer:
    class Handler(_Handler):
        pass

    Handler.hub, Handler.origin = hub, origin
    return _Server(("127.0.0.1", 0), Handler)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients may go away at any time."""


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    origin: str
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        given = self.headers
        self.hub.requests.append(
            (self.command, self.origin, path, given.get("Range"), given.get("Authorization"))
        )
        parts = path.strip("/").split("/")
        if self.origin == "cdn":
            self._file("/".join(parts[:2]), "/".join(parts[2:]))
        elif parts[:2] == ["api", "models"]:
            self._api("/".join(parts[2:4]), parts[4:])
        elif parts[2:3] == ["resolve"]:
            self._resolve("/".join(parts[:2]), parts[3], "/".join(parts[4:]))
        else:
            self._send(404)

    def _api(self, name: str, rest: list[str]) -> None:
        if (repository := self._opened(name)) is None:
            return
        kind, revision = (rest[0], "/".join(rest[1:])) if rest else ("revision", "main")
        if not repository.is_revision(revision):
            self._send(404, headers={"X-Error-Code": "RevisionNotFound"})
        elif kind == "revision":
            commit = repository.revisions.get(revision, repository.commit)
            self._json({"id": name, "modelId": name, "sha": commit, "siblings": []})
        else:
            self._json([_entry(path, data) for path, data in repository.files.items()])

    def _resolve(self, name: str, revision: str, path: str) -> None:
        if (repository := self._opened(name)) is None:
            return
        if not repository.is_revision(revision) or path not in repository.files:
            self._send(404, headers={"X-Error-Code": "EntryNotFound"})
            return
        if self.hub.statuses:
            self._send(self.hub.statuses.pop(0))
            return
        data = repository.files[path]
        if len(data) >= LARGE and self.hub.cdn:
            linked = {
                "X-Linked-Size": str(len(data)),
                "X-Linked-Etag": f'"{hashlib.sha256(data).hexdigest()}"',
                "X-Repo-Commit": repository.commit,
                "Location": f"{self.hub.cdn}/{name}/{path}",
            }
            self._send(302, headers=linked)
        else:
            self._file(name, path)

    def _file(self, name: str, path: str) -> None:
        data = self.hub.damaged.get(path, self.hub.repositories[name].files[path])
        asked = None if self.hub.ignores_ranges else self.headers.get("Range")
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        headers = {"Content-Length": str(len(data) - start)}
        if asked:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        cuts = self.hub.cuts.get(path, [])
        body = data[start:]
        cut = cuts.pop(0) if cuts and self.command == "GET" else None
        pause = self.hub.slow.get(path)
        self._send(206 if asked else 200, body if cut is None else body[:cut], headers, pause)
        if cut is not None:
            self.close_connection = True

    def _opened(self, name: str) -> Repository | None:
        repository = self.hub.repositories.get(name)
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if repository is None or repository.private not in (None, token):
            self._send(401, headers={"X-Error-Code": "RepoNotFound"})
            return None
        if repository.gated not in (None, token) and "/resolve/" in self.path:
            self._send(403 if token else 401, headers={"X-Error-Code": "GatedRepo"})
            return None
        return repository

    def _json(self, document: Any) -> None:
        body = json.dumps(document).encode()
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
        self._send(200, body, headers)

    def _send(
        self,
        status: int,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        pause: float | None = None,
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": "0", **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "GET":
            return
        if pause is None:
            self.wfile.write(body)
            return
        for at in range(0, len(body), _PIECE):
            self.wfile.write(body[at : at + _PIECE])
            time.sleep(pause)


def _entry(path: str, data: bytes) -> dict[str, Any]:
    """A file as the hub lists it."""
    git = hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()
    entry: dict[str, Any] = {"type": "file", "path": path, "size": len(data), "oid": git}
    if len(data) >= LARGE:
        digest = hashlib.sha256(data).hexdigest()
        entry["lfs"] = {"oid": digest, "size": len(data), "pointerSize": 130}
    return entry
