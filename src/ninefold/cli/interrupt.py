"""Ctrl-C while a pipeline runs."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from ninefold.cli.guard import INTERRUPTED, say


@contextmanager
def cancelled_by_interrupt() -> Iterator[None]:
    """Inside the block, Ctrl-C cancels the current task; a second one leaves at once.

    Leaving at once is safe: what is on the disk is the last finished stage, whole.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    warned = False

    def stop() -> None:
        say("\nStopping after the current step. Ctrl-C again leaves at once.")
        if task is not None:
            task.cancel()

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        nonlocal warned
        if warned:
            os._exit(INTERRUPTED)
        warned = True
        # Not from here: the signal may come while a line is written, and no other begins in it.
        loop.call_soon_threadsafe(stop)

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
