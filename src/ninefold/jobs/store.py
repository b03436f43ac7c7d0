"""Jobs as the database holds them: put in, read, and changed from outside of a worker."""

from __future__ import annotations

import base64
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from ninefold.core.errors import ConflictError, NotFoundError
from ninefold.core.record import StageRecord
from ninefold.core.values import Failure, Json
from ninefold.job_schema import JobStatus
from ninefold.jobs import listing
from ninefold.jobs.admission import Admission, check_quota
from ninefold.jobs.changes import Change, note
from ninefold.jobs.dbos_adapter import JobIdInUseError, WorkflowDatabase, WorkflowStatus
from ninefold.jobs.events import Done, following_step
from ninefold.jobs.listing import JOBS, Listing
from ninefold.jobs.model import Job, JobVersion, job_folder, timestamp
from ninefold.jobs.naming import STATUS
from ninefold.jobs.ordering import QueueOrder
from ninefold.jobs.queue import JobQueue
from ninefold.jobs.reports import STREAM
from ninefold.jobs.search import Found, JobFilter, JobSearch, Position
from ninefold.jobs.serializer import JobFailedError, from_text
from ninefold.jobs.spec import JobSpec
from ninefold.jobs.tables import QUEUE_LOCK, acquire_transaction_lock
from ninefold.jobs.wakeups import notify

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
        self.order = QueueOrder(self.workflows)
        self.search = JobSearch(self.engine, self._jobs)

    def close(self) -> None:
        """Give the connections back."""
        self.workflows.close()

    def submit(
        self,
        specs: Mapping[str, JobSpec],
        priority: int,
        admission: Admission | None = None,
        place: Callable[[], None] = lambda: None,
    ) -> list[Job]:
        """Queue jobs, all or none; they may be there already, with the same digest.

        `place` puts their files where they have them; it is called where they are new, and no other
        job can have their ids until it returns. Raises `ConflictError` where an id is taken by
        another job, and what `admission` raises.
        """
        try:
            with self.engine.begin() as connection:
                acquire_transaction_lock(connection, QUEUE_LOCK)
                if admission is not None and admission.quota is not None:
                    owner = next(iter(specs.values())).owner
                    check_quota(connection, self._jobs, admission.quota, owner, len(specs))
                first = self._next_place(connection)
                self._enqueue(connection, specs, priority, first)
                listed = listing.insert(connection, specs, first)
                notify(connection)
                if admission is not None and admission.beside is not None:
                    admission.beside(connection, list(specs))
                place()
        except (JobIdInUseError, sa.exc.IntegrityError):
            found = self.submitted(specs)
            if found is None:  # deleted by another, between the two
                raise ConflictError(
                    "idempotency_key: its job was just deleted. Submit it again."
                ) from None
            return found
        self.queue.on_queued()
        return [
            self._job(job_id, spec, "queued", priority, listed[job_id])
            for job_id, spec in specs.items()
        ]

    def submitted(self, specs: Mapping[str, JobSpec]) -> list[Job] | None:
        """The jobs of these ids where they are there already, with the same digests.

        Raises `ConflictError` where an id is taken by another job.
        """
        rows = self._rows(workflow_ids=list(specs))
        found = {job.id: (job, spec) for job, spec in self._listed(rows)}
        if any(spec.digest != specs[job_id].digest for job_id, (_, spec) in found.items()):
            raise ConflictError(
                "idempotency_key: was used before, for another job. Use a new key, or submit "
                "the same input and config."
            )
        if len(found) < len(specs):
            return None
        return [found[job_id][0] for job_id in specs]

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
        columns = (self._jobs.c.created_at, JOBS.c.place)
        last = [connection.scalar(sa.select(sa.func.max(column))) or 0 for column in columns]
        return max(round(time.time() * 1000), max(last) + 1)

    def job(self, job_id: str) -> Job:
        """A job without what it made; raises `NotFoundError` where there is none."""
        return self.job_and_spec(job_id)[0]

    def job_and_spec(self, job_id: str) -> tuple[Job, JobSpec]:
        """A job, and what it is made of; raises `NotFoundError` where there is none."""
        rows = self._rows(workflow_ids=[job_id])
        if not rows:
            raise NotFoundError(f"no job is called {job_id!r}. List them with: ninefold jobs list")
        spec = _spec(rows[0])
        return self._read(rows[0], spec, self._listings([job_id]).get(job_id)), spec

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
        return [job for job, _ in self._listed(rows)]

    def page(
        self,
        wanted: JobFilter,
        *,
        limit: int = 50,
        after: Position | None = None,
        offset: int = 0,
        count: bool = False,
    ) -> tuple[list[Job], Found]:
        """At most `limit` jobs, the newest first, and what else was found.

        Pages hold their place while jobs come and go: `after` is the position of the last job seen.
        """
        found = self.search.page(wanted, limit, after=after, offset=offset, count=count)
        by_id = {job.id: job for job in self.jobs(ids=found.ids)}
        return [by_id[job_id] for job_id in found.ids if job_id in by_id], found

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

    def newest_preview(self, job_id: str) -> bytes | None:
        """The last small picture of the step that runs, a JPEG; None where it made none yet."""
        reports, steps = self.workflows.streams.c, self.workflows.steps.c
        done = sa.select(sa.func.max(steps.function_id)).where(
            steps.workflow_uuid == job_id, steps.output.is_not(None)
        )
        query = (
            sa.select(reports.value)
            .where(
                reports.workflow_uuid == job_id,
                reports.key == STREAM,
                reports.value.contains('"preview"'),
                reports.function_id > sa.func.coalesce(done.scalar_subquery(), -1),
            )
            .order_by(reports.offset.desc())
            .limit(1)
        )
        with self.engine.connect() as connection:
            found = connection.scalar(query)
        return None if found is None else base64.b64decode(from_text(found)["preview"])

    def versions(self, job_ids: Sequence[str]) -> dict[str, JobVersion]:
        """How far jobs have come, by one query; those that are gone are left out."""
        with self.engine.connect() as connection:
            rows = connection.execute(self._versions, {"ids": list(job_ids)})
            return {row[0]: JobVersion(STATUS[row[1]], *row[2:]) for row in rows}

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
            jobs.priority,
            sa.select(JOBS.c.favourite).where(JOBS.c.id == jobs.workflow_uuid).scalar_subquery(),
        ).where(jobs.workflow_uuid.in_(sa.bindparam("ids", expanding=True)))

    def cancel(self, job_ids: Sequence[str]) -> None:
        """Cancel those that have not ended."""
        if job_ids:
            self.workflows.cancel(job_ids)

    def delete(self, job_ids: Sequence[str]) -> None:
        """Forget jobs, with their files."""
        if job_ids:
            self.workflows.delete(job_ids)
            # Before our own rows go: until then no other job can have the id and the folder, as one
            # of the same idempotency key will.
            for job_id in job_ids:
                shutil.rmtree(job_folder(self.data, job_id), ignore_errors=True)
            with self.engine.begin() as connection:
                acquire_transaction_lock(connection, QUEUE_LOCK)
                owners = listing.owners(connection, job_ids)
                listing.delete(connection, job_ids)
                gone = [Change("job_deleted", job_id, who) for job_id, who in owners.items()]
                if gone:
                    note(connection, gone)

    def _rows(self, **filters: Any) -> list[WorkflowStatus]:
        if filters.get("workflow_ids") == []:
            return []
        return self.workflows.list(**filters)

    def _listed(self, rows: Sequence[WorkflowStatus]) -> Iterator[tuple[Job, JobSpec]]:
        """The jobs of rows as lists show them, and what they are made of."""
        listed = self._listings([row.workflow_id for row in rows])
        for row in rows:
            spec = _spec(row)
            job = self._read(row, spec, listed.get(row.workflow_id))
            yield (self._as_it_runs(job, spec) if job.status == "running" else job), spec

    def _as_it_runs(self, job: Job, spec: JobSpec) -> Job:
        """A running job with the stage where it is, and what its steps have made known so far."""
        done = self.done(job.id, spec)
        known = listing.describe(spec, [item.record for item in done]).fields
        return replace(
            job,
            stage=following_step(spec.config, done, job.status),
            listing=replace(job.listing, **known),
        )

    def _listings(self, job_ids: Sequence[str]) -> dict[str, Listing]:
        with self.engine.connect() as connection:
            return listing.listings(connection, job_ids)

    def _read(self, row: WorkflowStatus, spec: JobSpec, listed: Listing | None) -> Job:
        """The job of a row."""
        status = STATUS[row.status]
        created = spec.created_at
        started = timestamp(row.dequeued_at, created)
        return replace(
            self._job(row.workflow_id, spec, status, row.priority or 0, listed or Listing()),
            started_at=started,
            finished_at=timestamp(row.completed_at, created, started),
            error=_error(row) if status == "failed" else None,
        )

    def _job(
        self, job_id: str, spec: JobSpec, status: JobStatus, priority: int, listed: Listing
    ) -> Job:
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
            from_stage=spec.from_stage,
            changes=None if spec.from_stage is None else spec.changes,
            listing=listed,
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
