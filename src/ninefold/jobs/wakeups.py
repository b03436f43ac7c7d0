"""Whether the queue may have changed in other processes, for next to nothing while it has not."""

from __future__ import annotations

import logging
import select
import socket
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

#: What PostgreSQL's sessions are notified on.
CHANNEL = "ninefold_queue"
#: Seconds between two looks at a SQLite file: half of it is how long a job of another process
#: waits. And between two looks while PostgreSQL is not listened to.
POLL = 0.05
#: Seconds that may pass without a look while PostgreSQL is listened to.
LISTENED = 2.0
#: Seconds until PostgreSQL is listened to again, after its session was lost.
_AGAIN = 1.0

_log = logging.getLogger(__name__)


class Wakeups(Protocol):
    """Tells a worker's dispatcher when to look at the queue."""

    def pause(self) -> float:
        """Seconds until `changed` is to be asked again."""

    def changed(self) -> bool:
        """Whether anything may have changed since this was last asked; quick."""

    def close(self) -> None:
        """Let go of the database."""


class FileWakeups:
    """On SQLite: whether any other connection has committed since, without a query."""

    def __init__(self, path: str) -> None:
        # Kept in autocommit: inside a transaction the answer would never change.
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._version = -1

    def pause(self) -> float:
        """As long as a job of another process may wait."""
        return POLL

    def changed(self) -> bool:
        """Whether another connection has committed; True where the file does not answer."""
        try:
            (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        except sqlite3.Error:  # the look that follows reports why
            return True
        before, self._version = self._version, version
        return bool(version != before)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


class NotifiedWakeups:
    """On PostgreSQL: a session that listens, and asks at the usual pace while it is lost."""

    def __init__(self, engine: sa.Engine, wake: Callable[[], object]) -> None:
        """`wake` is called from a thread of its own where a notification comes in."""
        self._engine = engine
        self._wake = wake
        self._listening = threading.Event()
        self._ours, self._theirs = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name="ninefold-listen", daemon=True)
        self._thread.start()

    def pause(self) -> float:
        """Long while notifications come in."""
        return LISTENED if self._listening.is_set() else POLL

    def changed(self) -> bool:
        """Always: a look after so long a pause costs little, and finds what nobody notified of."""
        return True

    def close(self) -> None:
        """End the session."""
        self._ours.close()  # the thread reads the end of it
        self._thread.join()
        self._theirs.close()

    def _run(self) -> None:
        while True:
            try:
                with self._engine.connect() as connection:
                    try:
                        self._listen(connection.connection.driver_connection)
                        return
                    finally:
                        self._listening.clear()
                        connection.invalidate()  # no other use of it should be listening
            except Exception as error:  # psycopg's own, or SQLAlchemy's: away, or restarted
                _log.debug("jobs: no notifications: %s", error)
                self._wake()  # the dispatcher asks at the usual pace from now on
            if select.select([self._theirs], [], [], _AGAIN)[0]:
                return

    def _listen(self, session: Any) -> None:
        """Pass notifications on until `close`; raises psycopg's errors."""
        session.autocommit = True
        session.execute(f"LISTEN {CHANNEL}")
        self._listening.set()
        self._wake()  # what came before
        while True:
            ready, _, _ = select.select([session.fileno(), self._theirs], [], [])
            if self._theirs in ready:
                return
            if list(session.notifies(timeout=0)):
                self._wake()


def wakeups_for(engine: sa.Engine, wake: Callable[[], object]) -> Wakeups:
    """What goes with a database."""
    if engine.dialect.name == "sqlite":
        return FileWakeups(str(engine.url.database))
    return NotifiedWakeups(engine, wake)


def notify(connection: sa.Connection) -> None:
    """Wake the workers that listen, once the transaction is committed; nothing on SQLite."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_notify(CHANNEL, "")))


def notify_now(engine: sa.Engine) -> None:
    """Wake the workers that listen; where that fails they look by themselves, a little later."""
    if engine.dialect.name == "postgresql":
        with suppress(SQLAlchemyError), engine.begin() as connection:
            notify(connection)
