"""Request bodies: no larger than may be, no slower, and as they are: what is compressed could be of
any size."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NoReturn

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ninefold.server.http_forms import has_body
from ninefold.server.problems import TooLargeError, TooSlowError, UnsupportedMediaError


class BodyLimits:
    """ASGI middleware: answers 413 for a body above its limit, 408 for one that takes too long, and
    415 for one that is compressed."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        limit: Callable[[str], int],
        seconds: float,
        answer: Callable[[Request, Exception], Response],
    ) -> None:
        """`limit` gives the bytes that a path may take."""
        self.app, self.limit, self.seconds, self.answer = app, limit, seconds, answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = self.limit(scope["path"])
        body = _Body(receive, limit, self.seconds)
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            if body.refused is not None and not started:
                return  # the application's own idea of what is wrong with it
            started = True
            await send(message)

        try:
            if has_body(scope):
                _check_encoding(scope, body)
            if _declared(scope) > limit:
                body.refuse(_too_large(limit))
            await self.app(scope, body.receive, watched)
        except (TooLargeError, TooSlowError, UnsupportedMediaError):
            if body.refused is None or started:
                raise
        if body.refused is not None and not started:
            await self.answer(Request(scope), body.refused)(scope, receive, send)


class _Body:
    """What arrives, counted."""

    def __init__(self, receive: Receive, limit: int, seconds: float) -> None:
        self._receive, self._limit, self._seconds = receive, limit, seconds
        self._size = 0
        self._complete = False
        self._deadline: float | None = None
        #: Why it was not taken.
        self.refused: Exception | None = None

    def refuse(self, error: Exception) -> NoReturn:
        """Raise `error`, and keep it: the application may catch it."""
        self.refused = error
        raise error

    async def receive(self) -> Message:
        """The next message; raises `TooLargeError` or `TooSlowError`."""
        if self._complete:
            return await self._receive()
        now = asyncio.get_running_loop().time()
        self._deadline = self._deadline or now + self._seconds
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            self.refuse(
                TooSlowError(
                    f"expected the whole body within {self._seconds:g} s. Send it faster, or less."
                )
            )
        self._size += len(message.get("body", b""))
        self._complete = not message.get("more_body", False)
        if self._size > self._limit:
            self.refuse(_too_large(self._limit))
        return message


def _check_encoding(scope: Scope, body: _Body) -> None:
    encodings = [value for name, value in scope["headers"] if name == b"content-encoding"]
    found = b", ".join(encodings).decode("latin-1").strip()
    if found and found.lower() != "identity":
        body.refuse(
            UnsupportedMediaError(
                f"Content-Encoding: expected none, got {found[:100]!r}. Send the body as it is."
            )
        )


def _declared(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(f"body: expected at most {limit:,} bytes. Send less.")
