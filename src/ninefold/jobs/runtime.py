"""What a worker does with a job: each step durably, once, and reported while it runs."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from ninefold.cache import StageCache
from ninefold.core.atomic import check_may_write
from ninefold.core.context import PipelineContext
from ninefold.core.errors import failure_of
from ninefold.core.events import Event, StageProgressed, StageWaiting
from ninefold.core.pipeline import Attempt
from ninefold.core.progress import Previews
from ninefold.core.record import StageRecord
from ninefold.core.timing import LOADED, WAITED
from ninefold.core.turns import Line, Turn, current_turn
from ninefold.core.values import Json
from ninefold.core.wiring import Step
from ninefold.engines.engine_set import EngineSet
from ninefold.jobs import dbos_adapter
from ninefold.jobs.listing import Described, describe
from ninefold.jobs.model import job_folder
from ninefold.jobs.naming import group_of
from ninefold.jobs.reports import Reporter
from ninefold.jobs.serializer import JobFailedError
from ninefold.jobs.spec import JobSpec
from ninefold.jobs.telemetry import JobBegan, JobLeft, Listeners, StageRan

#: How often a step is begun whose trouble may pass, and the wait before the second time.
MAX_ATTEMPTS = 4
FIRST_WAIT = 0.5
#: Seconds from a job's begin to its first preview, and between two: one is ready when a report is
#: due.
PREVIEW_FIRST, PREVIEW_PAUSE = 0.9, 0.4
#: The part of the time that the previews of all jobs together may take.
PREVIEW_SHARE = 0.02
#: Seconds since the last pulse after which a worker makes sure that it still holds a job before it
#: writes a file of it. Well below the time after which others take it for dead.
CERTAIN = 6.0
#: Most seconds that a job which has ended counts as held while its outcome is written.
RECORDED_WITHIN = 5.0
#: Seconds between two notes for lists of what has become known of a job that runs.
NOTED_EVERY = 1.0
#: A job whose worker died this often is what kills them; it fails for good.
MAX_DISPATCHES = 25


class JobRequeued(BaseException):
    """Ends a workflow without an outcome: the job stays open, for this worker or another.

    Not an Exception, for DBOS records every Exception as the workflow's outcome.
    """


@dataclass(eq=False)
class Claim:
    """A job that this worker holds."""

    #: How often it was given to a worker.
    attempt: int
    turn: Turn
    #: Set where it is another worker's by now, or nobody's.
    lost: bool = False
    #: Set once the job has ended, or goes on elsewhere.
    left: bool = False


@dataclass
class Runtime:
    """The engines, the files and the jobs of one worker process."""

    data: Path
    engines: EngineSet | None = None
    cache: StageCache | None = None
    #: Called with what this worker does.
    listeners: Listeners = field(default_factory=Listeners)
    #: Notes for lists what has become known of a job since it was noted last; blocks.
    note: Callable[[str, Described, Described], None] = lambda *_: None
    #: Called once the outcome of a job is in the database; must be quick.
    on_stored: Callable[[], None] = lambda: None
    #: Jobs that this worker holds.
    active: dict[str, Claim] = field(default_factory=dict)
    #: Their order.
    line: Line = field(default_factory=Line)
    #: Seconds that the last preview took.
    preview_cost: float = 0.0
    #: Set where the queue is to be looked at now: a job was put into it here, or the last ended.
    wake: threading.Event = field(default_factory=threading.Event)
    #: Set once no further step may begin.
    draining: bool = False
    #: When the last pulse began after which `active` was compared with the database.
    certain: float = field(default_factory=time.monotonic)
    _compared: threading.Condition = field(default_factory=threading.Condition)

    def folder(self, job_id: str) -> Path:
        """Where a job's files lie."""
        return job_folder(self.data, job_id)

    def take(self, job_id: str, attempt: int, priority: int, accepted: int) -> None:
        """A job was given to this worker, which is to run it next."""
        turn = self.line.join(priority, accepted, group_of(job_id))
        self.active[job_id] = Claim(attempt, turn)

    def abandon(self, job_id: str) -> None:
        """A job that was taken could not be started."""
        if (claim := self.active.pop(job_id, None)) is not None:
            claim.turn.leave()

    def drop(self, job_id: str, claim: Claim) -> None:
        """This worker does not hold the job by `claim` any more; it may have taken it anew."""
        if self.active.get(job_id) is claim:
            del self.active[job_id]

    def compared(self, lost: Iterable[Claim], pulse: float) -> None:
        """`lost` are not held any more; all others were, at a look after the `pulse`."""
        with self._compared:
            for claim in lost:
                claim.lost = True
            self.certain = pulse
            self._compared.notify_all()

    def check_held(self, claim: Claim) -> None:
        """Return where no other worker can have the job; raises `JobRequeued`.

        A worker that was frozen, or cut off from the database, waits until it knows.
        """
        with self._compared:
            while not claim.lost and time.monotonic() - self.certain > CERTAIN:
                self._compared.wait()
        if claim.lost:
            raise JobRequeued

    async def run(self, job_id: str, document: Json) -> Json:
        """Run a job to its end; raises `JobFailedError`, or `JobRequeued` to go on later."""
        left = JobLeft(job_id, "handed_back")
        claim = self.active.get(job_id) or Claim(1, Turn())
        try:
            if self.draining:
                raise JobRequeued
            outcome = await self._run(job_id, JobSpec.from_json(document), claim)
            left = JobLeft(job_id, "succeeded")
            return outcome
        except SQLAlchemyError as error:
            # A checkpoint could not be written. What it was for is done again, by whoever finds
            # the job open.
            raise JobRequeued from error
        except JobRequeued:
            raise
        except Exception as error:
            known = error.failure if isinstance(error, JobFailedError) else failure_of(error)
            left = JobLeft(job_id, "failed", known)
            raise
        except BaseException:  # DBOS's own, or the event loop's where the worker stops
            left = JobLeft(job_id, "handed_back" if self.draining else "cancelled")
            raise
        finally:
            self.listeners(left)
            leave = partial(self._leave, job_id, claim)
            if left.outcome in ("succeeded", "failed"):
                _when_recorded(leave)
            else:
                leave()

    def _leave(self, job_id: str, claim: Claim) -> None:
        """The job's outcome is in the database, or it has none; only the first call counts."""
        if claim.left:
            return
        claim.left = True
        self.drop(job_id, claim)
        claim.turn.leave()
        if not self.active:  # while others run, several places are filled by one look
            self.wake.set()
        self.on_stored()

    async def _run(self, job_id: str, spec: JobSpec, claim: Claim) -> Json:
        context = spec.open(job_id, self.folder(job_id))
        pipeline = spec.pipeline_config.build(self.engines)
        current_turn.set(claim.turn)
        check_may_write.set(lambda: self.check_held(claim))
        waited = time.time() - datetime.fromisoformat(spec.created_at).timestamp()
        self.listeners(JobBegan(job_id, spec.group, max(0.0, waited), claim.attempt > 1))
        names = [step.name for step in pipeline.steps]
        steps = _DurableSteps(self, job_id, spec, names, claim)
        previews = Previews(PREVIEW_FIRST, PREVIEW_PAUSE, self._preview_share, self.preview_cost)
        try:
            await pipeline.execute(
                context, around=steps.around, observer=steps.observe, previews=previews
            )
        finally:
            await steps.note()
        self.preview_cost = previews.cost
        await claim.turn.end()
        if context.error is not None:
            raise JobFailedError(context.error)
        return {"steps": len(context.completed)}

    def _preview_share(self) -> float:
        return PREVIEW_SHARE / max(1, len(self.active))


class _DurableSteps:
    """Carries out the steps of one job."""

    def __init__(
        self, runtime: Runtime, job_id: str, spec: JobSpec, names: Sequence[str], claim: Claim
    ) -> None:
        self.runtime = runtime
        self.job_id = job_id
        self.spec = spec
        self.cache = runtime.cache if spec.cache else None
        self.reused = deque(spec.reused())
        #: All records so far; what was known of the job when that was noted last, and when.
        self.records: list[StageRecord] = []
        self.noted = describe(spec, self.reused)
        self.noted_at = time.monotonic()
        self.names = names
        self.turn = claim.turn
        self.restarted = claim.attempt > 1
        self.reporter: Reporter | None = None

    async def around(self, step: Step, context: PipelineContext, attempt: Attempt) -> StageRecord:
        """The step's record: of the parent, of an earlier dispatch, or by running it now."""
        record = await self._record(step, context, attempt)
        self.records.append(record)
        if time.monotonic() - self.noted_at > NOTED_EVERY:
            await self.note()
        return record

    async def note(self) -> None:
        """Have lists show what the steps so far have made known."""
        self.noted_at = time.monotonic()
        now = describe(self.spec, self.records)
        if now == self.noted:
            return
        # Nobody is helped when a job fails for want of it.
        with suppress(SQLAlchemyError):
            await asyncio.to_thread(self.runtime.note, self.job_id, self.noted, now)
            self.noted = now

    async def _record(self, step: Step, context: PipelineContext, attempt: Attempt) -> StageRecord:
        if self.reused:
            return self.reused.popleft()
        await self.turn.begin(self.names[self.names.index(step.name) :])
        if self.runtime.draining:
            raise JobRequeued
        made: StageRecord | None = None

        async def body() -> Json:
            nonlocal made
            made = await self._insist(step, context, attempt)
            return made.to_json()

        # DBOS cancels the body when the job is cancelled.
        document = await dbos_adapter.run_step(step.name, body)
        return made if made is not None else StageRecord.from_json(document)

    def observe(self, event: Event) -> None:
        """Pass progress on to whoever watches the job."""
        if isinstance(event, StageProgressed | StageWaiting) and self.reporter is not None:
            self.reporter.observe(event)

    async def _insist(self, step: Step, context: PipelineContext, attempt: Attempt) -> StageRecord:
        """Run a step until it succeeds, fails for good, or was begun often enough."""
        async with Reporter(step.name) as self.reporter:
            if self.restarted:  # a worker before this one may have begun it
                self.restarted = False
                await self.reporter.restarted()
            wait = FIRST_WAIT
            for number in range(1, MAX_ATTEMPTS + 1):
                record = await self._once(step, context, attempt)
                failure = record.failure
                if failure is None or not failure.transient or number == MAX_ATTEMPTS:
                    break
                await self.reporter.retrying(failure, wait)
                await asyncio.sleep(wait)
                wait *= 2
        return record

    async def _once(self, step: Step, context: PipelineContext, attempt: Attempt) -> StageRecord:
        began, started = time.time(), time.perf_counter()
        if self.cache is None:
            record = await attempt()
        else:
            record = await self.cache.around(step, context, attempt)
        spent = time.perf_counter() - started
        cached = record.metadata.get("cached") is True
        waited, loaded = (record.metadata.get(name, 0.0) / 1000 for name in (WAITED, LOADED))
        event = StageRan(
            self.job_id, step.name, began, spent, cached, record.failure, waited, loaded
        )
        self.runtime.listeners(event)
        return record


def _when_recorded(act: Callable[[], None]) -> None:
    """Call `act` once the outcome of the workflow that runs is in the database.

    DBOS writes it in the workflow's own task, after the workflow's function has returned. Where
    another worker has taken the job, the task waits for that one's outcome: then `act` is called
    after `RECORDED_WITHIN` seconds, too.
    """
    late = asyncio.get_running_loop().call_later(RECORDED_WITHIN, act)

    def done(_: object) -> None:
        late.cancel()
        act()

    if (task := asyncio.current_task()) is not None:
        task.add_done_callback(done)


_runtime: Runtime | None = None


def install(runtime: Runtime | None) -> None:
    """Make `runtime` the one that this process's workflow runs in."""
    global _runtime
    _runtime = runtime


def installed() -> Runtime | None:
    """The runtime of this process's worker; None where it runs none."""
    return _runtime


@dbos_adapter.workflow(MAX_DISPATCHES)
async def run_job(document: Json, priority: int) -> Json:
    """The workflow: a job's spec in, its outcome out."""
    job_id = dbos_adapter.job_id()
    if _runtime is None or job_id is None:
        raise JobRequeued
    return await _runtime.run(job_id, document)
