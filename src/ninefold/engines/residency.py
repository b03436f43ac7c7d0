"""Loaded models kept within a memory budget; the least recently used leaves first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass
class _Slot(Generic[T]):
    lock: threading.Lock = field(default_factory=threading.Lock)
    model: T | None = None
    size: int = 0


class Residency(Generic[T]):
    """Models by key, each used by one thread at a time. Safe to call from any thread."""

    def __init__(self, budget: Callable[[], int], size: Callable[[T], int]) -> None:
        """`budget` and `size` tell bytes; the budget is asked for when the first model loads."""
        self._budget = budget
        self._size = size
        self._slots: OrderedDict[Hashable, _Slot[T]] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def use(self, key: Hashable, load: Callable[[], T]) -> Iterator[T]:
        """Hold a model alone for as long as the block runs, loading it first where needed.

        A model that is in use is never unloaded, even where the budget is exceeded by it alone.
        """
        with self._lock:
            slot = self._slots.setdefault(key, _Slot())
            self._slots.move_to_end(key)
        with slot.lock:
            if slot.model is None:
                slot.model = load()
                slot.size = self._size(slot.model)
                self._shrink(self._budget())
            yield slot.model

    def unload_idle(self) -> int:
        """Unload every model that nobody uses; returns how many."""
        return self._shrink(0)

    def sizes(self) -> dict[Hashable, int]:
        """Bytes of the loaded models, by key."""
        with self._lock:
            return {key: slot.size for key, slot in self._slots.items() if slot.model is not None}

    def keys(self) -> tuple[Hashable, ...]:
        """Keys of the loaded models, least recently used first."""
        with self._lock:
            return tuple(key for key, slot in self._slots.items() if slot.model is not None)

    def _shrink(self, budget: int) -> int:
        unloaded = 0
        with self._lock:
            total = sum(slot.size for slot in self._slots.values())
            for slot in list(self._slots.values()):
                if total <= budget:
                    break
                if slot.model is not None and slot.lock.acquire(blocking=False):
                    # The slot itself stays: a waiting thread must find the same lock.
                    slot.model = None
                    total -= slot.size
                    slot.size = 0
                    unloaded += 1
                    slot.lock.release()
        return unloaded
