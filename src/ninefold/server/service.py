"""What stands between requests and jobs: whose they are, what may be asked, and how much of it."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Collection, Hashable, Iterable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, ParamSpec, Protocol, TypeVar

from fastapi import Depends, Request
from sqlalchemy.exc import SQLAlchemyError

from ninefold.core.errors import NotFoundError, UserError
from ninefold.core.values import Artifact, Output
from ninefold.engines.engine_set import EngineSet
from ninefold.files.opening import ImageLimits
from ninefold.jobs import Group, Job, JobEvent, JobExecutor, JobStatus
from ninefold.jobs.admission import Admission, Quota, WriteWithJobs
from ninefold.jobs.database import storage_error
from ninefold.server.callers import Caller
from ninefold.server.concurrency import ConcurrencyLimit
from ninefold.server.keys import Key, Keys
from ninefold.server.limits import Limits
from ninefold.server.links import Links, artifact_path
from ninefold.server.loopback import is_loopback
from ninefold.server.open_requests import OpenRequests
from ninefold.server.paging import Page, cursor_of, position_of
from ninefold.server.problems import TooLargeError
from ninefold.server.rates import Rates
from ninefold.server.request_validation import RequestValidator
from ninefold.server.schemas import GroupRequest, JobRequest, RerunRequest
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
#: Jobs that are kept in memory, whole, and read again once anything of them has changed.
_KEPT = 256


@dataclass(frozen=True)
class StoredFile:
    """A file that a job made."""

    path: Path
    media_type: str
    sha256: str


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
        self.keys = Keys(store.engine)
        self.uploads = Uploads(store.engine, jobs.data)
        #: Of images that arrive.
        self.image_limits = ImageLimits(settings.max_image_bytes, settings.max_image_pixels)
        self.limits = Limits(settings, engines)
        self.validator = RequestValidator(self.limits, self.uploads)
        self.rates = Rates(store.engine, settings.rate, settings.burst)
        self.open_requests = OpenRequests()
        self.links = Links(self.keys.secret("links"), settings.links_seconds)
        #: Set when the server stops: streams end.
        self.closing = asyncio.Event()
        #: Whose turn it is to have jobs prepared.
        self.preparing = ConcurrencyLimit(_PREPARED_AT_ONCE, _PREPARED_LATER, self.closing)
        self._kept: OrderedDict[str, tuple[Hashable, Job]] = OrderedDict()

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run what blocks in a thread; a database that went away becomes a `StorageError`."""
        try:
            return await asyncio.to_thread(function, *args, **kwargs)
        except SQLAlchemyError as error:
            raise storage_error(self.jobs.store.engine.url, error) from None

    async def keyless(self) -> bool:
        """Whether requests may come without a key: none was ever made.

        Once there was one, nobody is served without, though it be revoked. Without keys, an address
        that others can reach is served only where the settings say `insecure`.
        """
        open_to_all = self.settings.insecure or is_loopback(self.settings.host)
        return open_to_all and not await self.call(self.keys.ever)

    async def identify(self, token: str) -> Key | None:
        """The key of this text, whose request is counted; None for a wrong or revoked one.

        Raises `RateLimitedError`.
        """

        def identify() -> Key | None:
            key = self.keys.find(token)
            if key is not None:
                self.rates.take(key.id, key.rate)
            return key

        return await self.call(identify)

    async def revoked(self, senders: Collection[str | None]) -> Collection[str | None]:
        """Those senders of requests who may have no answer any more."""
        key_ids = {sender for sender in senders if sender is not None}
        gone: set[str | None] = set()
        if key_ids:
            gone |= key_ids - await self.call(self.keys.valid, key_ids)
        if None in senders and not await self.keyless():
            gone.add(None)
        return gone

    # -- submitting ------------------------------------------------------------------------------

    async def submit(
        self, caller: Caller, request: JobRequest, *, idempotency_key: str | None = None
    ) -> Job:
        """Queue a job; once this returns, it outlives a crash. Raises `UserError`s, every problem
        at once, and then nothing is stored."""
        async with self.preparing():
            config, (slots,) = await self.call(self.validator.jobs, caller, request)
        admission = await self._admission(caller, request)
        async with self.preparing():
            return await self.jobs.submit(
                config,
                slots,
                idempotency_key=idempotency_key,
                priority=request.priority,
                cache=request.cache,
                owner=caller.owner,
                admission=admission,
            )

    async def submit_group(
        self, caller: Caller, request: GroupRequest, *, idempotency_key: str | None = None
    ) -> Group:
        """Queue several jobs, all or none."""
        async with self.preparing():
            config, inputs = await self.call(self.validator.jobs, caller, request)
        admission = await self._admission(caller, request)
        async with self.preparing():
            return await self.jobs.submit_group(
                config,
                inputs,
                count=request.count,
                idempotency_key=idempotency_key,
                priority=request.priority,
                cache=request.cache,
                owner=caller.owner,
                admission=admission,
            )

    async def rerun(
        self,
        caller: Caller,
        job_id: str,
        request: RerunRequest,
        *,
        idempotency_key: str | None = None,
    ) -> Job:
        """Queue a job again, with what it made before the stage where it starts."""
        parent = await self._own(caller, job_id)
        given = request.input.model_dump(exclude_none=True)
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
                check=self.validator.rerun(parent, given),
            )

    # -- looking ---------------------------------------------------------------------------------

    async def job(self, caller: Caller, job_id: str) -> Job:
        """A job with all that it made so far."""
        version = (await self.call(self.jobs.store.versions, [job_id])).get(job_id)
        if version is None:
            raise _no_job(job_id)
        known, job = self._kept.pop(job_id, (None, None))
        if job is None or known != version:  # read after its version: at least as new
            job = await self.jobs.get(job_id)
        self._kept[job_id] = version, job
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        if not caller.may_see(job.owner):
            raise _no_job(job_id)
        return job

    async def list_jobs(
        self,
        caller: Caller,
        *,
        status: Iterable[JobStatus] = (),
        group: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page:
        """The caller's jobs, the newest first, without what they made."""
        jobs, last = await self.call(
            self.jobs.store.page,
            status=tuple(status),
            group=group,
            owner=None if caller.sees_all else caller.owner,
            limit=limit,
            after=None if cursor is None else position_of(cursor),
        )
        return Page(jobs, None if last is None else cursor_of(last))

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
        """A file that a job made; a caller of None came with a signed link."""
        job = await self.job(caller or _ANYONE, job_id)
        found: dict[str, Artifact | Output] = {item.name: item for item in job.outputs}
        found |= {item.name: item for item in job.artifacts}
        item = found.get(name)
        if item is None or not item.path.is_relative_to(job.folder) or not item.path.is_file():
            raise NotFoundError(f"job {job_id!r} has no file called {name[:200]!r}.")
        return StoredFile(item.path, item.media_type, item.sha256)

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
        self._kept.pop(job_id, None)

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
            raise _no_job(job_id)
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


def _no_job(job_id: str) -> NotFoundError:
    return NotFoundError(f"no job is called {job_id!r}. GET /v1/jobs lists them.")


async def service_of(request: Request) -> Service:  # else FastAPI would take a thread for it
    """The service that serves this request."""
    service: Service = request.app.state.service
    return service


#: Put it into a route that needs the service.
ServiceDep = Annotated[Service, Depends(service_of)]

#: Stands for whoever holds a signed link.
_ANYONE = Caller(None)
