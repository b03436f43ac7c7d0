"""The order of jobs that wait: by priority, then by place; both can be changed.

A job is moved among those of its own priority that the mover sees, and these swap the places that
they have: whoever else waits is neither overtaken nor let past.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import sqlalchemy as sa

from ninefold.core.errors import ConflictError
from ninefold.jobs.changes import Change, note
from ninefold.jobs.dbos_adapter import WorkflowDatabase
from ninefold.jobs.listing import JOBS
from ninefold.jobs.naming import WORKFLOW
from ninefold.jobs.tables import QUEUE_LOCK, acquire_transaction_lock

#: Where a job is moved to; a string other than these is never one.
End = Literal["first", "last"]


class QueueOrder:
    """Changes what is taken from the queue next; every method blocks."""

    def __init__(self, workflows: WorkflowDatabase) -> None:
        self._engine, self._rows = workflows.engine, workflows.table

    def waiting(self, owner: str | None, limit: int) -> list[str]:
        """Ids of the jobs that wait, in the order in which they will be taken; without an `owner`,
        those of all."""
        rows = self._rows.c
        query = (
            sa.select(rows.workflow_uuid)
            .where(*self._waiting(owner))
            .order_by(rows.priority, rows.created_at)
            .limit(limit)
        )
        with self._engine.connect() as connection:
            return list(connection.scalars(query))

    def change(
        self, job_id: str, owner: str | None, *, favourite: bool | None, priority: int | None
    ) -> None:
        """Set what is not None; `owner` is the job's. Raises `ConflictError` for the priority of a
        job that does not wait; then nothing is changed."""
        rows, data = self._rows, {"favourite": favourite, "priority": priority}
        with self._engine.begin() as connection:
            acquire_transaction_lock(connection, QUEUE_LOCK)
            if priority is not None:
                one = sa.update(rows).where(rows.c.workflow_uuid == job_id, *self._waiting(None))
                if not connection.execute(one.values(priority=priority)).rowcount:
                    raise ConflictError(
                        f"priority: job {job_id!r} does not wait any more. Leave its priority out."
                    )
            if favourite is not None:
                mine = sa.update(JOBS).where(JOBS.c.id == job_id)
                connection.execute(mine.values(favourite=favourite))
            known = {name: value for name, value in data.items() if value is not None}
            note(connection, [Change("job_changed", job_id, owner, known)])

    def move(
        self, job_id: str, owner: str | None, sees: str | None, to: End | None, before: str | None
    ) -> None:
        """Move a job that waits to one end of its priority's jobs, or before one of these.

        `owner` is the job's; `sees` is whose jobs swap places, None for those of all. Raises
        `ConflictError` where it does not wait, or the other does not, or at another priority.
        """
        rows = self._rows.c
        with self._engine.begin() as connection:
            acquire_transaction_lock(connection, QUEUE_LOCK)
            query = (
                sa.select(rows.workflow_uuid, rows.priority, rows.created_at)
                .where(*self._waiting(sees))
                .order_by(rows.created_at)
                .with_for_update()
            )
            found = connection.execute(query).all()
            priorities = {row[0]: row[1] for row in found}
            _check(job_id, before, priorities)
            line = [row for row in found if row[1] == priorities[job_id]]
            ids = [row[0] for row in line]
            moved = [other for other in ids if other != job_id]
            end = 0 if to == "first" else len(moved)
            moved.insert(end if before is None else moved.index(before), job_id)
            self._place(connection, moved, [(row[0], row[2]) for row in line])
            note(connection, [Change("job_changed", job_id, owner, {"moved": True})])

    def _place(
        self,
        connection: sa.Connection,
        order: Sequence[str],
        places: Sequence[tuple[str, int]],
    ) -> None:
        """Give the places, in their order, to the jobs of `order`."""
        rows = self._rows
        changed = [
            {"job": job_id, "at": at}
            for job_id, (before, at) in zip(order, places, strict=True)
            if job_id != before
        ]
        if changed:
            one = sa.update(rows).where(rows.c.workflow_uuid == sa.bindparam("job"))
            connection.execute(one.values(created_at=sa.bindparam("at")), changed)

    def _waiting(self, owner: str | None) -> list[sa.ColumnElement[bool]]:
        rows = self._rows.c
        found = [rows.name == WORKFLOW, rows.status == "ENQUEUED"]
        return found if owner is None else [*found, rows.authenticated_user == owner]


def _check(job_id: str, before: str | None, priorities: dict[str, int]) -> None:
    """Raise `ConflictError` for a move that cannot be."""
    if job_id not in priorities:
        raise ConflictError(f"job {job_id!r}: does not wait any more, so it cannot be moved.")
    if before is None:
        return
    if before == job_id:
        raise ConflictError("before: expected another job, got the one that is to be moved.")
    if before not in priorities:
        raise ConflictError(f"before: job {before!r} does not wait. GET /v1/queue lists those.")
    if priorities[before] != priorities[job_id]:
        raise ConflictError(
            f"before: expected a job of the same priority {priorities[job_id]}, got one of "
            f"{priorities[before]}. Change the priority first."
        )
