"""The database under the jobs: SQLite in the data folder, or PostgreSQL by its URL."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import SQLAlchemyError

from ninefold.core.errors import ConfigError, StorageError
from ninefold.jobs.schema import bring_up_to_date, state_of
from ninefold.settings import JobSettings

P = ParamSpec("P")
T = TypeVar("T")

FILE_NAME = "ninefold.db"
#: How long a process waits for others that write to the same SQLite file.
BUSY_TIMEOUT_MS = 30_000
#: Seconds that a database server has to answer where somebody only asks how things are.
INSPECT_TIMEOUT = 5
#: A connection that lay idle for longer is tried before it is used: the server may have restarted.
IDLE_SECONDS = 2.0


#: The parts of a URL's query that messages may show: others may hold passwords.
_SHOWN = ("host", "port")


def database_url(data: Path, database: str | None) -> sa.URL:
    """The URL of the database asked for; raises `ConfigError` where it cannot be one."""
    if database is None:
        try:
            str(data).encode()
        except UnicodeEncodeError:  # SQLite takes it, but a URL cannot hold it
            raise ConfigError(
                f"data: expected a folder whose path is UTF-8, got {str(data)!r}. Rename it, or "
                "name another one with --data."
            ) from None
        return sa.URL.create("sqlite", database=str(data / FILE_NAME))
    try:
        url = sa.make_url(database)
    except (SQLAlchemyError, ValueError):  # the latter for a port that is no number
        raise ConfigError(
            "database: expected a URL such as postgresql://user@host/name, got something else."
        ) from None
    if url.get_backend_name() == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    raise ConfigError(
        f"database: expected a postgresql:// URL, got {url.get_backend_name()}://. "
        "SQLite lies in the data folder and needs no URL."
    )


def connect(url: sa.URL, *, create: bool) -> sa.Engine:
    """An engine on a database that is ready for jobs; with `create`, it is made where missing.

    One of an earlier version is migrated. Raises `StorageError` where it is missing, unreadable,
    or of a newer version.
    """
    sqlite = url.get_backend_name() == "sqlite"
    if sqlite and not create and not _is_there(url):
        raise StorageError(
            f"no jobs in {Path(url.database or '').parent}: it holds no {FILE_NAME}. "
            "Submit a job first, or name another folder with --data."
        )
    engine = _engine(url)
    try:
        bring_up_to_date(engine, shown(url), create=create)
    except SQLAlchemyError as error:
        engine.dispose()
        raise storage_error(url, error) from None
    except StorageError:
        engine.dispose()
        raise
    return engine


def inspect_database(url: sa.URL) -> str:
    """What there is of a database, in words; nothing is made or changed. Raises `StorageError`."""
    if url.get_backend_name() == "sqlite" and not _is_there(url):
        return "none yet; the first job makes it"
    if url.get_backend_name() != "sqlite" and "connect_timeout" not in url.query:
        url = url.update_query_dict({"connect_timeout": str(INSPECT_TIMEOUT)})
    engine = _engine(url)
    try:
        state = state_of(engine, shown(url))
    except SQLAlchemyError as error:
        raise storage_error(url, error) from None
    finally:
        engine.dispose()
    return {
        "empty": "without tables yet; the first job makes them",
        "older": "of an earlier version; the next command that uses it migrates it",
        "current": "up to date",
    }[state]


def engine_for_steps(engine: sa.Engine) -> sa.Engine:
    """An engine on the same database for what a worker can do again.

    On SQLite its commits do not wait for the disk. They outlive the process and are never torn;
    after a power cut the last of them may be missing, and those steps are done again. What a
    caller was promised to be stored goes through `engine`, which waits.
    """
    if engine.dialect.name != "sqlite":  # a restarted server does not take its clients with it
        return engine
    return _engine(engine.url, synchronous="NORMAL")


def storage_error(url: sa.URL, error: SQLAlchemyError) -> StorageError:
    """What a database said, as an error with the remedy; never with its password."""
    cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
    remedy = next((text for part, text in _REMEDIES.items() if part in cause.lower()), None)
    public = _AWAY if remedy is None else f"the database: {cause}. {remedy}"
    if remedy is None:
        remedy = _ASK_FOR_FILE if url.get_backend_name() == "sqlite" else _ASK_FOR_SERVER
    return StorageError(f"{shown(url)}: {cause}. {remedy}", public=public)


async def in_thread(
    engine: sa.Engine, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """Run what uses a database in a thread; one that went away becomes a `StorageError`."""
    try:
        return await asyncio.to_thread(function, *args, **kwargs)
    except SQLAlchemyError as error:
        raise storage_error(engine.url, error) from None


def _is_there(url: sa.URL) -> bool:
    """Whether SQLite's file is; never raises, whatever the path is."""
    return os.path.exists(url.database or "")


def _engine(url: sa.URL, *, synchronous: str = "FULL") -> sa.Engine:
    engine = sa.create_engine(url, pool_size=20, max_overflow=20, pool_use_lifo=True)

    def prepare_sqlite(connection: Any, _: Any) -> None:
        # The first two as DBOS sets them on connections of its own: writers queue, none fails.
        connection.isolation_level = "IMMEDIATE"
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={synchronous}")

    if url.get_backend_name() == "sqlite":
        event.listen(engine, "connect", prepare_sqlite)
    else:
        _try_idle_connections(engine)
        event.listen(engine, "handle_error", _mark_refused_connections)
    return engine


def _mark_refused_connections(context: ExceptionContext) -> None:
    """Have a connection that could not be made count as one that was lost.

    DBOS tries again what failed for want of one. It knows some by the driver's words, but not that
    of a server's missing socket, and would record it as the outcome of the job that just ended.
    """
    if context.connection is None:
        context.is_disconnect = True


def _try_idle_connections(engine: sa.Engine) -> None:
    """As `pool_pre_ping`, which is a round trip before each use, but for those that lay idle."""

    def returned(_: Any, record: Any) -> None:
        record.info["idle_since"] = time.monotonic()

    def taken(connection: Any, record: Any, _: Any) -> None:
        now = time.monotonic()
        if now - record.info.get("idle_since", now) < IDLE_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise sa.exc.InvalidatePoolError from error  # the pool opens others

    event.listen(engine, "checkin", returned)
    event.listen(engine, "checkout", taken)


def shown(url: sa.URL) -> str:
    """The database as a message may name it: without passwords, wherever in the URL they stand."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    kept = {name: value for name, value in url.query.items() if name in _SHOWN}
    return url.set(query=kept).render_as_string()


_ROOM = "Free some space: jobs that were accepted go on by themselves."
#: What to do, by what a database says.
_REMEDIES = {
    "file is not a database": "It is no SQLite file. Name another folder with --data.",
    "readonly database": "It can only be read. Change its permissions or name another folder.",
    "unable to open": "Change the folder's permissions or name another one with --data.",
    "malformed": "The file is damaged. Put a backup in its place, save what can be saved with "
    "`sqlite3 ninefold.db .recover`, or name another folder with --data.",
    "disk i/o error": "The disk cannot be read or written. Mend it, or name another folder "
    "with --data.",
    "database is locked": "Another program holds it. Close that program and try again.",
    # SQLite's words, PostgreSQL's, and the system's.
    "disk is full": _ROOM,
    "no space left on device": _ROOM,
    "disk quota exceeded": _ROOM,
}
_ASK_FOR_FILE = "Look at the folder's disk and permissions, or name another with --data."
_ASK_FOR_SERVER = "Is the database running, and is the URL right?"
#: What clients are told of anything else: a driver's words may name hosts.
_AWAY = "the database cannot be used for now; the server's log says why. Try again in a moment."


def data_folder(given: str | os.PathLike[str] | None) -> Path:
    """The data folder asked for, or that of the settings; raises `ConfigError`."""
    return Path(given or JobSettings.from_environment().data).absolute()


def place_of(data: str | os.PathLike[str] | None, database: str | None) -> tuple[Path, sa.URL]:
    """The data folder and the database asked for; where neither was, those of the settings.

    Raises `ConfigError`.
    """
    if data is None and database is None:
        settings = JobSettings.from_environment()
        data, database = settings.data, settings.database
    folder = data_folder(data)
    return folder, database_url(folder, database)
