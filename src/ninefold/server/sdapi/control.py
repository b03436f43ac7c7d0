"""Routes about what runs and what is chosen: progress, interrupt, skip and options."""

from __future__ import annotations

import base64
from typing import Annotated, Any

from fastapi import Query, Request

from ninefold.server.callers import Caller
from ninefold.server.dependencies import Known, Reader, ServiceDep, Submitter
from ninefold.server.file_answers import stored_bytes
from ninefold.server.router import Router
from ninefold.server.sdapi.answers import ProgressAnswer
from ninefold.server.sdapi.examples import OPTIONS, PROGRESS
from ninefold.server.sdapi.options import options_set, shown
from ninefold.server.sdapi.schemas import OptionsRequest
from ninefold.server.sdapi.session_progress import SessionProgress, session_progress
from ninefold.server.sdapi.sessions import IDLE, Session, SessionsDep
from ninefold.server.sdapi.shared import catalog_for, options_of, sdapi_responses
from ninefold.server.service import Service

router = Router(prefix="/sdapi/v1", tags=["sdapi"])

_TaskId = Annotated[
    str | None,
    Query(max_length=200, description="The `force_task_id` of a request; by default the oldest."),
]


@router.get("/progress", responses=sdapi_responses(example=PROGRESS))
async def sdapi_progress(
    service: ServiceDep,
    sessions: SessionsDep,
    caller: Reader,
    skip_current_image: bool = False,
    task_id: _TaskId = None,
) -> ProgressAnswer:
    """How far the caller's request is."""
    session = await sessions.find(caller, task_id)
    if session is None:
        return ProgressAnswer(
            progress=0, eta_relative=0, state=IDLE, current_image=None, textinfo=None
        )
    now = await session_progress(service, caller, session)
    image = None
    if not skip_current_image:
        image = now.preview or await _last_file(service, caller, session, now)
    return ProgressAnswer(
        progress=round(now.progress, 4),
        eta_relative=round(now.left(sessions.estimate(session)), 2),
        state=session.state(now.job_progress),
        current_image=image,
        textinfo=None,
    )


@router.post("/interrupt", responses=sdapi_responses(example={}))
async def sdapi_interrupt(
    service: ServiceDep, sessions: SessionsDep, caller: Submitter, task_id: _TaskId = None
) -> dict[str, Any]:
    """End the caller's request: it answers with what is made, the last image as it is."""
    session = await sessions.find(caller, task_id)
    if session is None:
        sessions.interrupt_arrival(caller, task_id)
        session = await sessions.find(caller, task_id)  # it may have come meanwhile
    if session is not None:
        await sessions.interrupt(session)
        await service.cancel_group(caller, session.group.id)
    return {}


@router.post("/skip", responses=sdapi_responses(example={}))
async def sdapi_skip(
    service: ServiceDep, sessions: SessionsDep, caller: Submitter, task_id: _TaskId = None
) -> dict[str, Any]:
    """End the image that the caller's request makes now, as it is, and go on with the next."""
    session = await sessions.find(caller, task_id)
    if session is not None:
        await sessions.skip(session)
        await service.cancel(caller, session.job.id)
    return {}


@router.get("/options", responses=sdapi_responses(example=OPTIONS))
async def sdapi_options(request: Request, service: ServiceDep, caller: Known) -> dict[str, Any]:
    """The caller's options."""
    catalog = await catalog_for(request, service, caller)
    kept = await service.call(options_of(request).kept, caller)
    return await service.call(shown, catalog, kept)


@router.post("/options", responses=sdapi_responses(body=True))
async def sdapi_set_options(
    request: Request, service: ServiceDep, caller: Submitter, asked: OptionsRequest
) -> None:
    """Choose the model of the caller's requests; what concerns A1111's own form is kept as well."""
    catalog = await catalog_for(request, service, caller)
    given = asked.model_dump(exclude_unset=True)
    changes = await service.call(options_set, given, catalog)
    await service.call(options_of(request).change, caller, changes)


async def _last_file(
    service: Service, caller: Caller, session: Session, now: SessionProgress
) -> str | None:
    if now.file is None:
        return None
    file = await service.artifact(caller, session.job.id, now.file)
    data = await service.call(stored_bytes, file.path)
    return base64.b64encode(data).decode("ascii")
