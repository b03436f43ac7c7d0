"""`/v1/uploads`: images and masks for jobs to start from."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, File, Form, UploadFile

from ninefold.server.auth import Reader, Submitter
from ninefold.server.parameters import UploadId
from ninefold.server.problems import responses
from ninefold.server.routes.examples import UPLOAD
from ninefold.server.schemas import UploadDocument, upload_document
from ninefold.server.service import ServiceDep
from ninefold.server.uploads import UploadKind

router = APIRouter(prefix="/v1/uploads", tags=["uploads"])


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


@router.delete("/{upload_id}", status_code=204, responses=responses(404))
async def delete_upload(caller: Submitter, service: ServiceDep, upload_id: UploadId) -> None:
    """Forget an upload; jobs that were made from it keep their copies."""
    await service.delete_upload(caller, upload_id)
