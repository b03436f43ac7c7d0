"""A short log of what is changed from outside of a worker: all else can be read off the jobs."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from ninefold.jobs.tables import TABLES

_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
#: Milliseconds that a change is kept: longer than any server needs to read it.
_KEPT = 600_000

ChangeKind = Literal["job_changed", "job_deleted", "queue_paused", "queue_resumed"]

CHANGES = sa.Table(
    "ninefold_changes",
    TABLES,
    #: Never used twice; writers take a lock, so that a later one is never seen first.
    sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("job", sa.String(128)),
    sa.Column("owner", sa.String(128)),
    sa.Column("data", sa.Text, nullable=False),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True)
class Change:
    """Something that was changed; `job` and `owner` are None where it is the queue."""

    kind: ChangeKind
    job: str | None = None
    owner: str | None = None
    #: What it is now.
    data: dict[str, Any] | None = None


def note(connection: sa.Connection, changes: Sequence[Change]) -> None:
    """Write changes, in a transaction that holds the lock of those that change the queue."""
    now = round(time.time() * 1000)
    connection.execute(sa.delete(CHANGES).where(CHANGES.c.at < now - _KEPT))
    connection.execute(
        sa.insert(CHANGES),
        [
            {
                "at": now,
                "kind": change.kind,
                "job": change.job,
                "owner": change.owner,
                "data": json.dumps(change.data or {}),
            }
            for change in changes
        ],
    )


def newest(connection: sa.Connection) -> int:
    """The number of the last change; 0 before the first."""
    return connection.scalar(sa.select(sa.func.max(CHANGES.c.number))) or 0


def after(connection: sa.Connection, number: int) -> list[tuple[int, Change]]:
    """The changes after that of this number, each with its own."""
    query = sa.select(CHANGES).where(CHANGES.c.number > number).order_by(CHANGES.c.number)
    return [
        (row.number, Change(row.kind, row.job, row.owner, json.loads(row.data)))
        for row in connection.execute(query)
    ]
