"""Jobs as the database holds them: put in, read, and changed from outside of a worker."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from ninefold.core.errors import ConflictError, NotFoundError
from ninefold.core.record import StageRecord
from ninefold.core.values import Failure, Json
from ninefold.job_schema import JobStatus
from ninefold.jobs.admission import Admission, check_quota
from ninefold.jobs.dbos_adapter import JobIdInUseError, WorkflowDatabase, WorkflowStatus
from ninefold.jobs.events import Done
from ninefold.jobs.model import Job, JobVersion, job_folder, timestamp
from ninefold.jobs.naming import STATUS, WORKFLOW
from ninefold.jobs.queue import JobQueue
from ninefold.jobs.reports import STREAM
from ninefold.jobs.serializer import JobFailedError
from ninefold.jobs.spec import JobSpec
from ninefold.jobs.tables import acquire_transaction_lock
from ninefold.jobs.wakeups import notify

#: Any number that nobody else locks in the database: of the line that submits stand in.
_LOCK = 0x6E696E65

_DEAD_LETTER = Failure(
    "every worker that took it died. Look for a lack of memory, then rerun it.",
    kind="WorkerDied",
)


class JobStore:
    """The database's side of jobs; every method blocks."""

    def __init__(self, engine: sa.Engine, data: Path) -> None:
        self.data = data
        self.workflows = WorkflowDatabase(engine)
        #: The same engine, which knows where DBOS's tables are.
        self.engine = self.workflows.engine
        self._jobs = self.workflows.table
        self.queue = JobQueue(self.workflows)

    def close(self) -> None:
        """Give the connections back."""
        self.workflows.close()

    def submit(
        self,
        specs: Mapping[str, JobSpec],
        priority: int,
        admission: Admission | None = None,
    ) -> list[Job]:
        """Queue jobs, all or none; they may be there already, with the same digest.

        Raises `ConflictError` where an id is taken by another job, and what `admission` raises.
        """
        try:
            with self.engine.begin() as connection:
                acquire_transaction_lock(connection, _LOCK)
                if admission is not None and admission.quota is not None:
                    owner = next(iter(specs.values())).owner
                    check_quota(connection, self._jobs, admission.quota, owner, len(specs))
                first = self._next_place(connection)
                self._enqueue(connection, specs, priority, first)
                notify(connection)
                if admission is not None and admission.beside is not None:
                    admission.beside(connection, list(specs))
        except (JobIdInUseError, sa.exc.IntegrityError):
            found = self.submitted(specs)
            if found is None:  # deleted by another, between the two
                raise ConflictError(
                    "idempotency_key: its job was just deleted. Submit it again."
                ) from None
            return found
        self.queue.on_queued()
        return [self._job(job_id, spec, "queued", priority) for job_id, spec in specs.items()]

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
        return [self._read(found[job_id], stored[job_id]) for job_id in specs]

    def _enqueue(
        self,
        connection: sa.Connection,
        specs: Mapping[str, JobSpec],
        priority: int,
        first_place: int,
    ) -> None:
        """Put jobs of one owner into the queue, in places one after the other.

        DBOS enqueues the first. The rows of the others are those of the first but for the id, the
        input and the place, and are written together: DBOS would take a millisecond for each.
        """
        (first, spec), *others = specs.items()
        self.workflows.enqueue(connection, first, spec.owner, spec.to_json(), priority)
        jobs, inputs = self._jobs, self.workflows.inputs
        connection.execute(
            sa.update(jobs).where(jobs.c.workflow_uuid == first).values(created_at=first_place)
        )
        if not others:
            return
        job = _row(connection, jobs, first)
        given = _row(connection, inputs, first)
        places = enumerate(others, first_place + 1)
        connection.execute(
            sa.insert(jobs),
            [{**job, "workflow_uuid": name, "created_at": place} for place, (name, _) in places],
        )
        connection.execute(
            sa.insert(inputs),
            [
                {
                    **given,
                    "workflow_uuid": name,
                    "inputs": self.workflows.input_text(spec.to_json(), priority),
                }
                for name, spec in others
            ],
        )

    def _next_place(self, connection: sa.Connection) -> int:
        """A new job's place in the order of acceptance, which DBOS reads off `created_at`.

        It is the time, but later than that of every job before, though a clock was set back.
        Exact where submits stand in line.
        """
        last = connection.scalar(sa.select(sa.func.max(self._jobs.c.created_at)))
        return max(round(time.time() * 1000), (last or 0) + 1)

    def job(self, job_id: str) -> Job:
        """A job without what it made; raises `NotFoundError` where there is none."""
        return self.job_and_spec(job_id)[0]

    def job_and_spec(self, job_id: str) -> tuple[Job, JobSpec]:
        """A job, and what it is made of; raises `NotFoundError` where there is none."""
        rows = self._rows(workflow_ids=[job_id])
        if not rows:
            raise NotFoundError(f"no job is called {job_id!r}. List them with: ninefold jobs list")
        spec = _spec(rows[0])
        return self._read(rows[0], spec), spec

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
        names = [name for name, state in STATUS.items() if state in wanted]
        rows = self._rows(
            status=names or None,
            workflow_ids=list(ids) if ids is not None else None,
            workflow_id_prefix=f"{group}." if group is not None else None,
            user=owner,
            limit=limit,
            offset=offset or None,
            sort_desc=newest_first,
        )
        return [self._read(row, _spec(row)) for row in rows]

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
        rows = self._jobs.c
        place = sa.tuple_(rows.created_at, rows.workflow_uuid)
        query = (
            sa.select(rows.created_at, rows.workflow_uuid)
            .where(rows.name == WORKFLOW)
            .order_by(rows.created_at.desc(), rows.workflow_uuid.desc())
            .limit(limit + 1)
        )
        wanted = set(status)
        if names := [name for name, state in STATUS.items() if state in wanted]:
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

    def done(self, job_id: str, spec: JobSpec) -> list[Done]:
        """The steps that were carried out, those of the parent first."""
        return [*(Done(record) for record in spec.reused()), *self.own_steps(job_id)]

    def own_steps(self, job_id: str, after: int = 0) -> list[Done]:
        """The steps that the job itself carried out, but for the first `after`."""
        return [
            Done(StageRecord.from_json(step["output"]), step["function_id"])
            for step in self.workflows.steps_of(job_id, after)
            if step["output"] is not None  # else it is the last, and ended the job by a bug
        ]

    def reports(self, job_id: str, after: int = 0) -> list[Json]:
        """The reports that its steps wrote while they ran, but for the first `after`."""
        found: list[Json] = []
        while True:
            values = self.workflows.stream(job_id, STREAM, after + len(found), 500)
            if not values:
                return found
            found += values

    def versions(self, job_ids: Sequence[str]) -> dict[str, JobVersion]:
        """How far jobs have come, by one query; those that are gone are left out."""
        with self.engine.connect() as connection:
            rows = connection.execute(self._versions, {"ids": list(job_ids)})
            return {row[0]: JobVersion(STATUS[row[1]], row[2], row[3]) for row in rows}

    @cached_property
    def _versions(self) -> sa.Select[Any]:
        """Asked so often that making the query anew would take most of the time."""
        jobs, steps, reports = self._jobs.c, self.workflows.steps.c, self.workflows.streams.c
        count = sa.func.count()
        return sa.select(
            jobs.workflow_uuid,
            jobs.status,
            sa.select(count)
            .where(steps.workflow_uuid == jobs.workflow_uuid, steps.output.is_not(None))
            .scalar_subquery(),
            sa.select(count)
            .where(reports.workflow_uuid == jobs.workflow_uuid, reports.key == STREAM)
            .scalar_subquery(),
        ).where(jobs.workflow_uuid.in_(sa.bindparam("ids", expanding=True)))

    def cancel(self, job_ids: Sequence[str]) -> None:
        """Cancel those that have not ended."""
        if job_ids:
            self.workflows.cancel(job_ids)

    def delete(self, job_ids: Sequence[str]) -> None:
        """Forget jobs."""
        if job_ids:
            self.workflows.delete(job_ids)

    def _rows(self, **filters: Any) -> list[WorkflowStatus]:
        if filters.get("workflow_ids") == []:
            return []
        return self.workflows.list(**filters)

    def _read(self, row: WorkflowStatus, spec: JobSpec) -> Job:
        """The job of a row."""
        status = STATUS[row.status]
        created = spec.created_at
        started = timestamp(row.dequeued_at, created)
        return replace(
            self._job(row.workflow_id, spec, status, row.priority or 0),
            started_at=started,
            finished_at=timestamp(row.completed_at, created, started),
            error=_error(row) if status == "failed" else None,
        )

    def _job(self, job_id: str, spec: JobSpec, status: JobStatus, priority: int) -> Job:
        return Job(
            id=job_id,
            status=status,
            config=spec.config,
            input=spec.input,
            folder=job_folder(self.data, job_id),
            priority=priority,
            created_at=spec.created_at,
            parent=spec.parent,
            group=spec.group,
            owner=spec.owner,
            reused=tuple(record["step"] for record in spec.records),
        )


def _row(connection: sa.Connection, table: sa.Table, job_id: str) -> dict[str, Any]:
    query = sa.select(table).where(table.c.workflow_uuid == job_id)
    return dict(connection.execute(query).one()._mapping)


def _spec(row: WorkflowStatus) -> JobSpec:
    assert row.input is not None
    return JobSpec.from_json(row.input["args"][0])


def _error(row: WorkflowStatus) -> Failure:
    if row.status == "MAX_RECOVERY_ATTEMPTS_EXCEEDED":
        return _DEAD_LETTER
    if isinstance(row.error, JobFailedError):
        return row.error.failure
    return Failure(str(row.error))
