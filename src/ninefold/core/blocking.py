"""The one place where blocking work leaves the event loop."""

from __future__ import annotations

import asyncio
import contextvars
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import ParamSpec, TypeVar

from ninefold.core.context import PipelineContext
from ninefold.core.control_flow import Cancelled

P = ParamSpec("P")
T = TypeVar("T")

# Outlives the event loop: a thread that runs a model for the first time pays for its setting up.
# Most of them wait for a device; as many as wait at once can share a call to it.
_WORKERS = ThreadPoolExecutor(max_workers=32, thread_name_prefix="ninefold")


def _in_worker(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T]:
    call = functools.partial(contextvars.copy_context().run, function, *args, **kwargs)
    return asyncio.get_running_loop().run_in_executor(_WORKERS, call)


async def run_blocking(
    context: PipelineContext, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """Run `function` in a worker thread and wait for it.

    A thread cannot be killed, so on cancellation its progress is stopped and the thread awaited:
    when this raises `CancelledError`, nothing of the work is still running.
    """
    work = asyncio.ensure_future(_in_worker(function, *args, **kwargs))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        context.progress.stop()
        while not work.done():
            with suppress(asyncio.CancelledError):  # cancelling twice ends no thread sooner
                await asyncio.wait({work})
        if not work.cancelled():
            work.exception()  # marks it as seen: the cancellation is what counts
        raise
    except Cancelled:
        raise asyncio.CancelledError from None
