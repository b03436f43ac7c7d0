"""Files that were sent."""

from __future__ import annotations

from pydantic import Field

from ninefold import job_schema
from ninefold.server.schemas.base import AnswerModel
from ninefold.server.uploads import Upload, UploadKind


class UploadDocument(AnswerModel, job_schema.Upload):
    """A file that was sent."""

    kind: UploadKind
    size: int = Field(description="In bytes.")
    created_at: str


def upload_document(upload: Upload) -> UploadDocument:
    """An upload as the API shows it."""
    return UploadDocument(**vars(upload))
