"""Takes jobs from the queue: at once where they come from this process, soon where from others."""

from __future__ import annotations

import logging
import threading
import time
from uuid import uuid4

import sqlalchemy as sa

from ninefold.jobs import dbos_adapter
from ninefold.jobs.queue import JobQueue
from ninefold.jobs.runtime import Runtime
from ninefold.jobs.wakeups import POLL, Wakeups, wakeups_for

#: Seconds between two looks at the queue while this worker has jobs and none waited at the last.
BUSY = 0.2
#: Seconds after which the queue is looked at though nothing signals a change.
STALE = 2.0
#: Seconds until the next look where the database does not answer.
PAUSE = 1.0

_log = logging.getLogger(__name__)


class Dispatcher(threading.Thread):
    """Stands in for DBOS's own queue thread, and claims and starts jobs by the same calls.

    That thread asks three questions at each look, which is an eighth of a core when there is
    nothing to do, and cannot be woken.
    """

    def __init__(self, queue: JobQueue, runtime: Runtime, worker: str) -> None:
        super().__init__(name="ninefold-queue", daemon=True)
        self.queue = queue
        self.runtime = runtime
        self.worker = worker

    def run(self) -> None:
        """Take jobs until the runtime is draining."""
        wakeups = wakeups_for(self.queue.workflows.engine, self.runtime.wake.set)
        try:
            self._run(wakeups)
        finally:
            wakeups.close()

    def _run(self, wakeups: Wakeups) -> None:
        #: Whether a job waited at the last look, and when and how soon the next is due.
        waits, looked, least = False, 0.0, 0.0
        changed = True
        while not self.runtime.draining:
            woken = self.runtime.wake.wait(POLL if waits or changed else wakeups.pause())
            self.runtime.wake.clear()
            changed = wakeups.changed() or changed
            since = time.monotonic() - looked
            if not woken and (since < least or not (waits or changed or since > STALE)):
                continue
            changed, looked = False, time.monotonic()
            try:
                waits = self._take()
                least = 0.0 if waits or not self.runtime.active else BUSY
            except sa.exc.SQLAlchemyError as error:  # away: a later look may do better
                _log.debug("jobs: the queue does not answer: %s", error)
                changed, least = True, PAUSE

    def _take(self) -> bool:
        """Start what may start; returns whether any job waited."""
        room = self.queue.room()
        if room <= len(self.runtime.active) or self.runtime.draining:
            return room > 0
        token = str(uuid4())
        taken = dbos_adapter.claim(self.queue.row(), self.worker, len(self.runtime.active), token)
        for job in taken:  # all are in line before the first begins
            self.runtime.take(
                job["workflow_uuid"],
                job["recovery_attempts"] or 1,
                job["priority"] or 0,
                job["created_at"] or 0,
            )
        for job in taken:
            try:
                dbos_adapter.start(job, token)
            except Exception as error:
                self.runtime.abandon(job["workflow_uuid"])
                _log.error("jobs: %s could not be started: %s", job["workflow_uuid"], error)
        return True
