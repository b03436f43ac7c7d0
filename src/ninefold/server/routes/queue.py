"""`/v1/queue`: what waits, and whether it may begin; `/v1/jobs`: changes of jobs' order."""

from __future__ import annotations

from ninefold.core.errors import InputError
from ninefold.server.callers import Caller
from ninefold.server.dependencies import Admin, Reader, ServiceDep, Submitter
from ninefold.server.parameters import JobId
from ninefold.server.problems import responses
from ninefold.server.router import Router
from ninefold.server.routes.examples import QUEUE, SUMMARY
from ninefold.server.schemas.job_library import (
    ChangeRequest,
    MoveRequest,
    QueueDocument,
    WaitingJob,
)
from ninefold.server.schemas.jobs import JobSummary, summary
from ninefold.server.service import Service

router = Router(prefix="/v1", tags=["queue"])


@router.get("/queue", responses={200: QUEUE, **responses()})
async def get_queue(caller: Reader, service: ServiceDep) -> QueueDocument:
    """Whether the queue is paused, and which of the caller's jobs wait, in order."""
    return await _queue(service, caller)


@router.post("/queue/pause", responses={200: QUEUE, **responses()})
async def pause_queue(caller: Admin, service: ServiceDep) -> QueueDocument:
    """Let no further job begin, on any worker; those that run go on."""
    await service.jobs.pause()
    return await _queue(service, caller)


@router.post("/queue/resume", responses={200: QUEUE, **responses()})
async def resume_queue(caller: Admin, service: ServiceDep) -> QueueDocument:
    """Let jobs begin again."""
    await service.jobs.resume()
    return await _queue(service, caller)


@router.patch("/jobs/{job_id}", responses={200: SUMMARY, **responses(404, 409, body=True)})
async def change_job(
    caller: Submitter, service: ServiceDep, job_id: JobId, request: ChangeRequest
) -> JobSummary:
    """Mark a job as a favourite, or give one that waits another priority."""
    if request.favourite is None and request.priority is None:
        raise InputError("body: expected favourite or priority, got neither.")
    job = await service.job_library.change(
        caller, job_id, favourite=request.favourite, priority=request.priority
    )
    return summary(job)


@router.post("/jobs/{job_id}/move", responses={200: SUMMARY, **responses(404, 409, body=True)})
async def move_job(
    caller: Submitter, service: ServiceDep, job_id: JobId, request: MoveRequest
) -> JobSummary:
    """Move a job that waits to the first or last place, or before another, of its priority.

    The caller's jobs swap the places that they have: jobs of others keep theirs.
    """
    if (request.to is None) == (request.before is None):
        raise InputError("body: expected either to or before, got both or neither.")
    return summary(await service.job_library.move(caller, job_id, request.to, request.before))


async def _queue(service: Service, caller: Caller) -> QueueDocument:
    state = await service.job_library.queue(caller)
    waiting = [
        WaitingJob(
            id=job.id,
            priority=job.priority,
            prompt=str(job.input.get("prompt") or job.config.get("prompt") or "")[:100],
            group=job.group,
        )
        for job in state.waiting
    ]
    return QueueDocument(
        paused=state.paused,
        queued=state.queued,
        running=state.running,
        waiting=waiting,
        problem=service.jobs.worker_problem,
    )
