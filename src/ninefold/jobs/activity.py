"""What happens to all jobs, as one numbered sequence for any number of followers.

One look at the database serves all who follow in this process, and stops a while after the last of
them has gone. Numbers go on from the time when the looks began, in microseconds: so those of
before, or of another server, are known as such, and their bearers are sent a `reset`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from ninefold.core.errors import NotFoundError, StorageError
from ninefold.core.values import Json
from ninefold.job_schema import ENDED
from ninefold.jobs import changes, events
from ninefold.jobs.events import JobEvent
from ninefold.jobs.following import JobSnapshot
from ninefold.jobs.listing import JOBS
from ninefold.jobs.naming import STATUS, WORKFLOW
from ninefold.jobs.store import JobStore

#: Seconds between two looks, and the part of the time that looks may take.
PAUSE, _SHARE = 0.25, 0.3
#: Seconds that looks go on after the last follower has gone: it may come back for what it missed.
LINGER = 60.0
#: Events that are kept for those who come back, and those that a follower may be behind.
KEPT, MOST_BEHIND = 20_000, 2_000
#: Milliseconds in which a job that has ended may become visible late, by a slow transaction.
_LATE = 5_000

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ActivityEvent:
    """Something that happened; `owner` is whose job it is about."""

    name: str
    data: Json
    owner: str | None = None
    #: Whether it is about the queue, so that everyone may know of it.
    public: bool = False
    number: int = 0


@dataclass(eq=False)
class _Follower:
    """Someone who follows: what it was not given yet."""

    sees: Callable[[str | None], bool]
    waiting: deque[ActivityEvent] = field(default_factory=deque)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    #: Whether it was so slow that it is sent away.
    dropped: bool = False

    def may_see(self, event: ActivityEvent) -> bool:
        return event.public or self.sees(event.owner)

    def give(self, event: ActivityEvent) -> None:
        if not self.may_see(event):
            return
        if len(self.waiting) >= MOST_BEHIND:
            self.dropped = True
        else:
            self.waiting.append(event)
        self.wake.set()


class Activity:
    """Follows all jobs while anybody wants to know; used on one event loop alone."""

    def __init__(self, store: JobStore, call: Callable[..., Awaitable[Any]]) -> None:
        """`call` runs what blocks in a thread, and raises `StorageError` for a lost database."""
        self._store, self._call = store, call
        self._followers: set[_Follower] = set()
        self._log: deque[ActivityEvent] = deque(maxlen=KEPT)
        self._last = 0
        self._left = 0.0
        self._task: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()

    async def follow(
        self, sees: Callable[[str | None], bool], after: int | None = None
    ) -> AsyncGenerator[ActivityEvent, None]:
        """`ready`, or after a number what came since, or `reset` where that is not known; then
        what happens. Ends where the follower falls behind too far.

        `sees` says of an owner whether its jobs are to be reported.
        """
        async with self._starting:
            if self._task is None or self._task.done():
                await self._begin()
        follower = _Follower(sees)
        first = self._log[0].number if self._log else self._last + 1
        if after is None:
            follower.give(ActivityEvent("ready", {}, public=True, number=self._last))
        elif first - 1 <= after <= self._last:
            follower.waiting.extend(
                event for event in self._log if event.number > after and follower.may_see(event)
            )
            follower.wake.set()
        else:
            follower.give(ActivityEvent("reset", {}, public=True, number=self._last))
        self._followers.add(follower)
        try:
            while not follower.dropped:
                await follower.wake.wait()
                follower.wake.clear()
                while follower.waiting and not follower.dropped:
                    yield follower.waiting.popleft()
        finally:
            self._followers.discard(follower)
            self._left = time.monotonic()

    async def close(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _begin(self) -> None:
        looks = _Looks(self._store)
        await self._call(looks.begin)
        self._log.clear()
        self._last = max(self._last + 1, time.time_ns() // 1000)
        self._left = time.monotonic()
        self._task = asyncio.create_task(self._poll(looks))

    async def _poll(self, looks: _Looks) -> None:
        pause = PAUSE
        while self._followers or time.monotonic() - self._left < LINGER:
            await asyncio.sleep(pause)
            began = time.monotonic()
            try:
                found = await self._call(looks.look)
            except StorageError as error:  # away: a later look may do better
                _log.debug("activity: %s", error)
                continue
            except Exception:  # those who follow come back, and it begins anew
                _log.exception("activity: a look failed")
                for follower in self._followers:
                    follower.dropped = True
                    follower.wake.set()
                return
            for event in found:
                self._add(event)
            pause = max(PAUSE, (time.monotonic() - began) / _SHARE)

    def _add(self, event: ActivityEvent) -> None:
        self._last += 1
        numbered = ActivityEvent(event.name, event.data, event.owner, event.public, self._last)
        self._log.append(numbered)
        for follower in self._followers:
            follower.give(numbered)


@dataclass
class _Running:
    """A job that runs, as it was read last, and the last of its events that was reported."""

    snapshot: JobSnapshot
    sequence: int = 0

    def news(self) -> list[JobEvent]:
        """The events since."""
        news = [event for event in self.snapshot.events() if event.sequence > self.sequence]
        if news:
            self.sequence = news[-1].sequence
        return news


class _Looks:
    """What changed from look to look; its methods block."""

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._running: dict[str, _Running] = {}
        self._place = self._change = self._completed = 0
        #: Jobs whose end was reported, by when they ended.
        self._ended: dict[str, int] = {}

    def begin(self) -> None:
        """Take note of how things are."""
        with self._store.engine.connect() as connection:
            self._place = connection.scalar(sa.select(sa.func.max(JOBS.c.place))) or 0
            self._change = changes.newest(connection)
            rows = self._store.workflows.table.c
            self._completed = connection.scalar(sa.select(sa.func.max(rows.completed_at))) or 0
            for job_id, at, *_ in self._completed_since(connection):
                self._ended[job_id] = at
            running = self._pending(connection)
        for job_id in running:
            if (entry := self._read(job_id)) is not None:
                entry.news()
                self._leave(job_id, entry)

    def look(self) -> list[ActivityEvent]:
        """What happened since the last look."""
        with self._store.engine.connect() as connection:
            pending = self._pending(connection)
            ended = self._completed_since(connection)
            changed = changes.after(connection, self._change)
            # The last to be read: whatever was found of a job, that it was queued is found as well.
            found = self._new(connection)
        limit = self._completed - _LATE  # no later look goes back further
        found += self._progress(pending)
        for job_id, at, status, owner in ended:
            if job_id not in self._ended:
                found.append(
                    ActivityEvent("job_ended", {"job": job_id, "status": STATUS[status]}, owner)
                )
            self._ended[job_id] = at
            self._completed = max(self._completed, at)
        self._ended = {job_id: at for job_id, at in self._ended.items() if at >= limit}
        for number, change in changed:
            self._change = number
            about = {} if change.job is None else {"job": change.job}
            data = {**about, **(change.data or {})}
            found.append(ActivityEvent(change.kind, data, change.owner, public=change.job is None))
        return found

    def _new(self, connection: sa.Connection) -> list[ActivityEvent]:
        columns = (JOBS.c.place, JOBS.c.id, JOBS.c.owner, JOBS.c.group_id)
        query = sa.select(*columns).where(JOBS.c.place > self._place).order_by(JOBS.c.place)
        found = []
        for place, job_id, owner, group in connection.execute(query):
            self._place = place
            found.append(ActivityEvent("job_queued", {"job": job_id, "group": group}, owner))
        return found

    def _pending(self, connection: sa.Connection) -> list[str]:
        rows = self._store.workflows.table.c
        pending: sa.ColumnElement[str] = sa.literal_column(
            "'PENDING'"
        )  # SQLite takes the index by these words
        query = sa.select(rows.workflow_uuid).where(rows.status == pending, rows.name == WORKFLOW)
        return list(connection.scalars(query))

    def _completed_since(self, connection: sa.Connection) -> list[Any]:
        rows = self._store.workflows.table.c
        query = (
            sa.select(rows.workflow_uuid, rows.completed_at, rows.status, rows.authenticated_user)
            .where(
                rows.completed_at.is_not(None),
                rows.completed_at >= self._completed - _LATE,
                rows.name == WORKFLOW,
            )
            .order_by(rows.completed_at)
        )
        return [tuple(row) for row in connection.execute(query)]

    def _read(self, job_id: str) -> _Running | None:
        """Begin to follow a job that runs; None where it is gone."""
        try:
            entry = self._running[job_id] = _Running(JobSnapshot(self._store, job_id))
        except NotFoundError:
            return None
        return entry

    def _progress(self, pending: list[str]) -> list[ActivityEvent]:
        """What those that run, or ran at the last look, have done since."""
        found: list[ActivityEvent] = []
        known = set(self._running)  # one that `pending` still names may end right here
        versions = self._store.versions([*self._running]) if self._running else {}
        for job_id, entry in list(self._running.items()):
            version = versions.get(job_id)
            if version is None:
                del self._running[job_id]
                continue
            if version != entry.snapshot.version:
                entry.snapshot.update(version)
                found += self._reported(job_id, entry)
        for job_id in pending:
            if job_id not in known and (begun := self._read(job_id)) is not None:
                found += self._reported(job_id, begun)
        return found

    def _reported(self, job_id: str, entry: _Running) -> list[ActivityEvent]:
        job = entry.snapshot.job
        found = [
            ActivityEvent(name, {"job": job_id, **data}, job.owner)
            for event in entry.news()
            for name, data in _compact(job_id, event)
        ]
        if job.status in ENDED:
            self._ended[job_id] = self._completed
        self._leave(job_id, entry)
        if job.status == "queued":  # its worker stopped
            found.append(
                ActivityEvent("job_queued", {"job": job_id, "group": job.group}, job.owner)
            )
        return found

    def _leave(self, job_id: str, entry: _Running) -> None:
        """Follow a job no longer that runs no longer."""
        if entry.snapshot.job.status != "running":
            del self._running[job_id]


def _compact(job_id: str, event: JobEvent) -> list[tuple[str, Json]]:
    """A job's event without what a page can ask for."""
    match event:
        case events.JobStarted():
            return [("job_started", {"steps": list(event.steps)})]
        case events.JobStageStarted():
            return [("stage_started", {"stage": event.stage})]
        case events.JobStageWaiting():
            return [("stage_waiting", {"stage": event.stage})]
        case events.JobStepped():
            progress = {"stage": event.stage, "done": event.done, "total": event.total}
            shown = {"stage": event.stage, "preview": f"/v1/jobs/{job_id}/preview"}
            seen = [] if event.preview is None else [("preview_available", shown)]
            return [("stage_progressed", progress), *seen]
        case events.JobStageRetried():
            return [("stage_retried", {"stage": event.stage, "message": event.message})]
        case events.JobStageFinished():
            return [("stage_finished", {"stage": event.stage, "rewound": event.rewound})]
        case events.JobStageFailed():
            return [("stage_failed", {"stage": event.stage, "message": event.message})]
        case events.JobEnded():
            return [("job_ended", {"status": event.status})]
    return []
