"""The queue: whether it is paused, how many jobs wait, and which worker holds which."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from ninefold.job_schema import JobStatus
from ninefold.jobs.changes import Change, note
from ninefold.jobs.dbos_adapter import Queue, WorkflowDatabase
from ninefold.jobs.naming import OPEN_STATUS, QUEUE, STATUS, WORKFLOW
from ninefold.jobs.tables import QUEUE_LOCK, acquire_transaction_lock
from ninefold.jobs.wakeups import notify_now

#: Jobs that a worker runs at a time: enough for full batches, few enough for its memory.
CONCURRENCY = 8

_ENQUEUED: sa.ColumnElement[str] = sa.literal_column("'ENQUEUED'")
_PENDING: sa.ColumnElement[str] = sa.literal_column("'PENDING'")
_PAUSED: Any = {"limit": 0, "period": 1.0}


class JobQueue:
    """The queue that all workers of a database take jobs from; every method blocks."""

    def __init__(self, workflows: WorkflowDatabase) -> None:
        self.workflows = workflows
        #: Called where this process has put jobs into the queue, or lets them be taken again.
        self.on_queued: Callable[[], object] = lambda: None

    def pause(self, paused: bool) -> None:
        """Let workers take no job from the queue, or let them again."""
        self.register()
        self.row().set_limiter(_PAUSED if paused else None)
        queues = self.workflows.queues.c
        query = sa.select(queues.rate_limit_max).where(queues.name == QUEUE)
        with self.workflows.engine.begin() as connection:
            acquire_transaction_lock(connection, QUEUE_LOCK)
            # As it is by now: where two change it at once, the last note is of what is left.
            now = connection.scalar(query) is not None
            note(connection, [Change("queue_paused" if now else "queue_resumed")])
        if not paused:
            self.announce()

    def paused(self) -> bool:
        """Whether the queue is paused."""
        queue = self.workflows.queue()
        return queue is not None and queue.limiter is not None

    def depth(self, owner: str | None = None) -> dict[JobStatus, tuple[int, float]]:
        """How many jobs are queued and running, and how many seconds ago the oldest was made.

        Without an `owner`, those of all.
        """
        rows = self.workflows.table.c
        query = (
            sa.select(rows.status, sa.func.count(), sa.func.min(rows.created_at))
            .where(rows.name == WORKFLOW, rows.status.in_(OPEN_STATUS))
            .group_by(rows.status)
        )
        if owner is not None:
            query = query.where(rows.authenticated_user == owner)
        found: dict[JobStatus, tuple[int, float]] = {"queued": (0, 0.0), "running": (0, 0.0)}
        now = time.time()
        with self.workflows.engine.connect() as connection:
            for name, count, created in connection.execute(query):
                status = STATUS[name]
                before, age = found[status]
                found[status] = (before + count, max(age, now - created / 1000))
        return found

    def register(self) -> None:
        """Make the queue, unless it is there: as it is worked on then, it stays."""
        self.workflows.register_queue(CONCURRENCY)

    def row(self) -> Queue:
        """The queue as the database holds it."""
        queue = self.workflows.queue()
        assert queue is not None
        return queue

    def room(self) -> int:
        """How many jobs each worker may run, where any waits and the queue is not paused; else 0.

        Asked often, and by an index alone.
        """
        with self.workflows.engine.connect() as connection:
            return connection.scalar(self._room) or 0

    @cached_property
    def _room(self) -> sa.Select[Any]:
        queues, jobs = self.workflows.queues, self.workflows.table
        waits = sa.exists().where(
            jobs.c.queue_name == QUEUE,
            jobs.c.status == _ENQUEUED,
            jobs.c.status.in_([_ENQUEUED, _PENDING]),  # SQLite takes the index by these words
        )
        return sa.select(queues.c.worker_concurrency).where(
            queues.c.name == QUEUE, queues.c.rate_limit_max.is_(None), waits
        )

    def set_concurrency(self, concurrency: int) -> None:
        """Set how many jobs each worker runs at a time."""
        self.row().set_worker_concurrency(concurrency)

    def held(self) -> dict[str, list[str]]:
        """Ids of the jobs that workers hold, by worker."""
        found: dict[str, list[str]] = {}
        rows = self.workflows.list(status=["PENDING"], load_input=False, load_output=False)
        for row in rows:
            found.setdefault(row.executor_id or "", []).append(row.workflow_id)
        return found

    def requeue(self, job_ids: Iterable[str], worker: str) -> int:
        """Put jobs that `worker` holds back into the queue; returns how many it still held."""
        count = sum(self.workflows.requeue(job_id, worker) for job_id in job_ids)
        if count:
            self.announce()
        return count

    def announce(self) -> None:
        """Let all workers look at the queue now."""
        self.on_queued()
        notify_now(self.workflows.engine)
