"""`/v1/grids`: one image for every combination of the values of two parameters."""

from __future__ import annotations

from fastapi import Response

from ninefold.server.dependencies import Reader, ServiceDep, Submitter
from ninefold.server.grids import grid, submit_grid
from ninefold.server.parameters import GroupId, IdempotencyKey
from ninefold.server.problems import responses
from ninefold.server.router import Router
from ninefold.server.routes.examples import GRID
from ninefold.server.schemas.grids import GridDocument
from ninefold.server.schemas.requests import GridRequest

router = Router(prefix="/v1/grids", tags=["groups"])


@router.post("", status_code=202, responses={202: GRID, **responses(409, body=True)})
async def submit_images_grid(
    caller: Submitter,
    service: ServiceDep,
    request: GridRequest,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> GridDocument:
    """Queue a job for every combination of the values of x and y, all or none.

    The cells are a group of the same id, which is cancelled and followed as one. Where no seed is
    given they share a random one.
    """
    made = await submit_grid(service, caller, request, idempotency_key)
    response.headers["Location"] = f"/v1/grids/{made.id}"
    return made


@router.get("/{grid_id}", responses={200: GRID, **responses(404)})
async def get_grid(caller: Reader, service: ServiceDep, grid_id: GroupId) -> GridDocument:
    """A grid with its cells, row by row; a cell whose job was deleted has none."""
    return await grid(service, caller, grid_id)
