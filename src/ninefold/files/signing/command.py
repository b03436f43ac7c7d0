"""A program that is given bytes and answers with bytes, within time and room."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import IO

#: Bytes that are kept of an output; more are read, and make the program end.
_MOST_BYTES = 1 << 20
#: Seconds that the pipes of a program that ended may stay open by what it left running.
_AFTER = 1.0


def run_command(words: Sequence[str], data: bytes, seconds: float) -> tuple[int, bytes, bytes]:
    """The exit code of a program that reads `data`, what it wrote, and what it said on stderr.

    It ends with all that it started. Raises `TimeoutError` after `seconds`, and `OSError` where it
    cannot be run. One that writes more than a megabyte is ended.
    """
    process = subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # a group of its own, so that all of it can be ended
    )
    out, errors = bytearray(), bytearray()
    threads = [
        threading.Thread(target=_write, args=(process.stdin, data), daemon=True),
        threading.Thread(target=_read, args=(process, process.stdout, out), daemon=True),
        threading.Thread(target=_read, args=(process, process.stderr, errors), daemon=True),
    ]
    for thread in threads:
        thread.start()
    try:
        code = process.wait(seconds)
        for thread in threads[1:]:
            thread.join(_AFTER)
    except subprocess.TimeoutExpired:
        raise TimeoutError from None
    finally:
        _end(process)
        for thread in threads:
            thread.join(_AFTER)
    return code, bytes(out), bytes(errors)


def _write(pipe: IO[bytes] | None, data: bytes) -> None:
    with suppress(OSError):  # it may answer without having read all
        if pipe is not None:
            with pipe:
                pipe.write(data)


def _read(process: subprocess.Popen[bytes], pipe: IO[bytes] | None, into: bytearray) -> None:
    if pipe is None:
        return
    with suppress(OSError, ValueError), pipe:
        while part := os.read(pipe.fileno(), 1 << 16):
            into += part
            if len(into) > _MOST_BYTES:
                _end(process)
                return


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the program, and what it started."""
    if os.name == "nt":
        process.kill()
    else:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
