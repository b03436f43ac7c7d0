"""`/v1/jobs`: submit, look, follow, change."""

from __future__ import annotations

import os
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from ninefold.core.errors import InputError
from ninefold.jobs import JobStatus
from ninefold.server import sse
from ninefold.server.auth import Holder, Reader, Submitter
from ninefold.server.parameters import FileName, IdempotencyKey, JobId
from ninefold.server.problems import responses
from ninefold.server.ranges import RangedFile
from ninefold.server.routes.examples import EVENTS, JOB, PAGE
from ninefold.server.schemas import (
    ID_PATTERN,
    JobDocument,
    JobPage,
    JobRequest,
    RerunRequest,
    document,
    summary,
)
from ninefold.server.service import ServiceDep
from ninefold.server.waiting import cancel_on_disconnect

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

#: Seconds; shorter than the patience of most proxies.
MAX_WAIT = 50


@router.post("", status_code=202, responses={202: JOB, **responses(409, body=True)})
async def submit_job(
    caller: Submitter,
    service: ServiceDep,
    request: JobRequest,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> JobDocument:
    """Queue an image. The answer comes once the job is stored: it then outlives a crash."""
    job = await service.submit(caller, request, idempotency_key=idempotency_key)
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    return document(job, service.locate)


@router.get("", responses={200: PAGE, **responses()})
async def list_jobs(
    caller: Reader,
    service: ServiceDep,
    status: Annotated[
        list[JobStatus] | None, Query(description="Only those in this state; repeatable.")
    ] = None,
    group: Annotated[
        str | None, Query(pattern=ID_PATTERN, description="Only those of this group.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    cursor: Annotated[
        str | None, Query(max_length=300, description="`next_cursor` of the page before.")
    ] = None,
) -> JobPage:
    """List jobs, the newest first, without what they made."""
    page = await service.list_jobs(
        caller, status=status or (), group=group, limit=limit, cursor=cursor
    )
    return JobPage(jobs=[summary(job) for job in page.jobs], next_cursor=page.next_cursor)


@router.get("/{job_id}", responses={200: JOB, **responses(404)})
async def get_job(
    request: Request,
    caller: Reader,
    service: ServiceDep,
    job_id: JobId,
    wait: Annotated[
        float, Query(ge=0, le=MAX_WAIT, description="Seconds that the answer waits for its end.")
    ] = 0,
) -> JobDocument:
    """A job with all that it made so far. With `wait`: once it has ended, or the time is up."""
    if wait:
        work = service.ended(caller, job_id, wait)
        await cancel_on_disconnect(request, work, until=service.closing)
    return document(await service.job(caller, job_id), service.locate)


@router.delete("/{job_id}", status_code=204, responses=responses(404, 409))
async def delete_job(caller: Submitter, service: ServiceDep, job_id: JobId) -> None:
    """Forget a job that has ended, with its files."""
    await service.delete(caller, job_id)


@router.post("/{job_id}/cancel", responses={200: JOB, **responses(404)})
async def cancel_job(caller: Submitter, service: ServiceDep, job_id: JobId) -> JobDocument:
    """Cancel a job; one that has ended stays as it is. What it made is kept."""
    return document(await service.cancel(caller, job_id), service.locate)


@router.post(
    "/{job_id}/rerun", status_code=202, responses={202: JOB, **responses(404, 409, body=True)}
)
async def rerun_job(
    caller: Submitter,
    service: ServiceDep,
    job_id: JobId,
    request: RerunRequest,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> JobDocument:
    """Queue a new job that takes over what this one made before `from_stage`."""
    job = await service.rerun(caller, job_id, request, idempotency_key=idempotency_key)
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    return document(job, service.locate)


@router.get(
    "/{job_id}/events",
    response_class=Response,
    responses={
        200: EVENTS,
        204: {"description": "All events were sent before: the job has ended."},
        **responses(404),
    },
)
async def follow_job(
    caller: Reader,
    service: ServiceDep,
    job_id: JobId,
    last_event_id: Annotated[
        str | None,
        Header(
            alias="Last-Event-ID",
            pattern=r"^[0-9]{1,15}$",
            description="Number of the last event that was seen; those after it follow.",
        ),
    ] = None,
) -> Response:
    """What happens to a job, as server-sent events, from the first on until it has ended.

    The number of an event is the same whenever it is sent and by which server, so a client that
    comes back with `Last-Event-ID` sees every event once.
    """
    after = int(last_event_id or 0)
    events = await service.events(caller, job_id, after)
    if after and await service.is_exhausted(job_id, after):
        return Response(status_code=204)  # tells browsers not to come back
    return sse.stream(sse.job_events(events))


async def _check_link(request: Request, caller: Holder, service: ServiceDep) -> None:
    """Raise `ForbiddenError` or `InputError` for a link that is not good, where there is no key."""
    if caller is not None:
        return
    expires = request.query_params.get("expires", "")
    if not (expires.isascii() and expires.isdigit() and len(expires) <= 15):
        raise InputError("expires: expected seconds since 1970. Ask for the link again.")
    service.links.check(
        request.path_params["job_id"],
        request.path_params["name"],
        int(expires),
        request.query_params["signature"],
    )


_FILE: dict[str, Any] = {
    "description": "The file.",
    "content": {"image/png": {}, "image/jpeg": {}, "image/webp": {}, "application/json": {}},
}


@router.get(
    "/{job_id}/artifacts/{name:path}",
    response_class=Response,
    responses={
        200: _FILE,
        206: {**_FILE, "description": "The range that was asked for."},
        304: {"description": "The file is what `If-None-Match` says."},
        **responses(404, 416),
    },
    dependencies=[Depends(_check_link)],
)
async def get_artifact(
    request: Request,
    caller: Holder,
    service: ServiceDep,
    job_id: JobId,
    name: FileName,
    expires: Annotated[str | None, Query(max_length=15, description="Of a signed link.")] = None,
    signature: Annotated[str | None, Query(max_length=64, description="Of a signed link.")] = None,
) -> Response:
    """A file that a job made; its ETag is its SHA-256. Parts of it by `Range`."""
    file = await service.artifact(caller, job_id, name)
    etag = f'"{file.sha256}"'
    headers = {
        "ETag": etag,
        "Cache-Control": "private, max-age=86400",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    known = request.headers.get("if-none-match", "")
    if known == "*" or etag in [tag.strip().removeprefix("W/") for tag in known.split(",")]:
        return Response(status_code=304, headers=headers)
    return RangedFile(
        file.path,
        await service.call(os.stat, file.path),
        headers=headers,
        media_type=file.media_type,
        filename=name.rpartition("/")[2],
        content_disposition_type="inline",
    )
