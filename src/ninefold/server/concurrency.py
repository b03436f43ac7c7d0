"""A limit on what is done at once: the rest waits in line, or is sent away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ninefold.server.http_forms import has_body
from ninefold.server.problems import BusyError

#: Bytes of a body above which to read it as JSON is work that waits for its turn.
SMALL_BODY = 8192


class Turn:
    """The place of one request among those that may work; given back once."""

    def __init__(self, give_back: Callable[[], None]) -> None:
        self._give_back: Callable[[], None] | None = give_back

    @property
    def held(self) -> bool:
        """Whether it was not given back yet."""
        return self._give_back is not None

    def give_back(self) -> None:
        """Let the next one work."""
        if self._give_back is not None:
            give_back, self._give_back = self._give_back, None
            give_back()


#: The turn that this request took before its body was read.
_taken: ContextVar[Turn | None] = ContextVar("taken", default=None)


class ConcurrencyLimit:
    """`at_once` blocks run, up to `waiting` wait; used on one event loop alone."""

    def __init__(self, at_once: int, waiting: int, closing: asyncio.Event) -> None:
        """Once `closing` is set, no block begins any more."""
        self._free = asyncio.Semaphore(at_once)
        self._most, self._waiting = waiting, 0
        self._closing = closing

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[None]:
        """One block, in order of arrival; raises `BusyError` where too many wait, or the server
        stops.

        The first block of a request that has its turn already is within that one, and ends it.
        """
        turn = _taken.get()
        if turn is None or not turn.held:
            turn = await self.turn()
        try:
            yield
        finally:
            turn.give_back()

    def check(self) -> None:
        """Raise `BusyError` where no more may wait, or the server stops."""
        if self._closing.is_set():
            raise BusyError("The server is about to stop. Try again in a moment.")
        if self._waiting >= self._most:
            raise BusyError("The server has more to prepare than it can. Try again later.")

    async def turn(self) -> Turn:
        """Wait for a turn; raises as `check` does."""
        self.check()
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
        turn = Turn(self._free.release)
        if self._closing.is_set():
            turn.give_back()
            self.check()
        return turn


class TurnsForBodies:
    """ASGI middleware: a large body is kept as it came until its request's turn to be prepared.

    As objects it would take some ten times the room, and to read it holds up everyone: it is JSON
    of up to 10,000 inputs. Where no more may wait, it is not even taken. Files come as forms, which
    are read as they arrive: those pass.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        limit: Callable[[Request], ConcurrencyLimit],
        answer: Callable[[Request, Exception], Response],
    ) -> None:
        self._app, self._limit, self._answer = app, limit, answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or not has_body(scope) or not _is_large(scope):
            await self._app(scope, receive, send)
            return
        limit = self._limit(Request(scope))
        try:
            limit.check()
            messages = await _whole(receive)
            turn = await _turn_unless_gone(limit, receive)
        except BusyError as error:
            await self._answer(Request(scope), error)(scope, receive, send)
            return
        if turn is None:
            return

        async def replayed() -> Message:
            return messages.pop(0) if messages else await receive()

        async def send_and_give_back(message: Message) -> None:
            turn.give_back()  # all is prepared, or refused
            await send(message)

        token = _taken.set(turn)
        try:
            await self._app(scope, replayed, send_and_give_back)
        finally:
            turn.give_back()
            with suppress(ValueError):  # closed in another context
                _taken.reset(token)


async def _whole(receive: Receive) -> list[Message]:
    """The messages of a whole body, or up to where its client went away."""
    messages = [await receive()]
    while messages[-1].get("more_body", False):
        messages.append(await receive())
    return messages


async def _turn_unless_gone(limit: ConcurrencyLimit, receive: Receive) -> Turn | None:
    """A turn, or None where the client went away first; raises `BusyError`."""
    coming, gone = asyncio.ensure_future(limit.turn()), asyncio.ensure_future(receive())
    try:
        await asyncio.wait({coming, gone}, return_when=asyncio.FIRST_COMPLETED)
    except BaseException:
        gone.cancel()
        coming.add_done_callback(_given_back)
        coming.cancel()
        raise
    gone.cancel()
    if coming.done():
        return coming.result()
    coming.add_done_callback(_given_back)
    coming.cancel()
    return None


def _given_back(coming: asyncio.Future[Turn]) -> None:
    """Leave a turn that came too late to the next one."""
    if not coming.cancelled() and coming.exception() is None:
        coming.result().give_back()


def _is_large(scope: Scope) -> bool:
    """Whether a body may be JSON above `SMALL_BODY`."""
    length, form = None, False
    for name, value in scope["headers"]:
        if name == b"content-length":
            length = int(value) if value.isdigit() else None
        elif name == b"content-type":
            form = value.lower().startswith(b"multipart/")
    return not form and (length is None or length > SMALL_BODY)
