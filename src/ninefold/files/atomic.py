"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from contextlib import suppress
from pathlib import Path

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
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(path.parent)


def link_atomic(source: Path, path: Path) -> None:
    """Make `path` the same file as `source`, or a copy of it where no link can be made.

    Like `write_atomic`: what is there is replaced, whole or not at all. Neither may be written in
    place afterwards.
    """
    temporary = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        os.link(source, temporary)
    except FileNotFoundError:
        raise
    except OSError:  # another file system, or one without links
        write_atomic(path, source.read_bytes())
        return
    try:
        os.replace(temporary, path)
    finally:
        # A rename onto another link of the same file leaves both names.
        with suppress(OSError):
            temporary.unlink()
    _sync_folder(path.parent)


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
