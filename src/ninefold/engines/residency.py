"""Loaded models of every kind, kept within one memory budget per device.

Where a model is loaded that does not fit beside the others, those leave that nobody uses, the
least recently used one first, whatever their kind.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ninefold.engines.memory import MemoryFullError, is_out_of_memory

T = TypeVar("T")


@dataclass(frozen=True)
class ModelKey:
    """Which loaded model: its kind's word for models, its name, and the state of its files."""

    kind: str
    name: str
    signature: Hashable
    #: `cpu`, `cuda` or `mps`; each has a budget of its own.
    device: str = "cpu"


@dataclass
class _Slot:
    device: str
    #: Held while the model is loaded, and for as long as one thread has it alone.
    lock: threading.Lock = field(default_factory=threading.Lock)
    model: Any = None
    size: int = 0
    #: Threads that use it or wait for it.
    users: int = 0


class Residency:
    """Models by key. Safe to call from any thread."""

    def __init__(
        self, budget: Callable[[str], int], clear: Callable[[str], object] = lambda _: None
    ) -> None:
        """`budget` says how many bytes models may hold on a device, asked for when the first one
        loads there; `clear` gives memory that nothing uses back to the device."""
        self._budget = budget
        self._clear = clear
        self._budgets: dict[str, int] = {}
        self._slots: OrderedDict[ModelKey, _Slot] = OrderedDict()
        self._lock = threading.Lock()

    @contextmanager
    def use(
        self,
        key: ModelKey,
        load: Callable[[], T],
        size: Callable[[T], int],
        *,
        shared: bool = False,
    ) -> Iterator[T]:
        """Hold a model for as long as the block runs, loading it first where needed.

        One thread has it alone, unless it is `shared`. `size` is asked for its bytes once it is
        loaded. A model that is in use or waited for is never unloaded, even where the budget is
        exceeded by it alone. Where loading fills the device's memory, idle models leave it and it
        is tried once more.
        """
        with self._lock:
            slot = self._slots.setdefault(key, _Slot(key.device))
            self._slots.move_to_end(key)
            slot.users += 1
        try:
            with slot.lock:
                if slot.model is None:
                    slot.model = self._load(load, key.device)
                    slot.size = size(slot.model)
                    self._make_room(slot)
                if not shared:
                    yield slot.model
            if shared:
                yield slot.model
        finally:
            with self._lock:
                slot.users -= 1
            if slot.model is not None:
                self._make_room(slot)

    def unload_idle(self, device: str) -> int:
        """Unload every model of a device that nobody uses; returns how many."""
        unloaded = self._shrink(device, 0)
        self._clear(device)
        return unloaded

    def sizes(self) -> dict[tuple[str, str], int]:
        """Bytes of the loaded models, by kind and name."""
        found: dict[tuple[str, str], int] = {}
        for key, slot in self._loaded_slots():
            place = (key.kind, key.name)
            found[place] = found.get(place, 0) + slot.size
        return found

    def loaded(self) -> tuple[ModelKey, ...]:
        """Keys of the loaded models, least recently used first."""
        return tuple(key for key, _ in self._loaded_slots())

    def _loaded_slots(self) -> list[tuple[ModelKey, _Slot]]:
        with self._lock:
            return [item for item in self._slots.items() if item[1].model is not None]

    def _load(self, load: Callable[[], T], device: str) -> T:
        try:
            return load()
        except Exception as error:
            tried = isinstance(error, MemoryFullError)
            if tried or not any(map(is_out_of_memory, (error, error.__cause__ or error))):
                raise
        # Outside the handler, so that the traceback no longer holds what was half loaded.
        self.unload_idle(device)
        return load()

    def _make_room(self, latest: _Slot) -> None:
        """Unload what is over the budget of a device; `latest` stays."""
        if latest.device not in self._budgets:
            self._budgets[latest.device] = self._budget(latest.device)
        self._shrink(latest.device, self._budgets[latest.device], latest)

    def _shrink(self, device: str, budget: int, latest: _Slot | None = None) -> int:
        unloaded = 0
        with self._lock:
            slots = [slot for slot in self._slots.values() if slot.device == device]
            total = sum(slot.size for slot in slots)
            for slot in slots:
                if total <= budget:
                    break
                if slot.model is not None and slot.users == 0 and slot is not latest:
                    # The slot itself stays: a thread that comes next must find the same lock.
                    total -= slot.size
                    slot.model, slot.size = None, 0
                    unloaded += 1
        return unloaded
