"""What the engines of one set share: settings, loaded models, counters."""

from __future__ import annotations

import os
from collections import Counter
from functools import cached_property
from pathlib import Path
from threading import Lock

from ninefold.engines import builtin
from ninefold.engines.devices import DeviceChoice, choose_device
from ninefold.engines.local_models.lookup import LocalModels
from ninefold.engines.residency import Residency
from ninefold.engines.settings import EngineSettings

_GIB = 1 << 30


class EngineResources:
    """Given to every engine of a set when it is made; nothing is loaded until it is asked for."""

    def __init__(
        self, settings: EngineSettings | None = None, builtin_root: Path = builtin.ROOT
    ) -> None:
        self.settings = settings or EngineSettings()
        #: Where the models lie that ship.
        self.builtin_root = builtin_root
        #: Models in the user's folders, and those that were added or pulled.
        self.local_models = LocalModels(self.settings)
        #: Models of every kind, on every device.
        self.residency = Residency(self.memory_budget, self._clear)
        self._batches: Counter[int] = Counter()
        self._lock = Lock()

    @cached_property
    def device(self) -> DeviceChoice:
        """Where torch runs; imports it, and raises `ModelError` where the device is not there."""
        return choose_device(self.settings)

    def memory_budget(self, device: str) -> int:
        """Bytes that loaded models may hold on a device: the setting, or half of its memory."""
        if self.settings.memory_gb:
            return int(self.settings.memory_gb * _GIB)
        if device == "cuda":
            import torch

            if self.settings.memory:
                return self.settings.memory // 2
            return int(torch.cuda.mem_get_info()[1]) // 2
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2

    def count_batch(self, images: int) -> None:
        """Note that one call of a diffusion model makes so many images."""
        with self._lock:
            self._batches[images] += 1

    def batches(self) -> dict[int, int]:
        """How many calls made so many images at once."""
        with self._lock:
            return dict(self._batches)

    def _clear(self, device: str) -> None:
        if "device" in vars(self) and self.device.name == device:
            self.device.clear()
