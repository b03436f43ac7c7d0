"""Waiting for what comes next, without being held up by it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar

import anyio
from starlette.requests import Request

T = TypeVar("T")


async def with_heartbeat(
    items: AsyncGenerator[T, None],
    *,
    pause: float | None = None,
    until: asyncio.Event | None = None,
) -> AsyncGenerator[T | None, None]:
    """The items; None whenever none came for `pause` seconds; ends at once when `until` is set.

    However it ends, `items` is closed and nothing is left running.
    """
    stop = asyncio.ensure_future((until or asyncio.Event()).wait())
    coming: asyncio.Future[T | None] | None = None
    async with aclosing(items):
        try:
            while not stop.done():
                coming = coming or asyncio.ensure_future(anext(items, None))
                both: set[asyncio.Future[Any]] = {coming, stop}
                await asyncio.wait(both, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
                if not coming.done():
                    if not stop.done():
                        yield None
                    continue
                item, coming = coming.result(), None
                if item is None:
                    return
                yield item
        finally:
            left: set[asyncio.Future[Any]] = {stop} if coming is None else {stop, coming}
            for future in left:
                future.cancel()
            # Shielded, for a client that left has every wait cancelled; and `items` must not be
            # running when it is closed.
            with anyio.CancelScope(shield=True):
                await asyncio.wait(left)


async def cancel_on_disconnect(
    request: Request, work: Coroutine[Any, Any, T], *, until: asyncio.Event
) -> T | None:
    """What `work` gives; None where it was cancelled: the client went away, or `until` was set.

    The request's body must have been read.
    """
    working = asyncio.ensure_future(work)
    tasks: set[asyncio.Future[Any]] = {
        working,
        asyncio.ensure_future(_gone(request)),
        asyncio.ensure_future(until.wait()),
    }
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    return None if working.cancelled() else working.result()


async def _gone(request: Request) -> None:
    """Returns when the client has gone away."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
