"""The one place where blocking work leaves the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import ParamSpec, TypeVar

from ninefold.core.context import PipelineContext
from ninefold.core.progress import Cancelled

P = ParamSpec("P")
T = TypeVar("T")


async def run_blocking(
    context: PipelineContext, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """Run `function` in a worker thread and wait for it.

    A thread cannot be killed, so on cancellation its progress is stopped and the thread awaited:
    when this raises `CancelledError`, nothing of the work is still running.
    """
    work = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        context.progress.stop()
        while not work.done():
            with suppress(asyncio.CancelledError):  # being told twice makes no thread end sooner
                await asyncio.wait({work})
        if not work.cancelled():
            work.exception()  # marks it as seen: the cancellation is what counts
        raise
    except Cancelled:
        raise asyncio.CancelledError from None
