"""Who asks, and what they may do: found out before anything of a request's body is read."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts
from starlette.datastructures import Headers, QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ninefold.core.errors import NinefoldError
from ninefold.server import keys
from ninefold.server.dependencies import SCOPES_NEEDED, caller_of, holder_of
from ninefold.server.identification import identify
from ninefold.server.open_requests import OpenRequest
from ninefold.server.problems import ForbiddenError, UnauthorizedError
from ninefold.server.service import Service

#: Seconds that the answer to a request whose key was revoked has to end by itself.
_TO_END = 0.3


@dataclass(frozen=True)
class _Access:
    """What a route asks of whoever calls it."""

    path: re.Pattern[str]
    methods: frozenset[str]
    key: bool
    #: Whether a signed link does as well.
    link: bool
    scopes: frozenset[keys.Scope]


class Authentication:
    """ASGI middleware: refuses those without a key, the scope, or a request left of their rate.

    Who it was stands in the request's state as `caller`. A request whose key is revoked meanwhile
    ends, and so does one whose session has ended.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        routes: Sequence[BaseRoute],
        answer: Callable[[Request, Exception], Response],
    ) -> None:
        """`routes` are the application's; they are looked at when the first request comes."""
        self._app, self._routes, self._answer = app, routes, answer
        self._table: list[_Access] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        access = self._access(scope["method"], scope["path"])
        by_link = access.link and "signature" in QueryParams(scope["query_string"])
        state = scope.setdefault("state", {})
        state["caller"] = None
        if by_link or not access.key:
            await self._app(scope, receive, send)
            return
        service: Service = scope["app"].state.service
        try:
            caller = state["caller"] = await identify(service.access, scope)
            for needed in sorted(access.scopes):
                if not caller.may(needed):
                    raise ForbiddenError(
                        f"The key lacks the scope {needed!r}. Use one made with: "
                        f"ninefold keys create --scope {needed}"
                    )
        except NinefoldError as error:
            await self._answer(Request(scope), error)(scope, receive, send)
            return
        with service.open_requests.opened(caller.sender) as opened:
            state["open_request"] = opened
            await self._until_revoked(opened, scope, receive, send)

    async def _until_revoked(
        self, opened: OpenRequest, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Serve the request; once its key is revoked, as if its client had gone away."""
        exchange = _Exchange(opened, receive, send)
        try:
            async with asyncio.timeout(None) as limit:
                opened.on_revoked(lambda: limit.reschedule(limit_after(_TO_END)))
                await self._app(scope, exchange.receive, exchange.send)
        except TimeoutError:
            if not opened.revoked:
                raise
        if not opened.revoked or exchange.complete:
            return
        if not exchange.started:
            error = UnauthorizedError(
                "The key was revoked. Send another one."
                if opened.sender.session_id is None
                else "The session has ended, or its key was revoked. Sign in again."
            )
            await self._answer(Request(scope), error)(scope, receive, send)
        else:
            await exchange.end(scope)

    def _access(self, method: str, path: str) -> _Access:
        """What the route of a request asks; of one that is not there, a key."""
        if self._table is None:
            self._table = list(_table(self._routes))
        here = [entry for entry in self._table if entry.path.match(path)]
        exact = [entry for entry in here if method in entry.methods]
        if exact:
            return exact[0]
        key = not here or any(entry.key for entry in here)
        return _Access(re.compile(""), frozenset(), key, False, frozenset())


class _Exchange:
    """A request's messages, which stop once its key is revoked."""

    def __init__(self, opened: OpenRequest, receive: Receive, send: Send) -> None:
        self._opened, self._receive, self._send = opened, receive, send
        self._arrived = False
        self._measured = False
        self.started = False
        self.complete = False

    async def receive(self) -> Message:
        """The next message; `http.disconnect` once the key is revoked."""
        if not self._arrived:
            message = await self._receive()
            self._arrived = not message.get("more_body", False)
            return message
        coming = asyncio.ensure_future(self._receive())
        revoked = asyncio.ensure_future(self._opened.wait())
        try:
            await asyncio.wait({coming, revoked}, return_when=asyncio.FIRST_COMPLETED)
            return {"type": "http.disconnect"} if revoked.done() else coming.result()
        finally:
            coming.cancel()
            revoked.cancel()

    async def send(self, message: Message) -> None:
        """Pass a message on, unless the key is revoked."""
        if self._opened.revoked:
            return
        if message["type"] == "http.response.start":
            self.started = True
            self._measured = "content-length" in Headers(raw=message["headers"])
        else:
            self.complete = not message.get("more_body", False)
        await self._send(message)

    async def end(self, scope: Scope) -> None:
        """End an answer that has begun: where its length was declared or nobody reads, by the
        connection's end."""
        if not self._measured:
            try:
                async with asyncio.timeout(_TO_END):
                    await self._send({"type": "http.response.body"})
                return
            except TimeoutError:
                pass
        abort = scope.get("extensions", {}).get("ninefold.abort")
        if abort is not None:
            abort()
            await asyncio.sleep(0)  # the server learns of it


def limit_after(seconds: float) -> float:
    """That moment on the running event loop's clock."""
    return asyncio.get_running_loop().time() + seconds


def _table(routes: Sequence[BaseRoute]) -> Iterator[_Access]:
    for route in iter_route_contexts(routes):
        calls = set(_calls(getattr(route, "dependant", None)))
        yield _Access(
            compile_path(str(route.path))[0],
            frozenset(route.methods or ()),
            bool(calls & {caller_of, holder_of}),
            holder_of in calls,
            frozenset(SCOPES_NEEDED[call] for call in calls if call in SCOPES_NEEDED),
        )


def _calls(dependant: Dependant | None) -> Iterator[Any]:
    if dependant is not None:
        yield dependant.call
        for needed in dependant.dependencies:
            yield from _calls(needed)
