"""A caller's jobs as a library: searched, with small pictures."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import ParamSpec, Protocol, TypeVar

from ninefold.core.errors import InputError, NotFoundError
from ninefold.jobs import Job
from ninefold.jobs.family import family
from ninefold.jobs.ordering import End
from ninefold.jobs.search import JobFilter
from ninefold.jobs.store import JobStore
from ninefold.server.archives import AT_ONCE, MAX_JOBS, Contents, contents_of, zipped
from ninefold.server.callers import Caller
from ninefold.server.contact_sheets import ContactSheets
from ninefold.server.paging import Page, cursor_of, position_of
from ninefold.server.problems import BusyError
from ninefold.server.thumbnails import SmallPicture, Thumbnails

#: Why jobs were not deleted, by their ids.
Kept = dict[str, str]
#: Jobs that a look at the queue lists.
MOST_WAITING = 200
#: Jobs of one family that are shown.
MOST_RELATIVES = 1000

P = ParamSpec("P")
T = TypeVar("T")


class Call(Protocol):
    """Runs what blocks in a thread."""

    def __call__(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
        """What the function gives; raises what it raises, or `StorageError`."""


class Library:
    """The jobs of callers. Whatever is another's raises `NotFoundError`."""

    def __init__(
        self,
        store: JobStore,
        call: Call,
        closing: asyncio.Event,
        forget: Callable[[str], None],
    ) -> None:
        """`forget` is called with the id of each job that was deleted."""
        self._store, self._call, self._forget = store, call, forget
        self.thumbnails = Thumbnails(closing)
        self.contact_sheets = ContactSheets(closing)
        self._closing = closing
        #: How many archives are being sent.
        self._archives = 0

    async def page(
        self,
        caller: Caller,
        wanted: JobFilter,
        *,
        limit: int,
        cursor: str | None = None,
        offset: int | None = None,
        count: bool = False,
    ) -> Page:
        """The caller's jobs that are wanted, the newest first, without what they made."""
        if cursor is not None and offset is not None:
            raise InputError("offset: expected either it or a cursor, got both. Leave one out.")
        jobs, found = await self._call(
            self._store.page,
            replace(wanted, owner=_owner(caller)),
            limit=limit,
            after=None if cursor is None else position_of(cursor),
            offset=offset or 0,
            count=count,
        )
        return Page(jobs, None if found.next is None else cursor_of(found.next), found.total)

    async def job(self, caller: Caller, job_id: str) -> Job:
        """The job as lists show it."""
        found = await self._call(self._store.jobs, ids=[job_id])
        if not found or not caller.may_see(found[0].owner):
            raise no_job(job_id)
        return found[0]

    async def thumbnail(self, caller: Caller, job_id: str, side: int) -> tuple[SmallPicture, bool]:
        """The newest picture of a job, and whether that may still change."""
        job = await self.job(caller, job_id)
        if job.status == "running":
            preview = await self._call(self._store.newest_preview, job_id)
            if preview is not None and job.listing.picture is None:
                return _as_it_is(preview), True
        if job.listing.picture is None:
            raise NotFoundError(f"job {job_id!r} has no picture yet. Ask again when it has ended.")
        found = await self.thumbnails.get(job.folder, job.listing.picture, side)
        return found, not job.ended

    async def preview(self, caller: Caller, job_id: str) -> SmallPicture | None:
        """The newest small picture of the stage that runs; None where it made none yet."""
        job = await self.job(caller, job_id)
        if job.status != "running":
            return None
        found = await self._call(self._store.newest_preview, job_id)
        return None if found is None else _as_it_is(found)

    async def family(self, caller: Caller, job_id: str) -> tuple[list[Relative], bool]:
        """The job's family as far as the caller sees it, and whether some were left out."""
        await self.job(caller, job_id)

        def look() -> tuple[list[Relative], bool]:
            found, more = family(self._store.engine, job_id, _owner(caller), MOST_RELATIVES)
            there = [member.id for member in found if member.there]
            known = {job.id: job for job in self._store.jobs(ids=there)}
            return [Relative(item.id, item.parent, known.get(item.id)) for item in found], more

        return await self._call(look)

    async def archive(
        self, caller: Caller, job_ids: Sequence[str], group: str | None
    ) -> AsyncGenerator[bytes, None]:
        """A ZIP of the files of jobs, in parts.

        Raises `InputError` for too many or none, `NotFoundError` for one that is not the caller's,
        `TooLargeError`, and `BusyError` where enough are being sent.
        """
        if (group is None) == (not job_ids):
            raise InputError("archive: expected either jobs or a group, got both or neither.")
        ids = None if group is not None else list(dict.fromkeys(job_ids))
        if ids is not None and len(ids) > MAX_JOBS:
            raise InputError(f"job: expected at most {MAX_JOBS:,}, got {len(ids):,}.")
        self._check_archives()
        parts = self._parts(await self._call(self._contents, caller, ids, group))
        await anext(parts)  # it is counted from here on, and no more once it is closed
        return parts

    def _contents(self, caller: Caller, ids: list[str] | None, group: str | None) -> Contents:
        found = self._store.jobs(ids=ids, group=group, newest_first=False, limit=MAX_JOBS + 1)
        if len(found) > MAX_JOBS:
            raise InputError(f"group: expected at most {MAX_JOBS:,} jobs. Name jobs instead.")
        mine = {job.id: job for job in found if caller.may_see(job.owner)}
        if group is not None and (not mine or len(mine) < len(found)):
            raise NotFoundError(f"no group is called {group!r}.")
        for job_id in ids or ():
            if job_id not in mine:
                raise no_job(job_id)
        return contents_of(self._store, [mine[job_id] for job_id in ids or sorted(mine)])

    async def _parts(self, contents: Contents) -> AsyncGenerator[bytes, None]:
        """The parts of an archive, after an empty one; raises `BusyError` instead of that."""
        self._check_archives()  # others may have come while the contents were read
        parts = zipped(contents, self._closing.is_set)
        self._archives += 1
        try:
            yield b""
            while (part := await asyncio.to_thread(next, parts, None)) is not None:
                yield part
        finally:
            self._archives -= 1
            with suppress(ValueError):  # a thread is at work on it yet, and lets it go then
                parts.close()

    def _check_archives(self) -> None:
        if self._archives >= AT_ONCE:
            raise BusyError(f"{AT_ONCE} archives are being sent. Try again later.")

    # -- changing --------------------------------------------------------------------------------

    async def change(
        self, caller: Caller, job_id: str, *, favourite: bool | None, priority: int | None
    ) -> Job:
        """Set what is not None; raises `ConflictError` for the priority of a job that runs."""
        job = await self.job(caller, job_id)
        order = self._store.order
        await self._call(order.change, job_id, job.owner, favourite=favourite, priority=priority)
        return await self.job(caller, job_id)

    async def move(self, caller: Caller, job_id: str, to: End | None, before: str | None) -> Job:
        """Move a job that waits; raises `ConflictError` where it cannot be."""
        job = await self.job(caller, job_id)
        if before is not None:
            await self.job(caller, before)
        await self._call(self._store.order.move, job_id, job.owner, _owner(caller), to, before)
        return await self.job(caller, job_id)

    async def delete(self, caller: Caller, job_ids: Sequence[str]) -> tuple[list[str], Kept]:
        """Forget jobs that have ended, with their files; which are gone, and why others are not."""

        def delete() -> tuple[list[str], Kept]:
            kept: Kept = {}
            found = {job.id: job for job in self._store.jobs(ids=list(dict.fromkeys(job_ids)))}
            gone = []
            for job_id in dict.fromkeys(job_ids):
                job = found.get(job_id)
                if job is None or not caller.may_see(job.owner):
                    kept[job_id] = "There is no such job."
                elif not job.ended:
                    kept[job_id] = "It has not ended. Cancel it first."
                else:
                    gone.append(job)
            self._store.delete([job.id for job in gone])
            return [job.id for job in gone], kept

        deleted, kept = await self._call(delete)
        for job_id in deleted:
            self._forget(job_id)
        return deleted, kept

    # -- the queue -------------------------------------------------------------------------------

    async def queue(self, caller: Caller) -> QueueState:
        """The queue as the caller sees it."""

        def look() -> QueueState:
            owner, queue = _owner(caller), self._store.queue
            depth = queue.depth(owner)
            ids = self._store.order.waiting(owner, MOST_WAITING)
            known = {job.id: job for job in self._store.jobs(ids=ids)}
            waiting = [known[job_id] for job_id in ids if job_id in known]
            return QueueState(queue.paused(), depth["queued"][0], depth["running"][0], waiting)

        return await self._call(look)


@dataclass(frozen=True)
class Relative:
    """A job of a family; without a job it was deleted, or is another's."""

    id: str
    parent: str | None
    job: Job | None


@dataclass(frozen=True)
class QueueState:
    """The queue: how many of the caller's jobs wait and run, and the first of those that wait."""

    paused: bool
    queued: int
    running: int
    waiting: Sequence[Job]


def _owner(caller: Caller) -> str | None:
    """Whose jobs the caller sees; None for those of all."""
    return None if caller.sees_all else caller.owner


def no_job(job_id: str) -> NotFoundError:
    """What is raised where there is no such job, or not for this caller."""
    return NotFoundError(f"no job is called {job_id!r}. GET /v1/jobs lists them.")


def _as_it_is(data: bytes) -> SmallPicture:
    """A preview, which was made small already."""
    return SmallPicture(data, "image/jpeg", f'"{hashlib.sha256(data).hexdigest()[:32]}"')
