"""Files of many jobs as one ZIP, written as it is sent: none of it is ever in memory whole."""

from __future__ import annotations

import json
import os
import re
import time
import zipfile
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from ninefold.core.paths import inside
from ninefold.jobs import Job
from ninefold.jobs.store import JobStore
from ninefold.server.problems import TooLargeError

#: Most jobs and bytes of one archive, and archives that are sent at a time.
MAX_JOBS, MAX_BYTES, AT_ONCE = 1000, 20 << 30, 4
_CHUNK = 1 << 20
_UNSAFE = re.compile(r"[^\w .()-]|^[ .]+|[ .]+$")
#: Name of the list of what is in the archive.
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Entry:
    """A file of a job, and what it is called in the archive."""

    name: str
    path: Path
    size: int


@dataclass(frozen=True)
class Contents:
    """What an archive will hold."""

    entries: Sequence[Entry]
    manifest: dict[str, Any]


def contents_of(store: JobStore, jobs: Sequence[Job]) -> Contents:
    """The final files of jobs, of those without any the newest picture; blocks.

    Raises `TooLargeError`.
    """
    entries: list[Entry] = []
    listed, total = [], 0
    for job in jobs:
        names: set[str] = set()
        files = []
        for file in _files(store, job):
            path = inside(job.folder, str(file["path"]))
            size = None if path is None else _size(path)
            if path is None or size is None:
                continue
            name = f"{_safe(job.id)}/{_unique(_safe(PurePosixPath(file['path']).name), names)}"
            entries.append(Entry(name, path, size))
            total += size
            files.append({"name": name, "size": size, "sha256": file.get("sha256")})
        listed.append(
            {
                "id": job.id,
                "status": job.status,
                "created_at": job.created_at,
                "prompt": job.input.get("prompt"),
                "negative_prompt": job.input.get("negative_prompt"),
                "seed": job.listing.seed,
                "model": job.listing.model,
                "favourite": job.listing.favourite,
                "files": files,
            }
        )
    if total > MAX_BYTES:
        raise TooLargeError(
            f"archive: expected at most {MAX_BYTES:,} bytes of files, got {total:,}. Name fewer "
            "jobs."
        )
    return Contents(entries, {"jobs": listed})


def zipped(contents: Contents, stopping: Callable[[], bool]) -> Generator[bytes, None, None]:
    """The archive in parts, stored and not compressed: pictures are compressed already.

    A file that has gone meanwhile is named in the manifest, which comes last. Where `stopping` says
    so it ends without its end, and no reader takes it for whole.
    """
    sink = _Sink()
    missing = []
    archive = zipfile.ZipFile(cast(IO[bytes], sink), "w", zipfile.ZIP_STORED)
    for entry in contents.entries:
        try:
            source = entry.path.open("rb")
        except OSError:
            missing.append(entry.name)
            continue
        modified = os.fstat(source.fileno()).st_mtime
        info = zipfile.ZipInfo(entry.name, time.gmtime(modified)[:6])
        info.file_size = entry.size
        with source, archive.open(info, "w") as target:
            while part := source.read(_CHUNK):
                target.write(part)
                yield sink.take()
                if stopping():
                    return
    text = json.dumps({**contents.manifest, "missing": missing}, indent=2, ensure_ascii=False)
    archive.writestr(zipfile.ZipInfo(MANIFEST, time.gmtime()[:6]), text.encode())
    archive.close()
    yield sink.take()


class _Sink:
    """What `zipfile` writes to, as to a pipe."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing waits here."""

    def take(self) -> bytes:
        """What was written since."""
        data = b"".join(self._parts)
        self._parts.clear()
        return data


def _files(store: JobStore, job: Job) -> list[dict[str, Any]]:
    for step in reversed(store.own_steps(job.id)):
        if outputs := step.record.data.get("outputs"):
            return list(outputs)
    return [] if job.listing.picture is None else [{"path": job.listing.picture}]


def _size(path: Path) -> int | None:
    """Bytes of a file; None where it is gone."""
    try:
        return path.stat().st_size
    except OSError:
        return None


def _safe(name: str) -> str:
    """A name that is one on every system."""
    return _UNSAFE.sub("_", name)[:150] or "file"


def _unique(name: str, names: set[str]) -> str:
    """The name, numbered where another has it, in whatever case; adds it to `names`."""
    stem, suffix = PurePosixPath(name).stem, PurePosixPath(name).suffix
    number, found = 1, name
    while found.casefold() in names:
        number += 1
        found = f"{stem}-{number}{suffix}"
    names.add(found.casefold())
    return found
