"""What was found out about files, remembered between processes until the files change.

One SQLite file in the user's cache folder, shared by all processes. It may be deleted at any time;
where it cannot be read or written, nothing is remembered and nothing fails.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterable
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
        statement = "SELECT size, mtime_ns, inode, value FROM facts WHERE fact = ? AND path = ?"
        rows = self._ask(lambda facts: facts.execute(statement, (fact, memory_key(path))))
        return next((value for *known, value in rows if FileStamp(*known) == stamp), None)

    def recall_all(self, fact: str) -> dict[str, tuple[FileStamp, str]]:
        """What is remembered of all files, by `memory_key` of their paths."""
        statement = "SELECT path, size, mtime_ns, inode, value FROM facts WHERE fact = ?"
        rows = self._ask(lambda facts: facts.execute(statement, (fact,)))
        return {path: (FileStamp(*known), value) for path, *known, value in rows}

    def remember(self, path: Path, stamp: FileStamp, fact: str, value: str) -> None:
        """Remember a fact of a file that had this stamp before and after it was read."""
        self.remember_all(fact, [(path, stamp, value)])

    def remember_all(self, fact: str, found: Iterable[tuple[Path, FileStamp, str]]) -> None:
        """The same of several files, in one go."""
        rows = [
            (memory_key(path), fact, stamp.size, stamp.mtime_ns, stamp.inode, value)
            for path, stamp, value in found
            if stamp.settled
        ]
        if rows:
            statement = "INSERT OR REPLACE INTO facts VALUES (?, ?, ?, ?, ?, ?)"
            self._ask(lambda facts: facts.executemany(statement, rows), write=True)

    def _ask(
        self,
        question: Callable[[sqlite3.Connection], sqlite3.Cursor],
        *,
        write: bool = False,
    ) -> list[Any]:
        """The rows that answer a question, in a connection of its own; none where the file is in
        trouble: what is not remembered is found out anew."""
        try:
            if write:
                self._database.parent.mkdir(parents=True, exist_ok=True)
            elif not self._database.is_file():
                return []
            opened = closing(sqlite3.connect(self._database, timeout=_PATIENCE))
            with opened as connection, connection:
                connection.execute(_TABLE)
                return question(connection).fetchall()
        except (OSError, sqlite3.OperationalError):
            return []
        except sqlite3.DatabaseError:  # damaged: started anew by whoever writes next
            with suppress(OSError):
                self._database.unlink()
            return []


def size_and_time(path: Path) -> tuple[int, int] | None:
    """The size of a file or folder and when it changed, in bytes and nanoseconds; None where it is
    not there."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return (stat.st_size, stat.st_mtime_ns)


def memory_key(path: Path) -> str:
    """The absolute path as text, which SQLite takes; names that are no UTF-8 too."""
    return os.fsencode(os.path.abspath(path)).decode("utf-8", "backslashreplace")
