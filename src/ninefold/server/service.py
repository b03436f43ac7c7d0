"""What stands between requests and jobs: whose they are, what may be asked, and how much of it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import ParamSpec, Protocol, TypeVar

from ninefold.config import PipelineConfig
from ninefold.core.errors import ConfigError, NotFoundError, UserError
from ninefold.core.values import Json
from ninefold.engines.engine_set import EngineSet
from ninefold.files.opening import ImageLimits
from ninefold.jobs import Group, Job, JobEvent, JobExecutor
from ninefold.jobs.activity import Activity
from ninefold.jobs.admission import Admission, Quota, WriteWithJobs
from ninefold.jobs.database import in_thread
from ninefold.jobs.disk_use import DiskMeter
from ninefold.jobs.timings import Timings
from ninefold.server.access import Access
from ninefold.server.artifact_sources import R, store_of, with_uploads
from ninefold.server.callers import Caller
from ninefold.server.concurrency import ConcurrencyLimit
from ninefold.server.estimates import Estimates
from ninefold.server.file_answers import StoredFile
from ninefold.server.health_checks import HealthChecks
from ninefold.server.job_cache import JobCache
from ninefold.server.job_library import Library, no_job
from ninefold.server.limits import Limits
from ninefold.server.links import Links, artifact_path
from ninefold.server.open_requests import OpenRequests
from ninefold.server.problems import TooLargeError, problem_of
from ninefold.server.request_validation import RequestValidator, Slots
from ninefold.server.schemas.estimates import EstimateDocument, RerunPlanDocument
from ninefold.server.schemas.requests import (
    EstimateRequest,
    GroupRequest,
    JobRequest,
    RerunRequest,
)
from ninefold.server.sent_images import SentImage
from ninefold.server.uploads import Upload, UploadKind, Uploads
from ninefold.server.waiting import with_heartbeat
from ninefold.server.webhooks.schemas import WebhookRequest
from ninefold.settings import Settings

_log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

#: Requests whose jobs are prepared at once, and that wait for it. To prepare is Python's own work,
#: whose interpreter does one thing at a time: a second beside it would save nothing, and whoever
#: only looks would wait behind both.
_PREPARED_AT_ONCE, _PREPARED_LATER = 1, 64


class WebhookWriter(Protocol):
    """Has the end of new jobs announced; `Service` is given one, and knows nothing of how."""

    async def check(self, request: WebhookRequest) -> None:
        """Raise `InputError` for a webhook that could not be sent: nothing is stored then."""

    def writer(self, request: WebhookRequest, caller: Caller) -> WriteWithJobs:
        """What stores the messages of new jobs, in the transaction that stores the jobs."""


class Service:
    """Jobs, uploads and keys as requests may use them; open for as long as the server runs.

    Whatever is another's raises `NotFoundError`, as if it were not there.
    """

    def __init__(
        self, settings: Settings, engines: EngineSet, jobs: JobExecutor, webhooks: WebhookWriter
    ) -> None:
        """`jobs` is open; blocks while it reads the secret of links. Raises `StorageError`."""
        self.settings, self.engines, self.jobs = settings, engines, jobs
        self._webhooks = webhooks
        store = jobs.store
        #: On the clock of `time.monotonic`.
        self.started = time.monotonic()
        self.disk_meter = DiskMeter(jobs.data)
        self.checks = HealthChecks(settings, engines)
        self.access = Access(settings, store.engine)
        self.keys = self.access.keys
        self.uploads = Uploads(store.engine, jobs.data)
        #: Of images that arrive.
        self.image_limits = ImageLimits(settings.max_image_bytes, settings.max_image_pixels)
        self.limits = Limits(settings, engines)
        self.validator = RequestValidator(self.limits, self.uploads)
        self._estimates = Estimates(self.validator, engines, Timings(store))
        self.open_requests = OpenRequests()
        self.links = Links(self.keys.secret("links"), settings.links_seconds)
        #: Set when the server stops: streams end.
        self.closing = asyncio.Event()
        #: Whose turn it is to have jobs prepared.
        self.preparing = ConcurrencyLimit(_PREPARED_AT_ONCE, _PREPARED_LATER, self.closing)
        #: Jobs searched, with small pictures.
        self._read_jobs = JobCache(jobs, self.call)
        self.job_library = Library(store, self.call, self.closing, self._read_jobs.forget)
        #: What happens to all jobs.
        self.activity = Activity(store, self.call)

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run what blocks in a thread; a database that went away becomes a `StorageError`."""
        return await in_thread(self.jobs.store.engine, function, *args, **kwargs)

    async def with_uploads(self, caller: Caller, request: R) -> R:
        """The request with uploads in place of the caller's jobs' files; raises `ConfigError`."""
        return await with_uploads(request, store_of(self, caller))

    # -- submitting ------------------------------------------------------------------------------

    async def submit(
        self, caller: Caller, request: JobRequest, *, idempotency_key: str | None = None
    ) -> Job:
        """Queue a job; once this returns, it outlives a crash. Raises `UserError`s, every problem
        at once, and then nothing is stored."""
        request = await self.with_uploads(caller, request)
        async with self.preparing():
            (row,) = await self.call(self.validator.jobs, caller, request)
        admission = await self._admission(caller, request)
        async with self.preparing():
            return await self.jobs.submit(
                row.config,
                row.slots,
                idempotency_key=idempotency_key,
                priority=request.priority,
                cache=request.cache,
                owner=caller.owner,
                admission=admission,
            )

    async def submit_group(
        self,
        caller: Caller,
        request: GroupRequest,
        *,
        idempotency_key: str | None = None,
        beside: WriteWithJobs | None = None,
        asked: Json | None = None,
    ) -> Group:
        """Queue several jobs, all or none; `beside` is stored with them, and `asked` is what it
        was made of: the same key must bring the same."""
        request = await self.with_uploads(caller, request)
        async with self.preparing():
            rows = await self.call(self.validator.jobs, caller, request)
        admission = (await self._admission(caller, request)).also(beside, asked)
        async with self.preparing():
            return await self.jobs.submit_rows(
                rows,
                count=request.count,
                idempotency_key=idempotency_key,
                priority=request.priority,
                cache=request.cache,
                owner=caller.owner,
                admission=admission,
            )

    async def estimate(self, caller: Caller, request: EstimateRequest) -> EstimateDocument:
        """What jobs would take; no job is stored."""
        try:
            request = await self.with_uploads(caller, request)
        except ConfigError as error:
            return EstimateDocument(problems=problem_of(error).errors)
        async with self.preparing():
            return await self.call(self._estimates.estimate, caller, request)

    async def rerun(
        self,
        caller: Caller,
        job_id: str,
        request: RerunRequest,
        *,
        idempotency_key: str | None = None,
    ) -> Job:
        """Queue a job again, with what it made before the stage where it starts."""
        given, check = await self._rerun_input(caller, job_id, request)
        admission = await self._admission(caller, request)
        async with self.preparing():
            return await self.jobs.rerun(
                job_id,
                from_stage=request.from_stage,
                changes=request.changes,
                input=given,
                idempotency_key=idempotency_key,
                priority=request.priority,
                owner=caller.owner,
                admission=admission,
                check=check,
            )

    async def plan_rerun(
        self, caller: Caller, job_id: str, request: RerunRequest
    ) -> RerunPlanDocument:
        """What `rerun` would do; raises as it does, and queues nothing."""
        given, check = await self._rerun_input(caller, job_id, request)
        async with self.preparing():
            rerun, context = await self.jobs.plan_rerun(
                job_id,
                from_stage=request.from_stage,
                changes=request.changes,
                input=given,
                check=check,
            )
            return await self.call(self._estimates.of_rerun, rerun, context)

    async def _rerun_input(
        self, caller: Caller, job_id: str, request: RerunRequest
    ) -> tuple[Slots, Callable[[PipelineConfig], None]]:
        parent = await self._own(caller, job_id)
        request = await self.with_uploads(caller, request)
        given = request.input.model_dump(exclude_none=True)
        return await self.call(self.validator.rerun, caller, parent, given)

    # -- looking ---------------------------------------------------------------------------------

    async def job(self, caller: Caller, job_id: str) -> Job:
        """A job with all that it made so far."""
        job = await self._read_jobs.get(job_id)
        if not caller.may_see(job.owner):
            raise no_job(job_id)
        return job

    async def ended(self, caller: Caller, job_id: str, timeout: float | None = None) -> None:
        """Returns once the job has ended, or after `timeout` seconds."""
        if not (await self._own(caller, job_id)).ended:
            with suppress(TimeoutError):
                await self.jobs.ended(job_id, timeout)

    async def wait(self, caller: Caller, job_id: str) -> Job:
        """The job once it has ended."""
        await self.ended(caller, job_id)
        return await self.job(caller, job_id)

    async def events(
        self, caller: Caller, job_id: str, after: int = 0
    ) -> AsyncGenerator[JobEvent, None]:
        """What happens to a job after event `after`, until it or the server ends."""
        await self._own(caller, job_id)
        return self._events(job_id, after)

    async def events_so_far(self, caller: Caller, job_id: str) -> Sequence[JobEvent]:
        """What happened to a job until now."""
        await self._own(caller, job_id)
        return await self.jobs.events_so_far(job_id)

    async def is_exhausted(self, job_id: str, after: int) -> bool:
        """Whether a job has ended and has no event after this one."""
        job = await self.call(self.jobs.store.job, job_id)
        if not job.ended:
            return False
        async with aclosing(self._events(job_id, after)) as events:
            return await anext(events, None) is None

    async def group(self, caller: Caller, name: str) -> Group:
        """A group with its jobs, in the order of their inputs."""
        group = await self.jobs.group(name)
        if not all(caller.may_see(job.owner) for job in group.jobs):
            raise NotFoundError(f"no group is called {name!r}.")
        return group

    async def artifact(self, caller: Caller | None, job_id: str, name: str) -> StoredFile:
        """A file that a job made, or an image of its input; a caller of None came with a signed
        link."""
        job = await self.job(caller or _ANYONE, job_id)
        return StoredFile.of_job(job, name)

    def locate(self, job_id: str, name: str) -> str:
        """Where clients with a key get a job's file."""
        return artifact_path(job_id, name)

    def link(self, job_id: str, name: str) -> str:
        """Where anyone gets a job's file, for a while: a path, or a URL where one is set."""
        return (self.settings.public_url or "").rstrip("/") + self.links.make(job_id, name)

    # -- changing --------------------------------------------------------------------------------

    async def cancel(self, caller: Caller, job_id: str) -> Job:
        """Cancel a job; one that has ended stays as it is."""
        await self._own(caller, job_id)
        return await self.jobs.cancel(job_id)

    async def cancel_group(self, caller: Caller, name: str) -> Group:
        """Cancel what is left of a group."""
        await self.group(caller, name)
        return await self.jobs.cancel_group(name)

    async def delete(self, caller: Caller, job_id: str) -> None:
        """Forget a job that has ended, with its files; raises `ConflictError` where it has not."""
        await self._own(caller, job_id)
        await self.jobs.delete(job_id)
        self._read_jobs.forget(job_id)

    # -- uploads ---------------------------------------------------------------------------------

    async def upload(self, caller: Caller, data: bytes, kind: UploadKind = "image") -> Upload:
        """Check, decode and store an image or mask; its id is what inputs name it by."""
        if len(data) > (most := self.image_limits.max_bytes):
            raise TooLargeError(
                f"image: expected at most {most:,} bytes, got {len(data):,}. Use a smaller file."
            )
        image = await self.call(SentImage.decode, data, self.image_limits, kind=kind)
        return await self.store_image(caller, image, kind)

    async def store_image(
        self, caller: Caller, image: SentImage, kind: UploadKind = "image"
    ) -> Upload:
        """Store an image or mask that was decoded already."""
        return await self.call(self.uploads.add, caller, image, kind)

    async def upload_info(self, caller: Caller, upload_id: str) -> Upload:
        """What is known of the caller's upload."""
        return await self.call(self.uploads.get, caller, upload_id)

    async def upload_file(self, caller: Caller, upload_id: str) -> StoredFile:
        """The caller's upload as it was sent."""
        upload = await self.upload_info(caller, upload_id)
        return StoredFile(self.uploads.path(upload), upload.media_type, upload.id)

    async def delete_upload(self, caller: Caller, upload_id: str) -> None:
        """Forget an upload; jobs keep their copies."""
        await self.call(self.uploads.delete, caller, upload_id)

    def model_names(self) -> tuple[str, ...]:
        """Diffusion models that requests may name."""
        return self.limits.models()

    # -- inside ----------------------------------------------------------------------------------

    async def _own(self, caller: Caller, job_id: str) -> Job:
        """The job without what it made; raises `NotFoundError` where it is not the caller's."""
        try:
            job = await self.call(self.jobs.store.job, job_id)
        except NotFoundError:
            job = None
        if job is None or not caller.may_see(job.owner):
            raise no_job(job_id)
        return job

    async def _events(self, job_id: str, after: int) -> AsyncGenerator[JobEvent, None]:
        async with aclosing(
            with_heartbeat(self.jobs.events(job_id, after), until=self.closing)
        ) as events:
            try:
                async for event in events:
                    if event is not None:
                        yield event
            except UserError as error:  # deleted meanwhile, or the database is away
                _log.warning("events of job %s end early: %s", job_id, error)

    async def _admission(
        self, caller: Caller, request: JobRequest | GroupRequest | RerunRequest
    ) -> Admission:
        """What the jobs of a request must meet, and what is stored with them."""
        settings, key = self.settings, caller.key
        own = settings.max_queued
        if key is not None:
            own = settings.max_queued_per_key if key.max_queued is None else key.max_queued
        admission = Admission(
            Quota(own, settings.max_queued),
            asked=request.model_dump(mode="json", include={"priority", "webhook"}),
        )
        if request.webhook is None:
            return admission
        await self._webhooks.check(request.webhook)
        return replace(admission, beside=self._webhooks.writer(request.webhook, caller))


#: Stands for whoever holds a signed link.
_ANYONE = Caller(None)
