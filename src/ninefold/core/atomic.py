"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path

#: Called just before a file takes its place; raises where the work at hand may no longer write.
#: Set by those whose work others may take over; worker threads inherit it (`core/blocking.py`).
check_may_write: ContextVar[Callable[[], None]] = ContextVar(
    "check_may_write",
    default=lambda: None,
)

_NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EBADF)


def write_atomic(path: Path, data: bytes) -> None:
    """Write `data` to `path`, replacing what is there, and return once both are on the disk.

    Readers see the old file or the new one, never a part. On any failure, an interrupt too, `path`
    is as it was and nothing of the new file remains. The folder must exist.

    Raises OSError where the folder is missing or not writable, the disk is full, or `path` is a
    folder.
    """
    temporary = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        # Not tempfile, whose files only their owner may read.
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        check_may_write.get()()
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(path.parent)


def link_all(links: Iterable[tuple[Path, Path]], *, durable: bool = True) -> None:
    """Make each second path the same file as the first, or a copy where no link can be made.

    Like `write_atomic`: what is there is replaced, each file whole or not at all, and all of it is
    on the disk when this returns, unless `durable` says that it need not be. None of the files may
    be written in place afterwards.
    """
    folders: dict[Path, None] = {}
    for source, path in links:
        _link(source, path, durable)
        folders[path.parent] = None
    if durable:
        for folder in folders:
            _sync_folder(folder)


def _link(source: Path, path: Path, durable: bool) -> None:
    temporary = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        try:
            os.link(source, temporary)
        except FileNotFoundError:
            raise
        except OSError:  # another file system, or one without links
            if durable:
                write_atomic(path, source.read_bytes())
                return
            shutil.copyfile(source, temporary)
        check_may_write.get()()
        os.replace(temporary, path)
    finally:
        # A rename onto another link of the same file leaves both names.
        with suppress(OSError):
            temporary.unlink()


def _sync_folder(folder: Path) -> None:
    """Make a rename in `folder` last; file systems that cannot are left alone."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(handle)
