"""Answers with a file: what their heads say, whichever file it is, and the file itself."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from ninefold.core.errors import NotFoundError
from ninefold.core.values import Artifact, Output
from ninefold.files.formats import FORMATS
from ninefold.jobs import Job
from ninefold.server.problems import responses
from ninefold.server.ranges import RangedFile

#: Seconds that a file which cannot change may be kept by its reader.
_KEPT = 86_400


@dataclass(frozen=True)
class StoredFile:
    """A file that a job made, or that was sent."""

    path: Path
    media_type: str
    #: Its SHA-256, or what else no other file has.
    sha256: str

    @classmethod
    def of_job(cls, job: Job, name: str) -> StoredFile:
        """A file that a job made, or an image of its input; raises `NotFoundError`."""
        if (given := job.input_files.get(name)) is not None and given.path.is_file():
            return cls(given.path, "image/png", given.sha256)
        found: dict[str, Artifact | Output] = {item.name: item for item in job.outputs}
        found |= {item.name: item for item in (*job.region_files, *job.artifacts)}
        item = found.get(name)
        if item is None or not item.path.is_relative_to(job.folder) or not item.path.is_file():
            raise NotFoundError(f"job {job.id!r} has no file called {name[:200]!r}.")
        return cls(item.path, item.media_type, item.sha256)


def stored_bytes(path: Path) -> bytes:
    """The bytes of a `StoredFile`; blocks. Raises `NotFoundError` where its job was deleted
    meanwhile."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise _gone() from None


async def file_answer(
    request: Request, file: StoredFile, name: str, *, changes: bool = False
) -> Response:
    """The file under a name, or the parts of it that are asked for; 304 where the client has it.

    Raises `NotFoundError` where it is gone, and `UnsatisfiableRangeError`.
    """
    headers = file_headers(f'"{file.sha256}"', changes=changes)
    if is_known(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    try:
        stat = await asyncio.to_thread(os.stat, file.path)
    except FileNotFoundError:
        raise _gone() from None
    return RangedFile(
        file.path,
        stat,
        headers=headers,
        media_type=file.media_type,
        filename=name,
        content_disposition_type="inline",
    )


def file_responses(*others: str) -> dict[int | str, Any]:
    """What a route can answer that gives images and `others`, by `file_answer`; documentation."""
    media_types = (*(info.media_type for info in FORMATS.values()), *others)
    file = {"description": "The file.", "content": {media_type: {} for media_type in media_types}}
    return {
        200: file,
        206: {**file, "description": "The range that was asked for."},
        304: {"description": "The file is what `If-None-Match` says."},
        **responses(404, 416),
    }


def file_headers(etag: str, *, changes: bool) -> dict[str, str]:
    """Headers of a file, which no page may run as one of its own.

    One that `changes` is asked for again each time, and sent where it is another.
    """
    return {
        "ETag": etag,
        "Cache-Control": "private, no-cache" if changes else f"private, max-age={_KEPT}",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }


def is_known(request: Request, etag: str) -> bool:
    """Whether the client has the file already, by its `If-None-Match`."""
    known = request.headers.get("if-none-match", "")
    return known == "*" or etag in [tag.strip().removeprefix("W/") for tag in known.split(",")]


def _gone() -> NotFoundError:
    return NotFoundError("the file is gone.")
