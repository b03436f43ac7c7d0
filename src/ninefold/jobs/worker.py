"""A worker: takes jobs from the queue, and those that dead workers left."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial

import sqlalchemy as sa

from ninefold.core.errors import ConfigError, StorageError
from ninefold.jobs import dbos_adapter, listing
from ninefold.jobs import runtime as runtimes
from ninefold.jobs.database import engine_for_steps, storage_error
from ninefold.jobs.dispatch import Dispatcher
from ninefold.jobs.leases import Lease, WorkerKind, locks_for
from ninefold.jobs.runtime import Runtime
from ninefold.jobs.store import JobStore

#: Seconds between two looks at this and the other workers.
WATCH = 1.5

_log = logging.getLogger(__name__)


class Worker:
    """Runs jobs in this process from `start` to `stop`. A process has one at most."""

    def __init__(
        self,
        engine: sa.Engine,
        store: JobStore,
        runtime: Runtime,
        *,
        name: str | None = None,
        concurrency: int | None = None,
        kind: WorkerKind = "library",
    ) -> None:
        self.engine = engine
        #: On which steps are recorded.
        self.steps_engine = engine_for_steps(engine)
        runtime.note = partial(listing.update, self.steps_engine)
        self.store = store
        self.runtime = runtime
        self.name = name
        self.concurrency = concurrency
        self.kind = kind
        #: Called, from a thread, where the worker lost its name to another.
        self.on_lost: Callable[[], None] = lambda: None
        #: Why it cannot go on for now; None where nothing keeps it.
        self.problem: StorageError | None = None
        self._lease: Lease | None = None
        self._lost = False
        self._stopping = threading.Event()
        self._watcher: threading.Thread | None = None
        self._dispatcher: Dispatcher | None = None
        #: Own jobs that the last look found open, though nothing here runs them.
        self._stranded: set[str] = set()

    def start(self) -> None:
        """Take a name and begin; raises `ConfigError` where that cannot be."""
        if runtimes.installed() is not None:
            raise ConfigError("jobs: this process runs a worker already. Start another process.")
        locks = locks_for(self.engine, self.runtime.data)
        self._lease = Lease(self.steps_engine, locks, self.name, kind=self.kind)
        self.name = self._lease.name
        runtimes.install(self.runtime)
        try:
            pulse = time.monotonic()
            self._lease.beat()
            self.runtime.compared((), pulse)
            self.store.queue.register()
            if self.concurrency is not None:
                self.store.queue.set_concurrency(self.concurrency)
            self._hand_back()  # what the last worker of this name left
            dbos_adapter.launch(self.steps_engine, self.name)
        except BaseException:
            runtimes.install(None)
            self._lease.release()
            raise
        self._dispatcher = Dispatcher(self.store.queue, self.runtime, self.name)
        self._dispatcher.start()
        self.store.queue.on_queued = self.runtime.wake.set
        self._watcher = threading.Thread(target=self._watch, name="ninefold-watch", daemon=True)
        self._watcher.start()

    def stop(self, grace: float) -> None:
        """Finish the steps that run, for `grace` seconds at most, and hand back all jobs."""
        self.runtime.draining = True
        deadline = time.monotonic() + grace
        while self.runtime.active and not self._lost and time.monotonic() < deadline:
            time.sleep(0.02)
        self._stopping.set()
        self.runtime.wake.set()
        self._lose_all()  # the grace is over: nothing more is written
        for thread in (self._watcher, self._dispatcher):
            if thread is not None:
                thread.join()
        dbos_adapter.shut_down()
        runtimes.install(None)
        assert self._lease is not None
        try:
            if not self._lost:  # else they are those of the worker that has the name now
                self._hand_back()
        except sa.exc.SQLAlchemyError as error:  # away or full: as if it had died
            why = storage_error(self.engine.url, error)
            _log.warning("jobs: %s What this worker had begun goes on in the next one.", why)
        self._lease.release()
        if self.steps_engine is not self.engine:
            self.steps_engine.dispose()

    def _hand_back(self) -> None:
        """Put the jobs that are held in this worker's name back into the queue."""
        assert self.name is not None
        self.store.queue.requeue(self.store.queue.held().get(self.name, []), self.name)

    def _watch(self) -> None:
        while not self._stopping.wait(WATCH):
            found: StorageError | None = None
            try:
                self._look()
            except sa.exc.SQLAlchemyError as error:  # away or full: the next look may do better
                found = storage_error(self.engine.url, error)
            if str(found) != str(self.problem):
                _log.warning("jobs: %s", found or "the database is well again")
            self.problem = found

    def _look(self) -> None:
        """Show a pulse, and put back into the queue what nobody works on."""
        assert self._lease is not None
        assert self.name is not None
        pulse, active = time.monotonic(), dict(self.runtime.active)
        if not self._lease.beat():
            self._lost = self.runtime.draining = True
            self._lose_all()
            self.on_lost()
            return
        running = self.store.queue.held()
        held = running.get(self.name, [])
        lost = [claim for job_id, claim in active.items() if job_id not in held]
        self.runtime.compared(lost, pulse)
        for other in self._lease.dead(set(running)):
            count = self.store.queue.requeue(running[other], other)
            _log.warning("jobs: worker %s died; %d of its jobs go on elsewhere", other, count)
        # A job between two steps of its life can look like one: only the second look counts.
        idle = set(held) - self.runtime.active.keys()
        self.store.queue.requeue(idle & self._stranded, self.name)
        self._stranded = idle
        self.store.search.note_ended()

    def _lose_all(self) -> None:
        """Let no job that is still active write any more."""
        self.runtime.compared(list(self.runtime.active.values()), time.monotonic())
