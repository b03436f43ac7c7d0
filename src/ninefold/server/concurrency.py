"""A limit on what is done at once: the rest waits in line, or is sent away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ninefold.core.errors import StorageError


class ConcurrencyLimit:
    """`at_once` blocks run, up to `waiting` wait; used on one event loop alone."""

    def __init__(self, at_once: int, waiting: int, closing: asyncio.Event) -> None:
        """Once `closing` is set, no block begins any more."""
        self._free = asyncio.Semaphore(at_once)
        self._most, self._waiting = waiting, 0
        self._closing = closing

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[None]:
        """One block, in order of arrival; raises `StorageError` where too many wait, or the server
        stops."""
        if self._waiting >= self._most:
            raise StorageError("The server has more to prepare than it can. Try again later.")
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
        try:
            if self._closing.is_set():
                raise StorageError("The server is about to stop. Try again in a moment.")
            yield
        finally:
            self._free.release()
