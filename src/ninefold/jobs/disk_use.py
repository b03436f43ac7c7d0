"""How many bytes jobs, cache and uploads take, measured now and then and never while one waits."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

#: Seconds for which what was measured is given back as it is.
_FRESH = 600.0


@dataclass(frozen=True)
class DiskUse:
    """Bytes by folder, and when they were measured, in seconds since the epoch."""

    folders: Mapping[str, int]
    measured_at: float


class DiskMeter:
    """Measures some folders in a thread of its own, at most every ten minutes."""

    def __init__(self, data: Path, names: tuple[str, ...] = ("jobs", "cache", "uploads")) -> None:
        self._data, self._names = data, names
        self._last: DiskUse | None = None
        self._lock = threading.Lock()

    def last(self) -> DiskUse | None:
        """What was measured last; None before the first time. Where that is long ago, another
        begins: returns at once all the same."""
        old = self._last is None or time.time() - self._last.measured_at > _FRESH
        if old and self._lock.acquire(blocking=False):
            threading.Thread(target=self._measure, name="disk-use", daemon=True).start()
        return self._last

    def _measure(self) -> None:
        try:
            sizes = {name: folder_bytes(self._data / name) for name in self._names}
            self._last = DiskUse(sizes, time.time())
        finally:
            self._lock.release()


def folder_bytes(folder: str | os.PathLike[str]) -> int:
    """Bytes of all files below a folder, which may change meanwhile; a file that is hard-linked
    from several places counts each time."""
    size = 0
    folders = [os.fspath(folder)]
    while folders:
        try:
            with os.scandir(folders.pop()) as found:
                for entry in found:
                    try:
                        if entry.is_dir(follow_symlinks=False):
                            folders.append(entry.path)
                        else:
                            size += entry.stat(follow_symlinks=False).st_size
                    except OSError:  # gone meanwhile
                        continue
        except OSError:
            continue
    return size
