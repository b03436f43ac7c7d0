"""What was found out about files, remembered between processes until the files change.

One SQLite file in the user's cache folder, shared by all processes. It may be deleted at any time;
where it cannot be read or written, nothing is remembered and nothing fails.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ninefold.core.errors import ModelError

#: Seconds that a file must be old before anything is remembered of it: a change that soon after
#: another may leave size and time as they were.
_SETTLED = 2.0
#: Seconds to wait for another process.
_PATIENCE = 5.0

_TABLE = """
CREATE TABLE IF NOT EXISTS facts (
    path TEXT NOT NULL, fact TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    inode INTEGER NOT NULL, value TEXT NOT NULL, PRIMARY KEY (fact, path)
)
"""


@dataclass(frozen=True)
class FileStamp:
    """What tells that a file is still the same, without reading it."""

    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> FileStamp:
        """The stamp of a file; raises `ModelError` where it cannot be looked at."""
        try:
            stat = path.stat()
        except OSError as error:
            raise ModelError(f"Cannot read {path.name}: {error.strerror}.") from error
        return cls(stat.st_size, stat.st_mtime_ns, stat.st_ino)

    @property
    def settled(self) -> bool:
        """Whether the file is old enough for a later change to show in the stamp."""
        return time.time() - self.mtime_ns / 1e9 > _SETTLED


class FileMemory:
    """Facts of files by name (`sha256`), each with the stamp of the file that it holds for."""

    def __init__(self, database: Path) -> None:
        self._database = database

    @classmethod
    def of_user(cls) -> FileMemory:
        """The one in the user's cache folder: `XDG_CACHE_HOME`, or `~/.cache`."""
        cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        return cls(Path(cache) / "ninefold" / "files.sqlite3")

    def recall(self, path: Path, stamp: FileStamp, fact: str) -> str | None:
        """What is remembered of a file, if it has not changed since."""
        rows = self._ask(
            "SELECT size, mtime_ns, inode, value FROM facts WHERE fact = ? AND path = ?",
            (fact, memory_key(path)),
        )
        return next((value for *known, value in rows if FileStamp(*known) == stamp), None)

    def recall_all(self, fact: str) -> dict[str, tuple[FileStamp, str]]:
        """What is remembered of all files, by `memory_key` of their paths."""
        rows = self._ask(
            "SELECT path, size, mtime_ns, inode, value FROM facts WHERE fact = ?", (fact,)
        )
        return {path: (FileStamp(*known), value) for path, *known, value in rows}

    def remember(self, path: Path, stamp: FileStamp, fact: str, value: str) -> None:
        """Remember a fact of a file that had this stamp before and after it was read."""
        if stamp.settled:
            row = (memory_key(path), fact, stamp.size, stamp.mtime_ns, stamp.inode, value)
            self._ask("INSERT OR REPLACE INTO facts VALUES (?, ?, ?, ?, ?, ?)", row, write=True)

    def forget(self, path: Path) -> None:
        """Forget all that is remembered of a file."""
        self._ask("DELETE FROM facts WHERE path = ?", (memory_key(path),))

    def _ask(self, statement: str, values: tuple[Any, ...], *, write: bool = False) -> list[Any]:
        """The rows of one statement, in a connection of its own; none where the file is in trouble:
        what is not remembered is found out anew."""
        try:
            if write:
                self._database.parent.mkdir(parents=True, exist_ok=True)
            elif not self._database.is_file():
                return []
            opened = closing(sqlite3.connect(self._database, timeout=_PATIENCE))
            with opened as connection, connection:
                connection.execute(_TABLE)
                return connection.execute(statement, values).fetchall()
        except (OSError, sqlite3.OperationalError):
            return []
        except sqlite3.DatabaseError:  # damaged: started anew by whoever writes next
            with suppress(OSError):
                self._database.unlink()
            return []


def memory_key(path: Path) -> str:
    """The absolute path as text, which SQLite takes; names that are no UTF-8 too."""
    return os.fsencode(os.path.abspath(path)).decode("utf-8", "backslashreplace")
