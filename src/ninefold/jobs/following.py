"""Following jobs: many at once by one look at the database, each by reading what is new of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from ninefold.core.values import Json
from ninefold.jobs.events import Done, JobEvent, events_of
from ninefold.jobs.model import JobVersion
from ninefold.jobs.store import JobStore


class JobSnapshot:
    """A job with its steps and reports as they were read last; its methods block."""

    def __init__(self, store: JobStore, job_id: str) -> None:
        """Read all that there is; raises `InputError` where there is no such job."""
        self._store = store
        # The state first: what is read after it is at least as new.
        self.job, self.spec = store.job_and_spec(job_id)
        self.done: list[Done] = store.done(job_id, self.spec)
        self.reports: list[Json] = store.reports(job_id)
        self._taken_over = len(self.spec.records)

    @property
    def version(self) -> JobVersion:
        """How far it was read."""
        steps, job = len(self.done) - self._taken_over, self.job
        return JobVersion(job.status, steps, len(self.reports), job.priority, job.listing.favourite)

    def events(self) -> Iterator[JobEvent]:
        """All events so far."""
        job = self.job
        return events_of(self.spec.config, self.done, self.reports, job.status, job.error)

    def update(self, now: JobVersion | None) -> None:
        """Read what is new, where the job has come as far as `now`."""
        job_id, known = self.job.id, self.version
        if now is None or replace(now, steps=known.steps, reports=known.reports) != known:
            self.job = self._store.job(job_id)
        if now is None or now.steps != known.steps or self.job.ended:
            self.done += self._store.own_steps(job_id, known.steps)
        if now is None or now.reports != known.reports or self.job.ended:
            self.reports += self._store.reports(job_id, known.reports)


#: The part of the time that looks after hints may take.
_SHARE = 0.3


class Follower:
    """Tells when jobs have come further. All who wait share one look every `pause` seconds, and one
    after a hint.
    """

    def __init__(
        self, look: Callable[[Sequence[str]], Awaitable[Mapping[str, JobVersion]]], pause: float
    ) -> None:
        self._look = look
        self._pause = pause
        self._waiting: dict[asyncio.Future[JobVersion | None], tuple[str, JobVersion]] = {}
        self._poller: asyncio.Task[None] | None = None
        #: When the next look may be.
        self._earliest = 0.0
        self._hinted = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def hint(self) -> None:
        """Something happened to a job; may be called from any thread."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has just closed
                self._loop.call_soon_threadsafe(self._hinted.set)

    async def changed(self, job_id: str, known: JobVersion) -> JobVersion | None:
        """How far the job is once that is not `known` any more; None where it is gone.

        Raises what the look raises.
        """
        self._loop = asyncio.get_running_loop()
        future: asyncio.Future[JobVersion | None] = self._loop.create_future()
        self._waiting[future] = job_id, known
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())
        try:
            return await future
        finally:
            del self._waiting[future]

    async def _poll(self) -> None:
        """Look for as long as anyone waits."""
        while True:
            await self._sleep()
            waiting = dict(self._waiting)
            if not waiting:
                return
            began = time.monotonic()
            try:
                versions = await self._look(sorted({job_id for job_id, _ in waiting.values()}))
                ended = time.monotonic()
                self._earliest = ended + (ended - began) / _SHARE
            except Exception as error:
                for future in waiting:
                    if not future.done():
                        future.set_exception(error)
                continue
            for future, (job_id, known) in waiting.items():
                if not future.done() and versions.get(job_id) != known:
                    future.set_result(versions.get(job_id))

    async def _sleep(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._hinted.wait(), self._pause)
            await asyncio.sleep(self._earliest - time.monotonic())
        self._hinted.clear()
