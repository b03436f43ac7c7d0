"""All that ninefold takes from DBOS."""

from __future__ import annotations

import sqlalchemy as sa
from dbos import _migration
from dbos._sys_db import SystemDatabase

from ninefold.jobs.serializer import JsonSerializer

#: The schema of DBOS's tables on PostgreSQL.
SCHEMA = "dbos"


def layout_query(engine: sa.Engine) -> sa.Select[tuple[int]]:
    """The query for the newest of DBOS's migrations that the database has."""
    schema = None if engine.dialect.name == "sqlite" else SCHEMA
    table = sa.table("dbos_migrations", sa.column("version", sa.Integer), schema=schema)
    return sa.select(table.c.version)


def newest_layout(engine: sa.Engine) -> int:
    """The newest migration that the installed DBOS knows."""
    if engine.dialect.name == "sqlite":
        return len(_migration.sqlite_migrations)
    return len(_migration.get_dbos_migrations(SCHEMA, use_listen_notify=False))


def migrate(engine: sa.Engine) -> None:
    """Make DBOS's tables, or bring them to the layout of the installed DBOS."""
    system = SystemDatabase.create(
        system_database_url=engine.url.render_as_string(hide_password=False),
        engine_kwargs={},
        engine=engine,
        schema=SCHEMA,
        serializer=JsonSerializer(),
        executor_id=None,
        use_listen_notify=False,
    )
    system.run_migrations()
