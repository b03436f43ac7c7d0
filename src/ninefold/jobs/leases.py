"""Which workers live: a lock that dies with its process, and a pulse that stops when it hangs."""

from __future__ import annotations

import fcntl
import hashlib
import os
import socket
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Literal, Protocol

import sqlalchemy as sa

from ninefold._version import __version__
from ninefold.core.errors import ConfigError
from ninefold.jobs.tables import WORKERS

#: A worker whose pulse stands still for this many seconds is taken for dead.
PULSE_TIMEOUT = 9.0
#: Longest name of a worker, in characters.
MAX_NAME = 128
#: Numbers tried for a worker that was given no name.
_MOST_WORKERS = 1000
#: Seconds until a lock that is only being looked at is tried again.
_LOOKED_AT = 0.002
#: Characters of a host's name that are kept.
_MAX_HOST = 255

#: In whose process a worker runs: a server's, that of `ninefold worker`, or a program's that uses
#: the library.
WorkerKind = Literal["server", "worker", "library"]


@dataclass(frozen=True)
class WorkerProcess:
    """Which process a worker is; None where it is of a version that does not tell."""

    #: A `WorkerKind`, or one of a later version.
    kind: str | None = None
    host: str | None = None
    pid: int | None = None
    #: By its host's clock, in milliseconds since the epoch.
    started_at: int | None = None
    version: str | None = None

    @classmethod
    def own(cls, kind: WorkerKind) -> WorkerProcess:
        """This process, whose worker starts now."""
        host = socket.gethostname()[:_MAX_HOST]
        return cls(kind, host, os.getpid(), round(time.time() * 1000), __version__)


@dataclass(frozen=True)
class KnownWorker:
    """A worker that runs or ran."""

    name: str
    #: Whether its process holds its name.
    alive: bool
    process: WorkerProcess


class Locks(Protocol):
    """Locks by name; the system gives them back when the process that holds one dies."""

    def acquire(self, name: str) -> bool:
        """Take the lock; False where another holds it."""

    def release(self) -> None:
        """Give the lock back."""

    def keep(self) -> bool:
        """Whether the lock is still ours; takes it again where the connection was lost."""

    def taken(self, name: str) -> bool:
        """Whether any process holds the lock."""


class FileLocks:
    """Locks for workers on one SQLite file: locked files beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._held: IO[bytes] | None = None

    def acquire(self, name: str) -> bool:
        """Take the lock; False where another holds it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self._path(name).open("ab")

        def acquire() -> bool:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

        if not _insist(acquire, self, name):
            file.close()
            return False
        self._held = file
        return True

    def release(self) -> None:
        """Give the lock back."""
        if self._held is not None:
            self._held.close()
            self._held = None

    def keep(self) -> bool:
        """A file lock is not lost."""
        return self._held is not None

    def taken(self, name: str) -> bool:
        """Whether any process holds the lock."""
        try:
            file = self._path(name).open("rb")
        except FileNotFoundError:
            return False
        with file:
            try:
                # Shared, so that two who ask at once do not take one another for the holder.
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def _path(self, name: str) -> Path:
        return self.folder / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.lock"


class SessionLocks:
    """Locks for workers on PostgreSQL: advisory locks of a session kept open for it."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self._name = ""
        self._session: sa.Connection | None = None

    def acquire(self, name: str) -> bool:
        """Take the lock; False where another holds it."""
        session = self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        lock = sa.select(sa.func.pg_try_advisory_lock(_number(name)))
        if not _insist(lambda: bool(session.scalar(lock)), self, name):
            session.close()
            return False
        self._name, self._session = name, session
        return True

    def release(self) -> None:
        """Give the lock back."""
        if self._session is not None:
            # A pooled connection would keep its session, and the lock with it.
            self._session.invalidate()
            self._session.close()
            self._session = None

    def keep(self) -> bool:
        """Whether the lock is still ours; takes it again where the connection was lost."""
        try:
            if self._session is not None:
                self._session.execute(sa.select(1))
                return True
        except sa.exc.DBAPIError:
            self.release()
        return self.acquire(self._name)

    def taken(self, name: str) -> bool:
        """Whether any process holds the lock."""
        with self.engine.connect() as connection:
            shared = sa.func.pg_try_advisory_xact_lock_shared(_number(name))
            return not connection.scalar(sa.select(shared))


def _insist(acquire: Callable[[], bool], locks: Locks, name: str) -> bool:
    """Acquire a lock; False where another holds it. One who only asks whether it is taken has it
    for a moment as well, and shares it with whoever else asks."""
    while not acquire():
        if locks.taken(name):
            return False
        time.sleep(_LOOKED_AT)
    return True


def locks_for(engine: sa.Engine, data: Path) -> Locks:
    """The locks that go with a database."""
    if engine.dialect.name == "sqlite":
        return FileLocks(data / "workers")
    return SessionLocks(engine)


def known_workers(engine: sa.Engine, data: Path) -> list[KnownWorker]:
    """The workers that run or ran on a database, by name."""
    with engine.connect() as connection:
        rows = connection.execute(sa.select(WORKERS).order_by(WORKERS.c.id)).all()
    locks = locks_for(engine, data)
    return [
        KnownWorker(
            row.id,
            locks.taken(row.id),
            WorkerProcess(row.kind, row.host, row.pid, row.started_at, row.version),
        )
        for row in rows
    ]


class Lease:
    """One worker's right to its name, and its view of who else lives.

    Nothing is compared with a clock of another process: a pulse is a number that grows, and how
    long it stood still is measured here.
    """

    def __init__(
        self,
        engine: sa.Engine,
        locks: Locks,
        name: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        kind: WorkerKind = "library",
    ) -> None:
        self.engine = engine
        self._process = asdict(WorkerProcess.own(kind))
        self.locks = locks
        self.name = self._take(name)
        self._clock = clock
        #: The last pulse seen of each worker, and when it changed.
        self._seen: dict[str, tuple[int, float]] = {}
        #: Workers whose lock was found free the last time.
        self._unlocked: set[str] = set()

    def beat(self) -> bool:
        """Show that this worker lives; False where its name is another's by now."""
        if not self.locks.keep():
            return False
        with self.engine.begin() as connection:
            own = WORKERS.c.id == self.name
            # Of the process each time: it costs nothing more, and the row may be that of a worker
            # that had the name before, or meanwhile.
            step = sa.update(WORKERS).where(own).values(beat=WORKERS.c.beat + 1, **self._process)
            if connection.execute(step).rowcount == 0:
                new = sa.insert(WORKERS).values(id=self.name, beat=0, **self._process)
                connection.execute(new)
        return True

    def dead(self, others: set[str]) -> set[str]:
        """Those of `others` that died or hang. Call it at a steady pace: one look is not enough."""
        with self.engine.connect() as connection:
            rows = connection.execute(sa.select(WORKERS.c.id, WORKERS.c.beat))
            pulses = {str(row.id): int(row.beat) for row in rows}
        now = self._clock()
        dead = set()
        for other in others - {self.name}:
            pulse = pulses.get(other, -1)
            if self._seen.get(other, (None, 0.0))[0] != pulse:
                self._seen[other] = pulse, now
            still = now - self._seen[other][1]
            if self.locks.taken(other):
                self._unlocked.discard(other)
                if still > PULSE_TIMEOUT:
                    dead.add(other)
            elif other in self._unlocked:
                dead.add(other)
            else:
                self._unlocked.add(other)
        return dead

    def release(self) -> None:
        """Give the name back."""
        self.locks.release()

    def _take(self, name: str | None) -> str:
        if name is not None:
            if not 1 <= len(name) <= MAX_NAME:
                raise ConfigError(f"worker: expected a name of 1 to {MAX_NAME} characters.")
            if not self.locks.acquire(name):
                raise ConfigError(
                    f"worker {name!r} is running already. Stop it, or give this one another name "
                    "with --name."
                )
            return name
        # The lowest free number, so that a worker that starts again goes on with its own jobs.
        for number in range(1, _MOST_WORKERS + 1):
            candidate = f"{socket.gethostname()}-{number}"
            if self.locks.acquire(candidate):
                return candidate
        raise ConfigError(f"worker: {_MOST_WORKERS} run on this host already.")


def _number(name: str) -> int:
    """A lock's name as the signed 64-bit number that PostgreSQL wants."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
