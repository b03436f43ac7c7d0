"""Requests of this API that are open now: what `progress` reports and `interrupt` ends.

A session is a row in the jobs' database, so a key's calls mean the same on every server that shares
it. Where a key has several, the calls that name none mean the one that is open the longest, as they
do in A1111, where the others would still wait; `task_id` names any by its `force_task_id`.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import anyio
import sqlalchemy as sa
from fastapi import Depends, Request

from ninefold.core.errors import NotFoundError
from ninefold.jobs import Group, Job
from ninefold.jobs.tables import TABLES
from ninefold.server.callers import Caller
from ninefold.server.job_progress import Estimate, JobProgress
from ninefold.server.service import Service

_SESSIONS = sa.Table(
    "ninefold_sdapi_sessions",
    TABLES,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("owner", sa.String(32), nullable=False, index=True),
    sa.Column("task_id", sa.String(200)),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("group_id", sa.String(128), nullable=False),
    #: Seconds since the epoch.
    sa.Column("started", sa.Float, nullable=False),
    sa.Column("interrupted", sa.Boolean, nullable=False),
    #: The job of the image that was skipped last.
    sa.Column("skipped", sa.String(128)),
)
#: The owner of what came without a key, as in `options.py`.
_LOCAL = ""
#: Seconds after which the row of a server that was killed is dropped; what waits that long has
#: been given up by its client.
_MAX_AGE = 24 * 3600.0
#: Estimates of the time left that are kept, one for each session that was asked about.
_ESTIMATES = 1000


@dataclass(frozen=True)
class Session:
    """One request that waits for its images, with the state of their jobs when it was read."""

    id: str
    owner: str
    task_id: str | None
    #: What it makes: `txt2img`, `img2img`, `extras`.
    kind: str
    group: Group
    started: float
    interrupted: bool
    skipped: str | None

    @property
    def number(self) -> int:
        """The image that is made now, counted from 0."""
        states = [job.ended for job in self.group.jobs]
        return states.index(False) if False in states else len(states) - 1

    @property
    def job(self) -> Job:
        """The job of the image that is made now."""
        return self.group.jobs[self.number]

    def state(self, job_progress: JobProgress) -> dict[str, Any]:
        """A1111's `state`, with the progress of the image's job."""
        return {
            "skipped": self.skipped == self.job.id,
            "interrupted": self.interrupted,
            "stopping_generation": self.interrupted,
            "job": self.task_id or self.kind,
            "job_count": len(self.group.jobs),
            "job_timestamp": timestamp(self.started),
            "job_no": self.number,
            "sampling_step": job_progress.step,
            "sampling_steps": job_progress.step_count,
        }


#: The state where nothing is made.
IDLE: dict[str, Any] = {
    "skipped": False,
    "interrupted": False,
    "stopping_generation": False,
    "job": "",
    "job_count": 0,
    "job_timestamp": "0",
    "job_no": 0,
    "sampling_step": 0,
    "sampling_steps": 0,
}


@dataclass(eq=False)
class Arrival:
    """A request whose jobs are not submitted yet: a client may have enough of it already."""

    owner: str | None
    task_id: str | None
    interrupted: bool = False


class Sessions:
    """The sessions of all servers on one database."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._engine = service.jobs.store.engine
        self._estimates: OrderedDict[str, Estimate] = OrderedDict()
        self._arrivals: list[Arrival] = []

    @asynccontextmanager
    async def opened(
        self, caller: Caller, kind: str, task_id: str | None, group: Group
    ) -> AsyncIterator[None]:
        """A session for as long as the block lasts."""
        session_id = secrets.token_hex(16)
        # Shielded: what a thread stores must be taken away again, whoever gives up meanwhile.
        storing = asyncio.ensure_future(
            self._service.call(self._insert, session_id, caller, kind, task_id, group.id)
        )
        try:
            await asyncio.shield(storing)
            yield
        finally:
            with anyio.CancelScope(shield=True):
                await asyncio.wait({storing})
                await self._service.call(self._delete, session_id)

    @contextmanager
    def arriving(self, caller: Caller, task_id: str | None = None) -> Iterator[Arrival]:
        """A request that this server has begun to read, until the block ends."""
        arrival = Arrival(caller.owner, task_id)
        self._arrivals.append(arrival)
        try:
            yield arrival
        finally:
            self._arrivals.remove(arrival)

    def interrupt_arrival(self, caller: Caller, task_id: str | None) -> None:
        """Note that the client wants no more of a request of its that has no session yet."""
        for arrival in self._arrivals:
            if arrival.owner == caller.owner and task_id in (None, arrival.task_id):
                arrival.interrupted = True
                return

    async def find(self, caller: Caller, task_id: str | None = None) -> Session | None:
        """The caller's session of that name, or the one that it opened first."""
        for row in await self._service.call(self._rows, caller, task_id):
            try:
                group = await self._service.group(caller, row["group_id"])
            except NotFoundError:  # deleted meanwhile
                continue
            # The row of a server that was killed stands for as long as its jobs do.
            if not all(job.ended for job in group.jobs):
                del row["group_id"]
                return Session(**row, group=group)
        return None

    async def interrupt(self, session: Session) -> None:
        """Note that the session's client wants no more."""
        await self._service.call(self._update, session.id, interrupted=True)

    async def skip(self, session: Session) -> None:
        """Note that the session's client does not want the image that is made now."""
        await self._service.call(self._update, session.id, skipped=session.job.id)

    def estimate(self, session: Session) -> Estimate:
        """The estimate of the time left, as this server gave it before."""
        found = self._estimates.setdefault(session.id, Estimate())
        self._estimates.move_to_end(session.id)
        while len(self._estimates) > _ESTIMATES:
            self._estimates.popitem(last=False)
        return found

    def _insert(
        self, session_id: str, caller: Caller, kind: str, task_id: str | None, group_id: str
    ) -> None:
        now = time.time()
        values = {
            "id": session_id,
            "owner": caller.owner or _LOCAL,
            "task_id": task_id,
            "kind": kind,
            "group_id": group_id,
            "started": now,
            "interrupted": False,
        }
        with self._engine.begin() as connection:
            connection.execute(sa.delete(_SESSIONS).where(_SESSIONS.c.started < now - _MAX_AGE))
            connection.execute(sa.insert(_SESSIONS).values(**values))

    def _delete(self, session_id: str) -> None:
        with self._engine.begin() as connection:
            connection.execute(sa.delete(_SESSIONS).where(_SESSIONS.c.id == session_id))

    def _update(self, session_id: str, **values: Any) -> None:
        this = _SESSIONS.c.id == session_id
        with self._engine.begin() as connection:
            connection.execute(sa.update(_SESSIONS).where(this).values(**values))

    def _rows(self, caller: Caller, task_id: str | None) -> list[dict[str, Any]]:
        query = (
            sa.select(_SESSIONS)
            .where(_SESSIONS.c.owner == (caller.owner or _LOCAL))
            .order_by(_SESSIONS.c.started, _SESSIONS.c.id)
        )
        if task_id is not None:
            query = query.where(_SESSIONS.c.task_id == task_id)
        with self._engine.connect() as connection:
            return [dict(row._mapping) for row in connection.execute(query)]


def sessions_of(request: Request) -> Sessions:
    """The sessions of the service that serves this request."""
    found: Sessions = request.app.state.sdapi_sessions
    return found


SessionsDep = Annotated[Sessions, Depends(sessions_of)]


def timestamp(epoch: float) -> str:
    """A1111's form of a time."""
    return datetime.fromtimestamp(epoch).strftime("%Y%m%d%H%M%S")
