"""Reads C2PA manifests in a process of its own: the parent keeps time, and outlives it.

Run by its path, so it imports the C2PA library and nothing of ninefold's. Messages on stdin and
stdout are a length (8 bytes, big-endian) and so many bytes; a request is two, JSON of
`{"format", "settings"}` and the file, an answer one, JSON of `{"report"}` or `{"error", "kind"}`.
It ends when stdin does, or after `IDLE` seconds without a request.
"""

from __future__ import annotations

import io
import json
import os
import select
import sys
from typing import Any

IDLE = 30.0
#: Bytes of address space that the process may take.
_MEMORY = 2 << 30
#: Longest report that is handed on, in characters.
_LONGEST = 16 << 20


def main() -> None:
    """Answer requests until there are no more."""
    source, target = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is no answer
    _limit_memory()
    import c2pa

    while _waits(source.fileno()) and (head := _message(source)) is not None:
        request = json.loads(head)
        data = _message(source)
        if data is None:
            return
        answer = json.dumps(_read(c2pa, data, request["format"], request["settings"])).encode()
        target.write(len(answer).to_bytes(8, "big") + answer)
        target.flush()


def _read(c2pa: Any, data: bytes, kind: str, settings: dict[str, Any]) -> dict[str, str]:
    try:
        context = c2pa.Context.from_dict(settings)
    except c2pa.C2paError as error:  # says nothing of the file
        return {"error": str(error)[:2000], "kind": "Settings"}
    try:
        with context, c2pa.Reader(kind, io.BytesIO(data), context=context) as reader:
            text: str = reader.json()
    except c2pa.C2paError as error:
        return {"error": str(error)[:2000], "kind": type(error).__name__.strip("_")}
    except MemoryError:
        return {"error": "out of memory", "kind": "MemoryError"}
    if len(text) > _LONGEST:
        return {"error": "the manifest is too large to be shown", "kind": "TooLarge"}
    return {"report": text}


def _waits(descriptor: int) -> bool:
    """Whether a request came before it was too long."""
    if sys.platform == "win32":  # pipes cannot be waited for
        return True
    return bool(select.select([descriptor], [], [], IDLE)[0])


def _message(source: Any) -> bytes | None:
    head = source.read(8)
    if len(head) < 8:
        return None
    length = int.from_bytes(head, "big")
    data: bytes = source.read(length)
    return data if len(data) == length else None


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard == resource.RLIM_INFINITY or hard > _MEMORY:
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, hard))


if __name__ == "__main__":
    main()
