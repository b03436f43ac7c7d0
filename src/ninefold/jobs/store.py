"""Jobs as the database holds them: put in, read, and changed from outside of a worker."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from dbos import DBOSClient, Queue, WorkflowStatus

from ninefold.core.errors import InputError
from ninefold.core.record import StageRecord
from ninefold.core.values import Failure, Json
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
_DEAD_LETTER = Failure(
    "every worker that took it died. Look for a lack of memory, then rerun it.",
    kind="WorkerDied",
)
_ENQUEUED: sa.ColumnElement[str] = sa.literal_column("'ENQUEUED'")
_PENDING: sa.ColumnElement[str] = sa.literal_column("'PENDING'")
_PAUSED: Any = {"limit": 0, "period": 1.0}


def job_folder(data: Path, job_id: str) -> Path:
    """Where a job's files lie."""
    return data / "jobs" / job_id


class JobStore:
    """The database's side of jobs; every method blocks."""

    def __init__(self, engine: sa.Engine, data: Path) -> None:
        self.engine = engine
        self.data = data
        self.client = DBOSClient(system_database_engine=engine, serializer=JsonSerializer())
        #: Called where this process has put jobs into the queue, or lets them be taken again.
        self.on_queued: Callable[[], object] = lambda: None

    def close(self) -> None:
        """Give the connections back."""
        self.client.destroy()

    def submit(self, specs: dict[str, JobSpec], priority: int) -> list[Job]:
        """Queue jobs, all or none; one of the same id and digest may be there already.

        Raises `InputError` where an id is taken by another job.
        """
        with self.engine.begin() as connection:
            for job_id, spec in specs.items():
                self.client.enqueue_in_transaction(
                    connection,
                    {
                        "workflow_name": WORKFLOW,
                        "queue_name": QUEUE,
                        "workflow_id": job_id,
                        "app_version": APP_VERSION,
                        "priority": priority,
                    },
                    spec.to_json(),
                    priority,
                )
        self.on_queued()
        found = {row.workflow_id: row for row in self._rows(workflow_ids=list(specs))}
        stored = {job_id: _spec(row) for job_id, row in found.items()}
        for job_id, spec in specs.items():
            if stored[job_id].digest != spec.digest:
                raise InputError(
                    "idempotency_key: was used before, for another job. Use a new key, or submit "
                    "the same input and config."
                )
        return [self._job(found[job_id], stored[job_id]) for job_id in specs]

    def job(self, job_id: str) -> Job:
        """A job without what it made; raises `InputError` where there is none."""
        return self.job_and_spec(job_id)[0]

    def job_and_spec(self, job_id: str) -> tuple[Job, JobSpec]:
        """A job, and what it is made of; raises `InputError` where there is none."""
        rows = self._rows(workflow_ids=[job_id])
        if not rows:
            raise InputError(f"no job is called {job_id!r}. List them with: ninefold jobs list")
        spec = _spec(rows[0])
        return self._job(rows[0], spec), spec

    def jobs(
        self,
        *,
        status: Iterable[JobStatus] = (),
        ids: Sequence[str] | None = None,
        group: str | None = None,
        limit: int | None = None,
        offset: int = 0,
        newest_first: bool = True,
    ) -> list[Job]:
        """Jobs by what is asked for."""
        wanted = set(status)
        names = [name for name, state in _STATUS.items() if state in wanted]
        rows = self._rows(
            status=names or None,
            workflow_ids=list(ids) if ids is not None else None,
            workflow_id_prefix=f"{group}." if group is not None else None,
            limit=limit,
            offset=offset or None,
            sort_desc=newest_first,
        )
        return [self._job(row, _spec(row)) for row in rows]

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
