"""The HTTP/1.1 connections of `ninefold serve`: uvicorn's, stricter where it is lenient.

uvicorn documents no way to change its protocol but to name another class, and h11 none to look at
a head before it is parsed. So this subclasses both, and is the only module that does. What it uses
of them and their documentation does not promise stands in `PRIVATE`; the test
`tests/server/test_uvicorn_adapter.py` names what moved when an upgrade moves one.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from ninefold.server.problems import MEDIA_TYPE, Problem

#: The versions that this was read for.
READ_FOR = {"uvicorn": "0.54.0", "h11": "0.16.0"}
#: Names of uvicorn's `H11Protocol` and of h11's `Connection`, and what they are used for.
PRIVATE: tuple[tuple[str, str, str], ...] = (
    ("protocol", "config", "the limit of a head's size"),
    ("protocol", "conn", "replaced by a connection that refuses ambiguous requests"),
    ("protocol", "app", "wrapped, to offer the extension ninefold.abort"),
    ("protocol", "loop", "sets timers"),
    ("protocol", "transport", "closed and aborted"),
    ("protocol", "timeout_keep_alive_task", "is None while a request's head is awaited"),
    ("protocol", "send_400_response", "replaced: the answer is a problem document"),
    ("protocol", "connection_made", "wraps the transport"),
    ("protocol", "data_received", "lets go what comes after the answer"),
    ("protocol", "connection_lost", "stops the timer"),
    ("connection", "receive_data", "looks for the end of a head"),
    ("connection", "next_event", "checks a head before h11 unites its fields"),
    ("connection", "their_state", "says whether a request is being read"),
    ("connection", "trailing_data", "holds a head that waits to be parsed"),
)

#: After an answer that came before its request was read: seconds for which the client may take
#: notice, and bytes that are let go by meanwhile. A connection that is closed at once is reset, and
#: some clients lose the answer with it.
LINGER_SECONDS, LINGER_BYTES = 1.0, 2**18

_LENGTH = re.compile(rb"^content-length[ \t]*:([^\n]*)", re.IGNORECASE | re.MULTILINE)
_FOLDED = re.compile(rb"^[ \t]", re.MULTILINE)
_END_OF_HEAD = re.compile(rb"\n\r?\n")


class _Connection(h11.Connection):
    """Refuses requests whose end two readers could see at different places (RFC 9112, 6.3)."""

    #: What was wrong with the last request.
    error: h11.RemoteProtocolError | None = None
    #: The last bytes that came, and whether a whole head may be among those that wait.
    _last, _whole = b"", False

    def receive_data(self, data: bytes) -> None:
        """Take what has come."""
        self._whole = self._whole or _END_OF_HEAD.search(self._last + data) is not None
        self._last = (self._last + data)[-2:]
        super().receive_data(data)

    def next_event(self) -> Any:
        """The next event; raises `h11.RemoteProtocolError`."""
        try:
            if self.their_state is h11.IDLE and self._whole:
                self._check_head()
            event = super().next_event()
            if isinstance(event, h11.Request):
                _check_framing(event)
        except h11.RemoteProtocolError as error:
            self.error = error
            raise
        return event

    def _check_head(self) -> None:
        """Refuse what h11 unites: lengths that are equal, and headers over several lines."""
        head, *rest = _END_OF_HEAD.split(self.trailing_data[0], maxsplit=1)
        self._whole = bool(rest)
        if not rest:
            return
        if _FOLDED.search(head):
            raise h11.RemoteProtocolError("headers: expected each on one line.")
        lengths = _LENGTH.findall(head)
        if len(lengths) > 1 or any(b"," in length for length in lengths):
            raise h11.RemoteProtocolError("Content-Length: expected one, got several.")


def _check_framing(request: h11.Request) -> None:
    names = {name for name, _ in request.headers}
    if b"transfer-encoding" not in names:
        return
    if b"content-length" in names:
        raise h11.RemoteProtocolError(
            "Content-Length and Transfer-Encoding: expected one of them, got both."
        )
    if request.http_version < b"1.1":
        raise h11.RemoteProtocolError("Transfer-Encoding: expected none in HTTP/1.0.")


class _Transport:
    """A transport whose end the protocol decides on; all else is the transport's own."""

    def __init__(self, transport: asyncio.Transport, protocol: _Protocol) -> None:
        self._transport, self._protocol = transport, protocol

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def close(self) -> None:
        self._protocol.close(self._transport)

    def is_closing(self) -> bool:
        return self._protocol.lingers or self._transport.is_closing()


class _Protocol(H11Protocol):
    """uvicorn's protocol, with a limit on how long a request's head may take to arrive.

    To the application it offers the extension `ninefold.abort`, which ends the connection at once.
    """

    #: Seconds.
    head_seconds: float

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn = _Connection(h11.SERVER, self.config.h11_max_incomplete_event_size or 2**16)
        self.app = self._with_abort(self.app)
        self.lingers = False
        self._let_go = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast("asyncio.Transport", _Transport(transport, self)))
        self._watch()

    def data_received(self, data: bytes) -> None:
        if self.lingers:
            self._let_go += len(data)
            if self._let_go > LINGER_BYTES:
                self.transport.pause_reading()
            return
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._timer is not None:
            self._timer.cancel()

    def close(self, transport: asyncio.Transport) -> None:
        """Close the connection; where its client is still sending, a moment later."""
        unread = self.conn.their_state in (h11.SEND_BODY, h11.ERROR)
        if not unread or self.lingers or transport.is_closing() or not transport.can_write_eof():
            transport.close()
            return
        self.lingers = True
        transport.write_eof()
        transport.resume_reading()
        self._set_timer(LINGER_SECONDS, transport)

    def send_400_response(self, msg: str) -> None:
        """Say what is wrong with a request that cannot be read, and close."""
        error = cast("_Connection", self.conn).error
        status = error.error_status_hint if error is not None else 400
        problem = Problem(
            type="urn:ninefold:problem:bad-request",
            title="The request cannot be read",
            status=status,
            detail=f"{error or msg} Send it as HTTP/1.1 says (RFC 9112).",
            errors=[],
        )
        body = problem.model_dump_json(exclude_none=True).encode()
        headers = [
            ("content-type", MEDIA_TYPE),
            ("content-length", str(len(body))),
            ("connection", "close"),
        ]
        for event in (
            h11.Response(status_code=status, headers=headers),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _with_abort(self, app: Any) -> Any:
        async def with_abort(scope: Any, receive: Any, send: Any) -> None:
            scope["extensions"] = {"ninefold.abort": self.transport.abort}
            await app(scope, receive, send)

        return with_abort

    def _watch(self) -> None:
        waits = self.conn.their_state is h11.IDLE and self.timeout_keep_alive_task is None
        if waits and self._timer is None and not self.transport.is_closing():
            self._set_timer(self.head_seconds, self.transport)
        elif not waits and self._timer is not None and not self.lingers:
            self._timer.cancel()
            self._timer = None

    def _set_timer(self, seconds: float, transport: asyncio.Transport) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(seconds, transport.close)


def protocol(head_seconds: float) -> type[H11Protocol]:
    """The protocol; a request's head may take `head_seconds` to arrive."""
    return type("Protocol", (_Protocol,), {"head_seconds": head_seconds})
