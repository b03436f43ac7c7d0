"""`/v1/jobs`: submit, look, follow, change one. `library.py` has what is about many."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Header, Query, Request, Response

from ninefold.core.errors import InputError
from ninefold.server import sse
from ninefold.server.dependencies import Holder, Reader, ServiceDep, Submitter
from ninefold.server.file_answers import file_answer, file_responses
from ninefold.server.parameters import FileName, IdempotencyKey, JobId
from ninefold.server.problems import responses
from ninefold.server.router import Router
from ninefold.server.routes.examples import ESTIMATE, EVENTS, JOB, PLAN
from ninefold.server.schemas.estimates import EstimateDocument, RerunPlanDocument
from ninefold.server.schemas.jobs import JobDocument, document
from ninefold.server.schemas.requests import EstimateRequest, JobRequest, RerunRequest
from ninefold.server.waiting import cancel_on_disconnect

router = Router(prefix="/v1/jobs", tags=["jobs"])

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


@router.post("/estimate", responses={200: ESTIMATE, **responses(body=True)})
async def estimate_jobs(
    caller: Submitter, service: ServiceDep, request: EstimateRequest
) -> EstimateDocument:
    """What a job or a group would take; nothing is stored, and nothing is painted.

    Times are those of the last jobs that ended here; what was never measured is null.
    """
    return await service.estimate(caller, request)


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


@router.post("/{job_id}/rerun/plan", responses={200: PLAN, **responses(404, 409, body=True)})
async def plan_rerun(
    caller: Submitter, service: ServiceDep, job_id: JobId, request: RerunRequest
) -> RerunPlanDocument:
    """What a rerun would take over and carry out; nothing is queued."""
    return await service.plan_rerun(caller, job_id, request)


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


@router.get(
    "/{job_id}/artifacts/{name:path}",
    response_class=Response,
    responses=file_responses("application/json"),
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
    """A file that a job made, or an image of its input, such as `source.png`; its ETag is its
    SHA-256. Parts of it by `Range`."""
    file = await service.artifact(caller, job_id, name)
    return await file_answer(request, file, name.rpartition("/")[2])
