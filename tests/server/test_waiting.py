"""Waiting for items: pauses, an end from outside, and nothing left running."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import anyio
import pytest

from ninefold.server.waiting import with_heartbeat
from tests.support import run


class _Source:
    """Numbers, with a pause before each, that notices how it ends."""

    def __init__(self, count: int, pause: float = 0.0) -> None:
        self.count, self.pause, self.closed = count, pause, False

    async def items(self) -> AsyncGenerator[int, None]:
        try:
            for number in range(self.count):
                await asyncio.sleep(self.pause)
                yield number
        finally:
            await asyncio.sleep(0)
            self.closed = True


def test_every_item_comes_once() -> None:
    async def main() -> None:
        source = _Source(5)
        assert [item async for item in with_heartbeat(source.items())] == [0, 1, 2, 3, 4]
        assert source.closed
        assert len(asyncio.all_tasks()) == 1

    run(main())


def test_a_pause_is_reported_and_loses_nothing() -> None:
    async def main() -> None:
        source = _Source(2, pause=0.1)
        found = [item async for item in with_heartbeat(source.items(), pause=0.02)]
        assert [item for item in found if item is not None] == [0, 1]
        assert found.count(None) >= 2

    run(main())


def test_it_ends_when_it_is_reported_to() -> None:
    async def main() -> None:
        source, until = _Source(10**9, pause=3600), asyncio.Event()
        asyncio.get_running_loop().call_later(0.02, until.set)
        assert [item async for item in with_heartbeat(source.items(), until=until)] == []
        assert source.closed
        assert len(asyncio.all_tasks()) == 1

    run(main())


def test_a_reader_that_is_cancelled_leaves_nothing_behind() -> None:
    async def main() -> None:
        source = _Source(10**9, pause=3600)

        async def read() -> None:
            async with aclosing(with_heartbeat(source.items(), pause=0.01)) as items:
                async for _ in items:
                    pass

        with anyio.move_on_after(0.05):  # as the server does when a client leaves
            await read()
        assert source.closed
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == 1

    run(main())


def test_what_goes_wrong_is_raised() -> None:
    async def broken() -> AsyncGenerator[int, None]:
        yield 1
        raise ZeroDivisionError

    async def main() -> None:
        with pytest.raises(ZeroDivisionError):
            [item async for item in with_heartbeat(broken())]
        assert len(asyncio.all_tasks()) == 1

    run(main())
