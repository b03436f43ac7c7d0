"""`/v1/archives`: the files of many jobs at once."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query, Response
from starlette.responses import StreamingResponse

from ninefold.server.archives import MAX_JOBS
from ninefold.server.dependencies import Reader, ServiceDep
from ninefold.server.problems import responses
from ninefold.server.router import Router
from ninefold.server.schemas.base import ID_PATTERN, JobIdText

router = Router(prefix="/v1", tags=["jobs"])

_ZIP: dict[str, Any] = {
    "description": "The archive.",
    "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
}


@router.get("/archives", response_class=Response, responses={200: _ZIP, **responses(404, 413)})
async def get_archive(
    caller: Reader,
    service: ServiceDep,
    job: Annotated[
        list[JobIdText] | None, Query(max_length=MAX_JOBS, description="Ids; repeatable.")
    ] = None,
    group: Annotated[
        str | None, Query(pattern=ID_PATTERN, description="Instead: all jobs of this group.")
    ] = None,
) -> Response:
    """A ZIP of the final files of jobs, in a folder each, and a `manifest.json` that lists them.

    It is written while it is sent. A job without final files is there with its newest picture.
    """
    parts = await service.job_library.archive(caller, job or (), group)
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": 'attachment; filename="ninefold.zip"',
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "X-Content-Type-Options": "nosniff",
    }
    return StreamingResponse(parts, headers=headers, media_type="application/zip")
