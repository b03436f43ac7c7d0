"""`/v1/uploads`: images and masks for jobs to start from."""

from __future__ import annotations

from typing import Annotated

from fastapi import File, Form, Request, Response, UploadFile

from ninefold.files.formats import FORMATS, image_format
from ninefold.server.dependencies import Reader, ServiceDep, Submitter
from ninefold.server.file_answers import file_answer, file_responses
from ninefold.server.parameters import UploadId
from ninefold.server.problems import responses
from ninefold.server.router import Router
from ninefold.server.routes.examples import UPLOAD
from ninefold.server.schemas.uploads import UploadDocument, upload_document
from ninefold.server.uploads import UploadKind

router = Router(prefix="/v1/uploads", tags=["uploads"])


@router.post("", status_code=201, responses={201: UPLOAD, **responses(body=True)})
async def upload(
    caller: Submitter,
    service: ServiceDep,
    file: Annotated[UploadFile, File(description="A PNG, JPEG, WebP or AVIF file.")],
    kind: Annotated[
        UploadKind, Form(description="A mask is white where the detailer paints.")
    ] = "image",
) -> UploadDocument:
    """Send an image or a mask. It is decoded, checked, and named by the SHA-256 of its bytes."""
    data = await file.read()
    return upload_document(await service.upload(caller, data, kind))


@router.get("/{upload_id}", responses={200: UPLOAD, **responses(404)})
async def get_upload(caller: Reader, service: ServiceDep, upload_id: UploadId) -> UploadDocument:
    """What is known of an upload."""
    return upload_document(await service.upload_info(caller, upload_id))


@router.get(
    "/{upload_id}/file",
    response_class=Response,
    responses=file_responses(),
)
async def get_upload_file(
    request: Request, caller: Reader, service: ServiceDep, upload_id: UploadId
) -> Response:
    """An upload as it was sent, until it is deleted or expires. Parts of it by `Range`."""
    file = await service.upload_file(caller, upload_id)
    # It is asked for again each time: who deleted it sees it no more.
    suffix = FORMATS[image_format(file.media_type)].suffixes[0]
    return await file_answer(request, file, f"{upload_id[:12]}{suffix}", changes=True)


@router.delete("/{upload_id}", status_code=204, responses=responses(404))
async def delete_upload(caller: Submitter, service: ServiceDep, upload_id: UploadId) -> None:
    """Forget an upload; jobs that were made from it keep their copies."""
    await service.delete_upload(caller, upload_id)
