"""Takes jobs from the queue: at once where they come from this process, soon where from others."""

from __future__ import annotations

import logging
import threading
import time
from uuid import uuid4

import sqlalchemy as sa
from dbos._core import execute_dequeued_workflow
from dbos._dbos import _get_dbos_instance

from ninefold.jobs.naming import APP_VERSION
from ninefold.jobs.queue import JobQueue
from ninefold.jobs.runtime import Runtime
from ninefold.jobs.wakeups import POLL, Wakeups, wakeups_for

#: Seconds between two looks at the queue while this worker has jobs and none waited at the last.
BUSY = 0.2
#: Seconds after which the queue is looked at though nothing tells of a change.
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
        wakeups = wakeups_for(self.queue.client._sys_db.engine, self.runtime.wake.set)
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
        dbos, queue = _get_dbos_instance(), self.queue.row()
        token = str(uuid4())
        claimed, _ = dbos._sys_db.start_queued_workflows(
            queue,
            self.worker,
            APP_VERSION,
            None,
            len(self.runtime.active),
            owner_xid=token,
            is_latest_version=False,  # every job names its version
        )
        # What is not started below looks stranded, and the worker's watch puts it back.
        found = dbos._sys_db.get_workflow_statuses(claimed)
        taken = [status for status in found if status["status"] == "PENDING"]  # else cancelled
        for status in taken:  # all are in line before the first begins
            self.runtime.take(
                status["workflow_uuid"],
                status["recovery_attempts"] or 1,
                status["priority"] or 0,
                status["created_at"] or 0,
            )
        for status in taken:
            try:
                execute_dequeued_workflow(dbos, status, token)
            except Exception as error:
                self.runtime.abandon(status["workflow_uuid"])
                _log.error("jobs: %s could not be started: %s", status["workflow_uuid"], error)
        return True
