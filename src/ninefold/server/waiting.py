"""Waiting for what comes next, without being held up by it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, TypeVar

import anyio

T = TypeVar("T")


async def each(
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
