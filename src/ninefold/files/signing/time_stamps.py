"""Time stamps by an authority (RFC 3161), within a limit.

The library that writes C2PA fetches time stamps itself, and waits for as long as it likes. So it is
given an address of this process, where its request is passed on.
"""

from __future__ import annotations

import os
import re
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Literal

from ninefold.core.errors import SigningError

_LOOPBACK = "127.0.0.1"
_MAX_REQUEST, _MAX_ANSWER = 1 << 16, 1 << 20
_MEDIA_TYPE = "application/timestamp-reply"
#: A request by RFC 3161 in DER: version 1, SHA-256, then the 32 bytes of a hash; and that the
#: authority's certificate shall be in the answer.
_QUERY = bytes.fromhex("30390201013031300d060960864801650304020105000420")
_WITH_CERTIFICATE = bytes.fromhex("0101ff")
#: An answer whose status is 0 or 1: granted, or granted with changes.
_GRANTED = re.compile(rb"\x30(?:[\x00-\x7f]|[\x81-\x84].{1,4}?)\x30.\x02\x01[\x00\x01]", re.DOTALL)


@dataclass(frozen=True)
class TimeStamper:
    """A time stamp authority, how long it may take, and what happens where it gives none."""

    url: str
    seconds: float = 10.0
    policy: Literal["prefer", "require"] = "prefer"

    @contextmanager
    def relayed(self) -> Iterator[Relay]:
        """Pass requests on to the authority, for as long as the block runs."""
        _keep_from_proxies()
        relay = Relay(self)
        server = HTTPServer((_LOOPBACK, 0), relay.handler())
        relay.url = f"http://{_LOOPBACK}:{server.server_port}/{relay.token}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield relay
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def problem(self) -> str | None:
        """Why no time stamp can be had; None where one can: it is asked for, of nothing."""
        query = _QUERY + secrets.token_bytes(32) + _WITH_CERTIFICATE
        try:
            answer = _fetch(self.url, query, self.seconds)
        except SigningError as error:
            return str(error)
        if _GRANTED.match(answer):
            return None
        return str(_failed(self.url, "answers without a time stamp"))


@dataclass
class Relay:
    """Where the library asks for time stamps."""

    stamper: TimeStamper
    url: str = ""
    #: Nobody else on this machine knows the address.
    token: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    #: Why the authority gave none, if it did not.
    problem: str | None = None

    def handler(self) -> type[BaseHTTPRequestHandler]:
        """What answers a request."""
        relay = self

        class Handler(BaseHTTPRequestHandler):
            timeout = relay.stamper.seconds

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                if self.path != f"/{relay.token}" or not 0 < length <= _MAX_REQUEST:
                    self.send_error(404)
                    return
                answer = relay.ask(self.rfile.read(length))
                if answer is None:
                    self.send_error(504)
                    return
                self.send_response(200)
                self.send_header("Content-Type", _MEDIA_TYPE)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler

    def ask(self, request: bytes) -> bytes | None:
        """The authority's answer; None where there is none in time, which `problem` tells."""
        try:
            return _fetch(self.stamper.url, request, self.stamper.seconds)
        except SigningError as error:
            self.problem = str(error)
            return None


def _fetch(url: str, request: bytes, seconds: float) -> bytes:
    """What the authority answers; raises `SigningError`."""
    import httpx2

    ends = time.monotonic() + seconds
    headers = {"Content-Type": "application/timestamp-query", "Accept": _MEDIA_TYPE}
    late = f"gave no time stamp within {seconds:g} s"
    try:
        with (
            httpx2.Client(timeout=seconds, follow_redirects=True, max_redirects=3) as client,
            client.stream("POST", url, content=request, headers=headers) as answer,
        ):
            body = bytearray()
            for part in answer.iter_bytes():
                body += part
                if time.monotonic() > ends:
                    raise _failed(url, late)
                if len(body) > _MAX_ANSWER:
                    raise _failed(url, f"sent more than {_MAX_ANSWER:,} bytes")
            if answer.status_code != 200:
                raise _failed(url, f"answered with status {answer.status_code}")
            return bytes(body)
    except httpx2.TimeoutException:
        raise _failed(url, late) from None
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        raise _failed(url, f"cannot be reached: {error}") from None


def _failed(url: str, what: str) -> SigningError:
    host = url.partition("://")[2].partition("/")[0]
    return SigningError(
        f"the time stamp authority {host} {what}. Set NINEFOLD_TIMESTAMP_URL to one that answers, "
        "or NINEFOLD_TIMESTAMP_POLICY=prefer to go on without."
    )


def _keep_from_proxies() -> None:
    """A proxy that the environment names would be asked for this process's own address."""
    names = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
    if not any(os.environ.get(name) for name in names):
        return
    for name in ("NO_PROXY", "no_proxy"):
        excepted = os.environ.get(name, "")
        if _LOOPBACK not in excepted.replace(" ", "").split(","):
            os.environ[name] = ",".join(filter(None, (excepted, _LOOPBACK)))
