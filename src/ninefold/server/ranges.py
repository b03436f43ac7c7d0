"""Parts of a file, by `Range` (RFC 9110, section 14): what cannot be read as one is left out."""

from __future__ import annotations

import os
import re
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import FileResponse
from starlette.types import Receive, Scope, Send

from ninefold.server.problems import UnsatisfiableRangeError

_PART = r"(?:[0-9]{1,18}-[0-9]{0,18}|-[0-9]{1,18})"
_BYTES = re.compile(rf"bytes=[ \t]*{_PART}(?:[ \t]*,[ \t]*{_PART})*[ \t]*", re.IGNORECASE)


class RangedFile(FileResponse):
    """A file, or the parts that are asked for; raises `UnsatisfiableRangeError` where it has none
    of them."""

    chunk_size = 2**20  # each is read in a thread

    def __init__(self, path: str | os.PathLike[str], size: os.stat_result, **options: Any) -> None:
        super().__init__(path, stat_result=size, **options)
        self._size = size.st_size

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        headers = Headers(scope=scope)
        asked = ", ".join(headers.getlist("range"))
        unless = headers.get("if-range")
        found = None
        if asked and unless in (None, self.headers["etag"], self.headers["last-modified"]):
            found = satisfiable(asked, self._size)
        changed = MutableHeaders(raw=list(scope["headers"]))
        del changed["range"]
        if found is not None:
            changed["range"] = found
        await super().__call__({**scope, "headers": changed.raw}, receive, send)


def satisfiable(asked: str, size: int) -> str | None:
    """The parts that a file of `size` bytes has of those that are asked for, as a `Range`.

    None where it is to be ignored: another unit, or nothing that can be read. Raises
    `UnsatisfiableRangeError` where the file has none of them.
    """
    if not _BYTES.fullmatch(asked):
        return None
    found = []
    for part in asked.partition("=")[2].split(","):
        first, _, last = part.strip().partition("-")
        if first and last and int(last) < int(first):
            return None
        start = int(first) if first else max(0, size - int(last))
        end = min(size - 1, int(last)) if first and last else size - 1
        if start <= end:
            found.append(f"{start}-{end}")
    if not found:
        raise UnsatisfiableRangeError(asked[:100], size)
    return "bytes=" + ", ".join(found)
