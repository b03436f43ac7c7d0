"""ninefold's own tables in the database of jobs, beside those of DBOS."""

from __future__ import annotations

import sqlalchemy as sa

#: Every table of ninefold's own is declared on this, where it is used, and made by a migration in
#: `migrations/versions`; a test compares the two.
TABLES = sa.MetaData()

#: One row a worker that runs or ran; `beat` counts up for as long as it is alive. The rest says
#: which process it is, `started_at` in milliseconds since the epoch; null where it does not tell.
WORKERS = sa.Table(
    "ninefold_workers",
    TABLES,
    sa.Column("id", sa.String(128), primary_key=True),
    sa.Column("beat", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.String(16)),
    sa.Column("host", sa.String(255)),
    sa.Column("pid", sa.Integer),
    sa.Column("started_at", sa.BigInteger),
    sa.Column("version", sa.String(64)),
)

#: What versions without migrations look at before they use a database. The number stands at one
#: that they do not know, so that they refuse what a later version wrote.
FORMER_SCHEMA = sa.Table(
    "ninefold_schema", TABLES, sa.Column("version", sa.Integer, nullable=False)
)

#: Any number that nobody else locks in the database: of those who put jobs into the queue, change
#: their order, or note a change.
QUEUE_LOCK = 0x6E696E65


def acquire_transaction_lock(connection: sa.Connection, lock: int) -> None:
    """Wait until no other transaction holds this lock, then hold it to the end of this one.

    To be called first in a transaction.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(lock)))
    else:  # Python would begin the transaction with the first row that is written
        connection.exec_driver_sql("BEGIN IMMEDIATE")
