"""Brings the tables of a database to the layout of this version, or refuses the database.

ninefold's own tables are migrated by Alembic (`migrations/versions`), DBOS's by DBOS. A database
that has the current layout costs one query; Alembic is imported only where it has not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError, ProgrammingError

from ninefold.core.errors import StorageError
from ninefold.jobs import dbos_adapter
from ninefold.jobs.tables import FORMER_SCHEMA, acquire_transaction_lock

#: The newest migration of our tables. Revisions are numbers: a later one is known to be later. A
#: test compares it with the folder.
HEAD = "0007"
MIGRATIONS = Path(__file__).with_name("migrations")

#: Alembic's own table: one row, with the newest migration that was carried out.
_REVISION = sa.Table(
    "ninefold_migrations", sa.MetaData(), sa.Column("version_num", sa.String(32), nullable=False)
)
#: Layouts of the tables beside the jobs, as versions without migrations noted them.
_FORMER_LAYOUTS = sa.Table(
    "ninefold_layouts",
    sa.MetaData(),
    sa.Column("name", sa.String(64)),
    sa.Column("version", sa.Integer),
)
#: The one layout that those versions had.
_FORMER_LAYOUT = 1
#: Any number that nobody else locks in the database.
_LOCK = 0x6E696E66


@dataclass(frozen=True)
class Layout:
    """How far a database was migrated: our tables, and those of DBOS."""

    own: str
    dbos: int


def bring_up_to_date(engine: sa.Engine, shown: str, *, create: bool) -> None:
    """Migrate the tables to the current layout; with `create`, make them where there are none.

    Each migration of our tables is done wholly or not at all, and by one process where several
    start at once. Raises `StorageError` where there are no tables, or those of a newer version:
    then nothing is changed. `shown` is what messages call the database.
    """
    current = Layout(HEAD, dbos_adapter.newest_layout(engine))
    found = _found(engine, shown)
    if found == current:
        return
    if isinstance(found, Layout):
        _check_not_newer(found, current, shown)
    elif found == "empty" and not create:
        raise StorageError(
            f"{shown}: this database holds no ninefold jobs. Submit a job first, or name another "
            "one."
        )
    dbos_adapter.migrate(engine)  # in transactions, and behind a lock, of its own
    if isinstance(found, Layout) and found.own == HEAD:
        return
    with engine.begin() as connection:
        acquire_transaction_lock(connection, _LOCK)
        if sa.inspect(connection).has_table(_REVISION.name):  # else another process did it
            own = connection.scalar(sa.select(_REVISION.c.version_num)) or ""
            _check_not_newer(Layout(own, 0), current, shown)
            if own == HEAD:
                return
        _upgrade(connection)


def state_of(engine: sa.Engine, shown: str) -> Literal["empty", "older", "current"]:
    """What `bring_up_to_date` would find; changes nothing. Raises `StorageError` where it would
    refuse the tables."""
    current, found = Layout(HEAD, dbos_adapter.newest_layout(engine)), _found(engine, shown)
    if not isinstance(found, Layout):
        return "older" if found == "former" else "empty"
    _check_not_newer(found, current, shown)
    return "current" if found == current else "older"


def _found(engine: sa.Engine, shown: str) -> Layout | Literal["former", "empty"]:
    """What tables there are; "former" are those of a version without migrations.

    Raises `StorageError` for former tables that are not known.
    """
    if (layout := _layout(engine)) is not None:
        return layout
    former = _rows(engine, sa.select(FORMER_SCHEMA.c.version))
    beside = _rows(engine, sa.select(_FORMER_LAYOUTS.c.version))
    if (layout := _layout(engine)) is not None:  # another process migrated them in between
        return layout
    if former is None:
        return "empty"
    unknown = [version for (version,) in [*former, *(beside or ())] if version != _FORMER_LAYOUT]
    if unknown:
        raise _newer(shown, f"layout {unknown[0]}", f"layout {_FORMER_LAYOUT}")
    return "former"


def _layout(engine: sa.Engine) -> Layout | None:
    """The layout of a database; None where it has none, or is of a version without migrations."""
    own = sa.select(_REVISION.c.version_num).scalar_subquery()
    dbos = dbos_adapter.layout_query(engine).scalar_subquery()
    rows = _rows(engine, sa.select(own, dbos))
    return None if rows is None else Layout(rows[0][0] or "", rows[0][1] or 0)


def _rows(engine: sa.Engine, query: sa.Select[Any]) -> Sequence[Sequence[Any]] | None:
    """What a query finds, which changes nothing; None where one of its tables is not there.

    To look for a table first, and then into it, would fail where another process drops it between
    the two.
    """
    try:
        with engine.connect() as connection:
            return connection.execute(query).all()
    except ProgrammingError:  # PostgreSQL's, for a table that is not there
        return None
    except OperationalError as error:
        if "no such table" in str(error.orig):
            return None
        raise


def _check_not_newer(found: Layout, current: Layout, shown: str) -> None:
    if found.own > current.own:
        raise _newer(shown, f"migration {found.own}", f"migration {current.own}")
    if found.dbos > current.dbos:
        raise _newer(shown, f"DBOS migration {found.dbos}", f"DBOS migration {current.dbos}")


def _newer(shown: str, found: str, known: str) -> StorageError:
    return StorageError(
        f"{shown}: written by a newer version of ninefold: expected tables up to {known}, got "
        f"{found}. Upgrade ninefold to the version that wrote it, or name another data folder or "
        "database. Nothing was changed."
    )


def _upgrade(connection: sa.Connection) -> None:
    """Carry out the migrations that are missing, in the connection's transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    config.attributes["version_table"] = _REVISION.name
    command.upgrade(config, "head")
