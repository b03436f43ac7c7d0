"""`/v1/jobs`: many jobs, searched, and their small pictures."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Query, Request, Response

from ninefold.jobs import JobStatus
from ninefold.jobs.search import JobFilter
from ninefold.server.dependencies import Reader, ServiceDep, Submitter
from ninefold.server.file_answers import file_headers, is_known
from ninefold.server.parameters import JobId
from ninefold.server.problems import responses
from ninefold.server.router import Router
from ninefold.server.routes.examples import DELETED, LINEAGE, PAGE
from ninefold.server.schemas.base import ID_PATTERN
from ninefold.server.schemas.job_library import (
    DeletedDocument,
    DeleteRequest,
    JobPage,
    LineageDocument,
    RelativeDocument,
)
from ninefold.server.schemas.jobs import summary
from ninefold.server.thumbnails import MAX_SIDE, MIN_SIDE, USUAL_SIDE, SmallPicture
from ninefold.slots import MAX_SEED

router = Router(prefix="/v1/jobs", tags=["jobs"])


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
    q: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=200,
            description="Beginnings of words in the prompt or the negative prompt, as typed or as "
            "resolved; all of them must be there. Case does not matter.",
        ),
    ] = None,
    model: Annotated[
        str | None, Query(min_length=1, max_length=200, description="Only those of this model.")
    ] = None,
    seed: Annotated[
        int | None, Query(ge=0, lt=MAX_SEED, description="Only those of this seed.")
    ] = None,
    lora: Annotated[
        str | None, Query(min_length=1, max_length=200, description="Only those with this LoRA.")
    ] = None,
    parent: Annotated[
        str | None, Query(pattern=ID_PATTERN, description="Only reruns of this job.")
    ] = None,
    favourite: Annotated[
        bool | None, Query(description="Only favourites, or only those that are none.")
    ] = None,
    created_after: Annotated[
        datetime | None, Query(description="From then on: ISO 8601; without an offset, UTC.")
    ] = None,
    created_before: Annotated[
        datetime | None, Query(description="Before then: ISO 8601; without an offset, UTC.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    cursor: Annotated[
        str | None, Query(max_length=300, description="`next_cursor` of the page before.")
    ] = None,
    offset: Annotated[
        int | None,
        Query(ge=0, le=2**31, description="Jobs to leave out first; instead of a cursor."),
    ] = None,
    count: Annotated[bool, Query(description="Whether to say how many match in all.")] = False,
) -> JobPage:
    """List jobs, the newest first, without what they made."""
    wanted = JobFilter(
        status=tuple(status or ()),
        group=group,
        text=q,
        model=model,
        seed=seed,
        lora=lora,
        parent=parent,
        favourite=favourite,
        created_after=_aware(created_after),
        created_before=_aware(created_before),
    )
    page = await service.job_library.page(
        caller, wanted, limit=limit, cursor=cursor, offset=offset, count=count
    )
    jobs = [summary(job) for job in page.jobs]
    return JobPage(jobs=jobs, next_cursor=page.next_cursor, total=page.total)


@router.post("/delete", responses={200: DELETED, **responses(body=True)})
async def delete_jobs(
    caller: Submitter, service: ServiceDep, request: DeleteRequest
) -> DeletedDocument:
    """Forget jobs that have ended, with their files; the others are kept, each with the reason."""
    deleted, kept = await service.job_library.delete(caller, request.jobs)
    return DeletedDocument(deleted=deleted, kept=kept)


@router.get("/{job_id}/lineage", responses={200: LINEAGE, **responses(404)})
async def get_lineage(caller: Reader, service: ServiceDep, job_id: JobId) -> LineageDocument:
    """The family of a job: its first ancestor and all that was made from that by reruns."""
    found, truncated = await service.job_library.family(caller, job_id)
    jobs = [
        RelativeDocument(
            id=item.id,
            parent=item.parent,
            from_stage=None if item.job is None else item.job.from_stage,
            changes=None if item.job is None else item.job.changes,
            job=None if item.job is None else summary(item.job),
        )
        for item in found
    ]
    return LineageDocument(jobs=jobs, truncated=truncated)


_PICTURE: dict[str, Any] = {
    "description": "The picture.",
    "content": {"image/webp": {}, "image/jpeg": {}},
}
_SAME = {"description": "The picture is what `If-None-Match` says."}


@router.get(
    "/{job_id}/thumbnail",
    response_class=Response,
    responses={200: _PICTURE, 304: _SAME, **responses(404)},
)
async def get_thumbnail(
    request: Request,
    caller: Reader,
    service: ServiceDep,
    job_id: JobId,
    size: Annotated[
        int, Query(ge=MIN_SIDE, le=MAX_SIDE, description="Longer side in pixels; not enlarged.")
    ] = USUAL_SIDE,
) -> Response:
    """The newest picture of a job, small: its final file, else what its last stage made, else the
    preview of the stage that runs. What is transparent stays so."""
    picture, changes = await service.job_library.thumbnail(caller, job_id, size)
    return _answer(request, picture, changes=changes)


@router.get(
    "/{job_id}/preview",
    response_class=Response,
    responses={
        200: _PICTURE,
        204: {"description": "The stage that runs has made none yet, or none runs."},
        304: _SAME,
        **responses(404),
    },
)
async def get_preview(
    request: Request, caller: Reader, service: ServiceDep, job_id: JobId
) -> Response:
    """The newest small picture of the stage that runs, while it makes the image.

    Workers hand them over by the database, so that any server has them."""
    picture = await service.job_library.preview(caller, job_id)
    if picture is None:
        return Response(status_code=204, headers={"Cache-Control": "no-store"})
    return _answer(request, picture, changes=True)


def _answer(request: Request, picture: SmallPicture, *, changes: bool) -> Response:
    headers = file_headers(picture.etag, changes=changes)
    if is_known(request, picture.etag):
        return Response(status_code=304, headers=headers)
    return Response(picture.data, headers=headers, media_type=picture.media_type)


def _aware(moment: datetime | None) -> datetime | None:
    """A moment of a request, in UTC where it says nothing else."""
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
