"""Turns to be prepared: in line, before bodies are read as JSON, and never lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Message, Receive, Scope, Send

from ninefold.server.concurrency import SMALL_BODY, ConcurrencyLimit, TurnsForBodies
from ninefold.server.problems import BusyError
from tests.server.conftest import Door
from tests.support import run

LARGE = b"x" * (SMALL_BODY + 1)


class _Door:
    """The middleware around an application that waits until it is reported to answer."""

    def __init__(self, waiting: int = 2) -> None:
        self.closing = asyncio.Event()
        self.limit = ConcurrencyLimit(1, waiting, self.closing)
        self.answers = asyncio.Event()
        self.began: list[bytes] = []
        self.app = TurnsForBodies(self._app, limit=lambda _: self.limit, answer=self._answer)

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.began.append(await Request(scope, receive).body())
        await self.answers.wait()
        async with self.limit():
            pass
        await PlainTextResponse("ok")(scope, receive, send)

    def _answer(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, BusyError)
        return PlainTextResponse("busy", 503)

    async def ask(self, body: bytes = LARGE, kind: bytes = b"application/json") -> int | None:
        return await self._ask(body, kind, asyncio.Event())

    async def _ask(self, body: bytes, kind: bytes, gone: asyncio.Event) -> int | None:
        """The status that is answered; None where none is."""
        headers = [(b"content-length", str(len(body)).encode()), (b"content-type", kind)]
        scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        statuses: list[int] = []

        async def receive() -> Message:
            if not messages:
                await gone.wait()
            return messages.pop() if messages else {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        await self.app(scope, receive, send)
        return statuses[0] if statuses else None

    def start(self, gone: asyncio.Event | None = None) -> asyncio.Task[int | None]:
        return asyncio.create_task(self._ask(LARGE, b"application/json", gone or asyncio.Event()))


def _run(test: Callable[[_Door], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        await test(_Door())

    run(main())


async def _settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def test_large_bodies_are_read_in_turn_and_those_too_many_are_not_taken() -> None:
    async def test(door: _Door) -> None:
        tasks = [door.start() for _ in range(3)]
        await _settled()
        assert len(door.began) == 1
        assert await door.ask() == 503
        door.answers.set()
        assert [await task for task in tasks] == [200] * 3
        assert await door.ask() == 200

    _run(test)


def test_small_bodies_and_forms_are_read_at_once() -> None:
    async def test(door: _Door) -> None:
        first = door.start()
        await _settled()
        small = asyncio.create_task(door.ask(b"{}"))
        form = asyncio.create_task(door.ask(LARGE, b"multipart/form-data; boundary=a"))
        await _settled()
        assert len(door.began) == 3
        door.answers.set()
        assert [await task for task in (first, small, form)] == [200] * 3

    _run(test)


@pytest.mark.parametrize("how", ["leaves", "is cancelled"])
def test_who_goes_away_loses_nobody_a_turn(how: str) -> None:
    async def test(door: _Door) -> None:
        first, gone = door.start(), asyncio.Event()
        second, third = door.start(gone), door.start()
        await _settled()
        if how == "leaves":
            gone.set()
            assert await second is None
        else:
            second.cancel()
        await _settled()
        door.answers.set()
        assert [await first, await third] == [200, 200]
        assert len(door.began) == 2
        assert await door.ask() == 200

    _run(test)


def test_an_application_that_fails_gives_its_turn_back() -> None:
    async def test(door: _Door) -> None:
        async def fails(scope: Scope, receive: Receive, send: Send) -> None:
            raise ValueError("a bug")

        inner, door.app._app = door.app._app, fails
        with pytest.raises(ValueError, match="a bug"):
            await door.ask()
        door.app._app = inner
        door.answers.set()
        assert await door.ask() == 200

    _run(test)


def test_once_the_server_stops_nobody_begins() -> None:
    async def test(door: _Door) -> None:
        first, second = door.start(), door.start()
        await _settled()
        door.closing.set()
        door.answers.set()
        assert [await first, await second, await door.ask()] == [200, 503, 503]

    _run(test)


def test_what_is_put_off_says_when_to_come_back(
    idle: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idle.service.preparing, "_most", 0)
    before = len(idle.client.get("/v1/jobs").json()["jobs"])
    for length in (1, 2 * SMALL_BODY):
        document = {"preset": "draft", "input": {"prompt": "a"}, "overrides": {"x": "b" * length}}
        answer = idle.client.post("/v1/jobs", json=document)
        assert answer.status_code == 503
        assert answer.json()["type"] == "urn:ninefold:problem:busy"
        assert int(answer.headers["Retry-After"]) > 0
    assert len(idle.client.get("/v1/jobs").json()["jobs"]) == before
