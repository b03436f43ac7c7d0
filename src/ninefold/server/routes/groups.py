"""`/v1/groups`: several jobs together."""

from __future__ import annotations

from fastapi import APIRouter, Response

from ninefold.server.auth import Reader, Submitter
from ninefold.server.parameters import GroupId, IdempotencyKey
from ninefold.server.problems import responses
from ninefold.server.routes.examples import GROUP
from ninefold.server.schemas import GroupDocument, GroupRequest, group_document
from ninefold.server.service import ServiceDep

router = APIRouter(prefix="/v1/groups", tags=["groups"])


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


@router.post("/{group_id}/cancel", responses={200: GROUP, **responses(404)})
async def cancel_group(caller: Submitter, service: ServiceDep, group_id: GroupId) -> GroupDocument:
    """Cancel what is left of a group; what was made is kept."""
    return group_document(await service.cancel_group(caller, group_id))
