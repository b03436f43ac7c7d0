"""Grids: one job for every combination of the values of one or two axes."""

from __future__ import annotations

from ninefold.core.errors import InputError, NotFoundError
from ninefold.core.values import Json
from ninefold.jobs import Group
from ninefold.jobs.grids import axes_of, writer_of
from ninefold.jobs.naming import number_of
from ninefold.server.callers import Caller
from ninefold.server.contact_sheets import ContactSheet, SheetFormat, sheet_of, sheet_of_grid
from ninefold.server.grid_cells import grid_document, group_of, problems_of_grid
from ninefold.server.schemas.grids import GridAxisDocument, GridCell, GridDocument
from ninefold.server.schemas.jobs import group_document
from ninefold.server.schemas.requests import GridRequest
from ninefold.server.service import Service


async def submit_grid(
    service: Service, caller: Caller, request: GridRequest, idempotency_key: str | None
) -> GridDocument:
    """Queue the cells of a grid, all or none; raises `UserError`s, a bad value's with its axis."""
    request = await service.with_uploads(caller, request)
    group = await service.call(group_of, request, service.engines, idempotency_key)
    document = grid_document(request)
    with problems_of_grid(request):
        made = await service.submit_group(
            caller,
            group,
            idempotency_key=idempotency_key,
            beside=writer_of(document),
            asked=request.model_dump(mode="json", include={"x", "y"}),
        )
    return _document(made, document)


async def grid(service: Service, caller: Caller, grid_id: str) -> GridDocument:
    """A grid with its cells; raises `NotFoundError`."""
    axes = await _axes(service, grid_id)
    try:
        group = await service.group(caller, grid_id)
    except NotFoundError:
        axes = None
    if axes is None:
        raise NotFoundError(f"no grid is called {grid_id!r}.")
    return _document(group, axes)


async def sheet(
    service: Service,
    caller: Caller,
    group_id: str,
    sheet_format: SheetFormat,
    *,
    tile: int,
    columns: int | None,
) -> ContactSheet:
    """What the contact sheet of a group shows, of a grid with its labels; raises `UserError`s."""
    group, axes = await service.group(caller, group_id), await _axes(service, group_id)
    if axes is None:
        return sheet_of(group, sheet_format, tile=tile, columns=columns)
    if columns is not None:
        raise InputError("columns: a grid has one for each value of x. Leave it out.")
    x, y = (axes[name]["labels"] if name in axes else [""] for name in "xy")
    title = axes.get("prompt") or f"Grid {group_id}"
    return sheet_of_grid(group, title, (x, y), sheet_format, tile=tile)


async def _axes(service: Service, group_id: str) -> Json | None:
    return await service.call(axes_of, service.jobs.store.engine, group_id)


def _document(group: Group, axes: Json) -> GridDocument:
    shown = group_document(group)
    jobs = {number_of(job.id): job for job in shown.jobs}
    width, height = len(axes["x"]["values"]), len(axes["y"]["values"]) if "y" in axes else 1
    return GridDocument(
        id=group.id,
        status=shown.status,
        counts=shown.counts,
        prompt=axes.get("prompt"),
        x=GridAxisDocument(**axes["x"]),
        y=GridAxisDocument(**axes["y"]) if "y" in axes else None,
        cells=[
            GridCell(x=x, y=y, job=jobs.get(y * width + x + 1))
            for y in range(height)
            for x in range(width)
        ],
    )
