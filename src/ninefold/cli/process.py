"""What the command line may do because its process is its own."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_OWN: ContextVar[bool] = ContextVar("own", default=False)


@contextmanager
def own_process() -> Iterator[None]:
    """Start and end quickly: leave out what is not used, and end without the garbage collector
    looking through every module several times over."""
    from ninefold.engines.lazy_imports import defer_unused_imports

    defer_unused_imports()
    before = _OWN.set(True)
    try:
        yield
    finally:
        _OWN.reset(before)
        gc.freeze()


@contextmanager
def collector_held() -> Iterator[None]:
    """Hold the garbage collector still in a process of our own: for a command that ends soon, or
    while a server imports what it needs.

    It takes an eighth of the time to import torch, transformers and diffusers, and as much of a
    server's start; an image leaves next to nothing for it.
    """
    if not _OWN.get():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # or it would look through everything at once
        gc.enable()


def between_images() -> None:
    """Collect what the last image left, where the collector is held."""
    if not gc.isenabled():
        gc.collect()
        gc.freeze()  # the next time only what is new is looked at
