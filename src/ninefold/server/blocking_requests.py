"""Requests that wait for their images: a group of jobs that nobody wants once the client is gone.

Clients of such APIs hold no job id, so what they no longer wait for is cancelled; what was made
until then stays with the key's other jobs.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
from starlette.requests import Request
from starlette.responses import Response

from ninefold.core.errors import ConfigError, SetupError
from ninefold.core.values import Json, Output
from ninefold.jobs import Group, Job
from ninefold.server.callers import Caller
from ninefold.server.problems import ErrorForm, Problem
from ninefold.server.schemas.jobs import callers_can_mend
from ninefold.server.schemas.requests import GroupRequest
from ninefold.server.sent_images import SentImage
from ninefold.server.service import Service
from ninefold.server.uploads import UploadKind
from ninefold.server.waiting import cancel_on_disconnect
from ninefold.slots import next_seed, resolve_seed

#: The status that proxies log for a client that went away; nobody receives it.
_CLIENT_CLOSED_REQUEST = 499
#: The row that a problem of a group begins with.
_ROW = re.compile(r"^inputs\.\d+: ")

#: The last stage where a request says nothing of files: they are signed, as `standard` signs them.
PUBLISHER: Json = {"stage": "publisher", "params": {"sign": True}}


@dataclass(frozen=True)
class ImageOrder:
    """What one request asks for: `count` images by one config, with seeds in a row."""

    stages: Sequence[Json]
    prompt: str | None = None
    negative_prompt: str | None = None
    seed: int | None = None
    model: str | None = None
    count: int = 1
    image: SentImage | None = field(default=None, repr=False)
    mask: SentImage | None = field(default=None, repr=False)
    #: Images that an edit model changes or combines.
    references: tuple[SentImage, ...] = field(default=(), repr=False)
    #: Pictures that its stages' `control` names by the SHA-256 of their files.
    control: tuple[SentImage, ...] = field(default=(), repr=False)
    #: Image and mask of each further source: the images are made of all of them in turn.
    further: tuple[tuple[SentImage | None, SentImage | None], ...] = field(default=(), repr=False)
    #: What the request asked for and does not get, for its answer.
    warnings: tuple[str, ...] = ()

    @property
    def sources(self) -> tuple[tuple[SentImage | None, SentImage | None], ...]:
        """Image and mask of each source."""
        return (self.image, self.mask), *self.further


class UnfinishedError(Exception):
    """An image that was asked for is not made: its job failed or was cancelled."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


@asynccontextmanager
async def submitted(service: Service, caller: Caller, order: ImageOrder) -> AsyncIterator[Group]:
    """The jobs of an order, cancelled where the block is left by an exception.

    Raises as `Service.submit_group` does.
    """
    # Shielded: what was stored in a thread must be known, or it could not be cancelled.
    submitting = asyncio.ensure_future(submit(service, caller, order))
    try:
        yield await asyncio.shield(submitting)
    except BaseException:
        with anyio.CancelScope(shield=True):
            await asyncio.wait({submitting})
            if submitting.exception() is None:
                await service.cancel_group(caller, submitting.result().id)
        raise


async def submit(service: Service, caller: Caller, order: ImageOrder) -> Group:
    """Queue what is asked for; raises as `Service.submit_group` does."""
    given: dict[str, Any] = {
        "prompt": order.prompt,
        "negative_prompt": order.negative_prompt,
        "seed": order.seed,
        "model": order.model,
    }
    given = {name: value for name, value in given.items() if value is not None}
    if order.references:
        given["references"] = [
            (await _stored(service, caller, image, None))["image"] for image in order.references
        ]
    for picture in order.control:
        await service.store_image(caller, picture)
        picture.release()
    sources = [await _stored(service, caller, *files) for files in order.sources]
    inputs, count = [given | sources[0]], order.count
    if len(sources) > 1:
        first = resolve_seed(order.seed)
        inputs = [
            given | sources[index % len(sources)] | {"seed": next_seed(first, index)}
            for index in range(order.count)
        ]
        count = 1
    asked = {"config": {"stages": list(order.stages)}, "inputs": inputs, "count": count}
    try:
        return await service.submit_group(caller, GroupRequest.model_validate(asked))
    except SetupError:
        raise
    except ConfigError as error:  # whoever asks here knows of no rows
        told = dict.fromkeys(_ROW.sub("", line) for line in error.problems)
        raise ConfigError(list(told)) from None


async def _stored(
    service: Service, caller: Caller, image: SentImage | None, mask: SentImage | None
) -> dict[str, str]:
    """The ids of an order's files, by the inputs that name them."""
    files: tuple[tuple[UploadKind, SentImage | None], ...] = ("image", image), ("mask", mask)
    found: dict[str, str] = {}
    for kind, file in files:
        if file is not None:
            found[kind] = (await service.store_image(caller, file, kind)).id
            file.release()
    return found


async def answer(
    request: Request, service: Service, error_form: ErrorForm, work: Coroutine[Any, Any, Response]
) -> Response:
    """The answer of `work`, which is cancelled when the client goes away or the server stops."""
    try:
        found = await cancel_on_disconnect(request, work, until=service.closing)
    except UnfinishedError as error:
        return error_form(error.problem)
    if found is not None:
        return found
    if not service.closing.is_set():
        return Response(status_code=_CLIENT_CLOSED_REQUEST)
    response = error_form(stopping())
    response.headers["Retry-After"] = "5"
    return response


def completed(job: Job) -> Job:
    """The job, which has succeeded; raises `UnfinishedError` where it has not."""
    if job.status == "succeeded":
        return job
    if job.status == "cancelled":
        raise UnfinishedError(_problem("cancelled", 409, f"job {job.id} was cancelled."))
    error = job.error
    if error is None:  # it has not ended: the server stops
        raise UnfinishedError(stopping())
    status = 422 if callers_can_mend(error) else 503 if error.transient else 500
    message = error.message if not error.trace else "a bug in ninefold or in a plugin."
    raise UnfinishedError(_problem("failed", status, f"job {job.id}: {message}"))


def final_image(job: Job) -> Output:
    """The image that a job was made for: the first that its publisher wrote."""
    return job.outputs[0]


def warnings_of(job: Job) -> list[str]:
    """What its stages warned of, once each."""
    found = (text for entry in job.metadata.values() for text in entry.get("warnings", ()))
    return list(dict.fromkeys(found))


def stopping() -> Problem:
    """Why a request ends without an image when the server does."""
    return _problem("stopping", 503, "The server stops. Try again in a moment.")


def _problem(kind: str, status: int, detail: str) -> Problem:
    titles = {
        "cancelled": "The job was cancelled",
        "failed": "The job failed",
        "stopping": "The server stops",
    }
    return Problem(
        type=f"urn:ninefold:problem:{kind}",
        title=titles[kind],
        status=status,
        detail=detail,
        errors=[],
    )
