"""Looking at jobs: one, many, groups, what they do and when they have ended."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import suppress
from typing import ParamSpec, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from ninefold.core.errors import NotFoundError
from ninefold.engines.engine_set import EngineSet
from ninefold.job_schema import OPEN, JobStatus
from ninefold.jobs.database import place_of, storage_error
from ninefold.jobs.events import JobEvent
from ninefold.jobs.following import Follower, JobSnapshot
from ninefold.jobs.load_job import load_job
from ninefold.jobs.model import Group, Job
from ninefold.jobs.store import JobStore

P = ParamSpec("P")
T = TypeVar("T")

#: Seconds between two looks at all jobs that are watched.
WATCH = 0.1


class JobReader:
    """The half of `JobExecutor` that changes nothing."""

    def __init__(
        self,
        data: str | os.PathLike[str] | None,
        database: str | None,
        engines: EngineSet | None,
    ) -> None:
        """Nothing is touched before `store` is set."""
        self.data, self._url = place_of(data, database)
        self._engines = engines
        self._store: JobStore | None = None
        self._follower = Follower(lambda ids: self._call(self.store.versions, ids), WATCH)

    @property
    def store(self) -> JobStore:
        """The database's side; raises RuntimeError outside of `async with`."""
        if self._store is None:
            raise RuntimeError("JobExecutor: use it inside `async with JobExecutor(...) as jobs:`")
        return self._store

    async def get(self, job_id: str) -> Job:
        """A job with all that it made so far; raises `NotFoundError` where there is none."""
        found = await self._call(JobSnapshot, self.store, job_id)
        return await load_job(found, self._engines)

    async def list(
        self,
        *,
        status: JobStatus | Iterable[JobStatus] = (),
        group: str | None = None,
        owner: str | None = None,
        limit: int | None = 100,
        offset: int = 0,
    ) -> Sequence[Job]:
        """Jobs, the newest first, without what they made; without an `owner`, those of all."""
        wanted = (status,) if isinstance(status, str) else tuple(status)
        return await self._call(
            lambda: self.store.jobs(
                status=wanted, group=group, owner=owner, limit=limit, offset=offset
            )
        )

    async def group(self, name: str) -> Group:
        """A group with its jobs, in the order of their inputs; raises `NotFoundError`."""
        jobs = await self._call(lambda: self.store.jobs(group=name, newest_first=False))
        if not jobs:
            raise NotFoundError(f"no group is called {name!r}.")
        return Group(name, tuple(sorted(jobs, key=lambda job: job.id)))

    async def best(self, group: str, count: int = 1) -> Sequence[Job]:
        """The `count` jobs of a group that the inspector liked most; equals by their order."""
        members = (await self.group(group)).jobs
        whole: list[Job] = []
        for member in members:
            if member.status == "succeeded":
                with suppress(NotFoundError):  # deleted meanwhile
                    whole.append(await self.get(member.id))
        judged = [job for job in whole if job.verdict is not None]
        return sorted(judged, key=lambda job: -(job.verdict.score if job.verdict else 0))[:count]

    async def wait(self, job_id: str, timeout: float | None = None) -> Job:
        """The job once it has ended; raises TimeoutError after `timeout` seconds."""
        await self.ended(job_id, timeout)
        return await self.get(job_id)

    async def ended(self, job_id: str, timeout: float | None = None) -> None:
        """Returns once the job has ended or is gone; raises TimeoutError after `timeout` seconds.

        Reads nothing of what it made.
        """
        async with asyncio.timeout(timeout):
            version = (await self._call(self.store.versions, [job_id])).get(job_id)
            while version is not None and version.status in OPEN:
                version = await self._follower.changed(job_id, version)

    async def wait_group(self, name: str, timeout: float | None = None) -> Group:
        """The group once all its jobs have ended; raises TimeoutError after `timeout` seconds."""
        await self.group(name)
        async with asyncio.timeout(timeout):
            while await self.list(group=name, status=OPEN, limit=1):
                await asyncio.sleep(WATCH)
        return await self.group(name)

    async def events_so_far(self, job_id: str) -> Sequence[JobEvent]:
        """What happened to the job until now; raises `NotFoundError` where there is none."""
        return list((await self._call(JobSnapshot, self.store, job_id)).events())

    async def events(self, job_id: str, after: int = 0) -> AsyncGenerator[JobEvent, None]:
        """What happened to the job since event `after`, and what happens until it ends.

        All streams of an executor share one look at the database, ten times a second; only what
        is new of a job is read.
        """
        found = await self._call(JobSnapshot, self.store, job_id)
        while True:
            for event in found.events():
                if event.sequence > after:
                    after = event.sequence
                    yield event
            if found.job.ended:
                return
            await self._call(found.update, await self._follower.changed(job_id, found.version))

    async def _call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run what blocks in a thread; a database that went away becomes a `StorageError`."""
        try:
            return await asyncio.to_thread(function, *args, **kwargs)
        except SQLAlchemyError as error:
            raise storage_error(self._url, error) from None
