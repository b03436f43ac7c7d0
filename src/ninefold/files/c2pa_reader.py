"""Reads the C2PA manifest of untrusted bytes: in a process of its own, within time and memory.

The library is native code: a file that makes it panic ends its process, and some make it compute
for minutes. Nothing is fetched: remote manifests and OCSP are off.
"""

from __future__ import annotations

import atexit
import json
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ninefold.files.formats import FORMATS, ImageFormat

_CHILD = Path(__file__).with_name("c2pa_child.py")
#: Seconds that a file may take; one of 4096 x 4096 takes a quarter of one.
_SECONDS = 10.0
#: Processes that are kept for the next file.
_KEPT = 2


@dataclass(frozen=True)
class C2paReading:
    """What the library says of a file: its report, or why there is none."""

    report: dict[str, Any] | None = None
    error: str = ""
    #: The class of the library's error; `Timeout`, or `Ended` where its process died.
    kind: str = ""


def read_c2pa(
    data: bytes, form: ImageFormat, anchors: str | None = None, seconds: float = _SECONDS
) -> C2paReading:
    """The report on a file's manifest store, with trust by the certificates in `anchors` (PEM)."""
    settings: dict[str, Any] = {
        "version": 1,
        "core": {"allowed_network_hosts": []},
        "verify": {
            "verify_after_reading": True,
            "verify_trust": True,
            "verify_timestamp_trust": True,
            "ocsp_fetch": False,
            "remote_manifest_fetch": False,
        },
    }
    if anchors is not None:
        settings["trust"] = {"user_anchors": anchors}
    head = json.dumps({"format": FORMATS[form].media_type, "settings": settings}).encode()
    child, kept = _take()
    try:
        answer = child.ask(head, data, seconds)
    except _ChildError as error:
        if not kept or error.kind == "Timeout":
            return C2paReading(error=str(error), kind=error.kind)
        child = _Child()  # the one before had waited too long, and left
        try:
            answer = child.ask(head, data, seconds)
        except _ChildError as again:
            return C2paReading(error=str(again), kind=again.kind)
    _keep(child)
    found = json.loads(answer)
    if "report" in found:
        return C2paReading(report=json.loads(found["report"]))
    return C2paReading(error=found["error"], kind=found["kind"])


class _ChildError(Exception):
    """The process did not answer, and is gone."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class _Child:
    """One process, used by one thread at a time."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(_CHILD)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def ask(self, head: bytes, data: bytes, seconds: float) -> bytes:
        """The answer; raises `_ChildError` where none comes in time."""
        late = threading.Event()

        def stop() -> None:
            late.set()
            self._process.kill()

        timer = threading.Timer(seconds, stop)
        timer.daemon = True
        timer.start()
        answer = b""
        try:
            answer = self._exchange(head, data)
        except OSError:
            pass  # it has ended
        finally:
            timer.cancel()
            if not answer or late.is_set():
                self.close()
        if late.is_set():
            raise _ChildError("Timeout", f"reading it took more than {seconds:g} seconds")
        if not answer:
            raise _ChildError("Ended", "reading it ended the reader's process")
        return answer

    def _exchange(self, head: bytes, data: bytes) -> bytes:
        """The answer, empty where the process ended."""
        source, target = self._process.stdout, self._process.stdin
        if source is None or target is None:  # for the type checker: both are pipes
            return b""
        for part in (head, data):
            target.write(len(part).to_bytes(8, "big"))
            target.write(part)
        target.flush()
        length = int.from_bytes(source.read(8), "big")
        answer = source.read(length)
        return answer if len(answer) == length else b""

    def close(self) -> None:
        """End it."""
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                if stream is not None:
                    stream.close()
        self._process.wait()


_idle: list[_Child] = []
_lock = threading.Lock()


def _take() -> tuple[_Child, bool]:
    """A process, and whether it was one that had been kept."""
    with _lock:
        if _idle:
            return _idle.pop(), True
    return _Child(), False


def _keep(child: _Child) -> None:
    with _lock:
        if len(_idle) < _KEPT:
            _idle.append(child)
            return
    child.close()


@atexit.register
def close_readers() -> None:
    """End the processes that are kept."""
    with _lock:
        ending = list(_idle)
        _idle.clear()
    for child in ending:
        child.close()
