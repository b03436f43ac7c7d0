"""How long a stage worked, apart from how long it waited for a model: engines tell the latter."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class StageClock:
    """The time of one stage from now on. Engines tell from any thread of the stage what part of
    it was none of its work; parts that overlap, as of two requests at once, count twice."""

    def __init__(self, on_wait: Callable[[], None] | None = None) -> None:
        """`on_wait` is called by the waiting thread, once in each wait not over at once."""
        self._started = time.perf_counter()
        self._on_wait, self._waiting = on_wait, False
        self._lock = threading.Lock()
        self._waited = self._loaded = 0.0

    def waiting(self) -> None:
        """The stage waits while others use the model; engines say so now and then until `add`."""
        if not self._waiting:
            self._waiting = True
            if self._on_wait is not None:
                self._on_wait()

    def add(self, *, waited: float = 0.0, loaded: float = 0.0) -> None:
        """So many seconds passed while others used the model, and while it was loaded."""
        self._waiting = False
        with self._lock:
            self._waited += max(0.0, waited)
            self._loaded += max(0.0, loaded)

    @contextmanager
    def loading(self) -> Iterator[None]:
        """What the block does is no work of the stage: it makes a model ready."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.add(loaded=time.perf_counter() - began)

    def fields(self) -> dict[str, float]:
        """For the stage's metadata, in milliseconds: `duration_ms` is its own work; `waited_ms`
        and `load_ms` are there where they are not 0."""
        elapsed = time.perf_counter() - self._started
        with self._lock:
            waited, loaded = self._waited, self._loaded
        found = {
            "duration_ms": round(max(0.0, elapsed - waited - loaded) * 1000, 1),
            WAITED: round(waited * 1000, 1),
            LOADED: round(loaded * 1000, 1),
        }
        return {name: value for name, value in found.items() if value or name == "duration_ms"}


#: Names in a stage's metadata of what was no work of its own.
WAITED, LOADED = "waited_ms", "load_ms"
#: When the stage was done (ISO 8601, UTC); of one from the cache, when its result was made.
FINISHED = "finished_at"
#: The clock of the stage at hand; worker threads inherit it (`core/blocking.py`). What is added to
#: the one that is there outside of any stage is lost.
current_clock: ContextVar[StageClock] = ContextVar("current_clock", default=StageClock())  # noqa: B039
