"""The standard streams of a process that is ours: always there, and no reason for work to fail.

A stream that was closed, or that never was (pythonw, services), is like one that nobody reads. A
reader that goes away, as `head` does, gets no more; what was begun is finished. A character that
the terminal's encoding lacks is written as `\\u1234`, which JSON understands, and a file name that
is no UTF-8 comes out as the bytes it has on the disk.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

_ERRORS = "ninefold"


class _Output(io.FileIO):
    """A standard stream's descriptor, which outlives this object."""

    def __init__(self, number: int, *, courtesy: bool) -> None:
        """With `courtesy`, nothing that the stream refuses is an error: it holds no result."""
        super().__init__(number, "w", closefd=False)
        self._courtesy = courtesy
        #: Set once nobody reads it any more.
        self.deserted = False

    def write(self, data: Any) -> int:
        """All of `data`, or nothing where nobody would read it."""
        try:
            return super().write(data)
        except BrokenPipeError:
            self.deserted = True
        except OSError:
            if not self._courtesy:
                self._courtesy = True  # it was reported once; what is left in a buffer need not be
                raise
        return len(data)


@contextmanager
def own_streams() -> Iterator[None]:
    """Inside the block, the standard streams are as this module says."""
    before = sys.stdin, sys.stdout, sys.stderr
    _open_closed()
    sys.stdin = before[0] or open(os.devnull, encoding="utf-8")  # noqa: SIM115 - until the end
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")  # as the command line is read
    sys.stdout = _output(before[1], 1, courtesy=False)
    sys.stderr = _output(before[2], 2, courtesy=True)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        sys.stdin, sys.stdout, sys.stderr = before


@contextmanager
def present_streams() -> Iterator[None]:
    """Inside the block, streams that are missing are there; nobody reads them."""
    missing = [name for name in ("stdin", "stdout", "stderr") if getattr(sys, name) is None]
    for name in missing:
        setattr(sys, name, open(os.devnull, "r+", encoding="utf-8"))  # noqa: SIM115
    try:
        yield
    finally:
        for name in missing:
            getattr(sys, name).close()
            setattr(sys, name, None)


def nobody_reads() -> bool:
    """Whether whoever read stdout and stderr has gone."""
    outputs = (sys.stdout, sys.stderr)
    raws = [getattr(getattr(stream, "buffer", None), "raw", None) for stream in outputs]
    return all(isinstance(raw, _Output) and raw.deserted for raw in raws)


def _open_closed() -> None:
    """Have the three descriptors taken, or the next file that is opened would get one of them."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)


def _output(stream: TextIO | None, number: int, *, courtesy: bool) -> TextIO:
    with suppress(OSError, ValueError):
        if stream is not None:
            stream.flush()
            number = stream.fileno()
    encoding = getattr(stream, "encoding", None) or "utf-8"
    if codecs.lookup(encoding).name == "ascii":  # a mistake of the environment, not a wish
        encoding = "utf-8"
    raw = _Output(number, courtesy=courtesy)
    return io.TextIOWrapper(
        io.BufferedWriter(raw), encoding, _ERRORS, line_buffering=courtesy or raw.isatty()
    )


def _escaped(error: UnicodeError) -> tuple[str | bytes, int]:
    """What an encoding has no character for: bytes of file names as they are, the rest escaped."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    parts = []
    for letter in error.object[error.start : error.end]:
        if "\udc80" <= letter <= "\udcff":
            parts.append(bytes([ord(letter) - 0xDC00]))
        else:
            units = letter.encode("utf-16-be", "surrogatepass").hex()
            parts.append("".join(f"\\u{units[i : i + 4]}" for i in (0, 4) if units[i:]).encode())
    return b"".join(parts), error.end


codecs.register_error(_ERRORS, _escaped)
