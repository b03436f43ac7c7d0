"""Finished stages on disk, found again by what they were made from.

An entry is a folder: the stage's record and the files that it names. Files are hard links where
the file system has them, so that an entry costs nothing while a job holds the same file.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ninefold._version import __version__
from ninefold.core.atomic import link_all
from ninefold.core.blocking import run_blocking
from ninefold.core.context import PipelineContext
from ninefold.core.errors import ConfigError, InputError, UserError
from ninefold.core.pipeline import Attempt
from ninefold.core.record import StageRecord
from ninefold.core.timing import LOADED, WAITED
from ninefold.core.wiring import Step

#: Where nobody says otherwise.
DEFAULT_MAX_BYTES = 10 * 2**30
#: Raise it when entries are laid out differently; older ones are then never found.
_LAYOUT = 1
_RECORD = "record.json"
_PART = ".part-"
#: An unfinished entry that is older, in seconds, is what a dead process left.
_ABANDONED = 3600.0
#: Eviction goes on until this part of the limit is used.
_FILL = 0.9


class StageCache:
    """Stage results in `folder`, shared by all processes that name the same one.

    Once over `max_bytes`, the entries that were not used for longest go. Each process counts what
    it adds, and all of it now and then, so several together may go over for a while.
    """

    def __init__(self, folder: Path, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        if max_bytes < 0:
            raise ConfigError(f"cache: expected a limit of 0 bytes or more, got {max_bytes}.")
        self.folder = folder
        self.max_bytes = max_bytes
        #: Steps looked for in this process that were there, and that were not.
        self.hits = self.misses = 0
        self._size: int | None = None

    async def around(self, step: Step, context: PipelineContext, attempt: Attempt) -> StageRecord:
        """The step's record from the cache, or by running it; fit for `Pipeline.execute`."""
        before = context.scratch()
        key = await run_blocking(context, _key_or_none, step, before)
        if key is None:
            return await attempt()
        started = time.perf_counter()
        found = await run_blocking(context, self.get, key, context)
        if found is None:
            self.misses += 1
        else:
            self.hits += 1
            spent = round((time.perf_counter() - started) * 1000, 1)
            made = {k: v for k, v in found.metadata.items() if k not in (WAITED, LOADED)}
            return replace(found, metadata={**made, "cached": True, "duration_ms": spent})
        record = await attempt()
        # Files that were replaced meanwhile may have been read before it or after.
        if record.succeeded and await run_blocking(context, _key_or_none, step, before) == key:
            await run_blocking(context, self.put, key, record, context)
        return record

    def get(self, key: str, context: PipelineContext) -> StageRecord | None:
        """The record under `key`, its files now also in the context's folder; None where missing.

        An entry that is damaged is removed.
        """
        entry = self._entry(key)
        try:
            record = StageRecord.from_json(json.loads((entry / _RECORD).read_bytes()))
            for name, digest in named_files(record):
                if file_digest(entry / digest) != digest:
                    raise InputError(f"{name}: changed since it was kept.")
            link_all((entry / sha, context.file(name)) for name, sha in named_files(record))
            os.utime(entry / _RECORD)
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            shutil.rmtree(entry, ignore_errors=True)
            return None
        return record

    def put(self, key: str, record: StageRecord, context: PipelineContext) -> None:
        """Keep a record and its files; a cache that cannot be written is no failure."""
        entry = self._entry(key)
        part = entry.with_name(f"{_PART}{secrets.token_hex(8)}")
        try:
            part.mkdir(parents=True)
            # None of it need outlive a power cut: an entry that is cut is found damaged.
            files = ((context.file(name), part / sha) for name, sha in named_files(record))
            link_all(files, durable=False)
            (part / _RECORD).write_text(json.dumps(record.to_json()))
            size = _folder_bytes(part)
            os.rename(part, entry)
        except OSError:  # full, read-only, or another process was quicker
            shutil.rmtree(part, ignore_errors=True)
            return
        if self._size is None:
            self._size = sum(entry.size for entry in self._entries())
        else:
            self._size += size
        if self._size > self.max_bytes:
            self.evict()

    def evict(self, max_bytes: int | None = None) -> int:
        """Remove entries, the least recently used first, to get below the limit; returns bytes."""
        limit = self.max_bytes if max_bytes is None else max_bytes
        entries = sorted(self._entries(), key=lambda entry: entry.used)
        size = total = sum(entry.size for entry in entries)
        if total > limit:
            for entry in entries:
                if size <= limit * _FILL:
                    break
                shutil.rmtree(entry.path, ignore_errors=True)
                size -= entry.size
        self._size = size
        return total - size

    def _entry(self, key: str) -> Path:
        return self.folder / key[:2] / key

    def _entries(self) -> Iterator[_Entry]:
        for path in self.folder.glob("*/*"):
            try:
                if path.name.startswith(_PART):
                    if time.time() - path.stat().st_mtime > _ABANDONED:
                        shutil.rmtree(path, ignore_errors=True)
                    continue
                yield _Entry(path, _folder_bytes(path), (path / _RECORD).stat().st_mtime)
            except OSError:  # another process removed it
                continue


@dataclass(frozen=True)
class _Entry:
    path: Path
    size: int
    #: When it was used last, in seconds since the epoch.
    used: float


def cache_key(step: Step, context: PipelineContext) -> str | None:
    """What the step's result is found by, in hex; None where the same may come out differently.

    It covers the stage and its version, its parameters, everything that it reads, and what the
    stage says of its models.
    """
    stage = step.stage
    fingerprint = stage.fingerprint(context)
    if fingerprint is None:
        return None
    made_of = {
        "layout": _LAYOUT,
        "ninefold": __version__,
        "stage": f"{type(stage).__module__}.{type(stage).__qualname__}",
        "step": step.name,
        "version": stage.version,
        "params": stage.params.model_dump(mode="json"),
        "reads": context.slots_as_json(stage.scope()),
        "fingerprint": fingerprint,
    }
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()


def _key_or_none(step: Step, context: PipelineContext) -> str | None:
    try:
        return cache_key(step, context)
    except UserError:  # running the step will tell it, where failures are recorded
        return None


def named_files(record: StageRecord) -> tuple[tuple[str, str], ...]:
    """Path below the working folder, and SHA-256 in hex, of every file that the record names."""
    found: dict[str, str] = {}

    def collect(value: Any) -> None:
        if isinstance(value, Mapping):
            if isinstance(value.get("path"), str) and isinstance(value.get("sha256"), str):
                found[value["path"]] = value["sha256"]
            for item in value.values():
                collect(item)
        elif isinstance(value, list | tuple):
            for item in value:
                collect(item)

    collect(record.data)
    collect(record.artifacts)
    return tuple(found.items())


def file_digest(path: Path) -> str:
    """SHA-256, in hex, of a file's bytes as they are now, which may be damaged."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _folder_bytes(folder: Path) -> int:
    return sum(item.stat().st_size for item in os.scandir(folder))
