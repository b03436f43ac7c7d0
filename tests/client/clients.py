"""Both clients as if they were one, and services that answer by a script."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import httpx2

from ninefold import AsyncClient, Client
from ninefold.client import Event


class Blocking:
    """An `AsyncClient` as if it were a `Client`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._client = AsyncClient(*args, **kwargs)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)
        return lambda *args, **kwargs: self._loop.run_until_complete(method(*args, **kwargs))

    def events(self, *args: Any) -> Iterator[Event]:
        events = self._client.events(*args)
        try:
            while True:
                yield self._loop.run_until_complete(anext(events))
        except StopAsyncIteration:
            return
        finally:
            self._loop.run_until_complete(events.aclose())  # type: ignore[attr-defined]

    def close(self) -> None:
        self._loop.run_until_complete(self._client.aclose())
        self._loop.close()


class Script(httpx2.BaseTransport, httpx2.AsyncBaseTransport):
    """Answers in order; an exception among them is raised."""

    def __init__(self, *answers: httpx2.Response | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[httpx2.Request] = []

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return self.handle_request(request)


Scripted = Callable[..., tuple[Client, Script]]


def problem(status: int, **headers: str) -> httpx2.Response:
    body = {"title": "No", "status": status, "detail": "Not now."}
    return httpx2.Response(status, json=body, headers=headers)
