"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import BinaryIO

#: Called just before a file takes its place; raises where the work at hand may no longer write.
#: Set by those whose work others may take over; worker threads inherit it (`core/blocking.py`).
check_may_write: ContextVar[Callable[[], None]] = ContextVar(
    "check_may_write",
    default=lambda: None,
)

_NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EBADF)
_MODE = 0o666
#: Where Linux lists a process's open files: through it, one without a name is given one.
_OPEN_FILES = Path("/proc/self/fd")
_TEMPORARY = re.compile(r"\.[0-9a-f]{16}\.part")
#: A temporary file that is older, in seconds, is what a dead process left.
_ABANDONED = 3600.0


def write_atomic(path: Path, data: bytes, *, mode: int = _MODE, replace: bool = True) -> None:
    """Write `data` to `path`, replacing what is there, and return once both are on the disk.

    Readers see the old file or the new one, never a part. On any failure, an interrupt too, `path`
    is as it was and nothing of the new file remains; for what a killed process may leave, see
    `remove_abandoned`. The folder must exist. `mode` is what may be done with the file, less what
    the umask takes.

    Raises OSError where the folder is missing or not writable, the disk is full, or `path` is a
    folder; without `replace`, FileExistsError where there is anything at `path`.
    """
    _write(path, data, mode, replace)
    _sync_folder(path.parent)


def link_all(links: Iterable[tuple[Path, Path]], *, durable: bool = True) -> None:
    """Make each second path the same file as the first, or a copy where no link can be made.

    Like `write_atomic`: what is there is replaced, each file whole or not at all, and all of it is
    on the disk when this returns, unless `durable` says that it need not be. None of the files may
    be written in place afterwards.
    """
    folders: dict[Path, None] = {}
    for source, path in links:
        try:
            _give_name(partial(os.link, source), path)
        except FileNotFoundError:
            raise
        except OSError:  # another file system, or one without links
            _write(path, source.read_bytes(), sync=durable)
        folders[path.parent] = None
    if durable:
        for folder in folders:
            _sync_folder(folder)


def remove_abandoned(folder: Path) -> int:
    """Remove the temporary files below `folder` that dead processes left; returns how many went.

    On Linux there are few: a file gets its name when it is whole, and has another one before only
    for the moment in which it replaces one, or where the file system has no files without names.
    """
    gone = 0
    for place, _, names in os.walk(folder):
        for name in filter(_TEMPORARY.fullmatch, names):
            path = Path(place, name)
            with suppress(OSError):
                # Of its name, not of its content: a link may be to an old file.
                if time.time() - path.lstat().st_ctime > _ABANDONED:
                    path.unlink()
                    gone += 1
    return gone


def _write(
    path: Path, data: bytes, mode: int = _MODE, replace: bool = True, sync: bool = True
) -> None:
    """As `write_atomic`, but for its folder; without `sync` it need not be on the disk."""
    if (handle := _open_unnamed(path.parent, mode)) is not None:
        with os.fdopen(handle, "wb") as file:
            _fill(file, data, sync)
            opened = _OPEN_FILES / str(handle)
            try:
                # With a folder named, Python has the link followed to the file that is open.
                _give_name(partial(os.link, opened, src_dir_fd=handle), path, replace)
                return
            except FileExistsError:
                raise
            except OSError:  # no links here, or what the other way fails at, too
                pass
    # Not tempfile, whose files only their owner may read.
    with _temporary(path) as temporary:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "wb") as file:
            _fill(file, data, sync)
        check_may_write.get()()
        if replace:
            os.replace(temporary, path)
        else:
            os.link(temporary, path)


def _open_unnamed(folder: Path, mode: int) -> int | None:
    """A new file in `folder` that has no name and goes with the process; None where there are no
    such files, or no file can be made: then making one with a name says why."""
    if not hasattr(os, "O_TMPFILE") or not _OPEN_FILES.is_dir():
        return None
    try:
        return os.open(folder, os.O_WRONLY | os.O_TMPFILE, mode)
    except OSError:
        return None


def _fill(file: BinaryIO, data: bytes, sync: bool) -> None:
    file.write(data)
    file.flush()
    if sync:
        os.fsync(file.fileno())


def _give_name(link: Callable[[Path], object], path: Path, replace: bool = True) -> None:
    """Give a whole file its name by `link`, which raises FileExistsError where it is taken."""
    check_may_write.get()()
    try:
        link(path)
    except FileExistsError:
        if not replace:
            raise
        with _temporary(path) as temporary:
            link(temporary)
            os.replace(temporary, path)


@contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    """A name beside `path` that nothing has in the end."""
    temporary = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        yield temporary
    finally:
        # After a rename, too: one onto another link of the same file leaves both names.
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
