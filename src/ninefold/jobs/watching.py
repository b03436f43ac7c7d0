"""Many readers of events, one look at the database.

All jobs that are watched in a process are looked at together, several times a second, and a job is
read only when something of it has changed: once, however many watch it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable, Mapping, Sequence

from ninefold.core.errors import NotFoundError
from ninefold.jobs.events import JobEnded, JobEvent

#: Seconds between two looks.
PAUSE = 0.1

#: What of each job changes whenever it gets another event; jobs that are gone are left out.
Versions = Callable[[Sequence[str]], Awaitable[Mapping[str, Hashable]]]
#: All events of a job so far, and whether it has ended.
Read = Callable[[str], Awaitable[tuple[Sequence[JobEvent], bool]]]


class _Watch:
    """One job that is watched."""

    def __init__(self) -> None:
        self.readers = 0
        self.version: Hashable = None
        self.events: Sequence[JobEvent] = ()
        self.ended = False
        self.failure: Exception | None = None
        #: Set, and replaced, whenever something changes.
        self.changed = asyncio.Event()

    def tell(self) -> None:
        """Wake everyone who waits."""
        self.changed.set()
        self.changed = asyncio.Event()

    def fail(self, error: Exception) -> None:
        """Have everyone who waits raise `error`."""
        self.failure = error
        self.tell()


class Watching:
    """The jobs that are watched on one event loop."""

    def __init__(self, versions: Versions, read: Read) -> None:
        self._versions, self._read = versions, read
        self._watches: dict[str, _Watch] = {}
        self._task: asyncio.Task[None] | None = None
        self._new = asyncio.Event()

    async def events(self, job_id: str, after: int) -> AsyncGenerator[JobEvent, None]:
        """Events after `after`, until the job has ended; raises what reading it raises."""
        watch = self._watches.setdefault(job_id, _Watch())
        watch.readers += 1
        try:
            self._look()
            while True:
                changed = watch.changed
                if watch.failure is not None:
                    raise watch.failure
                ended = watch.ended
                for event in watch.events:
                    if event.sequence > after:
                        after = event.sequence
                        yield event
                        if isinstance(event, JobEnded):
                            return
                if ended:
                    return
                await changed.wait()
        finally:
            watch.readers -= 1
            if not watch.readers and self._watches.get(job_id) is watch:
                del self._watches[job_id]

    def _look(self) -> None:
        """Have all jobs looked at now, and from now on until nobody watches."""
        self._new.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._looking(), name="ninefold-watching")

    async def _looking(self) -> None:
        while self._watches:
            self._new.clear()
            try:
                await self._once()
            except Exception as error:  # the database is away, say: whoever watches is told
                failed, self._watches = self._watches, {}
                for watch in failed.values():
                    watch.fail(error)
                return
            if not self._new.is_set():
                await asyncio.sleep(PAUSE)

    async def _once(self) -> None:
        watches = dict(self._watches)
        versions = await self._versions(list(watches))
        for job_id, watch in watches.items():
            version = versions.get(job_id)
            if version is not None and version == watch.version:
                continue
            try:
                # Read after its version was: at least as new, and else read again.
                watch.events, watch.ended = await self._read(job_id)
                watch.version = version
                watch.tell()
            except NotFoundError as error:
                watch.fail(error)
                if self._watches.get(job_id) is watch:
                    del self._watches[job_id]
