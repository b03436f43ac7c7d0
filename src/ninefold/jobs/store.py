"""Jobs as the database holds them: put in, read, and changed from outside of a worker."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from dbos import DBOSClient, EnqueueOptions, Queue, WorkflowStatus
from dbos._error import DBOSWorkflowIDInUseError

from ninefold.core.errors import ConflictError, NotFoundError, QueueFullError
from ninefold.core.record import StageRecord
from ninefold.core.values import Failure, Json
from ninefold.jobs.database import stand_in_line
from ninefold.jobs.events import Done
from ninefold.jobs.model import Job, JobStatus, Mark, timestamp
from ninefold.jobs.reports import STREAM
from ninefold.jobs.serializer import JobFailedError, JsonSerializer
from ninefold.jobs.spec import JobSpec

WORKFLOW = "ninefold.job"
QUEUE = "ninefold"
#: The version every job is written with: a job waits for no particular build of ninefold.
APP_VERSION = "1"

#: Jobs that a worker runs at a time: enough for full batches, few enough for its memory.
CONCURRENCY = 8

_STATUS: dict[str, JobStatus] = {
    "ENQUEUED": "queued",
    "DELAYED": "queued",
    "PENDING": "running",
    "SUCCESS": "succeeded",
    "ERROR": "failed",
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED": "failed",
    "CANCELLED": "cancelled",
}
_OPEN = [name for name, state in _STATUS.items() if state in ("queued", "running")]
#: Any number that nobody else locks in the database.
_QUOTA_LOCK = 0x6E696E65
_DEAD_LETTER = Failure(
    "every worker that took it died. Look for a lack of memory, then rerun it.",
    kind="WorkerDied",
)
_ENQUEUED: sa.ColumnElement[str] = sa.literal_column("'ENQUEUED'")
_PENDING: sa.ColumnElement[str] = sa.literal_column("'PENDING'")
_PAUSED: Any = {"limit": 0, "period": 1.0}


@dataclass(frozen=True)
class Quota:
    """How many jobs may wait and run: of one owner, and of all together."""

    own: int
    total: int


@dataclass(frozen=True)
class Admission:
    """What a submit must meet, and what is stored with its jobs in the same transaction."""

    quota: Quota | None = None
    #: Called with the transaction and the new jobs' ids; not for jobs that were there before.
    beside: Callable[[sa.Connection, Sequence[str]], None] | None = None
    #: What was asked for beside config and input: an idempotency key must bring the same.
    asked: Any = None


def job_folder(data: Path, job_id: str) -> Path:
    """Where a job's files lie."""
    return data / "jobs" / job_id


class JobStore:
    """The database's side of jobs; every method blocks."""

    def __init__(self, engine: sa.Engine, data: Path) -> None:
        self.data = data
        self.client = DBOSClient(system_database_engine=engine, serializer=JsonSerializer())
        #: Called where this process has put jobs into the queue, or lets them be taken again.
        self.on_queued: Callable[[], object] = lambda: None
        #: The same engine, which knows where DBOS's tables are.
        self.engine: sa.Engine = self.client._sys_db.engine

    def close(self) -> None:
        """Give the connections back."""
        self.client.destroy()

    def submit(
        self,
        specs: Mapping[str, JobSpec],
        priority: int,
        admission: Admission | None = None,
    ) -> list[Job]:
        """Queue jobs, all or none; they may be there already, with the same digest.

        Raises `ConflictError` where an id is taken by another job, and what `admission` raises.
        """
        with suppress(DBOSWorkflowIDInUseError), self.engine.begin() as connection:
            if admission is not None and admission.quota is not None:
                self._check_quota(connection, specs, admission.quota)
            for job_id, spec in specs.items():
                self._enqueue(connection, job_id, spec, priority)
            if admission is not None and admission.beside is not None:
                admission.beside(connection, list(specs))
        self.on_queued()
        found = self.submitted(specs)
        if found is None:  # deleted by another, between the two
            raise ConflictError("idempotency_key: its job was just deleted. Submit it again.")
        return found

    def submitted(self, specs: Mapping[str, JobSpec]) -> list[Job] | None:
        """The jobs of these ids where they are there already, with the same digests.

        Raises `ConflictError` where an id is taken by another job.
        """
        found = {row.workflow_id: row for row in self._rows(workflow_ids=list(specs))}
        stored = {job_id: _spec(row) for job_id, row in found.items()}
        if any(spec.digest != specs[job_id].digest for job_id, spec in stored.items()):
            raise ConflictError(
                "idempotency_key: was used before, for another job. Use a new key, or submit "
                "the same input and config."
            )
        if len(found) < len(specs):
            return None
        return [self._job(found[job_id], stored[job_id]) for job_id in specs]

    def _enqueue(
        self, connection: sa.Connection, job_id: str, spec: JobSpec, priority: int
    ) -> None:
        options: EnqueueOptions = {
            "workflow_name": WORKFLOW,
            "queue_name": QUEUE,
            "workflow_id": job_id,
            "workflow_id_reuse_policy": "reject",
            "app_version": APP_VERSION,
            "priority": priority,
        }
        if spec.owner is not None:
            options["authenticated_user"] = spec.owner
        self.client.enqueue_in_transaction(connection, options, spec.to_json(), priority)

    def _check_quota(
        self, connection: sa.Connection, specs: Mapping[str, JobSpec], quota: Quota
    ) -> None:
        """Raise `QueueFullError` where `specs` would be more than may wait; exact, for submits
        stand in line here."""
        stand_in_line(connection, _QUOTA_LOCK)
        rows = self.client._sys_db.tables.workflow_status.c
        owner = next(iter(specs.values())).owner
        own = (
            rows.authenticated_user.is_(None)
            if owner is None
            else (rows.authenticated_user == owner)
        )
        query = sa.select(sa.func.count(), sa.func.sum(sa.case((own, 1), else_=0))).where(
            rows.name == WORKFLOW, rows.status.in_(_OPEN)
        )
        total, theirs = connection.execute(query).one()
        theirs = theirs or 0  # a sum over no row is NULL
        if theirs + len(specs) > quota.own:
            raise QueueFullError(
                f"queue: {theirs} of your jobs wait or run, and {len(specs)} more would be above "
                f"your limit of {quota.own}. Submit again once some have ended."
            )
        if total + len(specs) > quota.total:
            raise QueueFullError(
                f"queue: full, {total} jobs wait or run. Submit again once some have ended."
            )

    def job(self, job_id: str) -> Job:
        """A job without what it made; raises `NotFoundError` where there is none."""
        return self.job_and_spec(job_id)[0]

    def job_and_spec(self, job_id: str) -> tuple[Job, JobSpec]:
        """A job, and what it is made of; raises `NotFoundError` where there is none."""
        rows = self._rows(workflow_ids=[job_id])
        if not rows:
            raise NotFoundError(f"no job is called {job_id!r}. List them with: ninefold jobs list")
        spec = _spec(rows[0])
        return self._job(rows[0], spec), spec

    def jobs(
        self,
        *,
        status: Iterable[JobStatus] = (),
        ids: Sequence[str] | None = None,
        group: str | None = None,
        owner: str | None = None,
        limit: int | None = None,
        offset: int = 0,
        newest_first: bool = True,
    ) -> list[Job]:
        """Jobs by what is asked for; without an `owner`, those of all."""
        wanted = set(status)
        names = [name for name, state in _STATUS.items() if state in wanted]
        rows = self._rows(
            status=names or None,
            workflow_ids=list(ids) if ids is not None else None,
            workflow_id_prefix=f"{group}." if group is not None else None,
            user=owner,
            limit=limit,
            offset=offset or None,
            sort_desc=newest_first,
        )
        return [self._job(row, _spec(row)) for row in rows]

    def page(
        self,
        *,
        status: Iterable[JobStatus] = (),
        group: str | None = None,
        owner: str | None = None,
        limit: int = 50,
        after: tuple[int, str] | None = None,
    ) -> tuple[list[Job], tuple[int, str] | None]:
        """At most `limit` jobs, the newest first, and where the next page begins.

        Pages hold their place while jobs come and go: `after` is the position of the last job seen.
        """
        rows = self.client._sys_db.tables.workflow_status.c
        place = sa.tuple_(rows.created_at, rows.workflow_uuid)
        query = (
            sa.select(rows.created_at, rows.workflow_uuid)
            .where(rows.name == WORKFLOW)
            .order_by(rows.created_at.desc(), rows.workflow_uuid.desc())
            .limit(limit + 1)
        )
        wanted = set(status)
        if names := [name for name, state in _STATUS.items() if state in wanted]:
            query = query.where(rows.status.in_(names))
        if group is not None:
            query = query.where(rows.workflow_uuid.startswith(f"{group}.", autoescape=True))
        if owner is not None:
            query = query.where(rows.authenticated_user == owner)
        if after is not None:
            query = query.where(place < sa.tuple_(*(sa.literal(part) for part in after)))
        with self.engine.connect() as connection:
            found = [(row[0], row[1]) for row in connection.execute(query)]
        page = found[:limit]
        by_id = {job.id: job for job in self.jobs(ids=[job_id for _, job_id in page])}
        jobs = [by_id[job_id] for _, job_id in page if job_id in by_id]
        return jobs, page[-1] if len(found) > limit else None

    def depth(self) -> dict[JobStatus, tuple[int, float]]:
        """How many jobs are queued and running, and how many seconds ago the oldest was made."""
        rows = self.client._sys_db.tables.workflow_status.c
        query = (
            sa.select(rows.status, sa.func.count(), sa.func.min(rows.created_at))
            .where(rows.name == WORKFLOW, rows.status.in_(_OPEN))
            .group_by(rows.status)
        )
        found: dict[JobStatus, tuple[int, float]] = {"queued": (0, 0.0), "running": (0, 0.0)}
        now = time.time()
        with self.engine.connect() as connection:
            for name, count, created in connection.execute(query):
                status = _STATUS[name]
                before, age = found[status]
                found[status] = (before + count, max(age, now - created / 1000))
        return found

    def done(self, job_id: str, spec: JobSpec) -> list[Done]:
        """The steps that were carried out, those of the parent first."""
        return [*(Done(record) for record in spec.reused()), *self.own_steps(job_id)]

    def own_steps(self, job_id: str, after: int = 0) -> list[Done]:
        """The steps that the job itself carried out, but for the first `after`."""
        return [
            Done(StageRecord.from_json(step["output"]), step["function_id"])
            for step in self.client.list_workflow_steps(job_id, offset=after or None)
            if step["output"] is not None  # else it is the last, and ended the job by a bug
        ]

    def reports(self, job_id: str, after: int = 0) -> list[Json]:
        """What its steps told while they ran, but for the first `after` reports."""
        found: list[Json] = []
        while True:
            _, values = self.client._sys_db.read_stream_values(
                job_id, STREAM, after + len(found), 500
            )
            if not values:
                return found
            found += [self.client._serializer.deserialize(value) for value, _ in values if value]

    def marks(self, job_ids: Sequence[str]) -> dict[str, Mark]:
        """How far jobs have come, by one query; those that are gone are left out."""
        system = self.client._sys_db
        jobs = system.tables.workflow_status.c
        steps, reports = system.tables.operation_outputs.c, system.tables.streams.c
        count = sa.func.count()
        query = sa.select(
            jobs.workflow_uuid,
            jobs.status,
            sa.select(count)
            .where(steps.workflow_uuid == jobs.workflow_uuid, steps.output.is_not(None))
            .scalar_subquery(),
            sa.select(count)
            .where(reports.workflow_uuid == jobs.workflow_uuid, reports.key == STREAM)
            .scalar_subquery(),
        ).where(jobs.workflow_uuid.in_(job_ids))
        with system.engine.connect() as connection:
            return {
                row[0]: Mark(_STATUS[row[1]], row[2], row[3]) for row in connection.execute(query)
            }

    def cancel(self, job_ids: Sequence[str]) -> None:
        """Cancel those that have not ended."""
        if job_ids:
            self.client.cancel_workflows(list(job_ids))

    def delete(self, job_ids: Sequence[str]) -> None:
        """Forget jobs."""
        if job_ids:
            self.client.delete_workflows(list(job_ids))

    def pause(self, paused: bool) -> None:
        """Let workers take no job from the queue, or let them again."""
        self.register_queue(CONCURRENCY)
        self.queue().set_limiter(_PAUSED if paused else None)
        if not paused:
            self.on_queued()

    def paused(self) -> bool:
        """Whether the queue is paused."""
        queue = self.client.retrieve_queue(QUEUE)
        return queue is not None and queue.limiter is not None

    def register_queue(self, concurrency: int) -> None:
        """Make the queue, unless it is there: as it is worked on then, it stays."""
        self.client.register_queue(
            QUEUE,
            worker_concurrency=concurrency,
            on_conflict="never_update",
        )

    def queue(self) -> Queue:
        """The queue as the database holds it."""
        queue = self.client.retrieve_queue(QUEUE)
        assert queue is not None
        return queue

    def room(self) -> int:
        """How many jobs each worker may run, where any waits and the queue is not paused; else 0.

        Asked often, and by an index alone.
        """
        system = self.client._sys_db
        queues, jobs = system.tables.queues, system.tables.workflow_status
        waits = sa.exists().where(
            jobs.c.queue_name == QUEUE,
            jobs.c.status == _ENQUEUED,
            jobs.c.status.in_([_ENQUEUED, _PENDING]),  # SQLite takes the index by these words
        )
        query = sa.select(queues.c.worker_concurrency).where(
            queues.c.name == QUEUE, queues.c.rate_limit_max.is_(None), waits
        )
        with system.engine.connect() as connection:
            return connection.scalar(query) or 0

    def set_concurrency(self, concurrency: int) -> None:
        """Set how many jobs each worker runs at a time."""
        self.queue().set_worker_concurrency(concurrency)

    def running(self) -> dict[str, list[str]]:
        """Ids of the jobs that workers hold, by worker."""
        found: dict[str, list[str]] = {}
        for row in self._rows(status=["PENDING"], load_input=False, load_output=False):
            found.setdefault(row.executor_id or "", []).append(row.workflow_id)
        return found

    def requeue(self, job_ids: Iterable[str], worker: str) -> int:
        """Put jobs that `worker` holds back into the queue; returns how many it still held."""
        system = self.client._sys_db
        return sum(system.reenqueue_for_recovery(job_id, [worker], QUEUE) for job_id in job_ids)

    def _rows(self, **filters: Any) -> list[WorkflowStatus]:
        if filters.get("workflow_ids") == []:
            return []
        return self.client.list_workflows(name=WORKFLOW, **filters)

    def _job(self, row: WorkflowStatus, spec: JobSpec) -> Job:
        status = _STATUS[row.status]
        return Job(
            id=row.workflow_id,
            status=status,
            config=spec.config,
            input=spec.input,
            folder=job_folder(self.data, row.workflow_id),
            priority=row.priority or 0,
            created_at=spec.created_at,
            started_at=timestamp(row.dequeued_at),
            finished_at=timestamp(row.completed_at),
            parent=spec.parent,
            group=spec.group,
            owner=spec.owner,
            reused=tuple(record.step for record in spec.reused()),
            error=_error(row) if status == "failed" else None,
        )


def _spec(row: WorkflowStatus) -> JobSpec:
    assert row.input is not None
    return JobSpec.from_json(row.input["args"][0])


def _error(row: WorkflowStatus) -> Failure:
    if row.status == "MAX_RECOVERY_ATTEMPTS_EXCEEDED":
        return _DEAD_LETTER
    if isinstance(row.error, JobFailedError):
        return row.error.failure
    return Failure(str(row.error))
