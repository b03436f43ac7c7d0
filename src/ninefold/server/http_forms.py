"""Forms of a request that mean the same: `HEAD`, a trailing slash, a whole URL as the target."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class RequestForms:
    """ASGI middleware that hands on each form of a request as the one that the routes know.

    - The target may be a whole URL (RFC 9112, section 3.2.2): its authority is the `Host` then.
    - A path may end with a slash. It is served as the path without it: a redirect would have to
      know every prefix that proxies take away.
    - `HEAD` gets the head that `GET` would, and nothing runs on for its body: once the head is
      sent, the client is gone for all that the routes know.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"].lower().startswith(("http://", "https://")):
            _from_whole_url(scope)
        path = scope["path"]
        if len(path) > 1 and path.endswith("/"):
            scope["path"] = path[:-1]
            scope["raw_path"] = scope.get("raw_path", b"").removesuffix(b"/")
        if scope["method"] == "HEAD":
            await self._head(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _head(self, scope: Scope, receive: Receive, send: Send) -> None:
        inner = {**scope, "method": "GET"}
        sent = False

        async def receive_until_sent() -> Message:
            return {"type": "http.disconnect"} if sent else await receive()

        async def send_head(message: Message) -> None:
            nonlocal sent
            if message["type"] != "http.response.start" or sent:
                return
            sent = True
            scope["route"] = inner.get("route")  # for those who count
            await send(message)
            await send({"type": "http.response.body"})

        await self._app(inner, receive_until_sent, send_head)


def _from_whole_url(scope: Scope) -> None:
    raw = scope.get("raw_path", b"").decode("ascii", "replace")
    try:
        url = urlsplit(raw)
    except ValueError:
        return  # names nothing
    scope["raw_path"] = (url.path or "/").encode()
    scope["path"] = unquote(url.path) or "/"
    headers = [item for item in scope["headers"] if item[0] != b"host"]
    scope["headers"] = [(b"host", url.netloc.encode()), *headers]


#: Statuses after which a connection is not used again: whoever gets them may send anything next.
_CLOSING = frozenset({401, 403, 404, 405, 408, 413, 415, 429})


class ClosedAfterRefusal:
    """ASGI middleware that has the connection closed after a refusal.

    And after every answer that comes before its request's body was taken: nothing is read only to
    be thrown away.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        arrived = not has_body(scope)

        async def counted() -> Message:
            nonlocal arrived
            message = await receive()
            arrived = arrived or not message.get("more_body", False)
            return message

        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start" and (
                message["status"] in _CLOSING or not arrived
            ):
                headers = [item for item in message["headers"] if item[0].lower() != b"connection"]
                message = {**message, "headers": [*headers, (b"connection", b"close")]}
            await send(message)

        await self._app(scope, counted, closing)


def has_body(scope: Scope) -> bool:
    """Whether a request says that it has a body."""
    for name, value in scope["headers"]:
        if name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0 ")):
            return True
    return False
