"""`/v1/groups`: several jobs together."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query, Request, Response

from ninefold.server.contact_sheets import (
    MAX_TILE,
    MIN_TILE,
    USUAL_TILE,
    SheetFormat,
)
from ninefold.server.dependencies import Reader, ServiceDep, Submitter
from ninefold.server.file_answers import file_headers, is_known
from ninefold.server.grids import sheet
from ninefold.server.parameters import GroupId, IdempotencyKey
from ninefold.server.problems import BusyError, responses
from ninefold.server.router import Router
from ninefold.server.routes.examples import GROUP
from ninefold.server.schemas.jobs import GroupDocument, group_document
from ninefold.server.schemas.requests import GroupRequest
from ninefold.server.waiting import cancel_on_disconnect
from ninefold.sheets.page import PAGE_POLICY

router = Router(prefix="/v1/groups", tags=["groups"])


@router.post("", status_code=202, responses={202: GROUP, **responses(409, body=True)})
async def submit_group(
    caller: Submitter,
    service: ServiceDep,
    request: GroupRequest,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> GroupDocument:
    """Queue several images, all or none."""
    group = await service.submit_group(caller, request, idempotency_key=idempotency_key)
    response.headers["Location"] = f"/v1/groups/{group.id}"
    return group_document(group)


@router.get("/{group_id}", responses={200: GROUP, **responses(404)})
async def get_group(caller: Reader, service: ServiceDep, group_id: GroupId) -> GroupDocument:
    """A group with its jobs, in the order of their inputs."""
    return group_document(await service.group(caller, group_id))


_SHEET: dict[str, Any] = {
    "description": "The sheet.",
    "content": {item.media_type: {} for item in SheetFormat},
}


@router.get(
    "/{group_id}/sheet",
    response_class=Response,
    responses={
        200: _SHEET,
        304: {"description": "The sheet is what `If-None-Match` says."},
        **responses(404, 409),
    },
)
async def get_sheet(
    request: Request,
    caller: Reader,
    service: ServiceDep,
    group_id: GroupId,
    format: Annotated[
        SheetFormat | None, Query(description="By default what `Accept` likes best, else PNG.")
    ] = None,
    tile: Annotated[
        int, Query(ge=MIN_TILE, le=MAX_TILE, description="Side of each picture in pixels.")
    ] = USUAL_TILE,
    columns: Annotated[
        int | None,
        Query(ge=1, le=20, description="By default about as many as rows; none of a grid."),
    ] = None,
) -> Response:
    """A contact sheet of a group's pictures with what they were made by, as a picture or a page.

    It shows the jobs that succeeded, 200 at most, of large tiles fewer; its title says what is
    left out. Of a grid it shows the cells, with the labels of the axes. A page needs nothing else:
    its pictures are in it.
    """
    chosen = format or SheetFormat.accepted(request.headers.get("accept", ""))
    wanted = await sheet(service, caller, group_id, chosen, tile=tile, columns=columns)
    headers = file_headers(wanted.etag, changes=True) | {"Vary": "Accept"}
    if is_known(request, wanted.etag):
        return Response(status_code=304, headers=headers)
    if chosen is SheetFormat.HTML:
        headers["Content-Security-Policy"] = f"{PAGE_POLICY}; sandbox"
    making = service.job_library.contact_sheets.make(wanted)
    data = await cancel_on_disconnect(request, making, until=service.closing)
    if data is None:
        raise BusyError("The server is about to stop. Try again in a moment.")
    return Response(data, headers=headers, media_type=chosen.media_type)


@router.post("/{group_id}/cancel", responses={200: GROUP, **responses(404)})
async def cancel_group(caller: Submitter, service: ServiceDep, group_id: GroupId) -> GroupDocument:
    """Cancel what is left of a group; what was made is kept."""
    return group_document(await service.cancel_group(caller, group_id))
